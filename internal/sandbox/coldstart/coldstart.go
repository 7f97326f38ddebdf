// Package coldstart measures how long a handler takes from the start of its process to its first
// answer, as the Functions host sees it. An app that was scaled to zero needs this time in addition
// before it handles its first message.
package coldstart

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

// Measure is a measurement of one program.
type Measure struct {
	// App is the folder of a packaged function app with the handler to start.
	App string
	// Handler is the name of the program in App.
	Handler string
	// Environ holds the handler's variables, in addition to the variables of the host.
	Environ []string
	Runs    int
	Now     func() time.Time
}

// Result is the result of a measurement.
type Result struct {
	Median, Least, Most time.Duration
	Runs                int
	// Size of the program in bytes.
	Size int64
}

// String returns one line for a person.
func (r Result) String() string {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return fmt.Sprintf(
		"cold start of the handler: %.1f ms from the start of the process to its first answer (median of %d; %.1f to %.1f), program of %.1f MB",
		ms(r.Median), r.Runs, ms(r.Least), ms(r.Most), float64(r.Size)/1e6)
}

// lookEvery is the time between two tries of the port. The real host tries every 25 ms, which is
// too coarse to measure with.
const lookEvery = 500 * time.Microsecond

// patience is how long a start may take.
const patience = 30 * time.Second

// Run measures. Each run is a separate process, which Run kills after its answer.
func (m Measure) Run(ctx context.Context) (Result, error) {
	program, err := filepath.Abs(filepath.Join(m.App, m.Handler))
	if err != nil {
		return Result{}, err
	}
	info, err := os.Stat(program)
	if err != nil {
		return Result{}, fmt.Errorf("measure the cold start: %w", err)
	}
	if m.Runs < 1 {
		return Result{}, errors.New("measure the cold start: at least one run")
	}
	took := make([]time.Duration, m.Runs)
	for i := range took {
		if took[i], err = m.start(ctx, program); err != nil {
			return Result{}, fmt.Errorf("measure the cold start: %w", err)
		}
	}
	slices.Sort(took)
	return Result{
		Median: took[len(took)/2], Least: took[0], Most: took[len(took)-1], Runs: m.Runs,
		Size: info.Size(),
	}, nil
}

// start runs the program once.
func (m Measure) start(ctx context.Context, program string) (time.Duration, error) {
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	port, err := freePort(ctx)
	if err != nil {
		return 0, err
	}
	root := filepath.Dir(program)
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, program)
	cmd.Dir, cmd.Stdout, cmd.Stderr = root, &said, &said
	cmd.Env = append(slices.Clone(m.Environ),
		"FUNCTIONS_CUSTOMHANDLER_PORT="+port, "FUNCTIONS_HTTPWORKER_PORT="+port,
		"FUNCTIONS_CUSTOMHANDLER_WORKER_ID=coldstart", "FUNCTIONS_APP_ROOT_PATH="+root)
	begin := m.Now()
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // it is killed, or its output has the reason of its end
		close(ended)
	}()
	err = answer(ctx, "127.0.0.1:"+port, ended)
	took := m.Now().Sub(begin)
	_ = cmd.Process.Kill() // it may have ended by itself
	<-ended
	if err != nil {
		return 0, fmt.Errorf("%w: %s", err, bytes.TrimSpace(said.Bytes()))
	}
	return took, nil
}

// answer requests / until there is any answer, as the host does.
func answer(ctx context.Context, addr string, ended <-chan struct{}) error {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/", nil)
		if err != nil {
			return err
		}
		if response, err := client.Do(r); err == nil {
			_, err = io.Copy(io.Discard, response.Body)
			return errors.Join(err, response.Body.Close())
		}
		select {
		case <-ended:
			return errors.New("the handler has ended before it answered")
		case <-ctx.Done():
			return fmt.Errorf("the handler has not answered: %w", context.Cause(ctx))
		case <-look.C:
		}
	}
}

func freePort(ctx context.Context) (string, error) {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	addr, ok := ln.Addr().(*net.TCPAddr)
	if !ok {
		return "", errors.Join(errors.New("no TCP address"), ln.Close())
	}
	return strconv.Itoa(addr.Port), ln.Close()
}

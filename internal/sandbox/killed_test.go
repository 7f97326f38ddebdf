package sandbox_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"fhirsynapse/internal/emulator/eventgrid"
	"fhirsynapse/internal/emulator/fhirserver/store"
	"fhirsynapse/internal/emulator/functionshost"
	"fhirsynapse/internal/pipeline/records"
	"fhirsynapse/internal/sandbox"
	"fhirsynapse/internal/testkit/azuritetest"
	"fhirsynapse/internal/warehouse/open/local"
)

// hostVariable makes the test binary a Functions host; its value is the folder of the packaged app.
const hostVariable = "FHIRSYNAPSE_TEST_HOST"

func TestMain(m *testing.M) {
	if staged := os.Getenv(hostVariable); staged != "" {
		os.Exit(beHost(staged))
	}
	os.Exit(m.Run())
}

// beHost runs the packaged app with the settings on standard input until it is killed, and writes
// the handler's process id to standard output.
func beHost(staged string) int {
	var settings map[string]string
	if err := json.NewDecoder(os.Stdin).Decode(&settings); err != nil {
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	h, err := functionshost.Start(ctx, functionshost.Options{
		Root: staged, Settings: settings, Env: os.Environ(), Log: log, Now: time.Now,
		Stdout: os.Stderr, Stderr: os.Stderr, LeaveHandler: true,
		OnEvent: func(e functionshost.Event) {
			if e.Kind == functionshost.HandlerReady {
				_, _ = fmt.Fprintln(os.Stdout, e.PID)
			}
		},
	})
	if err != nil {
		log.Error("host", "error", err)
		return 1
	}
	if h.Wait() != nil {
		return 1
	}
	return 0
}

// host is a Functions host in a separate process.
type host struct {
	cmd     *exec.Cmd
	handler atomic.Int64 // process id
	// handlers lists the process ids of all handlers, for reading after the end.
	handlers []int
	ended    chan struct{}
}

func startHost(t testing.TB, w *sandbox.World, staged string) *host {
	t.Helper()
	settings, err := json.Marshal(w.Settings())
	if err != nil {
		t.Fatal(err)
	}
	h := &host{cmd: exec.Command(os.Args[0]), ended: make(chan struct{})}
	h.cmd.Env = append(os.Environ(), hostVariable+"="+staged)
	h.cmd.Stdin = strings.NewReader(string(settings))
	if os.Getenv("FHIRSYNAPSE_TEST_LOG") != "" {
		h.cmd.Stderr = os.Stderr
	}
	out, err := h.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := h.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			var pid int64
			if _, err := fmt.Sscan(lines.Text(), &pid); err == nil {
				h.handler.Store(pid)
				h.handlers = append(h.handlers, int(pid))
			}
		}
		_ = h.cmd.Wait() // it was killed
		close(h.ended)
	}()
	return h
}

// end sends a signal that ends the host, and waits for the host's end.
func (h *host) end(signal syscall.Signal) {
	_ = h.cmd.Process.Signal(signal) // it may have ended by itself
	<-h.ended
}

func (h *host) signalHandler(signal syscall.Signal) {
	if pid := h.handler.Load(); pid != 0 {
		_ = syscall.Kill(int(pid), signal)
	}
}

// strike sends a signal to a host or to its handler, and returns a description.
func (h *host) strike(random *rand.Rand) string {
	hang := time.Duration(100+random.IntN(1500)) * time.Millisecond
	pid := int(h.handler.Load())
	if pid == 0 {
		return "nothing: there is no handler yet"
	}
	switch random.IntN(6) {
	case 0:
		h.signalHandler(syscall.SIGKILL)
		return "SIGKILL of the handler"
	case 1:
		h.signalHandler(syscall.SIGTERM)
		return "SIGTERM of the handler"
	case 2:
		h.signalHandler(syscall.SIGSTOP)
		time.AfterFunc(hang, func() { _ = syscall.Kill(pid, syscall.SIGCONT) })
		return "SIGSTOP of the handler for " + hang.String()
	case 3:
		_ = h.cmd.Process.Signal(syscall.SIGSTOP)
		time.AfterFunc(hang, func() { _ = h.cmd.Process.Signal(syscall.SIGCONT) })
		return "SIGSTOP of the host for " + hang.String()
	case 4:
		h.end(syscall.SIGTERM)
		return "SIGTERM of the host"
	default:
		h.end(syscall.SIGKILL)
		return "SIGKILL of the host"
	}
}

// noOrphans waits until every handler of an ended host is gone.
func (h *host) noOrphans(ctx context.Context, t testing.TB) {
	t.Helper()
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for _, pid := range h.handlers {
		for syscall.Kill(pid, 0) == nil {
			select {
			case <-look.C:
			case <-ctx.Done():
				t.Fatalf("handler %d has outlived its host", pid)
			}
		}
	}
}

// killing starts a host, kills the host or its handler at random times, and starts it again, until
// enough kills are done and an export that includes all changes is loaded.
func killing(
	ctx context.Context, t *testing.T, w *sandbox.World, staged string, random *rand.Rand,
	changed time.Time,
) {
	t.Helper()
	kills := 2 + random.IntN(3) // five kills in one step would fail the export, as intended
	h := startHost(t, w, staged)
	hosts := []*host{h}
	defer func() {
		h.end(syscall.SIGTERM)
		ctx, done := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
		defer done()
		for _, h := range hosts {
			h.noOrphans(ctx, t)
		}
	}()
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	strike := time.NewTimer(time.Duration(100+random.IntN(2500)) * time.Millisecond)
	defer strike.Stop()
	for {
		select {
		case <-ctx.Done():
			last, _, err := w.Last(context.WithoutCancel(ctx))
			t.Fatalf("no end: export %s is %s, %v", last.ID, last.State, err)
		case <-h.ended: // by a signal, or after three crashes, like the real host
			h = startHost(t, w, staged)
			hosts = append(hosts, h)
		case <-strike.C:
			if kills--; kills < 0 {
				continue
			}
			t.Log(h.strike(random))
			strike.Reset(time.Duration(100+random.IntN(2500)) * time.Millisecond)
		case <-look.C:
			if kills >= 0 {
				continue
			}
			last, there, err := w.Last(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if there && last.State == records.Failed {
				t.Fatalf("export %s failed: %+v", last.ID, last.Failure)
			}
			if there && last.State == records.Loaded && last.Jobs[0].Till.After(changed) {
				return
			}
		}
	}
}

// impatient returns settings with waits of a second where the default is minutes, for a dead
// process.
func impatient() map[string]string {
	return map[string]string{
		"ExportSchedule": "* * * * * *", "PollMin": "200ms", "PollMax": "1s", "SilentAfter": "3s",
		"KickOffPatience": "1s", "LeaseFor": "1s", "Settle": "200ms",
	}
}

const seeds = 20

// killedTypes lists only a few types: an export has a commit for each type, and more types test
// nothing new.
var killedTypes = []string{
	"Condition", "Encounter", "Observation", "Organization", "Patient", "Practitioner",
}

func exerciseKilled(
	t *testing.T, w *sandbox.World, staged string, data *store.Store, same func(t *testing.T),
) {
	t.Helper()
	for seed := range uint64(seeds) {
		random := rand.New(rand.NewPCG(seed, 9))
		ctx, done := context.WithTimeout(t.Context(), 6*time.Minute)
		changed := sandbox.Lately(time.Now)
		killing(ctx, t, w, staged, random, changed)
		done()
		same(t)
		for name, stats := range w.Bus.Stats() {
			if stats.DeadLettered > 0 {
				t.Errorf("%d dead letters in %s", stats.DeadLettered, name)
			}
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
		change(t, data, seed)
	}
}

// After SIGKILL of the cloud's handler and of its host at random points, the tables equal the
// tables of a fresh load, for every seed.
func TestCloudHandlerKilledAtRandomPoints(t *testing.T) {
	t.Parallel()
	azuritetest.Tools(t)
	data := made(t, 5, killedTypes...)
	w, db := newCloud(t, sandbox.Options{
		Store: data, MaxCount: 90, LockDuration: 2 * time.Second, Settings: impatient(),
		Events: eventgrid.Options{Seed: 5, Duplicate: 0.2, Lose: 0.2, Disorder: 3},
	})
	exerciseKilled(t, w, stageCloud(t), data, func(t *testing.T) { sameAsFresh(t, data, db) })
}

// The same test for the local handler, with DuckDB.
func TestLocalHandlerKilledAtRandomPoints(t *testing.T) {
	t.Parallel()
	azuritetest.Tools(t)
	w, staged, database, data := newLocal(t, 6, 2*time.Second, impatient())
	exerciseKilled(t, w, staged, data, func(t *testing.T) {
		t.Helper()
		if err := sandbox.SameAsFresh(t.Context(), data, database, t.TempDir()); err != nil {
			t.Error(err)
		}
	})
	if _, err := os.Stat(database); errors.Is(err, os.ErrNotExist) {
		t.Error("there is no database")
	}
}

// newLocal starts a world for the local handler, whose warehouse is a DuckDB file.
func newLocal(
	t testing.TB, seed uint64, lock time.Duration, settings map[string]string,
) (w *sandbox.World, staged, database string, data *store.Store) {
	t.Helper()
	data = made(t, seed, killedTypes...)
	dir := t.TempDir()
	w, err := sandbox.StartWorld(t.Context(), sandbox.Options{
		Root: root, Dir: dir, Store: data, MaxCount: 90, LockDuration: lock, Settings: settings,
		Now: time.Now,
		Log: slog.New(slog.DiscardHandler), HandlerOutput: io.Discard, Engines: local.Engines(),
		Events: eventgrid.Options{Seed: seed, Duplicate: 0.2, Lose: 0.2, Disorder: 3},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	if staged, err = sandbox.Package(t.Context(), root, dir); err != nil {
		t.Fatal(err)
	}
	return w, staged, filepath.Join(dir, "fhir.duckdb"), data
}

// BenchmarkLastKillToLoaded measures how long an export of the local handler takes from the last
// kill of a handler or host to its end, with an app's default settings. Only the schedule is
// shorter, so that the benchmark does not wait for the first tick.
func BenchmarkLastKillToLoaded(b *testing.B) {
	azuritetest.Tools(b)
	random := rand.New(rand.NewPCG(1, 9))
	var longest time.Duration
	for b.Loop() {
		w, staged, _, _ := newLocal(b, 6, 0, map[string]string{
			"ExportSchedule": "*/2 * * * * *", "PollMin": "10s", "PollMax": "5m",
			"SilentAfter": "15m", "Settle": "30s",
		})
		took := killedOnce(b, w, staged, random)
		longest = max(longest, took)
		w.Close()
	}
	b.ReportMetric(longest.Seconds(), "s-longest")
}

// killedOnce runs one export, kills the handler or the host while it loads, and returns the time
// from the kill to the export's end.
func killedOnce(b *testing.B, w *sandbox.World, staged string, random *rand.Rand) time.Duration {
	b.Helper()
	ctx, done := context.WithTimeout(b.Context(), 10*time.Minute)
	defer done()
	h := startHost(b, w, staged)
	defer func() { h.end(syscall.SIGTERM) }()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	var killed time.Time
	var strike <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			b.Fatal("no end within ten minutes")
		case <-h.ended:
			h = startHost(b, w, staged)
		case <-strike:
			killed = time.Now()
			if random.IntN(2) == 0 {
				h.signalHandler(syscall.SIGKILL)
				b.Log("SIGKILL of the handler")
			} else {
				h.end(syscall.SIGKILL)
				b.Log("SIGKILL of the host")
			}
		case <-look.C:
			last, there, err := w.Last(ctx)
			switch {
			case err != nil:
				b.Fatal(err)
			case !there:
			case last.State == records.Failed:
				b.Fatalf("export %s failed: %+v", last.ID, last.Failure)
			case last.State == records.Loading && strike == nil:
				strike = time.After(time.Duration(random.IntN(1500)) * time.Millisecond)
			case last.State == records.Loaded && killed.IsZero():
				return 0 // the export ended before the kill
			case last.State == records.Loaded:
				b.Logf("loaded %.1f s after it", time.Since(killed).Seconds())
				return time.Since(killed)
			}
		}
	}
}

package enginebench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"time"
)

// Bench measures all sides, in turns, and prints medians.
type Bench struct {
	Dir, Data string
	Megabytes int64
	Runs      int
	Seed      uint64
	// Server is the connection string of a SQL Server to load into, or empty.
	Server string
	Out    io.Writer
	Now    func() time.Time
}

// mark is in the folder of a run, which is removed by the next one.
const mark = "enginebench"

// Run makes the data, measures, compares what the sides have read, and prints all
// of it. It fails where the sides disagree.
func (b *Bench) Run(ctx context.Context) error {
	if err := b.clear(); err != nil {
		return err
	}
	data := filepath.Join(b.Dir, "data")
	size, err := b.makeData(data)
	if err != nil {
		return err
	}
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	r := runner{exe: exe, pin: pinning(), job: job{data: data, out: b.Dir}}
	cores := []int{1}
	if runtime.NumCPU() > 1 {
		cores = append(cores, 2)
	}
	if err := b.head(ctx, r, size); err != nil {
		return err
	}
	seen := map[string][]figures{}
	for run := range b.Runs {
		for _, n := range cores {
			for i := range sides {
				// the first of a round is another one each time
				s := sides[(i+run)%len(sides)]
				f, err := r.run(ctx, s.name, n)
				if err != nil {
					return fmt.Errorf("measure %s on %d: %w", s.title, n, err)
				}
				seen[key(s.name, n)] = append(seen[key(s.name, n)], f)
			}
		}
	}
	b.table(cores, size, seen)
	if err := b.check(ctx, r.job, seen); err != nil {
		return err
	}
	return b.onServer(ctx, r, size)
}

func key(side string, cores int) string { return side + " " + strconv.Itoa(cores) }

func (b *Bench) clear() error {
	if _, err := os.Stat(b.Dir); err == nil {
		if _, err := os.Stat(filepath.Join(b.Dir, mark)); err != nil {
			return fmt.Errorf("%s is no folder of an earlier run: name another with --dir", b.Dir)
		}
		if err := os.RemoveAll(b.Dir); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(b.Dir, 0o750); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(b.Dir, mark), nil, 0o600)
}

// runner starts the child processes.
type runner struct {
	exe string
	pin string // taskset, or ""
	job job
}

// pinning is the program that binds a process to processors, where there is one.
func pinning() string {
	if runtime.GOOS != "linux" {
		return ""
	}
	path, err := exec.LookPath("taskset")
	if err != nil {
		return ""
	}
	return path
}

func (r runner) run(ctx context.Context, side string, cores int) (f figures, err error) {
	out := filepath.Join(r.job.out, side+"-"+strconv.Itoa(cores))
	if err := os.MkdirAll(out, 0o750); err != nil {
		return f, err
	}
	args := []string{r.exe, sideCommand, "--side", side, "--cores", strconv.Itoa(cores), "--data", r.job.data, "--out", out}
	if r.pin != "" {
		args = append([]string{r.pin, "-c", "0-" + strconv.Itoa(cores-1)}, args...)
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...) //nolint:gosec // this program
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return f, fmt.Errorf("%w: %s", err, bytes.TrimSpace(stderr.Bytes()))
	}
	if err := json.Unmarshal(stdout.Bytes(), &f); err != nil {
		return f, fmt.Errorf("read the figures: %w", err)
	}
	f.cpu = (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
	return f, nil
}

func median(all []figures, of func(figures) float64) float64 {
	values := make([]float64, len(all))
	for i, f := range all {
		values[i] = of(f)
	}
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

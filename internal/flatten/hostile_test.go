package flatten_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/sof"
	bundled "fhirsynapse/views"
)

// hostileBound is the memory limit for flattening any line of 64 MB, without a limit set for the
// garbage collector.
const hostileBound = 300 << 20

const (
	somebody = `{"resourceType":"Patient","id":"1","meta":{"lastUpdated":"2024-01-01T00:00:00Z"}`
	chain    = `.replace('', '0123456789')`
)

// hostileResult is the report of a child process.
type hostileResult struct {
	Peak        int64 // resident bytes
	Seconds     float64
	Quarantined int64
	Rows        int64
	Reasons     []string
}

const hostileChild = "FHIRSYNAPSE_TEST_HOSTILE"

// TestMain runs the child of a hostile line if the environment names one.
func TestMain(m *testing.M) {
	if name := os.Getenv(hostileChild); name != "" {
		if err := flattenHostile(name, os.Getenv(hostileChild+"_FILE")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// reasons is a lake that keeps only the reasons of bad lines.
type reasons struct {
	sinkLake
	mu  sync.Mutex
	all []string
}

func (l *reasons) Put(
	ctx context.Context, area pipeline.Area, path string, r io.Reader,
) (pipeline.File, error) {
	if area != pipeline.Quarantine {
		_, err := io.Copy(io.Discard, r)
		return pipeline.File{}, err
	}
	for dec := json.NewDecoder(r); ; {
		var bad struct{ Reason string }
		if err := dec.Decode(&bad); errors.Is(err, io.EOF) {
			return pipeline.File{}, nil
		} else if err != nil {
			return pipeline.File{}, err
		}
		l.mu.Lock()
		l.all = append(l.all, bad.Reason)
		l.mu.Unlock()
	}
}

func flattenHostile(name, file string) error {
	for _, h := range hostiles() {
		if h.name != name {
			continue
		}
		set, err := bundled.Load(nil)
		if h.selects != "" {
			var v *sof.View
			v, err = sof.Compile("v.json",
				[]byte(`{"resource":"`+h.resource+`","name":"v","select":[`+h.selects+`]}`))
			set = []*sof.View{v}
		}
		if err != nil {
			return err
		}
		lake := &reasons{}
		f, err := flatten.NewFlattener(flatten.Options{
			Lake: lake, Views: flatten.Native(func(string) ([]*sof.View, error) {
				return set, nil
			}), Evaluators: 2,
		})
		if err != nil {
			return err
		}
		start := time.Now()
		var out hostileResult
		var wg sync.WaitGroup
		var mu sync.Mutex
		for i := range max(h.files, 1) {
			wg.Go(func() {
				r, openErr := os.Open(file)
				if openErr != nil {
					err = openErr
					return
				}
				defer r.Close() //nolint:errcheck // read only
				in := pipeline.Flattening{
					Plan: plan, Type: h.resource, Path: "x", Dir: strconv.Itoa(i),
					LastUpdated: time.Unix(0, 0),
				}
				done, flattenErr := f.Flatten(context.Background(), in, r)
				mu.Lock()
				defer mu.Unlock()
				if flattenErr != nil {
					err = flattenErr
				}
				out.Quarantined += done.Quarantined
				for _, n := range done.Rows {
					out.Rows += n
				}
			})
		}
		wg.Wait()
		if err != nil {
			return err
		}
		out.Seconds, out.Reasons = time.Since(start).Seconds(), lake.all
		if out.Peak, err = peakMemory(); err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(out)
	}
	return fmt.Errorf("no hostile line %s", name)
}

// peakMemory returns the peak resident memory of this process in bytes.
func peakMemory() (int64, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kilobytes, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kilobytes << 10, err
		}
	}
	return 0, errors.New("/proc/self/status has no VmHWM")
}

// runHostile flattens a hostile line of a size in a child process.
func runHostile(tb testing.TB, h hostile, size int) hostileResult {
	tb.Helper()
	file := filepath.Join(tb.TempDir(), "line.ndjson")
	to, err := os.Create(file)
	if err != nil {
		tb.Fatal(err)
	}
	w := bufio.NewWriterSize(to, 64<<10)
	h.write(w, size)
	if err := errors.Join(w.Flush(), to.Close()); err != nil {
		tb.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		tb.Fatal(err)
	}
	child := exec.CommandContext(tb.Context(), self)
	child.Env = append(os.Environ(), hostileChild+"="+h.name, hostileChild+"_FILE="+file,
		"GOMAXPROCS=2", "GOGC=", "GOMEMLIMIT=")
	child.Stderr = os.Stderr
	said, err := child.Output()
	if err != nil {
		tb.Fatalf("%s: %v", h.name, err)
	}
	var out hostileResult
	if err := json.Unmarshal(said, &out); err != nil {
		tb.Fatal(err)
	}
	return out
}

// largest is just below the limit of lines.
const largest = 64<<20 - 1<<16

// BenchmarkHostileLines reports the memory for the largest line of each kind, and the bound from
// the test of the same lines.
func BenchmarkHostileLines(b *testing.B) {
	for _, h := range hostiles() {
		b.Run(strings.ReplaceAll(h.name, " ", "-"), func(b *testing.B) {
			for b.Loop() {
				got := runHostile(b, h, largest)
				b.ReportMetric(float64(got.Peak)/(1<<20), "MiB-peak")
				b.ReportMetric(hostileBound>>20, "MiB-bound")
				b.ReportMetric(float64(got.Rows), "rows")
				b.ReportMetric(float64(got.Quarantined), "lines-quarantined")
			}
		})
	}
}

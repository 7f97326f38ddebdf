package sandbox

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"fhirsynapse/internal/emulator/fhirserver/store"
	"fhirsynapse/internal/emulator/fhirserver/synthetic"
	"fhirsynapse/internal/emulator/functionshost"
)

// Bench measures full exports, from the first blob event until they are loaded.
type Bench struct {
	World     Options
	Data      string // folder of NDJSON to multiply; empty means the synthetic hospital
	Megabytes int64
	// Telemetry is how often the export is repeated without telemetry and with it, in turns.
	Telemetry int
	Out       io.Writer
}

// benchPatience bounds an export. A run that reaches it has no result.
const benchPatience = 15 * time.Minute

// Run prints MB/s, the handler's peak memory, and the time of each kind of step.
func (b Bench) Run(ctx context.Context) error {
	size, resources, data, err := b.data()
	if err != nil {
		return err
	}
	defer func() { _ = data.Close() }()
	b.World.Store = data
	b.say("%d resources, %.0f MB of NDJSON, %d cores", resources, float64(size)/1e6,
		runtime.NumCPU())
	staged, err := Package(ctx, b.World.Root, b.World.Dir)
	if err != nil {
		return err
	}
	b.World.HoldEvents, b.World.BlobsInMemory = true, true
	if b.Telemetry > 0 {
		return b.compare(ctx, staged, size)
	}
	m, err := b.measure(ctx, staged, size)
	if err != nil {
		return err
	}
	b.say("%-38s %8.1f MB/s (%.1f s from the first blob event to loaded; %d files, export %s)",
		"end to end", float64(size)/1e6/m.took.Seconds(), m.took.Seconds(), m.files, m.export)
	b.say("%-38s %8.0f MiB", "peak memory of the handler", float64(m.peak)/(1<<20))
	b.say("%-38s %8.1f s", "processor time of the handler", m.processor.Seconds())
	return b.split(size)
}

// measured holds what an export took.
type measured struct {
	took, processor time.Duration
	peak            int64
	files           int
	export          string
}

// measure runs one export in a world of its own.
func (b Bench) measure(ctx context.Context, staged string, size int64) (m measured, err error) {
	w, err := StartWorld(ctx, b.World)
	if err != nil {
		return m, err
	}
	defer w.Close()
	host, err := w.StartHost(ctx, staged, nil)
	if err != nil {
		return m, err
	}
	defer host.Stop()
	ctx, done := context.WithTimeoutCause(ctx, benchPatience,
		fmt.Errorf("no end after %v", benchPatience))
	defer done()
	if m.files, err = b.export(ctx, w, host, size); err != nil {
		return m, err
	}
	began := b.World.Now()
	w.ReleaseEvents()
	e, err := w.Await(ctx, host, "demo-000001")
	if err != nil {
		return m, err
	}
	m.took, m.export = b.World.Now().Sub(began), e.ID
	host.Stop()
	stats := host.Stats()
	m.peak, m.processor = stats.PeakMemory, stats.Processor
	return m, nil
}

// compare prints what telemetry costs. Processor time says more than the clock, which on a shared
// machine differs more from run to run.
func (b Bench) compare(ctx context.Context, staged string, size int64) error {
	var requests, bytes atomic.Int64
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body) // the handler may have ended
		requests.Add(1)
		bytes.Add(n)
	}))
	defer collector.Close()
	with := map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": collector.URL, "OTEL_METRIC_EXPORT_INTERVAL": "10000",
	}
	dir := b.World.Dir
	var clock, processor [2][]float64
	for n := range b.Telemetry {
		for on, settings := range []map[string]string{nil, with} {
			b.World.Settings = settings
			b.World.Dir = filepath.Join(dir, fmt.Sprintf("run-%d-%d", n+1, on))
			if err := os.Mkdir(b.World.Dir, 0o700); err != nil {
				return fmt.Errorf("make the folder of a run: %w", err)
			}
			m, err := b.measure(ctx, staged, size)
			if err != nil {
				return err
			}
			b.say("telemetry %-3s %8.1f MB/s %8.1f s of the handler's processor time, %4.0f MiB",
				[]string{"off", "on"}[on], float64(size)/1e6/m.took.Seconds(),
				m.processor.Seconds(), float64(m.peak)/(1<<20))
			clock[on] = append(clock[on], m.took.Seconds())
			processor[on] = append(processor[on], m.processor.Seconds())
			if err := os.RemoveAll(b.World.Dir); err != nil {
				return fmt.Errorf("clear the folder of a run: %w", err)
			}
		}
	}
	if requests.Load() == 0 {
		return errors.New("the collector got nothing: the handler has not sent")
	}
	b.say("the collector got %d requests, %d bytes", requests.Load(), bytes.Load())
	b.say("telemetry costs %+.1f %% of the processor time and %+.1f %% of the time (medians of %d)",
		more(processor), more(clock), b.Telemetry)
	return nil
}

// more returns by how many percent the second median is greater than the first one.
func more(of [2][]float64) float64 {
	median := func(v []float64) float64 {
		slices.Sort(v)
		return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
	}
	return 100 * (median(of[1])/median(of[0]) - 1)
}

// export makes the FHIR server write its files, and holds back their events and the manifest. So
// the benchmark does not include the server's time, because a real server does not share the
// machine.
func (b Bench) export(
	ctx context.Context, w *World, host *functionshost.Host, size int64,
) (files int, err error) {
	release := w.Server.HoldJobs()
	defer release()
	if err := host.FireTimer(ctx, "TimerExport"); err != nil {
		return 0, err
	}
	var bytes int64
	quiet := 0
	err = await(ctx, func(ctx context.Context) (bool, error) {
		n, landed, err := w.Landed(ctx)
		if quiet++; n != files || landed != bytes {
			quiet = 0
		}
		files, bytes = n, landed
		// The server may write a line a little shorter than the input line.
		return quiet >= settled && bytes > size*9/10, err
	})
	return files, err
}

// settled is the number of checks in a row without a change after which the landing area is
// complete.
const settled = 10

func (b Bench) say(format string, args ...any) {
	_, _ = fmt.Fprintf(b.Out, "bench: "+format+"\n", args...)
}

// data multiplies the given folder up to the requested size.
func (b Bench) data() (size int64, resources int, s *store.Store, err error) {
	s, err = store.New(store.Options{
		Base: b.World.Now().UTC().Add(-24 * time.Hour).Truncate(time.Second), Spill: b.World.Dir,
	})
	if err != nil {
		return 0, 0, nil, err
	}
	add := func(_ string, line []byte) error {
		size += int64(len(line)) + 1
		resources++
		return s.Add(line)
	}
	from := synthetic.Hospital()
	if b.Data != "" {
		from = os.DirFS(b.Data)
	}
	one, err := synthetic.Size(from)
	if err != nil {
		return 0, 0, nil, err
	}
	err = synthetic.Multiply(from, max(1, int(b.Megabytes*1_000_000/one)), add)
	return size, resources, s, err
}

// split prints the time of the steps, summed from the handler's log.
func (b Bench) split(size int64) error {
	f, err := os.Open(filepath.Join(b.World.Dir, "handler.log"))
	if err != nil {
		return fmt.Errorf("read the handler's log: %w", err)
	}
	defer func() { _ = f.Close() }()
	type line struct {
		Msg, Type string
		Took      time.Duration
		Bytes     int64
	}
	sums := map[string]line{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var l line
		if json.Unmarshal(lines.Bytes(), &l) != nil ||
			(l.Msg != "prepared" && l.Msg != "committed") {
			continue
		}
		for _, key := range []string{l.Msg, l.Msg + " " + l.Type} {
			s := sums[key]
			sums[key] = line{Took: s.Took + l.Took, Bytes: s.Bytes + l.Bytes}
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read the handler's log: %w", err)
	}
	keys := make([]string, 0, len(sums))
	for key := range sums {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, c string) int { return int(sums[c].Took - sums[a].Took) })
	b.say("time of the steps, summed over what ran side by side:")
	for _, key := range keys {
		if s := sums[key]; s.Took > 100*time.Millisecond {
			b.say("  %-36s %8.1f s%s", key, s.Took.Seconds(), rate(key, s.Bytes, s.Took, size))
		}
	}
	return nil
}

func rate(key string, bytes int64, took time.Duration, all int64) string {
	if !strings.HasPrefix(key, "prepared") {
		if key == "committed" {
			return fmt.Sprintf("  %8.1f MB/s", float64(all)/1e6/took.Seconds())
		}
		return ""
	}
	return fmt.Sprintf("  %8.1f MB/s", float64(bytes)/1e6/took.Seconds())
}

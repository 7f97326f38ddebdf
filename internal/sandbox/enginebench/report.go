package enginebench

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
)

func (b *Bench) say(format string, args ...any) { fmt.Fprintf(b.Out, "bench: "+format+"\n", args...) }

func (b *Bench) head(ctx context.Context, r runner, size int64) (err error) {
	db, err := openDuckDB(1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var version string
	if err := db.QueryRowContext(ctx, "SELECT version()").Scan(&version); err != nil {
		return err
	}
	source := fmt.Sprintf("made up with seed %d", b.Seed)
	if b.Data != "" {
		source = "multiplied from " + filepath.Base(b.Data)
	}
	b.say("%.0f MB of NDJSON, a fifth Patients and the rest Observations, %s; the files are in the page cache", float64(size)/1e6, source)
	pin := "not pinned: taskset is missing"
	if r.pin != "" {
		pin = "pinned with taskset"
	}
	b.say("on n cores: GOMAXPROCS and DuckDB's threads are n, each run is a process of its own, %s; %s, DuckDB %s, %s/%s, %d processors",
		pin, runtime.Version(), version, runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	nothing, err := r.run(ctx, idle.name, 1)
	if err != nil {
		return err
	}
	b.say("medians of %d interleaved runs; MB/s by the clock (slowest to fastest run), seconds of processor time of the whole process, largest peak of memory, of which %.0f MiB are the program",
		b.Runs, float64(nothing.Peak)/(1<<20))
	return nil
}

func (b *Bench) table(cores []int, size int64, seen map[string][]figures) {
	seconds := func(f figures) float64 { return f.Seconds }
	processor := func(f figures) float64 { return f.cpu }
	times := func(ours, theirs string, n int, of func(figures) float64) float64 {
		return median(seen[key(theirs, n)], of) / median(seen[key(ours, n)], of)
	}
	for _, n := range cores {
		b.say("%d core(s)", n)
		for _, s := range sides {
			b.row(s, size, seen[key(s.name, n)])
		}
		b.say("  native beside DuckDB: %.2f times as fast in memory, %.2f into Parquet files; by processor time %.2f and %.2f",
			times(nativeColumns, duckColumns, n, seconds), times(nativeParquet, duckParquet, n, seconds),
			times(nativeColumns, duckColumns, n, processor), times(nativeParquet, duckParquet, n, processor))
	}
}

// row prints the figures of one side.
func (b *Bench) row(s side, size int64, all []figures) {
	megabytes := float64(size) / 1e6
	peak := 0.0
	low, high := all[0].Seconds, all[0].Seconds
	for _, f := range all {
		peak = max(peak, float64(f.Peak))
		low, high = min(low, f.Seconds), max(high, f.Seconds)
	}
	b.say("  %-38s %6.0f MB/s  (%.0f to %.0f)  %5.2f s of processor time  %5.0f MiB", s.title,
		megabytes/median(all, func(f figures) float64 { return f.Seconds }), megabytes/high, megabytes/low,
		median(all, func(f figures) float64 { return f.cpu }), peak/(1<<20))
}

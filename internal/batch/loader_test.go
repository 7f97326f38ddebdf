package batch_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"

	"fhirsynapse/internal/batch"
	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
)

// counter is a Flattener that counts lines, and writes them unchanged to the staging area.
type counter struct{ lake pipeline.Lake }

func (counter) ViewSet(string) (string, error) { return "", nil }

func (counter) HasViews(string, string) (bool, error) { return true, nil }

func (c counter) Flatten(
	ctx context.Context, f pipeline.Flattening, r io.Reader,
) (pipeline.Done, error) {
	var d pipeline.Done
	var all strings.Builder
	for s := bufio.NewScanner(r); ; {
		if !s.Scan() {
			if err := s.Err(); err != nil {
				return d, err
			}
			break
		}
		d.Lines++
		if s.Text() == "" {
			d.Blank++
			continue
		}
		d.Heads++
		all.WriteString(s.Text() + "\n")
	}
	_, err := c.lake.Put(ctx, pipeline.Staging, f.Dir+"/lines", strings.NewReader(all.String()))
	return d, err
}

// shelf is a Warehouse that keeps the lines of each schema and type.
type shelf struct {
	lake    pipeline.Lake
	mu      sync.Mutex
	content map[string][]string
	ledger  []pipeline.LedgerEntry
	fail    error
}

func (s *shelf) Commit(ctx context.Context, b pipeline.Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return s.fail
	}
	for _, f := range b.Files {
		r, err := s.lake.Open(ctx, pipeline.Staging, f.Dir+"/lines", "")
		if err != nil {
			return err
		}
		data, err := io.ReadAll(r)
		if err := errors.Join(err, r.Close()); err != nil {
			return err
		}
		key := b.Schema + "." + b.Type
		s.content[key] = append(s.content[key], strings.Fields(string(data))...)
		s.ledger = append(s.ledger, pipeline.LedgerEntry{
			Path: f.Path, ETag: f.ETag, Type: b.Type,
			Counts: pipeline.Counts{
				Lines: f.Done.Lines, Applied: f.Done.Heads, Blank: f.Done.Blank,
			},
		})
	}
	return nil
}

func (s *shelf) Ledger(context.Context, string, string) ([]pipeline.LedgerEntry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.ledger), nil
}

type folderWorld struct {
	batch.Loader
	shelf       *shelf
	staging     string
	total, read atomic.Int64
}

func newFolderWorld(t *testing.T, files map[string]string) *folderWorld {
	t.Helper()
	w := &folderWorld{staging: filepath.Join(t.TempDir(), "staging")}
	landing := t.TempDir()
	for name, text := range files {
		path := filepath.Join(landing, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, ".gz") && !strings.HasPrefix(text, "raw:") {
			text = packed(t, text)
		}
		if err := os.WriteFile(path, []byte(strings.TrimPrefix(text, "raw:")), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	lake := batch.NewFolders(landing, w.staging, filepath.Join(t.TempDir(), "quarantine"))
	w.shelf = &shelf{lake: lake, content: map[string][]string{}}
	w.Loader = batch.Loader{
		Lake: lake, Flattener: counter{lake}, Warehouse: w.shelf,
		Now:   func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) },
		Token: func() string { return "ab12" },
		Total: func(n int64) {
			w.total.Store(n)
			w.read.Store(0)
		}, Read: func(n int64) { w.read.Add(n) },
	}
	return w
}

func packed(t *testing.T, text string) string {
	t.Helper()
	var b strings.Builder
	z := gzip.NewWriter(&b)
	if _, err := io.WriteString(z, text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// nothingStaged checks that a load has emptied its staging area.
func nothingStaged(t *testing.T, w *folderWorld) {
	t.Helper()
	err := filepath.WalkDir(w.staging, func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			t.Errorf("left behind: %s", name)
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

const (
	patient     = `{"resourceType":"Patient","id":"1"}`
	observation = `{"id":"2","resourceType":"Observation"}`
)

func TestLoadTakesEachTypeFromAllItsFiles(t *testing.T) {
	t.Parallel()
	w := newFolderWorld(t, map[string]string{
		"Patient.000.ndjson.gz":  patient + "\n\n" + patient + "\n",
		"deep/1.Patient.ndjson":  patient + "\n",
		"Observation-1-1.ndjson": observation,
		"Condition.ndjson":       "no JSON\nnor this\n",
		"Device.ndjson":          "",
		"log.ndjson":             `{"eventId":"kickoff"}` + "\n",
		"manifest.json":          "{}",
		".hidden/Patient.ndjson": patient,
	})
	report, err := w.Load(t.Context(), "main")
	if err != nil {
		t.Fatal(err)
	}
	want := batch.LoadReport{
		Export: "load-20260102T030405Z-ab12",
		Types: []pipeline.TypeReport{
			{
				Type: "Condition", Files: 1, Manifest: -1,
				Counts: pipeline.Counts{Lines: 2, Applied: 2},
			},
			{
				Type: "Observation", Files: 1, Manifest: -1,
				Counts: pipeline.Counts{Lines: 1, Applied: 1},
			},
			{
				Type: "Patient", Files: 2, Manifest: -1,
				Counts: pipeline.Counts{Lines: 4, Applied: 3, Blank: 1},
			},
		},
		LeftOut: []batch.LeftOut{
			{File: "Device.ndjson", Reason: "it is empty"},
			{
				File:   "log.ndjson",
				Reason: "its lines are JSON without a resourceType, as those of a log or a manifest",
			},
			{
				File:   "manifest.json",
				Reason: "its lines are JSON without a resourceType, as those of a log or a manifest",
			},
		},
		Bytes: w.total.Load(),
		Rows:  map[string]int64{},
	}
	if diff := cmp.Diff(want, report); diff != "" {
		t.Error(diff)
	}
	if got := len(w.shelf.content["main.Patient"]); got != 3 {
		t.Errorf("%d patients", got)
	}
	if got, want := w.read.Load(), w.total.Load(); got != want || got == 0 {
		t.Errorf("%d bytes read of %d", got, want)
	}
	nothingStaged(t, w)
}

func TestLoadFindsAllFaultsBeforeItLoadsAnything(t *testing.T) {
	t.Parallel()
	w := newFolderWorld(t, map[string]string{
		"a.ndjson":          "no JSON\n",
		"b.ndjson.gz":       "raw:no gzip",
		"Patient.ndjson.gz": "raw:" + packed(t, strings.Repeat(patient+"\n", 9))[:30],
		"Patient.ndjson":    patient,
	})
	_, err := w.Load(t.Context(), "main")
	if fault.Of(err) != fault.Permanent {
		t.Errorf("class = %s", fault.Of(err))
	}
	for _, want := range []string{
		"a.ndjson: neither its lines nor its name tell the resource type",
		"b.ndjson.gz: neither its lines nor its name tell the resource type",
		"unpack Patient.ndjson.gz: it is damaged or cut off",
	} {
		if !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
	if len(w.shelf.content) != 0 {
		t.Errorf("loaded all the same: %v", w.shelf.content)
	}
}

func TestATornFileIsFoundBeforeAnythingIsCommitted(t *testing.T) {
	t.Parallel()
	whole := packed(t, patient+"\n"+strings.Repeat("x\n", 1<<19))
	w := newFolderWorld(t, map[string]string{
		"Observation.ndjson": observation, "Patient.ndjson.gz": "raw:" + whole[:len(whole)-8],
	})
	report, err := w.Load(t.Context(), "main")
	if err == nil || !strings.HasPrefix(err.Error(), "load Patient: ") ||
		fault.Of(err) != fault.Permanent {
		t.Errorf("error = %v", err)
	}
	if len(report.Types) != 0 || len(w.shelf.content) != 0 {
		t.Errorf("loaded all the same: %+v", report)
	}
	nothingStaged(t, w)
}

func TestLoadOfNothing(t *testing.T) {
	t.Parallel()
	_, err := newFolderWorld(t, map[string]string{"a.json": "{}"}).Load(t.Context(), "main")
	if err == nil || !strings.Contains(err.Error(), "no file with resources") {
		t.Errorf("error = %v", err)
	}
	w := newFolderWorld(t, nil)
	w.Lake = batch.NewFolders(filepath.Join(t.TempDir(), "none"), w.staging, w.staging)
	if _, err := w.Load(t.Context(), "main"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder that is not there: %v", err)
	}
}

// holder counts how often a warehouse is held and released.
type holder struct{ held, released atomic.Int64 }

func (h *holder) hold() (release func() error) {
	h.held.Add(1)
	return func() error { h.released.Add(1); return nil }
}

func TestLoadReleasesWhatItHolds(t *testing.T) {
	t.Parallel()
	large := strings.Repeat(observation+strings.Repeat(" ", 1000)+"\n", 9000)
	torn := packed(t, large)
	for name, test := range map[string]struct {
		files map[string]string
		fail  error // the error of commits
		fails bool
		held  int64
	}{
		"small types": {map[string]string{
			"Observation.ndjson": observation, "Patient.ndjson": patient,
		}, nil, false, 2},
		"a large one": {map[string]string{
			"Observation.ndjson": large, "Patient.ndjson": patient,
		}, nil, false, 1},
		"a failing commit": {map[string]string{
			"Observation.ndjson": observation, "Patient.ndjson": patient,
		}, fault.Permanentf("the disk is full"), true, 2},
		"a torn file": {
			map[string]string{"Observation.ndjson.gz": "raw:" + torn[:len(torn)/2]},
			nil, true, 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newFolderWorld(t, test.files)
			w.shelf.fail = test.fail
			h := &holder{}
			w.Hold = h.hold
			if _, err := w.Load(t.Context(), "main"); (err != nil) != test.fails {
				t.Errorf("error = %v", err)
			}
			if held, released := h.held.Load(),
				h.released.Load(); held != test.held || released != held {
				t.Errorf("held %d times and released %d times, want %d", held, released, test.held)
			}
		})
	}
}

func TestLoadReportsAFailedCommit(t *testing.T) {
	t.Parallel()
	w := newFolderWorld(t, map[string]string{
		"Observation.ndjson": observation, "Patient.ndjson": patient,
	})
	w.shelf.fail = fault.Permanentf("the disk is full")
	report, err := w.Load(t.Context(), "main")
	// Two types are committed at a time, in either order.
	if err == nil || !strings.HasSuffix(err.Error(), ": commit: the disk is full") {
		t.Errorf("error = %v", err)
	}
	if len(report.Types) != 0 {
		t.Errorf("report = %+v", report)
	}
	nothingStaged(t, w)
}

func TestLoadStopsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := newFolderWorld(t, map[string]string{"Patient.ndjson": patient}).Load(ctx,
		"main"); !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v", err)
	}
}

package pipelinetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
)

// TestJournal is the definition of pipeline.Journal. open returns an empty journal each time.
func TestJournal(t *testing.T, open func(t *testing.T) pipeline.Journal) {
	t.Helper()
	t.Run("a document is missing until it is created", func(t *testing.T) {
		t.Parallel()
		journalMissing(t, open(t))
	})
	t.Run("what was written is read back at its etag", func(t *testing.T) {
		t.Parallel()
		journalRoundTrip(t, open(t))
	})
	t.Run("a second create conflicts and changes nothing", func(t *testing.T) {
		t.Parallel()
		journalCreateOnce(t, open(t))
	})
	t.Run("a write at an old etag conflicts and changes nothing", func(t *testing.T) {
		t.Parallel()
		journalStale(t, open(t))
	})
	t.Run("the same bytes again are a new etag", func(t *testing.T) {
		t.Parallel()
		journalSameBytes(t, open(t))
	})
	t.Run("List gives the keys of a prefix in order", func(t *testing.T) {
		t.Parallel()
		journalLists(t, open(t))
	})
	t.Run("List stops when its reader does", func(t *testing.T) {
		t.Parallel()
		journalListStops(t, open(t))
	})
	t.Run("of writers at one etag exactly one wins", func(t *testing.T) {
		t.Parallel()
		journalOneWins(t, open(t))
	})
	t.Run("of creators exactly one wins", func(t *testing.T) {
		t.Parallel()
		journalOneCreates(t, open(t))
	})
	t.Run("read, change, write in a loop loses nothing", func(t *testing.T) {
		t.Parallel()
		journalCounts(t, open(t))
	})
	t.Run("an ended context fails every call", func(t *testing.T) {
		t.Parallel()
		journalCancelled(t, open(t))
	})
}

func journalMissing(t *testing.T, j pipeline.Journal) {
	if _, err := j.Read(t.Context(), "plans/nightly"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Read: %v, want fs.ErrNotExist", err)
	}
	if _, err := j.Write(t.Context(), "plans/nightly", "0x8DC0FFEE",
		[]byte("{}")); !errors.Is(err, pipeline.ErrConflict) {
		t.Errorf("Write at an etag of what is not there: %v, want ErrConflict", err)
	}
	if keys := listKeys(t, j, ""); len(keys) != 0 {
		t.Errorf("List: %v", keys)
	}
}

func journalRoundTrip(t *testing.T, j pipeline.Journal) {
	for key, data := range map[string][]byte{
		"exports/nightly/000012": []byte(`{"state":"requested"}`),
		"empty":                  {},
		"a manifest":             bytes.Repeat([]byte(`{"type":"Patient"}`), 300_000),
	} {
		etag := create(t, j, key, data)
		e, err := j.Read(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(e.Data, data) || e.ETag != etag || etag == "" {
			t.Errorf("%s: %d bytes at %q came back, want %d at %q", key, len(e.Data), e.ETag,
				len(data), etag)
		}
		next, err := j.Write(t.Context(), key, e.ETag, []byte(`{"state":"exporting"}`))
		if err != nil {
			t.Fatal(err)
		}
		e, err = j.Read(t.Context(), key)
		if err != nil || string(e.Data) != `{"state":"exporting"}` || e.ETag != next {
			t.Errorf("%s: after the second write %q at %q, %v", key, e.Data, e.ETag, err)
		}
	}
}

func journalCreateOnce(t *testing.T, j pipeline.Journal) {
	etag := create(t, j, "k", []byte("first"))
	if _, err := j.Write(t.Context(), "k", "",
		[]byte("second")); !errors.Is(err, pipeline.ErrConflict) {
		t.Errorf("second create: %v, want ErrConflict", err)
	}
	mustBe(t, j, "k", "first", etag)
}

func journalStale(t *testing.T, j pipeline.Journal) {
	old := create(t, j, "k", []byte("1"))
	now, err := j.Write(t.Context(), "k", old, []byte("2"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := j.Write(t.Context(), "k", old,
		[]byte("3")); !errors.Is(err, pipeline.ErrConflict) {
		t.Errorf("write at the old etag: %v, want ErrConflict", err)
	}
	mustBe(t, j, "k", "2", now)
}

func journalSameBytes(t *testing.T, j pipeline.Journal) {
	a := create(t, j, "k", []byte("same"))
	b, err := j.Write(t.Context(), "k", a, []byte("same"))
	if err != nil {
		t.Fatal(err)
	}
	if a == b {
		t.Errorf("both writes have etag %q: a writer could not tell that it was overtaken", a)
	}
}

func journalLists(t *testing.T, j pipeline.Journal) {
	want := []string{"jobs/a", "jobs/a-b", "jobs/a.c", "jobs-x/1", "plans/x"}
	for i := range 25 {
		want = append(want, fmt.Sprintf("exports/nightly/%06d", i))
	}
	for _, k := range slices.Backward(want) {
		create(t, j, k, []byte("{}"))
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, listKeys(t, j, "")); diff != "" {
		t.Errorf("all (-want +got):\n%s", diff)
	}
	for prefix, n := range map[string]int{
		"exports/": 25, "exports/nightly/00001": 10, "jobs/": 3, "jobs": 4, "none": 0,
	} {
		got := listKeys(t, j, prefix)
		if len(got) != n || !slices.IsSorted(got) {
			t.Errorf("prefix %q: %v, want %d in order", prefix, got, n)
		}
	}
}

func journalListStops(t *testing.T, j pipeline.Journal) {
	for i := range 5 {
		create(t, j, "s/"+strconv.Itoa(i), []byte("{}"))
	}
	seen := 0
	for _, err := range j.List(t.Context(), "s/") {
		if err != nil {
			t.Fatal(err)
		}
		if seen++; seen == 2 {
			break
		}
	}
	if seen != 2 {
		t.Errorf("%d keys seen, want 2", seen)
	}
}

func journalOneWins(t *testing.T, j pipeline.Journal) {
	journalRace(t, j, create(t, j, "k", []byte("start")))
}

func journalOneCreates(t *testing.T, j pipeline.Journal) { journalRace(t, j, "") }

func journalRace(t *testing.T, j pipeline.Journal, etag string) {
	const writers = 8
	etags, errs := make([]string, writers), make([]error, writers)
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			etags[i], errs[i] = j.Write(t.Context(), "k", etag, []byte(strconv.Itoa(i)))
		})
	}
	wg.Wait()
	winner := slices.Index(errs, nil)
	if winner < 0 {
		t.Fatalf("no one won: %v", errors.Join(errs...))
	}
	for i, err := range errs {
		if i != winner && !errors.Is(err, pipeline.ErrConflict) {
			t.Errorf("writer %d, after %d won: %v, want ErrConflict", i, winner, err)
		}
	}
	mustBe(t, j, "k", strconv.Itoa(winner), etags[winner])
}

func journalCounts(t *testing.T, j pipeline.Journal) {
	const writers, each = 4, 5
	create(t, j, "n", []byte("0"))
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range each {
				if err := countUp(t.Context(), j); err != nil {
					t.Errorf("count up: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	e, err := j.Read(t.Context(), "n")
	if err != nil || string(e.Data) != strconv.Itoa(writers*each) {
		t.Errorf("counted to %s, want %d: %v", e.Data, writers*each, err)
	}
}

func countUp(ctx context.Context, j pipeline.Journal) error {
	for {
		e, err := j.Read(ctx, "n")
		if err != nil {
			return err
		}
		n, err := strconv.Atoi(string(e.Data))
		if err != nil {
			return err
		}
		if _, err = j.Write(ctx, "n", e.ETag,
			[]byte(strconv.Itoa(n+1))); !errors.Is(err, pipeline.ErrConflict) {
			return err
		}
	}
}

func journalCancelled(t *testing.T, j pipeline.Journal) {
	etag := create(t, j, "k", []byte("1"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, readErr := j.Read(ctx, "k")
	_, writeErr := j.Write(ctx, "k", etag, []byte("2"))
	var listErr error
	for _, err := range j.List(ctx, "") {
		listErr = err
	}
	for call, err := range map[string]error{"Read": readErr, "Write": writeErr, "List": listErr} {
		if !errors.Is(err, context.Canceled) || fault.Of(err) != fault.Transient {
			t.Errorf("%s: %v, want context.Canceled, transient", call, err)
		}
	}
	mustBe(t, j, "k", "1", etag)
}

func create(t *testing.T, j pipeline.Journal, key string, data []byte) string {
	t.Helper()
	etag, err := j.Write(t.Context(), key, "", data)
	if err != nil {
		t.Fatalf("create %s: %v", key, err)
	}
	return etag
}

func mustBe(t *testing.T, j pipeline.Journal, key, data, etag string) {
	t.Helper()
	e, err := j.Read(t.Context(), key)
	if err != nil || string(e.Data) != data || e.ETag != etag {
		t.Errorf("%s is %q at %q, want %q at %q: %v", key, e.Data, e.ETag, data, etag, err)
	}
}

func listKeys(t *testing.T, j pipeline.Journal, prefix string) []string {
	t.Helper()
	var keys []string
	for k, err := range j.List(t.Context(), prefix) {
		if err != nil {
			t.Fatalf("List %q: %v", prefix, err)
		}
		keys = append(keys, k)
	}
	return keys
}

package fhirserver_test

import (
	"encoding/json"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/emulator/fhirserver/store"
	"fhirsynapse/internal/emulator/fhirserver/synthetic"
)

// TestAFullAndItsIncrementalExportsFoldIntoThePresentState shows that the emulator can be a ground
// truth: a full export and the incremental exports after it, taken together, equal the present
// state, byte for byte.
func TestAFullAndItsIncrementalExportsFoldIntoThePresentState(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	w := newWorld(t, nil)
	if err := synthetic.Generate(synthetic.Options{Seed: seed, Patients: 24},
		func(_ string, line []byte) error { return w.store.Add(line) }); err != nil {
		t.Fatal(err)
	}
	tables := map[string]string{} // type/id -> line
	load := func(query ...string) {
		t.Helper()
		for _, o := range w.manifest(w.kickOff("/$export", query...)).Output {
			text, _ := w.blobs.Content("lake", strings.TrimPrefix(o.URL, "memory://lake/"))
			for line := range strings.Lines(string(text)) {
				key, deleted := identity(t, line)
				if tables[key] = line; deleted {
					delete(tables, key)
				}
			}
		}
	}
	w.pass(time.Minute)
	till := w.clock()
	load("_till", till.Format(time.RFC3339Nano))
	for n := range 3 {
		if _, err := w.store.Change(seed+uint64(n),
			store.Shares{Update: .2, Add: .1, Delete: .1, Recreate: .3}, w.clock()); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Minute)
		since := till
		till = w.clock()
		load("_since", since.Format(time.RFC3339Nano), "_till", till.Format(time.RFC3339Nano),
			"includeAssociatedData", "_deleted", "_maxCount", "7")
	}
	want := map[string]string{}
	if err := w.store.Present(func(string) (io.Writer, error) {
		return collector{t, want}, nil
	}); err != nil {
		t.Fatal(err)
	}
	if len(want) != len(tables) {
		t.Errorf("%d resources were loaded, %d are present", len(tables), len(want))
	}
	for key, line := range want {
		if tables[key] != line {
			t.Fatalf("%s differs (-present +loaded):\n%s", key, cmp.Diff(line, tables[key]))
		}
	}
}

func identity(t *testing.T, line string) (key string, deleted bool) {
	t.Helper()
	var r struct {
		ResourceType, ID string
		Meta             struct {
			Extension []struct{ ValueString string }
		}
	}
	if err := json.Unmarshal([]byte(line), &r); err != nil {
		t.Fatal(err)
	}
	return r.ResourceType + "/" + r.ID, len(r.Meta.Extension) > 0
}

// collector collects the lines of Present, which writes a line and then its end.
type collector struct {
	t    *testing.T
	want map[string]string
}

func (c collector) Write(text []byte) (int, error) {
	if string(text) != "\n" {
		key, _ := identity(c.t, string(text))
		c.want[key] = string(text) + "\n"
	}
	return len(text), nil
}

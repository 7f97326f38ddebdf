package batch_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fhirsynapse/internal/batch"
	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/testkit/refwarehouse"
	"fhirsynapse/internal/warehouse"
)

// asked is an engine in memory that records the calls of a run. Its checks fail with away.
type asked struct {
	dir     string
	inPlace bool
	away    error
	calls   []string
}

func (a *asked) Local(string) (warehouse.Local, bool) {
	return warehouse.Local{Schema: "own", Dir: a.dir, Quarantine: filepath.Join(a.dir, "bad")}, true
}

func (a *asked) Open(address string, o warehouse.OpenOptions) (warehouse.Opened, error) {
	a.calls = append(a.calls, "open "+address)
	to := warehouse.Opened{
		Warehouse: a.noting(refwarehouse.NewWarehouse(o.Lake, o.Views.Tables)), Tables: a,
	}
	if a.inPlace {
		to.InPlace = a
	} else {
		to.Beside = a
	}
	return to, nil
}

func (a *asked) Check(_ context.Context, schema string) error {
	a.calls = append(a.calls, "check "+schema)
	return a.away
}

func (a *asked) Rows(
	_ context.Context, schema, _ string, tables map[string]int64,
) (map[string]int64, error) {
	a.calls = append(a.calls, "rows of "+schema)
	return tables, nil
}

func (a *asked) Close() error {
	a.calls = append(a.calls, "close")
	return nil
}

func (a *asked) Replace(_ context.Context, r warehouse.Replacement) error {
	a.calls = append(a.calls, "replace "+r.Schema+" by "+r.From)
	return nil
}

func (a *asked) Discard(context.Context, string) error { return nil }

func (a *asked) Repair(_ context.Context, r warehouse.Repair) error {
	a.calls = append(a.calls, "repair "+r.Schema)
	return nil
}

func (a *asked) Unwritten(context.Context, warehouse.Repair) (int64, error) { return 0, nil }

// noting records commits.
func (a *asked) noting(w pipeline.Warehouse) pipeline.Warehouse { return noted{w, a} }

type noted struct {
	pipeline.Warehouse
	a *asked
}

func (n noted) Commit(ctx context.Context, b pipeline.Batch) error {
	n.a.calls = append(n.a.calls, "commit into "+b.Schema)
	return n.Warehouse.Commit(ctx, b)
}

// A load calls every engine in the same order: check before the folder is read, commit, count,
// close.
func TestALoadAsksItsEngineInOrder(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		engine asked
		ask    batch.LoadRequest
		want   string
		fails  string
	}{
		"load": {
			asked{},
			batch.LoadRequest{},
			"open x, check own, commit into own, rows of own, close", "",
		},
		"another schema": {
			asked{},
			batch.LoadRequest{Schema: "s"},
			"open x, check s, commit into s, rows of s, close", "",
		},
		"rebuild": {
			asked{},
			batch.LoadRequest{Rebuild: true},
			"open x, check own, commit into _rebuild_own, replace own by _rebuild_own, rows of own, close", "",
		},
		"rebuild in place": {
			asked{inPlace: true},
			batch.LoadRequest{Rebuild: true},
			"open x, check own, repair own, commit into own, rows of own, close", "",
		},
		"away": {
			asked{away: errors.New("it rains")},
			batch.LoadRequest{},
			"open x, check own, close", "load ",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			if err := os.WriteFile(filepath.Join(folder, "a.ndjson"),
				[]byte(`{"resourceType":"Patient","id":"a"}`), 0o600); err != nil {
				t.Fatal(err)
			}
			engine := c.engine
			engine.dir = t.TempDir()
			r := batch.Runner{Engines: warehouse.Engines{"memory": &engine}, Now: time.Now}
			q := c.ask
			q.Dir, q.Scheme, q.Rest, q.Progress = folder, "memory", "x", unseen{}
			_, err := r.Load(t.Context(), q)
			if (err != nil) != (c.fails != "") ||
				err != nil && !strings.HasPrefix(err.Error(), c.fails) {
				t.Errorf("error = %v", err)
			}
			if got := strings.Join(engine.calls, ", "); got != c.want {
				t.Errorf("asked %s\nwant  %s", got, c.want)
			}
			left, err := os.ReadDir(engine.dir)
			if err != nil || slices.ContainsFunc(left, func(e os.DirEntry) bool {
				return strings.HasPrefix(e.Name(), batch.WorkPrefix)
			}) {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

func TestRunsRefuseTargetsThatTheyCannotFill(t *testing.T) {
	t.Parallel()
	portOnly := warehouse.PortOnly(func(string, warehouse.OpenOptions) (pipeline.Warehouse, error) {
		return nil, errors.New("opened all the same")
	})
	r := batch.Runner{
		Engines: warehouse.Engines{"pool": portOnly, "memory": &asked{}}, Now: time.Now,
	}
	for scheme, want := range map[string]string{
		"pool":   "load x: pool loads nothing",
		"oracle": `parquet:DIR, csv:DIR or ndjson:DIR, not to "oracle"`,
	} {
		_, err := r.Load(t.Context(), batch.LoadRequest{
			Dir: "x", Scheme: scheme, Rest: "y", Progress: unseen{},
		})
		if fault.Of(err) != fault.Permanent || !strings.Contains(err.Error(), want) {
			t.Errorf("load into %s: %v", scheme, err)
		}
		_, err = r.Start(t.Context(), batch.StartRequest{Scheme: scheme, Rest: "y"})
		if want := "--to " + scheme +
			": start writes to csv, memory, ndjson, parquet"; fault.Of(err) != fault.Permanent ||
			err.Error() != want {
			t.Errorf("start into %s: %v", scheme, err)
		}
	}
}

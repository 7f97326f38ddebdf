package pipeline_test

import (
	"fmt"
	"testing"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline/records"
)

// usual is the window of an export that continues the last one.
var usual records.Window

func TestWindowsAreOnlyWidened(t *testing.T) {
	t.Parallel()
	mark := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	earlier, later := mark.AddDate(0, -2, 0), mark.AddDate(0, 1, 0)
	for _, c := range []struct {
		window records.Window
		since  time.Time
		want   time.Time
	}{
		{records.Window{}, mark, mark},
		{records.Window{Since: earlier}, mark, earlier},
		{records.Window{Since: later}, mark, mark},
		{records.Window{Full: true}, mark, time.Unix(0, 0).UTC()},
		// a first export is full, whatever a person asks for
		{records.Window{Since: earlier}, time.Time{}, time.Time{}},
		{records.Window{Full: true}, time.Time{}, time.Time{}},
	} {
		if got := c.window.Widen(c.since); !got.Equal(c.want) {
			t.Errorf("%+v widens %s to %s, want %s", c.window, c.since, got, c.want)
		}
	}
}

// A wider window brings what came with old dates, and the deletes of the usual window. The next
// export goes on where it ended.
func TestAnExportWithAWiderWindow(t *testing.T) {
	t.Parallel()
	for name, window := range map[string]records.Window{
		"full":  {Full: true},
		"since": {Since: time.Date(2019, 12, 1, 0, 0, 0, 0, time.UTC)},
	} {
		for _, atTick := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				w.plans[0].Schedule = nil
				w.boot()
				begin := func(window records.Window) {
					t.Helper()
					w.clock = w.clock.Add(time.Hour)
					var err error
					if atTick {
						_, err = records.RequestExport(t.Context(), w.journal, "nightly", window,
							w.now())
					} else {
						_, err = w.p.Start(t.Context(), "nightly", window)
					}
					if err != nil {
						t.Fatal(err)
					}
				}
				w.server.put("Patient", "a", "first", 1, false)
				w.server.put("Patient", "b", "first", 1, false)
				begin(usual)
				w.loaded("nightly-000001")
				w.server.put("Patient", "b", "", 2, true)
				w.server.data = append(w.server.data, resource{
					Type: "Patient", ID: "old", Updated: w.clock.Add(-24 * time.Hour), Number: 1,
					Value: "kept its date",
				})
				begin(window)
				w.loaded("nightly-000002")
				if _, there := w.tables.heads["Patient/old"]; !there {
					t.Error("the resource with the old date is not in the tables")
				}
				if !w.tables.heads["Patient/b"].resource.Deleted {
					t.Error("the delete is not in the tables")
				}
				begin(usual)
				w.loaded("nightly-000003")
				before, _ := w.export("nightly-000002")
				after, _ := w.export("nightly-000003")
				want := before.Jobs[0].Till.Add(-10 * time.Minute)
				if !after.Jobs[0].Since.Equal(want) {
					t.Errorf("the next export begins at %s, want %s", after.Jobs[0].Since, want)
				}
			})
		}
	}
}

// A request that is repeated with another window has the last one.
func TestTheLastWindowCounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.plans[0].Schedule = nil
	w.boot()
	for _, window := range []records.Window{{}, {Full: true}} {
		id, err := records.RequestExport(t.Context(), w.journal, "nightly", window, w.now())
		if err != nil || id != "nightly-000001" {
			t.Fatalf("%s, %v", id, err)
		}
	}
	d, err := records.Store{Journal: w.journal}.Plan(t.Context(), "nightly")
	if err != nil || !d.Value.Wanted.Full {
		t.Errorf("the plan wants %+v, %v", d.Value.Wanted, err)
	}
}

// Every nth export of the schedule is full, and one that failed is made up for by the next.
func TestFullEvery(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.plans[0].FullEvery = 3
	w.boot()
	w.server.put("Patient", "a", "first", 1, false)
	var got string
	for n := 1; n <= 9; n++ {
		id := records.ExportID("nightly", n)
		if n == 4 {
			w.server.status = func() error { return fault.Permanentf("no") }
		}
		e := w.run(id)
		w.server.status = nil
		switch {
		case e.State == records.Failed:
			got += "x"
		case e.IsFull():
			got += "F"
		default:
			got += "."
		}
		if n < 9 {
			w.server.put("Patient", fmt.Sprint("p", n), "later", 1, false)
		}
	}
	if want := "F..xF..F."; got != want {
		t.Errorf("full exports: %s, want %s", got, want)
	}
	w.matches()
}

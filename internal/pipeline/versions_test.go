package pipeline_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
)

// While instances are replaced, handlers of two versions share the messages and documents of random
// histories with crashes. Once only one version is left, the tables equal the server's data, and no
// document has lost a field that only the newer version knows.
func TestTwoVersionsSideBySide(t *testing.T) {
	t.Parallel()
	if *oneHistory >= 0 {
		sideBySide(t, uint64(*oneHistory))
		return
	}
	for seed := range uint64(max(40/share, 8)) {
		if sideBySide(t, seed); t.Failed() {
			t.Fatalf("seed %d; run it alone with -history %[1]d", seed)
		}
	}
}

func sideBySide(t *testing.T, seed uint64) {
	t.Helper()
	m := newModel(t, seed)
	random := newRandom(seed + 1e6)
	f := newFuture(t, random, []change{moreFields, mixed}[seed%2])
	v := m.twoVersions(f)
	v.otherViews = seed%3 == 0
	settled, rolledBack := false, false
	m.choose = func() {
		switch {
		case !m.quiet:
			v.use(f.IntN(2) == 0)
		case !settled: // only one version is left
			v.use(f.change != moreFields || f.IntN(2) == 0)
			rolledBack = rolledBack || !v.newer
		}
		settled = m.quiet
	}
	m.history()
	all, err := records.Exports(t.Context(), m.store().Journal, "nightly", 1000)
	must(t, err)
	for _, e := range all {
		if !e.State.Final() {
			t.Errorf("export %s was left as %s", e.ID, e.State)
		}
	}
	for _, body := range m.keptMessages() {
		if !rolledBack || !f.isOf(body) {
			t.Errorf("kept: %s", body)
		}
	}
}

// twoVersions are handlers of the present version and of a newer one in one world.
type twoVersions struct {
	*world
	handlers map[bool]*pipeline.Pipeline // by whether it is of the newer version
	newer    bool
	// otherViews is set if the versions have other views.
	otherViews bool
}

func (w *world) twoVersions(f *future) *twoVersions {
	w.newest = f
	return &twoVersions{world: w, handlers: map[bool]*pipeline.Pipeline{false: w.p}}
}

// use lets the handler of a version do the steps from now on.
func (v *twoVersions) use(newer bool) {
	v.handlers[v.newer], v.newer = v.p, newer
	if v.future = nil; newer {
		v.future = v.newest
	}
	if v.otherViews {
		v.views = fmt.Sprint("views of the newer version: ", newer)
	}
	if v.p = v.handlers[newer]; v.p == nil {
		v.boot()
	}
}

// A newer version is stopped in the middle of an export. The former version, which replaces it,
// ends the export, and keeps what it does not know for the newer one, which comes back.
func TestRollBack(t *testing.T) {
	t.Parallel()
	for at, ended := 0, false; !ended; at += 3 * stride {
		w := newWorld(t)
		random := newRandom(uint64(at))
		w.pick = random.IntN
		f := newFuture(t, random, moreFields)
		v := w.twoVersions(f)
		v.otherViews = at%2 == 0
		w.server.fileSize = 2
		for i := range 5 {
			w.server.put("Patient", fmt.Sprint("p", i), "first", 1, false)
			w.server.put("Observation", fmt.Sprint("o", i), "first", 1, false)
		}
		w.clock = w.clock.Add(time.Minute)
		v.use(true)
		for range at {
			w.step()
		}
		e, _ := w.export(nightly(1))
		ended = e.State.Final()
		v.use(false)
		w.loaded(nightly(1))
		w.server.put("Patient", "p1", "", 2, true)
		w.server.put("Patient", "p7", "of the former version", 1, false)
		w.clock = w.clock.Add(time.Minute)
		w.loaded(nightly(2))
		v.use(true)
		w.server.put("Patient", "p8", "of the newer version", 1, false)
		w.clock = w.clock.Add(time.Minute)
		w.loaded(nightly(3))
		for _, body := range w.keptMessages() {
			if !f.isOf(body) {
				t.Errorf("kept: %s", body)
			}
		}
		if t.Failed() {
			t.Fatalf("rolled back after %d steps", at)
		}
	}
}

// The former version does nothing with an export whose documents are in a newer format: it neither
// changes a document, nor commits, nor ends a job at the server, nor begins another export. It says
// so. The newer version goes on with the export when it comes back.
func TestRollBackOverAFormat(t *testing.T) {
	t.Parallel()
	for at := 1; ; at += 4 * stride {
		w := newWorld(t)
		random := newRandom(uint64(at))
		w.pick = random.IntN
		var log strings.Builder
		w.log = slog.New(slog.NewTextHandler(&log, nil))
		w.boot()
		f := newFuture(t, random, nextFormat)
		v := w.twoVersions(f)
		w.server.put("Patient", "p1", "first", 1, false)
		w.server.put("Observation", "o1", "first", 1, false)
		w.clock = w.clock.Add(time.Minute)
		v.use(true)
		for range at {
			w.step()
		}
		if e, _ := w.export(nightly(1)); e.State.Final() {
			return
		}
		journal, tables := w.documents(), w.tables.present()
		v.use(false)
		for end := w.clock.Add(10 * time.Hour); w.clock.Before(end); {
			w.step()
		}
		if d := cmp.Diff(journal, w.documents()); d != "" {
			t.Errorf("documents (-newer version +former version):\n%s", d)
		}
		if d := cmp.Diff(tables, w.tables.present()); d != "" || w.server.kickOffs > 1 {
			t.Errorf("tables (-newer version +former version), %d kick-offs:\n%s",
				w.server.kickOffs, d)
		}
		for url, j := range w.server.jobs {
			if j.ended {
				t.Errorf("job %s was ended at the server", url)
			}
		}
		if _, err := w.p.Cancel(t.Context(), nightly(1)); !errors.Is(err, records.ErrNewer) {
			t.Errorf("cancel: %v", err)
		}
		if !errors.Is(w.tickErr, records.ErrNewer) {
			t.Errorf("tick: %v", w.tickErr)
		}
		kept := w.keptMessages()
		for _, body := range kept {
			if !strings.Contains(string(body), `"held":30`) {
				t.Errorf("kept: %s", body)
			}
		}
		if said := strings.Count(log.String(), "no newer version has taken it"); said < len(kept) {
			t.Errorf("%d messages are kept, %d lines say so", len(kept), said)
		}
		v.use(true)
		w.loaded(nightly(1))
		if t.Failed() {
			t.Fatalf("rolled back after %d steps\n%s", at, log.String())
		}
	}
}

// documents returns the contents of the journal.
func (w *world) documents() map[string]string {
	w.t.Helper()
	out := map[string]string{}
	for key, err := range w.journal.List(w.t.Context(), "") {
		must(w.t, err)
		d, err := w.journal.Read(w.t.Context(), key)
		must(w.t, err)
		out[key] = string(d.Data)
	}
	return out
}

// Tables whose format only a newer version knows are left alone.
func TestTablesOfANewerVersion(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.server.put("Patient", "p1", "first", 1, false)
	w.clock = w.clock.Add(time.Minute)
	for e, _ := w.export(nightly(1)); e.State != records.Loading; e, _ = w.export(nightly(1)) {
		w.step()
	}
	etag, err := w.journal.Write(t.Context(), "tables/main", "", []byte(`{"format":2}`))
	must(t, err)
	for end := w.clock.Add(3 * time.Hour); w.clock.Before(end); {
		w.step()
	}
	if e, _ := w.export(nightly(1)); e.State != records.Loading || w.tables.commits > 0 {
		t.Errorf("%s, %d commits", e.State, w.tables.commits)
	}
	_, err = w.journal.Write(t.Context(), "tables/main", etag, []byte(`{}`))
	must(t, err)
	w.loaded(nightly(1))
	_, err = w.journal.Write(t.Context(), "tables/other", "", []byte(`{"format":2}`))
	must(t, err)
	w.plans[0].Schema = "other"
	w.boot()
	w.clock = w.clock.Add(2 * time.Hour)
	for range 10 {
		w.step()
	}
	if !errors.Is(w.tickErr, records.ErrNewer) || w.server.kickOffs > 1 {
		t.Errorf("%v, %d kick-offs", w.tickErr, w.server.kickOffs)
	}
}

// A step that only a newer version can do is sent on for two hours, and then kept. A message that
// names nothing of ours is kept at once.
func TestStepOfANewerVersion(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"a new kind":   `{"step":"dance","export":"nightly-000001"}`,
		"a new field":  `{"step":"poll","export":"nightly-000001","job":1,"tempo":3}`,
		"a new format": `{"step":"poll","format":2,"export":"nightly-000001","job":{}}`,
		"of a folder":  `{"step":"landed","path":"101/Patient-1.ndjson","tempo":3}`,
	} {
		w := newWorld(t)
		w.step() // the export begins
		must(t, w.p.Handle(t.Context(), []byte(body)))
		for end := w.clock.Add(time.Hour); w.clock.Before(end); {
			w.step()
		}
		if kept := w.keptMessages(); len(kept) > 0 {
			t.Errorf("%s: kept too soon: %s", name, kept)
		}
		for end := w.clock.Add(time.Hour); w.clock.Before(end); {
			w.step()
		}
		want := strings.TrimSuffix(body, "}") + `,"held":30}`
		if kept := w.keptMessages(); len(kept) != 1 ||
			cmp.Diff(fieldsOf(t, want), fieldsOf(t, string(kept[0]))) != "" {
			t.Errorf("%s: kept %s, want %s", name, kept, want)
		}
	}
	for _, rest := range []string{
		`"export":"nightly-000001","held":-1`, `"export":"nightly-000001","held":"x"`,
		`"export":"nightly-000001","held":30`, `"export":"nightly-000001","held":1e9`,
		`"export":"nightly-000001","held":null`,
		// of others: they name nothing of ours
		`"x":1`, `"export":7`, `"export":"nightly-000002"`, `"export":"../x"`, `"path":7`,
		`"path":"102/x"`, `"path":""`, `"path":"/"`,
	} {
		w := newWorld(t)
		w.step()
		before, _ := w.queue.Next()
		must(t, w.p.Handle(t.Context(), []byte(`{"step":"dance",`+rest+`}`)))
		if next, _ := w.queue.Next(); !next.Equal(before) || len(w.keptMessages()) != 1 {
			t.Errorf("%s: it was sent on", rest)
		}
	}
}

func fieldsOf(t *testing.T, text string) (out fields) {
	t.Helper()
	must(t, json.Unmarshal([]byte(text), &out))
	return out
}

// keptMessages returns the messages in quarantine.
func (w *world) keptMessages() (bodies [][]byte) {
	w.t.Helper()
	for f, err := range w.lake.List(w.t.Context(), pipeline.Quarantine, "messages/") {
		if err != nil {
			w.t.Fatal(err)
		}
		r, err := w.lake.Open(w.t.Context(), pipeline.Quarantine, f.Path, f.ETag)
		if err != nil {
			w.t.Fatal(err)
		}
		body, err := io.ReadAll(r)
		if err != nil {
			w.t.Fatal(err)
		}
		bodies = append(bodies, body)
	}
	return bodies
}

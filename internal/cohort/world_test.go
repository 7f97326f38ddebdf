package cohort_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"fhirsynapse/internal/bulkfhir"
	"fhirsynapse/internal/cohort"
	"fhirsynapse/internal/emulator/fhirserver"
	"fhirsynapse/internal/emulator/fhirserver/jobs"
	"fhirsynapse/internal/emulator/fhirserver/store"
	"fhirsynapse/internal/testkit/pipelinetest"
)

// marker begins every id of the tests' data. It must never leave the server and the Groups.
const marker = "MARK"

const former, never = "8517006", "266919005"

const formerSearch = "Observation?code=http://loinc.org|72166-2&value-concept=http://snomed.info/sct|" + former

// world is a FHIR server with smoking statuses, and a keeper of its Groups.
type world struct {
	t       testing.TB
	store   *store.Store
	server  *fhirserver.Server
	base    string
	journal *pipelinetest.MemoryJournal
	log     bytes.Buffer
	now     time.Time
	keeper  cohort.Keeper
	n       int
	// groupWrites counts the writes of Groups.
	groupWrites int
}

func newWorld(t testing.TB, change ...func(*fhirserver.Options)) *world {
	t.Helper()
	w := &world{
		t: t, journal: pipelinetest.NewMemoryJournal(),
		now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
	}
	var err error
	if w.store, err = store.New(store.Options{}); err != nil {
		t.Fatal(err)
	}
	o := fhirserver.Options{
		Store: w.store, Blobs: &jobs.Memory{}, Now: func() time.Time { return w.now },
	}
	for _, c := range change {
		c(&o)
	}
	if w.server, err = fhirserver.New(o); err != nil {
		t.Fatal(err)
	}
	if w.base, err = w.server.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.server.Close() })
	searcher, err := bulkfhir.NewSearcher(bulkfhir.Options{
		BaseURL: w.base, Container: "lake", Now: func() time.Time { return w.now },
		HTTP: &http.Client{}, Pause: func(context.Context, time.Duration) error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	w.keeper = cohort.Keeper{
		Server: counting{searcher, w}, Journal: w.journal, Base: w.base,
		Now: func() time.Time { return w.now },
		Log: slog.New(slog.NewTextHandler(&w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	return w
}

// counting counts the writes of Groups.
type counting struct {
	cohort.Server
	w *world
}

func (c counting) PutGroup(ctx context.Context, g cohort.Group) (string, error) {
	c.w.groupWrites++
	return c.Server.PutGroup(ctx, g)
}

func definition(change ...func(*cohort.Definition)) cohort.Definition {
	d := cohort.Definition{
		Name: "former-smokers", Search: formerSearch, Match: cohort.MatchEver,
		Membership: cohort.Fixed, GroupSize: cohort.DefaultGroupSize,
		MaxShrink: cohort.DefaultMaxShrink,
	}
	for _, c := range change {
		c(&d)
	}
	return d
}

func tracking(d *cohort.Definition) { d.Membership = cohort.Tracking }
func latest(d *cohort.Definition)   { d.Match = cohort.MatchLatest }

func (w *world) add(line string) {
	w.t.Helper()
	if _, err := w.store.Put([]byte(line), w.now); err != nil {
		w.t.Fatal(err)
	}
}

// status records the smoking status of a patient. more is added to the Observation.
func (w *world) status(patient, code, date string, more ...string) {
	w.t.Helper()
	w.n++
	w.observe(fmt.Sprintf("%so%d", marker, w.n), "Patient/"+marker+patient, code, date, more...)
}

func (w *world) observe(id, reference, code, date string, more ...string) {
	w.t.Helper()
	line := fmt.Sprintf(`{"resourceType":"Observation","id":%q,"status":"final","code":{"coding":[{"system":"http://loinc.org","code":"72166-2"}]},"subject":{"reference":%q},"valueCodeableConcept":{"coding":[{"system":"http://snomed.info/sct","code":%q}]}`,
		id, reference, code)
	if date != "" {
		line += fmt.Sprintf(`,"effectiveDateTime":%q`, date)
	}
	text := line + strings.Join(more, "") + "}"
	if strings.Contains(text, `"entered-in-error"`) {
		text = strings.Replace(text, `"status":"final",`, "", 1)
	}
	w.add(text)
}

// refresh refreshes a cohort that must succeed.
func (w *world) refresh(d cohort.Definition, o ...cohort.Options) cohort.Report {
	w.t.Helper()
	r, err := w.keeper.Refresh(w.t.Context(), d, append(o, cohort.Options{})[0])
	if err != nil {
		w.t.Fatal(err)
	}
	w.silent("")
	return r
}

// refused refreshes a cohort that must fail, and returns the text of the error.
func (w *world) refused(d cohort.Definition, o ...cohort.Options) string {
	w.t.Helper()
	_, err := w.keeper.Refresh(w.t.Context(), d, append(o, cohort.Options{})[0])
	if err == nil {
		w.t.Fatal("it succeeded")
	}
	w.silent(err.Error())
	return err.Error()
}

// members returns the members of all Groups of the cohort, without the marker.
func (w *world) members(cohortName string) (ids []string) {
	w.t.Helper()
	for _, v := range w.store.In("Group", store.Window{}) {
		line, err := w.store.Line(v)
		if err != nil {
			w.t.Fatal(err)
		}
		var g struct {
			ID     string
			Type   string
			Actual bool
			Member []struct{ Entity struct{ Reference string } }
		}
		if err := json.Unmarshal(line, &g); err != nil {
			w.t.Fatal(err)
		}
		if !strings.HasPrefix(g.ID, "cohort-"+cohortName+"-") {
			continue
		}
		if g.Type != "person" || !g.Actual {
			w.t.Errorf("Group %s is not of actual persons", g.ID)
		}
		for _, m := range g.Member {
			ids = append(ids, strings.TrimPrefix(m.Entity.Reference, "Patient/"+marker))
		}
	}
	slices.Sort(ids)
	return ids
}

func (w *world) expect(want ...string) {
	w.t.Helper()
	if got := w.members("former-smokers"); !slices.Equal(got, want) {
		w.t.Errorf("the members are %v, want %v", got, want)
	}
}

// silent checks that nothing names a patient or an Observation: not the text, not the log, not the
// journal.
func (w *world) silent(text string) {
	w.t.Helper()
	for key, err := range w.journal.List(w.t.Context(), "") {
		if err != nil {
			w.t.Fatal(err)
		}
		e, err := w.journal.Read(w.t.Context(), key)
		if err != nil {
			w.t.Fatal(err)
		}
		text += "\n" + key + " " + string(e.Data)
	}
	text += "\n" + w.log.String()
	if at := strings.Index(text, marker); at >= 0 {
		w.t.Errorf("an id leaks: …%s…", text[max(0, at-100):min(len(text), at+20)])
	}
}

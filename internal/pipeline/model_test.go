package pipeline_test

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
)

var (
	histories  = flag.Int("histories", 2000, "how many random histories TestModel tries")
	oneHistory = flag.Int("history", -1, "the `SEED` of the only history that TestModel tries")
)

// TestModel compares the tables with the server's data after random histories: changes, deletes and
// late commits while exports run, crashes and failures of every step, clocks that differ, cohorts
// whose members join and leave. The tables differ in what docs/cohorts.md and docs/operations.md
// say that an export loses, and in nothing else.
func TestModel(t *testing.T) {
	t.Parallel()
	if *oneHistory >= 0 {
		m := newModel(t, uint64(*oneHistory))
		defer func() {
			if t.Failed() {
				m.tell()
			}
		}()
		m.history()
		return
	}
	const parts = 8
	n := *histories / share
	if testing.Short() {
		n /= 10
	}
	for part := range parts {
		t.Run(fmt.Sprint("part ", part), func(t *testing.T) {
			t.Parallel()
			for seed := part; seed < n; seed += parts {
				newModel(t, uint64(seed)).history()
				if t.Failed() {
					t.Fatalf("seed %d", seed)
				}
			}
		})
	}
}

const (
	modelLag     = 3 * time.Minute
	modelOverlap = 10 * time.Minute
)

// model is a world with a random history.
type model struct {
	*world
	*rand.Rand
	// numbers are the last versions by type and id.
	numbers map[string]int
	// lost are resources that no export of the plan's kind shows as the server has them: deleted
	// without a trace, or imported with an old date.
	lost map[string]lossKind
	// cohort has the members of the plan's cohort; nil if it has none.
	cohort  map[string]bool
	quiet   bool
	crashes int
	// judged is set if two exports have ended since the last change, the first of them full: the
	// tables have no resource any more that the server does not have.
	judged bool
}

// lossKind is the way in which a resource was lost.
type lossKind int

const (
	hardDeleted lossKind = iota + 1 // until a full export lacks it, and the next one too
	oldImport                       // until a window reaches back to it
)

func newModel(t *testing.T, seed uint64) *model {
	t.Helper()
	m := &model{
		world: newWorld(t), Rand: newRandom(seed), numbers: map[string]int{},
		lost: map[string]lossKind{}, crashes: 30,
	}
	plan := &m.plans[0]
	plan.Lag, plan.Overlap, plan.Schedule = modelLag, modelOverlap, every(30*time.Minute)
	m.server.fileSize, m.server.honest = 1+m.IntN(4), true
	m.server.pollsBeforeDone = m.IntN(3)
	m.server.rewrite, m.server.orphan = m.IntN(4) == 0, m.IntN(4) == 0
	m.pick = m.IntN
	m.skew = time.Duration(m.IntN(11)-5) * time.Minute
	if m.IntN(3) == 0 {
		m.withCohort()
	}
	m.boot()
	return m
}

// withCohort makes the plan export a cohort of two Groups. An id's last digit tells its patient.
func (m *model) withCohort() {
	m.cohort = map[string]bool{"0": true, "1": true}
	plan := &m.plans[0]
	plan.Level, plan.Cohort, plan.Deleted = pipeline.LevelGroup, "smokers", false
	plan.Mode = []string{"", pipeline.ModeGroupSince, pipeline.ModeSystemFiltered}[m.IntN(3)]
	if plan.Mode == pipeline.ModeSystemFiltered {
		plan.Deleted = true
	}
	if plan.Mode != "" {
		plan.FullEvery = 2 + m.IntN(5)
	}
	m.tables.owner = func(id string) string { return id[len(id)-1:] }
	m.cohorts = func() ([]string, error) {
		// tracking: the members of the moment get into the Groups
		var groups []string
		m.server.members = map[string]map[string]bool{}
		for patient := range m.cohort {
			group := "g" + string('a'+patient[0]%2)
			if m.server.members[group] == nil {
				m.server.members[group] = map[string]bool{}
				groups = append(groups, group)
			}
			m.server.members[group][patient] = true
		}
		slices.Sort(groups)
		return groups, nil
	}
}

// history runs exports while the world changes, and compares at two quiet points.
func (m *model) history() {
	m.beforeStep = func() {
		if !m.quiet && m.IntN(4) == 0 {
			m.change()
		}
	}
	m.gate.before = func(int, string) error {
		if m.quiet || m.crashes == 0 || m.IntN(12) != 0 {
			return nil
		}
		m.crashes--
		if m.IntN(2) == 0 {
			panic(crash{})
		}
		return errOutage
	}
	for range 2 {
		m.quiet, m.crashes = false, 30
		for range 40 + m.IntN(200) {
			m.step()
		}
		m.settle()
		m.compare()
		if m.t.Failed() {
			return
		}
	}
}

// change changes something at the server, or the members.
func (m *model) change() {
	typ := []string{"Patient", "Observation"}[m.IntN(2)]
	id := fmt.Sprintf("%c%d", 'a'+m.IntN(4), m.IntN(4))
	key := typ + "/" + id
	newest := func() time.Time { // of the versions of this resource
		var last time.Time
		for _, r := range m.server.data {
			if r.Type == typ && r.ID == id {
				last = later(last, r.Updated)
			}
		}
		return last
	}
	put := func(at time.Time, deleted bool) {
		m.numbers[key]++
		m.server.data = append(m.server.data, resource{
			Type: typ, ID: id, Updated: at, Number: m.numbers[key], Deleted: deleted,
			Value: fmt.Sprint(key, " version ", m.numbers[key]),
		})
	}
	m.clock = m.clock.Add(time.Duration(m.IntN(20)) * time.Second)
	switch m.IntN(12) {
	case 0: // hard delete
		if newest().IsZero() {
			return
		}
		m.server.data = slices.DeleteFunc(m.server.data, func(r resource) bool {
			return r.Type == typ && r.ID == id
		})
		m.lost[key] = hardDeleted
	case 1: // an import with an old date
		if !newest().IsZero() || m.numbers[key] > 0 {
			return
		}
		put(m.clock.Add(-time.Duration(1+m.IntN(100))*24*time.Hour), false)
		m.lost[key] = oldImport
	case 2: // a write that began within the lag, and is visible now
		at := m.clock.Add(-time.Duration(m.IntN(int(modelLag))))
		if at.After(newest()) {
			put(at, false)
			delete(m.lost, key)
		}
	case 3, 4: // delete
		if last := newest(); !last.IsZero() && m.clock.After(last) {
			put(m.clock, true)
			delete(m.lost, key)
		}
	case 5: // a member joins, or leaves
		if patient := fmt.Sprint(m.IntN(4)); m.cohort != nil &&
			(len(m.cohort) > 1 || !m.cohort[patient]) {
			if m.cohort[patient] = !m.cohort[patient]; !m.cohort[patient] {
				delete(m.cohort, patient)
			}
		}
	default:
		if m.clock.After(newest()) {
			put(m.clock, false)
			delete(m.lost, key)
		}
	}
}

// settle lets the world rest until an export has begun after the last change, and has ended; or two
// exports.
func (m *model) settle() {
	m.t.Helper()
	m.quiet = true
	m.clock = m.clock.Add(modelLag + 10*time.Minute)
	m.lastExport()
	if m.judged = m.IntN(2) == 0; !m.judged {
		m.exportOnce(records.Window{})
		return
	}
	m.exportOnce(records.Window{Full: true, AcceptMissing: true})
	m.exportOnce(records.Window{AcceptMissing: true})
	clear(m.lost)
}

// lastExport waits for the end of the export that runs or ran last.
func (m *model) lastExport() records.Export {
	m.t.Helper()
	for {
		d, err := m.store().Plan(m.t.Context(), "nightly")
		if err != nil {
			m.t.Fatal(err)
		}
		if d.Value.Current != "" && d.Value.WantedAt.IsZero() {
			return m.run(d.Value.Current)
		}
		m.step()
	}
}

// exportOnce runs an export with a window.
func (m *model) exportOnce(window records.Window) {
	m.t.Helper()
	if _, err := records.RequestExport(m.t.Context(), m.store().Journal, "nightly", window,
		m.now()); err != nil {
		m.t.Fatal(err)
	}
	if e := m.lastExport(); e.State != records.Loaded && e.State != records.Cancelled {
		m.t.Fatalf("export %s is %s: %+v", e.ID, e.State, e.Failure)
	}
}

// compare compares the tables with the server's data of the plan.
func (m *model) compare() {
	m.t.Helper()
	want, got := m.server.present(), m.tables.present()
	if m.cohort != nil {
		maps.DeleteFunc(want, func(key, _ string) bool { return !m.cohort[key[len(key)-1:]] })
	}
	excused := func(key string) bool {
		_, there := want[key]
		switch {
		case m.judged:
			return false
		case m.lost[key] == hardDeleted:
			return true // the row of the last export stays
		case m.plans[0].Mode != "" && m.lost[key] == oldImport:
			return true
		case m.cohort == nil:
			return m.lost[key] == oldImport // a full export brings it
		}
		// Below system level no delete is reported.
		return !there && !m.plans[0].Deleted && m.cohort[key[len(key)-1:]]
	}
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if !excused(key) && got[key] != want[key] {
			m.t.Errorf("%s is %q in the tables, and %q at the server", key, got[key], want[key])
		}
	}
	for _, key := range slices.Sorted(maps.Keys(got)) {
		if _, there := want[key]; !there && !excused(key) && !strings.HasSuffix(key, "/orphan") {
			m.t.Errorf("%s is in the tables, and not at the server", key)
		}
	}
	if dead := m.queue.Dead(); len(dead) > 0 {
		m.t.Errorf("%d dead letters, the first: %s", len(dead), dead[0].Body)
	}
}

// tell logs the exports of a history, and the server's data.
func (m *model) tell() {
	m.t.Helper()
	all, err := records.Exports(m.t.Context(), m.store().Journal, "", 100)
	if err != nil {
		m.t.Fatal(err)
	}
	for _, e := range all {
		m.t.Logf("%s %s, requested at %s, %d files", e.ID, e.State, e.RequestedAt,
			len(m.tables.exports[e.ID]))
		for _, j := range e.Jobs {
			m.t.Logf("  %q since %s till %s, deletes: %v", j.Group, j.Since, j.Till, j.Deleted)
		}
	}
	m.t.Logf("members %v, skew %s", m.cohort, m.skew)
	for _, r := range m.server.data {
		m.t.Logf("%s/%s version %d at %s, deleted %v", r.Type, r.ID, r.Number, r.Updated, r.Deleted)
	}
}

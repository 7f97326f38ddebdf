package cohort_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"fhirsynapse/internal/cohort"
	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline/records"
	"fhirsynapse/internal/testkit/pipelinetest"
)

// fake is a FHIR server in memory: patients who match the search, and Groups.
type fake struct {
	patients []string
	groups   map[string]cohort.Group
	writes   int
	// beforePut, if set, runs before a write.
	beforePut func(g cohort.Group)
}

func (f *fake) Search(_ context.Context, s cohort.Search, each func(cohort.Entry) error) error {
	for _, p := range f.patients {
		if err := each(cohort.Entry{Type: s.Type, ID: p}); err != nil {
			return err
		}
	}
	return nil
}

func (f *fake) Group(_ context.Context, id string) (cohort.Group, error) {
	g, ok := f.groups[id]
	if !ok {
		return g, cohort.ErrNoGroup
	}
	g.Members = slices.Clone(g.Members)
	return g, nil
}

func (f *fake) PutGroup(_ context.Context, g cohort.Group) (string, error) {
	if f.beforePut != nil {
		f.beforePut(g)
	}
	if f.groups[g.ID].Version != g.Version {
		return "", cohort.ErrChanged
	}
	return f.put(g), nil
}

func (f *fake) put(g cohort.Group) string {
	f.writes++
	n, _ := strconv.Atoi(f.groups[g.ID].Version)
	g.Version = strconv.Itoa(n + 1)
	f.groups[g.ID] = g
	return g.Version
}

// members returns the members of all Groups, and fails for a patient who is in two.
func (f *fake) members(t *testing.T) (ids []string) {
	t.Helper()
	for _, g := range f.groups {
		ids = append(ids, g.Members...)
	}
	slices.Sort(ids)
	if len(slices.Compact(slices.Clone(ids))) != len(ids) {
		t.Error("a patient is in two Groups")
	}
	return ids
}

func people(from, to int) (ids []string) {
	for n := from; n < to; n++ {
		ids = append(ids, fmt.Sprintf("%s%05d", marker, n))
	}
	return ids
}

var everybody = cohort.Definition{
	Name: "all", Search: "Patient?active=true", Match: cohort.MatchEver, GroupSize: 10,
	Membership: cohort.Tracking, MaxShrink: 0.2,
}

// broken makes one call to a port fail, before or after it has acted.
type broken struct {
	*fake
	records.Journal
	calls, at int
	after     bool
}

var errBroken = errors.New("the connection broke")

func (b *broken) call(act func() error) error {
	b.calls++
	if b.calls == b.at && !b.after {
		return errBroken
	}
	err := act()
	if b.calls == b.at {
		return errBroken
	}
	return err
}

func (b *broken) Search(ctx context.Context, s cohort.Search, each func(cohort.Entry) error) error {
	return b.call(func() error { return b.fake.Search(ctx, s, each) })
}

func (b *broken) Group(ctx context.Context, id string) (g cohort.Group, err error) {
	callErr := b.call(func() error { g, err = b.fake.Group(ctx, id); return err })
	return g, callErr
}

func (b *broken) PutGroup(ctx context.Context, g cohort.Group) (version string, err error) {
	callErr := b.call(func() error { version, err = b.fake.PutGroup(ctx, g); return err })
	return version, callErr
}

func (b *broken) Write(
	ctx context.Context, key, etag string, data []byte,
) (next string, err error) {
	callErr := b.call(func() error {
		next, err = b.Journal.Write(ctx, key, etag, data)
		return err
	})
	return next, callErr
}

func (b *broken) List(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return b.Journal.List(ctx, prefix)
}

func newKeeper(s cohort.Server, j records.Journal) cohort.Keeper {
	return cohort.Keeper{
		Server: s, Journal: j, Log: slog.New(slog.DiscardHandler),
		Now: func() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) },
	}
}

// A refresh that was broken off at any call is made good by the next one, with any membership.
func TestARefreshThatBreaksOffIsMadeGood(t *testing.T) {
	t.Parallel()
	for _, membership := range []cohort.Membership{cohort.Fixed, cohort.Tracking} {
		for _, after := range []bool{false, true} {
			for at := 1; ; at++ {
				f := &fake{groups: map[string]cohort.Group{}, patients: people(0, 40)}
				journal := pipelinetest.NewMemoryJournal()
				d := everybody
				d.Membership = membership
				b := &broken{fake: f, Journal: journal, at: at, after: after}
				k := newKeeper(b, b)
				step := func() {
					t.Helper()
					if _, err := k.Refresh(t.Context(), d, cohort.Options{}); err != nil {
						if !errors.Is(err, errBroken) {
							t.Fatalf("call %d: %v", at, err)
						}
						if _, err := k.Refresh(t.Context(), d, cohort.Options{}); err != nil {
							t.Fatalf("call %d, again: %v", at, err)
						}
					}
				}
				step()
				if got := f.members(t); !slices.Equal(got, people(0, 40)) {
					t.Fatalf("call %d: %d members", at, len(got))
				}
				f.patients = people(3, 45)
				step()
				want := people(3, 45)
				if membership == cohort.Fixed {
					want = people(0, 40)
				}
				if got := f.members(t); !slices.Equal(got, want) {
					t.Fatalf("call %d: %d members after the change", at, len(got))
				}
				doc, err := cohort.Read(t.Context(), journal, d.Name)
				if err != nil || doc.Members != len(want) || doc.MadeAt.IsZero() {
					t.Fatalf("call %d: the journal has %+v %v", at, doc, err)
				}
				if b.calls < at {
					break
				}
			}
		}
	}
}

func TestOthersWhoWriteAtTheSameTime(t *testing.T) {
	t.Parallel()
	f := &fake{groups: map[string]cohort.Group{}, patients: people(0, 5)}
	k := newKeeper(f, pipelinetest.NewMemoryJournal())
	times := 0
	f.beforePut = func(g cohort.Group) {
		if times++; times <= 2 {
			g.Members = people(90, 91)
			g.Version = f.groups[g.ID].Version
			f.put(g)
		}
	}
	if _, err := k.Refresh(t.Context(), everybody, cohort.Options{}); err != nil {
		t.Fatal(err)
	}
	if got := f.members(t); !slices.Equal(got, people(0, 5)) {
		t.Errorf("%d members", len(got))
	}
	// They never stop: the refresh does.
	f.patients = people(0, 6)
	times = -100
	f.beforePut = func(g cohort.Group) {
		g.Members = people(90, 91)
		g.Version = f.groups[g.ID].Version
		f.put(g)
	}
	_, err := k.Refresh(t.Context(), everybody, cohort.Options{})
	if err == nil || fault.Of(err) != fault.Transient || !strings.Contains(err.Error(), "faster") {
		t.Errorf("got %v", err)
	}
}

// A cohort that outgrows its Groups is divided again as a whole.
func TestACohortThatOutgrowsItsGroups(t *testing.T) {
	t.Parallel()
	f := &fake{groups: map[string]cohort.Group{}, patients: people(0, 700)}
	j := pipelinetest.NewMemoryJournal()
	k := newKeeper(f, j)
	d := everybody
	d.GroupSize = 1000
	refresh := func() cohort.Record {
		t.Helper()
		if _, err := k.Refresh(t.Context(), d, cohort.Options{}); err != nil {
			t.Fatal(err)
		}
		doc, err := cohort.Read(t.Context(), j, d.Name)
		if err != nil {
			t.Fatal(err)
		}
		return doc
	}
	if doc := refresh(); len(doc.Shards) != 1 || doc.Generation != 1 {
		t.Errorf("%d Groups of generation %d", len(doc.Shards), doc.Generation)
	}
	f.patients = people(0, 3900) // more than groupSize, and still possible
	if doc := refresh(); len(doc.Shards) != 1 || doc.Generation != 1 {
		t.Errorf("%d Groups of generation %d", len(doc.Shards), doc.Generation)
	}
	f.patients = people(0, 4100)
	doc := refresh()
	if len(doc.Shards) != 6 || doc.Generation != 2 {
		t.Errorf("%d Groups of generation %d", len(doc.Shards), doc.Generation)
	}
	if doc.Joins != 200 || doc.Leaves != 0 {
		t.Errorf("%d joined and %d left: a new division is no change of members", doc.Joins,
			doc.Leaves)
	}
	if got := f.members(t); !slices.Equal(got, people(0, 4100)) {
		t.Errorf("%d members", len(got))
	}
}

// A Group that has lost all its members is emptied, and not exported: for a Group without members
// some servers export everybody.
func TestAGroupWithoutMembersIsNotExported(t *testing.T) {
	t.Parallel()
	f := &fake{groups: map[string]cohort.Group{}, patients: people(0, 40)}
	k := newKeeper(f, pipelinetest.NewMemoryJournal())
	d := everybody
	d.MaxShrink = 1
	before, err := k.Parts(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	f.patients = people(0, 2)
	ids, err := k.Parts(t.Context(), d)
	if err != nil || len(ids) > 2 || len(ids) == 0 || len(before) != 6 {
		t.Errorf("%d Groups, then %d %v", len(before), len(ids), err)
	}
	if got := f.members(t); !slices.Equal(got, people(0, 2)) {
		t.Errorf("%d members", len(got))
	}
}

// The slower of two refreshes does not write its older members over the newer ones.
func TestTwoRefreshesAtOnce(t *testing.T) {
	t.Parallel()
	f := &fake{groups: map[string]cohort.Group{}, patients: people(0, 5)}
	j := pipelinetest.NewMemoryJournal()
	k := newKeeper(f, j)
	once := false
	f.beforePut = func(cohort.Group) {
		if once {
			return
		}
		once = true
		f.patients = people(0, 6) // the other one sees a newer set, and is faster
		if _, err := k.Refresh(t.Context(), everybody, cohort.Options{}); err != nil {
			t.Error(err)
		}
	}
	_, err := k.Refresh(t.Context(), everybody, cohort.Options{})
	if err == nil || fault.Of(err) != fault.Transient {
		t.Errorf("the slower one: %v", err)
	}
	if got := f.members(t); !slices.Equal(got, people(0, 6)) {
		t.Errorf("%d members", len(got))
	}
	if _, err := k.Refresh(t.Context(), everybody, cohort.Options{}); err != nil {
		t.Error(err)
	}
}

package cohort_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"fhirsynapse/internal/cohort"
	"fhirsynapse/internal/testkit/pipelinetest"
)

// groupless returns a cohort without Groups.
func groupless(m cohort.Membership) cohort.Definition {
	d := everybody
	d.Groupless, d.Membership = true, m
	return d
}

func TestACohortWithoutGroups(t *testing.T) {
	t.Parallel()
	f := &fake{groups: map[string]cohort.Group{}, patients: people(0, 40)}
	j := pipelinetest.NewMemoryJournal()
	k := newKeeper(f, j)
	now := k.Now()
	k.Now = func() time.Time { return now }
	k.Memory = &cohort.Memory{}
	d := groupless(cohort.Tracking)
	members := func() (ids []string) {
		t.Helper()
		parts, err := k.Parts(t.Context(), d)
		if err != nil || len(parts) != 6 {
			t.Fatalf("%d parts: %v", len(parts), err)
		}
		for _, p := range parts {
			share, err := k.Share(t.Context(), d, p.Share)
			if err != nil || p.Group != "" {
				t.Fatalf("share %d: %v", p.Share, err)
			}
			ids = append(ids, share...)
		}
		slices.Sort(ids)
		return ids
	}
	if got := members(); !slices.Equal(got, people(0, 40)) || f.writes != 0 {
		t.Errorf("%d members, %d writes of Groups", len(got), f.writes)
	}
	f.patients = people(2, 45)
	if got := members(); !slices.Equal(got, people(2, 45)) {
		t.Errorf("%d members", len(got))
	}
	// Another process, or much later, evaluates the search again.
	f.patients = people(2, 46)
	now = now.Add(time.Hour)
	total := 0
	for n := range 6 {
		share, err := k.Share(t.Context(), d, n+1)
		if err != nil {
			t.Fatal(err)
		}
		total += len(share)
	}
	if total != 44 {
		t.Errorf("%d members", total)
	}
	for _, share := range []int{0, 7} {
		if _, err := k.Share(t.Context(), d, share); err == nil {
			t.Errorf("there is a share %d", share)
		}
	}
	f.patients = people(2, 3)
	if _, err := k.Parts(t.Context(), d); err == nil ||
		!strings.Contains(err.Error(), "42 of 43 members would leave") {
		t.Errorf("shrunk: %v", err)
	}
	e, err := j.Read(t.Context(), "cohorts/"+d.Name)
	if err != nil || strings.Contains(string(e.Data), marker) {
		t.Errorf("the journal names a patient, or cannot be read: %v", err)
	}
}

func TestAFixedCohortWithoutGroupsMustNotChange(t *testing.T) {
	t.Parallel()
	f := &fake{groups: map[string]cohort.Group{}, patients: people(0, 40)}
	k := newKeeper(f, pipelinetest.NewMemoryJournal())
	d := groupless(cohort.Fixed)
	for range 2 {
		if _, err := k.Parts(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	f.patients = people(0, 41)
	if _, err := k.Parts(t.Context(), d); err == nil ||
		!strings.Contains(err.Error(), "the search finds other patients now") {
		t.Errorf("changed: %v", err)
	}
	if _, err := k.Refresh(t.Context(), d, cohort.Options{Force: true}); err != nil {
		t.Error(err)
	}
	// It may get Groups later, if a person confirms.
	d.Groupless = false
	if _, err := k.Parts(t.Context(), d); err == nil ||
		!strings.Contains(err.Error(), "where it is kept") {
		t.Errorf("with Groups: %v", err)
	}
	if _, err := k.Refresh(t.Context(), d, cohort.Options{Force: true}); err != nil {
		t.Error(err)
	}
	if got := f.members(t); !slices.Equal(got, people(0, 41)) {
		t.Errorf("%d members", len(got))
	}
}

package serverless_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"fhirsynapse/internal/emulator/sqlserver"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/warehouse"
	"fhirsynapse/internal/warehouse/serverless"

	"github.com/google/go-cmp/cmp"
)

func TestMembersAreSeen(t *testing.T) {
	t.Parallel()
	w := newCohort(t)
	w.load(t, "plan-000001", first())
	// Nobody is a member before the first export ends.
	for view, ids := range map[string]string{
		"patient": "", "observation": "free", "compartment_patient": "",
		"compartment_observation": "", "practitioner": "p", "etl_cohort_member": "",
	} {
		w.want(t, view, ids)
	}
	w.same(t, ended(1, "a", "b"), w.end(t, ended(1, "a", "b")))
	w.want(t, "observation", "free oa oaa oab ob")
	w.want(t, "patient", "a b c")
	w.same(t, ended(2, "b"), w.end(t, ended(2, "b")))
	w.want(t, "observation", "free oab ob")
	w.want(t, "patient", "b")
	w.want(t, "compartment_observation", "oab ob")
	w.want(t, "practitioner", "p")
	// Who comes back is seen again.
	w.load(t, "plan-000003", first())
	w.same(t, ended(3, "a"), w.end(t, ended(3, "a")))
	w.want(t, "observation", "free oa oaa oab")
	// Another cohort takes the place of one.
	other := ended(4, "a")
	other.Record.Cohort = "drinkers"
	w.same(t, other, w.end(t, other))
	w.want(t, "patient", "a c")
	// A set without members hides everything of the compartment.
	w.same(t, ended(5), w.end(t, ended(5)))
	w.want(t, "patient", "")
	w.want(t, "observation", "free")
	w.want(t, "practitioner", "p")
}

func TestAnEmptySetIsTheFirst(t *testing.T) {
	t.Parallel()
	w := newCohort(t)
	w.load(t, "plan-000001", first())
	w.same(t, ended(1), w.end(t, ended(1)))
	w.want(t, "patient", "")
	w.want(t, "practitioner", "p")
}

func TestWithoutMembersNothingChanges(t *testing.T) {
	t.Parallel()
	w := newCohort(t)
	c := ended(1)
	c.Members = nil
	if got := w.end(t, c); !got.IsZero() || len(w.steps) > 0 {
		t.Errorf("%+v, sent %q", got, w.steps)
	}
}

// An export that has ended changes nothing, and none that was requested earlier does.
func TestALateExportChangesNothing(t *testing.T) {
	t.Parallel()
	w := newCohort(t)
	w.load(t, "plan-000001", first())
	w.same(t, ended(2, "a", "b"), w.end(t, ended(2, "a", "b")))
	before := w.content(t)
	for _, c := range []pipeline.Conclusion{
		ended(2, "a"), ended(1, "b"), ended(2, "a", "b", "c"),
	} {
		c.Attempt = "ffff"
		if got := w.end(t, c); !got.IsZero() {
			t.Errorf("%+v", got)
		}
		if d := cmp.Diff(before, w.content(t)); d != "" {
			t.Errorf("export %s changed (-before +after):\n%s", c.Record.Export, d)
		}
	}
}

func TestTheEngineConcludesAndOnlyAdds(t *testing.T) {
	t.Parallel()
	w := newCohort(t)
	opened, err := serverless.Engine().Open(w.server.URL("u", "p", "lake"), warehouse.OpenOptions{
		Lake: w.Lake, Published: w.published, PublishedURL: publishedURL, Views: w.Views,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, adds := opened.Concluder.(pipeline.Adder); opened.Concluder == nil || !adds {
		t.Errorf("the concluder is %T", opened.Concluder)
	}
	if opened, err := serverless.Engine().Open("", warehouse.OpenOptions{}); err == nil ||
		opened.Concluder != nil {
		t.Errorf("without an address the concluder is %T", opened.Concluder)
	}
}

func TestTheViewsOfACohort(t *testing.T) {
	t.Parallel()
	w := newCohort(t)
	all, err := w.Views("plan")
	if err != nil {
		t.Fatal(err)
	}
	_, texts, err := serverless.CohortScript("fhir", all[:2]...)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "cohort.sql", strings.Join(texts, ";\n\n")+";\n")
}

// Views that were created before the plan had a cohort are filtered when its first export ends.
func TestAPlanGetsACohort(t *testing.T) {
	t.Parallel()
	w := newCohort(t)
	with := w.Views
	w.Views = func(plan string) (out []*sof.View, err error) {
		all, err := with(plan)
		for _, v := range all {
			if !strings.HasPrefix(v.Name, "compartment_") {
				out = append(out, v)
			}
		}
		return out, err
	}
	w.load(t, "plan-000001", first())
	w.want(t, "patient", "a b c")
	w.Views = with
	w.end(t, ended(2, "b"))
	w.want(t, "patient", "b")
	w.want(t, "observation", "free oab ob")
	w.want(t, "compartment_observation", "oab ob")
}

func TestOldFilesOfMembersAreRemoved(t *testing.T) {
	t.Parallel()
	w := newCohort(t)
	w.load(t, "plan-000001", first())
	for n := 1; n <= 14; n++ {
		w.same(t, ended(n, "a"), w.end(t, ended(n, "a")))
	}
	n := 0
	for f, err := range w.published.List(t.Context(), pipeline.Staging, "fhir/members/") {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == 1 && !strings.Contains(f.Path, "plan-000005") {
			t.Errorf("the first file is %s", f.Path)
		}
	}
	if n != 10 {
		t.Errorf("%d files", n)
	}
	w.end(t, ended(3, "b"))
	w.asModel(t)
}

// An end that is killed anywhere shows the former members or the new ones. The next try ends it.
func TestAnEndIsKilledAnywhere(t *testing.T) {
	t.Parallel()
	for _, inPool := range []bool{false, true} {
		for n := 1; ; n++ {
			if n > 60 {
				t.Fatal("the end of an export has no end")
			}
			w := newCohort(t)
			w.load(t, "plan-000001", first())
			w.same(t, ended(1, "a"), w.end(t, ended(1, "a")))
			w.load(t, "plan-000002", first())
			before := w.content(t)
			if !w.killed(t, inPool, n, ended(2, "b")) {
				break
			}
			after := w.content(t)
			again := ended(2, "b")
			again.Attempt = "eeee"
			w.end(t, again)
			if _, err := w.model.Conclude(t.Context(), again); err != nil {
				t.Fatal(err)
			}
			w.asModel(t)
			if !cmp.Equal(before, after) && !cmp.Equal(w.content(t), after) {
				t.Errorf("killed at %d, in the pool: %t: it shows something in between", n, inPool)
			}
		}
	}
}

// killed ends an export and kills it at the nth use of the storage or request to the pool. It
// reports whether there was one.
func (w cohort) killed(t *testing.T, inPool bool, n int, c pipeline.Conclusion) bool {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	uses, requests := n, n
	w.mu.Lock()
	w.fault = func(sqlserver.Request) sqlserver.Fault {
		if requests--; inPool && requests == 0 {
			cancel()
			return sqlserver.Fault{CutAfter: n%2 == 0, CutBefore: n%2 == 1}
		}
		return sqlserver.Fault{}
	}
	w.mu.Unlock()
	_, err := w.open(t, interleaved{w.published, &uses, func() {
		if !inPool {
			cancel()
		}
	}}).Conclude(ctx, c)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fault = nil
	if inPool && err == nil && requests <= 0 {
		t.Errorf("request %d was cut and nothing failed", n)
	}
	return inPool && requests <= 0 || !inPool && uses <= 0
}

func TestThePoolFailsAtAnyStatementOfAnEnd(t *testing.T) {
	t.Parallel()
	for n := 1; ; n++ {
		if n > 60 {
			t.Fatal("the end of an export has no end")
		}
		w := newCohort(t)
		w.load(t, "plan-000001", first())
		left := n
		w.mu.Lock()
		w.fault = func(sqlserver.Request) sqlserver.Fault {
			if left--; left == 0 {
				return sqlserver.Fault{CutAfter: n%2 == 0, CutBefore: n%2 == 1}
			}
			return sqlserver.Fault{}
		}
		w.mu.Unlock()
		w.same(t, ended(1, "a"), w.end(t, ended(1, "a")))
		w.mu.Lock()
		done := left > 0
		w.mu.Unlock()
		if done {
			return
		}
	}
}

// The storage fails, and neither the error nor the file's name has the id of a member.
func TestTheStorageFailsAtTheEnd(t *testing.T) {
	t.Parallel()
	w := newCohort(t)
	w.load(t, "plan-000001", first())
	_, err := w.open(t, failing{w.published, "members/", ".lines"}).Conclude(t.Context(),
		ended(1, "secret-person"))
	if !errors.Is(err, errDown) || strings.Contains(err.Error(), "secret") {
		t.Fatal("the end did not fail with the storage, or tells a member")
	}
	w.same(t, ended(1, "a"), w.end(t, ended(1, "a")))
	bad := ended(2, "secret\nperson")
	if _, err := w.open(t, w.published).Conclude(t.Context(), bad); err == nil ||
		strings.Contains(err.Error(), "secret") {
		t.Fatal("a bad id is taken, or told")
	}
	path := "fhir/members/20991231T000000000Z-plan-000009-aa.lines"
	if _, err := w.published.Put(t.Context(), pipeline.Staging, path,
		strings.NewReader("secret\n")); err != nil {
		t.Fatal(err)
	}
	late := ended(10, "a")
	late.Record.RequestedAt = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)
	if _, err := w.open(t, w.published).Conclude(t.Context(), late); err == nil ||
		strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), path) {
		t.Fatal("a file of another form is taken, or told")
	}
}

// One end runs completely between any two storage calls of another: of the same export, of a later
// one, or of an earlier one.
func TestTwoEndsAtOnce(t *testing.T) {
	t.Parallel()
	for _, other := range []pipeline.Conclusion{
		ended(2, "b"), ended(3, "a", "b"), ended(1, "a"),
	} {
		for n := 1; ; n++ {
			if n > 60 {
				t.Fatal("the end of an export has no end")
			}
			w := newCohort(t)
			w.load(t, "plan-000001", first())
			w.same(t, ended(0, "a"), w.end(t, ended(0, "a")))
			left := n
			other.Attempt = []string{"0000", "ffff"}[n%2]
			lake := interleaved{w.published, &left, func() { w.end(t, other) }}
			if _, err := w.open(t, lake).Conclude(t.Context(), ended(2, "b")); err != nil {
				t.Fatal(err)
			}
			if left > 0 {
				break
			}
			want := map[string]string{
				"plan-000001": "free oab ob", "plan-000002": "free oab ob",
				"plan-000003": "free oa oaa oab ob",
			}[other.Record.Export]
			w.want(t, "observation", want)
		}
	}
}

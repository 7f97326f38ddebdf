package doctor

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/fault"
)

func noon() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }

func always(o Outcome) func(context.Context) Outcome {
	return func(context.Context) Outcome { return o }
}

func TestRunSkipsWhatNeedsAFailedCheck(t *testing.T) {
	t.Parallel()
	stopping := warn("", "not started")
	stopping.Stops = true
	var began, ended []string
	results := Run(t.Context(), []Check{
		{Name: "last", Needs: []string{"skipped"}, Do: always(fine("yes"))},
		{Name: "skipped", Needs: []string{"good", "bad"}, Do: always(fine("yes"))},
		{Name: "good", Do: always(fine("yes"))},
		{Name: "bad", Do: always(failed("type this", "no"))},
		{Name: "stopping", Do: always(stopping)},
		{Name: "after it", Needs: []string{"stopping"}, Do: always(fine("yes"))},
		{Name: "after a warning", Needs: []string{"warned"}, Do: always(fine("yes"))},
		{Name: "warned", Do: always(warn("", "hm"))},
		{Name: "needs a stranger", Needs: []string{"nobody"}, Do: always(fine("yes"))},
	}, Options{
		Now:   noon,
		Began: func(c Check) { began = append(began, c.Name) },
		Ended: func(r Result) { ended = append(ended, r.Check) },
	})
	var got []string
	for _, r := range results {
		got = append(got, string(r.Status)+" "+r.Check)
	}
	want := []string{
		"skipped last", "skipped skipped", "ok good", "failed bad", "warning stopping",
		"skipped after it", "ok after a warning", "warning warned", "ok needs a stranger",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(began) != 6 || len(ended) != len(results) {
		t.Errorf("%d began, %d ended", len(began), len(ended))
	}
	if results[0].Why != "it needs the check skipped, see there" || Worst(results) != Failed ||
		Worst(results[4:5]) != Warning || Worst(results[2:3]) != OK || Worst(nil) != OK {
		t.Errorf("%+v", results[0])
	}
}

func TestRunBoundsEachCheck(t *testing.T) {
	t.Parallel()
	forever := make(chan struct{})
	t.Cleanup(func() { close(forever) })
	results := Run(t.Context(), []Check{
		{Name: "deaf", Within: time.Millisecond, Do: func(context.Context) Outcome {
			<-forever
			return fine("late")
		}},
		{Name: "obedient", Within: time.Millisecond, Do: func(ctx context.Context) Outcome {
			<-ctx.Done()
			return broken(errors.New("dial: i/o timeout"))
		}},
		{Name: "needs it", Needs: []string{"deaf"}, Do: always(fine("yes"))},
	}, Options{Now: noon})
	for _, r := range results[:2] {
		if r.Status != Failed || !strings.HasPrefix(r.Why, "no answer within 1ms") ||
			!strings.Contains(r.Remedy, "firewall") {
			t.Errorf("%+v", r)
		}
	}
	if results[2].Status != Skipped {
		t.Errorf("%+v", results[2])
	}
}

func TestBrokenDividesCauseAndRemedy(t *testing.T) {
	t.Parallel()
	err := &fault.Error{
		Class: fault.Permanent, Err: fault.WithServerText(errors.New("HTTP 403"), "Patient Zz"),
		Remedy: "give the role",
	}
	got := broken(err, "az role assignment create", "")
	want := Outcome{Status: Failed, Why: "HTTP 403", Remedy: "give the role\naz role assignment create"}
	if got != want {
		t.Errorf("%+v", got)
	}
}

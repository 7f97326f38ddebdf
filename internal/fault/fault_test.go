package fault_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"fhirsynapse/internal/fault"
)

func TestOf(t *testing.T) {
	t.Parallel()
	plain := errors.New("connection reset")
	for name, c := range map[string]struct {
		err  error
		want fault.Class
	}{
		"no error at all":                 {nil, fault.Transient},
		"an error that nobody classified": {plain, fault.Transient},
		"a permanent one":                 {fault.Permanentf("no such container"), fault.Permanent},
		"wrapped by a layer": {
			fmt.Errorf("load: %w", fault.BadDataf("not JSON")),
			fault.BadData,
		},
		"the outermost has the last word": {&fault.Error{
			Class: fault.Permanent, Err: fault.Transientf("404"),
		}, fault.Permanent},
		"joined with an unclassified one": {
			errors.Join(plain, fault.Permanentf("403")),
			fault.Permanent,
		},
	} {
		if got := fault.Of(c.err); got != c.want {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}

func TestAfterIsTheLongestWaitInTheChain(t *testing.T) {
	t.Parallel()
	inner := &fault.Error{After: time.Minute, Err: errors.New("503")}
	err := fmt.Errorf("poll: %w", &fault.Error{
		After: time.Second, Err: fmt.Errorf("status: %w", inner),
	})
	if got := fault.After(err); got != time.Minute {
		t.Errorf("got %v, want 1m", got)
	}
	if got := fault.After(errors.New("x")); got != 0 {
		t.Errorf("got %v for a plain error, want 0", got)
	}
}

func TestRemedyFollowsTheCause(t *testing.T) {
	t.Parallel()
	err := &fault.Error{
		Class: fault.Permanent, Remedy: "create it", Err: errors.New("container lake: not found"),
	}
	if got, want := err.Error(), "container lake: not found: create it"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWhoseAndRemedyComeFromWhoMetTheFailure(t *testing.T) {
	t.Parallel()
	inner := &fault.Error{
		Class: fault.Permanent, Whose: fault.OurPermission, Remedy: "give the role",
		Err: errors.New("403"),
	}
	err := fmt.Errorf("poll: %w", &fault.Error{
		Whose: fault.TheirServer, Remedy: "ask them", Err: fmt.Errorf("status: %w", inner),
	})
	if got := fault.Whose(err); got != fault.OurPermission {
		t.Errorf("whose: %q", got)
	}
	if got := fault.Remedy(err); got != "give the role" {
		t.Errorf("remedy: %q", got)
	}
	if fault.Whose(errors.New("x")) != "" || fault.Remedy(nil) != "" {
		t.Error("a plain error names somebody")
	}
}

package app

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestOrphanedHandlerStops(t *testing.T) {
	t.Parallel()
	var parent atomic.Int64
	parent.Store(4711)
	ticks := make(chan time.Time)
	ctx, done := untilOrphaned(t.Context(), func() int { return int(parent.Load()) }, ticks)
	defer done()
	for range 3 { // the second send is received after the first look
		ticks <- time.Time{}
	}
	if ctx.Err() != nil {
		t.Fatal("it stopped although its parent lives")
	}
	parent.Store(1)
	ticks <- time.Time{}
	<-ctx.Done()
	if cause := context.Cause(ctx); !errors.Is(cause, errOrphaned) {
		t.Errorf("the reason is %v", cause)
	}
}

func TestFailedStartTellsItsReasonOnOneLineOfStderr(t *testing.T) {
	t.Parallel()
	var stderr bytes.Buffer
	if code := Serve(t.Context(), Environment{Now: time.Now, ReadFile: func(string) ([]byte, error) { return nil, errors.New("no file") }}, io.Discard, &stderr); code != 1 {
		t.Errorf("exit code %d", code)
	}
	said := stderr.String()
	if strings.Count(said, "\n") != 1 || !strings.HasSuffix(said, "\n") {
		t.Errorf("not one line: %q", said)
	}
	for _, want := range []string{"fhirsynapse: the configuration is wrong: ", "Warehouse", "; "} {
		if !strings.Contains(said, want) {
			t.Errorf("%q misses %q", said, want)
		}
	}
}

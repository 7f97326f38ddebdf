package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"fhirsynapse/internal/fault"
)

type longWord string

func (w longWord) String() string { return string(w) }

func TestNoAttributeOfTheLogIsLongerThanACause(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	long := strings.Repeat("é", 1<<20)
	newLog(&out, slog.LevelInfo).With("of", long).Error("step failed", "text", long, "error",
		errors.New(long), "words", []string{long},
		"stringer", longWord(long), slog.Group("in", "text", long), "n", 7, "stack",
		strings.Repeat("s", 5000))
	if out.Len() > 8*fault.MaxCause+5000 {
		t.Errorf("the entry has %d bytes", out.Len())
	}
	var entry map[string]any
	if err := json.Unmarshal(out.Bytes(), &entry); err != nil {
		t.Fatal(err)
	}
	inner, _ := entry["in"].(map[string]any)
	for name, value := range map[string]any{
		"of": entry["of"], "text": entry["text"], "error": entry["error"],
		"stringer": entry["stringer"], "in.text": inner["text"],
	} {
		if text, _ := value.(string); !strings.HasPrefix(text, "éé") || len(text) > fault.MaxCause {
			t.Errorf("%s has %d bytes", name, len(text))
		}
	}
	if entry["n"] != 7.0 || len(entry["stack"].(string)) != 5000 {
		t.Errorf("n is %v, the stack was clipped", entry["n"])
	}
}

func TestOrphanedHandlerStops(t *testing.T) {
	t.Parallel()
	var parent atomic.Int64
	parent.Store(4711)
	ticks := make(chan time.Time)
	ctx, done := untilOrphaned(t.Context(), func() int { return int(parent.Load()) }, ticks)
	defer done()
	for range 3 { // the second send is received after the first check
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
	if code := Serve(t.Context(),
		Environment{Now: time.Now, ReadFile: func(string) ([]byte, error) {
			return nil, errors.New("no file")
		}}, io.Discard, &stderr); code != 1 {
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

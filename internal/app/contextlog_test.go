package app

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"fhirsynapse/internal/azfunc"
	"fhirsynapse/internal/batch/memory"
	"fhirsynapse/internal/pipeline"
)

// A line that knows nothing but its text, inside of a step and an invocation.
func TestEachLineOfAStepNamesInvocationExportAndStep(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := newLog(&out, slog.LevelInfo)
	p := pipeline.New(pipeline.Options{}, pipeline.Ports{
		Journal: memory.NewJournal(), Now: time.Now, Log: log,
		Source: func(string) (pipeline.Source, error) { return pipeline.Source{}, nil },
	})
	handler := azfunc.Handler(map[string]azfunc.Func{
		azfunc.PollExport: func(ctx context.Context, _ azfunc.Invocation) error {
			return p.Handle(ctx, []byte(`{"step":"poll","export":"nightly-000001","job":1}`))
		},
	}, log, time.Now)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost,
		"http://127.0.0.1/"+azfunc.PollExport, strings.NewReader(`{"Data":{},"Metadata":{}}`))
	r.Header.Set("X-Azure-Functions-InvocationId", "invocation-1")
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Fatalf("%d: %s", w.Code, out.String())
	}
	found := false
	for lines := json.NewDecoder(&out); ; {
		var line struct {
			Level, Msg, Invocation, Export string
			Step                           struct{ Kind, Export string }
		}
		if err := lines.Decode(&line); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if line.Level == "" || line.Invocation != "invocation-1" {
			t.Errorf("%+v: without level or invocation", line)
		}
		if line.Msg != "invocation" {
			found = true
			if line.Export != "nightly-000001" || line.Step.Kind != "poll" {
				t.Errorf("%+v: without export or step", line)
			}
		}
	}
	if !found {
		t.Error("the step logged nothing: this test shows nothing")
	}
}

func TestALineKeepsItsOwnAttributes(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := newLog(&out, slog.LevelInfo)
	handler := azfunc.Handler(map[string]azfunc.Func{
		azfunc.TimerExport: func(ctx context.Context, in azfunc.Invocation) error {
			log.InfoContext(ctx, "a line", "invocation", in.ID)
			return nil
		},
	}, log, time.Now)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost,
		"http://127.0.0.1/"+azfunc.TimerExport, strings.NewReader(`{"Data":{},"Metadata":{}}`))
	r.Header.Set("X-Azure-Functions-InvocationId", "one")
	handler.ServeHTTP(httptest.NewRecorder(), r)
	for _, line := range strings.Split(strings.TrimSpace(out.String()), "\n") {
		if n := strings.Count(line, `"invocation":`); n != 1 {
			t.Errorf("%d ids of the invocation: %s", n, line)
		}
	}
}

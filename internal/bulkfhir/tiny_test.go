package bulkfhir_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"fhirsynapse/internal/bulkfhir"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
)

// With many tiny files memory does not grow, and each file is requested once.
func TestTwentyThousandTinyFiles(t *testing.T) {
	if testing.Short() {
		t.Skip("long: 20,000 downloads")
	}
	t.Parallel()
	const files = 20_000
	r := newRig(t, bulkfhir.DialectBulk)
	r.server.output = make([]scriptFile, files)
	for i := range files {
		r.server.output[i] = ndjson("Patient", patient(fmt.Sprintf("p%d", i)))
	}
	r.server.polls = 0
	e := tinyFiles(t, r)
	if e.Files != files {
		t.Errorf("%d files, want %d", e.Files, files)
	}
	if n := len(r.server.requests("file")); n != files {
		t.Errorf("%d downloads, want %d", n, files)
	}
	for key, err := range r.journal.List(t.Context(), "manifests/") {
		if err != nil {
			t.Fatal(err)
		}
		if d, err := r.journal.Read(t.Context(), key); err != nil ||
			(len(d.Data) >= 64<<10 && !strings.HasSuffix(key, ".raw")) {
			t.Errorf("%s has %d bytes, %v", key, len(d.Data), err)
		}
	}
}

// stack is a queue without a clock and without duplicates, for many messages.
type stack struct{ messages []pipeline.Message }

func (s *stack) Send(_ context.Context, messages ...pipeline.Message) error {
	s.messages = append(s.messages, messages...)
	return nil
}

// reading is a Flattener that only reads.
type reading struct{}

func (reading) ViewSet(string) (string, error) { return "none", nil }

func (reading) HasViews(string, string) (bool, error) { return true, nil }

func (reading) Flatten(
	_ context.Context, _ pipeline.Flattening, r io.Reader,
) (pipeline.Done, error) {
	data, err := io.ReadAll(r)
	return pipeline.Done{Lines: int64(bytes.Count(data, []byte("\n")))}, err
}

// tinyFiles fetches all files, up to the commit.
func tinyFiles(t *testing.T, r *rig) records.ExportSummary {
	t.Helper()
	s := &stack{}
	r.sends, r.flattener = s, reading{}
	r.boot()
	if err := r.p.Tick(t.Context()); err != nil {
		t.Fatal(err)
	}
	for len(s.messages) > 0 {
		m := s.messages[len(s.messages)-1]
		s.messages = s.messages[:len(s.messages)-1]
		r.until(m.At)
		if strings.Contains(string(m.Body), `"commit"`) {
			continue
		}
		if err := r.p.Handle(t.Context(), m.Body); err != nil {
			t.Fatal(err)
		}
	}
	e, _ := r.export(firstExport)
	return e
}

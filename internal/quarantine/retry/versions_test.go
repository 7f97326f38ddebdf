package retry_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
	"fhirsynapse/internal/quarantine"
)

// Tables and marks whose format only a newer version knows are left alone, and a mark keeps the
// fields that this version does not know.
func TestWhatANewerVersionHasWritten(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	etag, err := w.journal.Write(t.Context(), "tables/fhir", "", []byte(`{"format":2}`))
	if err != nil {
		t.Fatal(err)
	}
	refused := func(what string) {
		t.Helper()
		if _, err := w.retryer(t, w.lake, 1<<20).Retry(t.Context(), all()); !errors.Is(err,
			records.ErrNewer) || len(w.ledger(t)) > 0 {
			t.Errorf("%s: %v, ledger %v", what, err, w.ledger(t))
		}
	}
	refused("tables")
	if _, err := w.journal.Write(t.Context(), "tables/fhir", etag, []byte(`{}`)); err != nil {
		t.Fatal(err)
	}
	var mark string
	for f, err := range quarantine.FilesOf(t.Context(), w.lake, all()) {
		if err != nil {
			t.Fatal(err)
		}
		mark = strings.TrimSuffix(f.Path, ".ndjson") + ".retried.json"
	}
	put := func(text string) {
		t.Helper()
		if _, err := w.lake.Put(t.Context(), pipeline.Quarantine, mark,
			strings.NewReader(text)); err != nil {
			t.Fatal(err)
		}
	}
	put(`{"format":2,"attempts":{}}`)
	refused("mark")
	put(`{"attempts":[],"newer":"it stays"}`)
	if got, err := w.retryer(t, w.lake, 1<<20).Retry(t.Context(), all()); err != nil ||
		got.Applied == 0 {
		t.Errorf("%+v, %v", got, err)
	}
	r, err := w.lake.Open(t.Context(), pipeline.Quarantine, mark, "")
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil || !bytes.Contains(text, []byte(`"newer":"it stays"`)) ||
		!bytes.Contains(text, []byte(`"viewSet"`)) {
		t.Errorf("the mark: %s, %v", text, err)
	}
}

package batch_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fhirsynapse/internal/batch"
	"fhirsynapse/internal/batch/localfs"
	"fhirsynapse/internal/bulkfhir"
	"fhirsynapse/internal/emulator/fhirserver"
	"fhirsynapse/internal/emulator/fhirserver/jobs"
	"fhirsynapse/internal/emulator/fhirserver/store"
	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/pipeline"
)

// newDeidentifyingWorld makes a world with an emulator of Azure's server that writes into the
// lake, and that has one configuration of de-identified exports.
func newDeidentifyingWorld(t *testing.T) *world {
	w := newWorld(t)
	folder := t.TempDir()
	landing := filepath.Join(folder, "lake")
	if err := os.Mkdir(landing, 0o700); err != nil {
		t.Fatal(err)
	}
	data, err := store.New(store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		`{"resourceType":"Patient","id":"p1","birthDate":"1980-02-03","gender":"female","name":[{"family":"MARK-4711"}]}`,
		`{"resourceType":"Observation","id":"o1","status":"final","subject":{"reference":"Patient/p1"}}`,
	} {
		if err := data.Add([]byte(line)); err != nil {
			t.Fatal(err)
		}
	}
	server, err := fhirserver.New(fhirserver.Options{
		Store: data, Blobs: jobs.NewFolder(folder), Now: w.exporter.Now,
		Anonymization: map[string]string{"limited.json": "0x1"},
	})
	if err != nil {
		t.Fatal(err)
	}
	base, err := server.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	w.exporter.Source, err = bulkfhir.New(bulkfhir.Options{
		Dialect: bulkfhir.DialectAzure, BaseURL: base, Container: "lake", Now: w.exporter.Now,
		AllowPrivate: true,
		Landing:      func(u string) (string, bool) { return strings.CutPrefix(u, "folder:lake/") },
	})
	if err != nil {
		t.Fatal(err)
	}
	set, err := bundled()
	if err != nil {
		t.Fatal(err)
	}
	lake := localfs.New(t.TempDir()).WithLanding(landing)
	if w.exporter.Flattener, err = flatten.NewFlattener(flatten.Options{
		Lake: lake, Views: set,
	}); err != nil {
		t.Fatal(err)
	}
	tables := w.store.Warehouse(lake, set.Tables)
	w.exporter.Lake, w.exporter.Warehouse = lake, tables
	return w
}

func TestADeidentifiedExportLoadsNoNames(t *testing.T) {
	t.Parallel()
	for name, rules := range map[string]*pipeline.Deidentify{
		"identified": nil, "de-identified": {Config: "limited.json", ETag: "0x1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newDeidentifyingWorld(t)
			w.exporter.Plan.Deidentify = rules
			got, err := w.exporter.Export(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if err := got.Check(); err != nil {
				t.Error(err)
			}
			content := w.content()
			text := strings.Join(content["patient"], "\n")
			for word, want := range map[string]bool{
				"MARK-4711": rules == nil, "1980-02-03": rules == nil, "p1": true, "female": true,
			} {
				if strings.Contains(text, word) != want {
					t.Errorf("the row of a patient has %s: %t, want %t", word, !want, want)
				}
			}
			if len(content["observation"]) != 1 ||
				!strings.Contains(content["observation"][0], "p1") {
				t.Errorf("the observation has lost its patient: %q", content["observation"])
			}
		})
	}
}

func TestARefusalOfAConfigurationSaysWhatToDo(t *testing.T) {
	t.Parallel()
	for name, rules := range map[string]pipeline.Deidentify{
		"another ETag":  {Config: "limited.json", ETag: "0x2"},
		"another file":  {Config: "other.json", ETag: "0x1"},
		"no collection": {Config: "limited.json", Collection: "registry.azurecr.io/rules:v1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newDeidentifyingWorld(t)
			w.exporter.Plan.Deidentify = &rules
			_, err := w.exporter.Export(t.Context())
			var failed *batch.FailedError
			if !errors.As(err, &failed) || failed.Whose != "our setting" {
				t.Fatalf("got %v", err)
			}
			text := err.Error() + failed.Remedy
			for _, want := range []string{rules.String(), "HTTP 400"} {
				if !strings.Contains(text, want) {
					t.Errorf("no %q in %s", want, text)
				}
			}
			if rules.ETag != "" && !strings.Contains(text, "configuration") {
				t.Errorf("the remedy is %q", failed.Remedy)
			}
			if rows := w.content()["patient"]; len(rows) > 0 {
				t.Errorf("%d rows", len(rows))
			}
		})
	}
}

package app_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fhirsynapse/internal/app"
	"fhirsynapse/internal/warehouse/open"
)

func environment(settings ...string) app.Environment {
	return app.Environment{
		Environ: append([]string{
			"Warehouse=sqlserver://127.0.0.1?database=fhir",
			"LakeStorage=UseDevelopmentStorage=true", "ExportsFile=../../exports.sample.yaml",
			"ServiceBusConnection=Endpoint=sb://127.0.0.1;SharedAccessKeyName=k;SharedAccessKey=s;UseDevelopmentEmulator=true",
		}, settings...),
		ReadFile: os.ReadFile, Now: time.Now, Engines: open.Engines(),
	}
}

// An app that was scaled to zero waits for its handler to start. Compiling the bundled views takes
// 170,000 allocations, and most of the time until the handler listens.
func TestAStartCompilesNoBundledViews(t *testing.T) {
	allocations := testing.AllocsPerRun(1, func() {
		if _, err := app.New(environment(), slog.New(slog.DiscardHandler)); err != nil {
			t.Error(err)
		}
	})
	if allocations > 20_000 {
		t.Errorf("a start makes %.0f allocations", allocations)
	}
}

func TestAWrongViewOfAFolderIsFoundAtTheStart(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "mine.json"),
		[]byte(`{"resourceType":"ViewDefinition","resource":"Patient","name":"mine","select":[{"column":[{"name":"x","path":"nothing("}]}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := app.New(environment("ViewsFolder="+folder), slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "mine.json") {
		t.Errorf("got %v", err)
	}
}

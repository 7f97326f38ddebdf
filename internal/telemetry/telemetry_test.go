package telemetry_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/telemetry"
)

// What telemetry adds to one step, while a collector takes everything.
func BenchmarkStep(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
	}))
	defer server.Close()
	b.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL)
	sent := telemetry.Start(b.Context(), os.Environ(), "test", time.Now,
		slog.New(slog.DiscardHandler))
	defer sent.Stop(b.Context())
	o := sent.Observer()
	for b.Loop() {
		now := time.Now()
		o.StepEnded(pipeline.StepReport{
			Step: pipeline.Step{
				Kind: pipeline.StepPrepare, Export: "nightly-000001", Job: 1, Type: "Patient",
			},
			Began: now, Ended: now, Outcome: pipeline.OutcomeDone,
			Prepared: pipeline.PreparedReport{Files: 1, Lines: 1000, Bytes: 1 << 20, Rows: 3000},
		})
	}
}

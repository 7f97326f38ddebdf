package native

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"fhirsynapse/internal/sof"
)

func compileFile(tb testing.TB, path string) *sof.View {
	tb.Helper()
	src, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	v, err := sof.Compile(filepath.Base(path), src)
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

func linesOf(tb testing.TB, path string) [][]byte {
	tb.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return bytes.Split(bytes.TrimSpace(b), []byte("\n"))
}

// benchmark runs views over real lines. MB/s counts the lines' bytes.
func benchmark(b *testing.B, lines [][]byte, views ...*sof.View) {
	b.Helper()
	engine, err := New(views)
	if err != nil {
		b.Fatal(err)
	}
	eval := engine.Evaluator()
	var size int64
	for _, l := range lines {
		size += int64(len(l))
	}
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		for _, l := range lines {
			if _, err := eval.Eval(b.Context(), l, func(int, [][]byte) error {
				return nil
			}); err != nil {
				b.Fatal(err)
			}
		}
	}
}

const (
	synthea   = "../../../views/testdata/synthea/"
	flatViews = "../../sandbox/enginebench/views/"
)

func BenchmarkFlatPatient(b *testing.B) {
	benchmark(b, linesOf(b, synthea+"Patient.ndjson"),
		compileFile(b, flatViews+"flat_patient.json"))
}

func BenchmarkFlatObservation(b *testing.B) {
	benchmark(b, linesOf(b, synthea+"Observation.ndjson"),
		compileFile(b, flatViews+"flat_observation.json"))
}

func BenchmarkValidateOnly(b *testing.B) {
	benchmark(b, linesOf(b, synthea+"Observation.ndjson"))
}

func BenchmarkBundledPatientViews(b *testing.B) { benchmarkBundled(b, "patient", "Patient") }
func BenchmarkBundledObservationViews(b *testing.B) {
	benchmarkBundled(b, "observation", "Observation")
}

func benchmarkBundled(b *testing.B, table, resource string) {
	b.Helper()
	files, err := filepath.Glob("../../../views/" + table + "*.json")
	if err != nil {
		b.Fatal(err)
	}
	var views []*sof.View
	for _, f := range files {
		views = append(views, compileFile(b, f))
	}
	benchmark(b, linesOf(b, synthea+resource+".ndjson"), views...)
}

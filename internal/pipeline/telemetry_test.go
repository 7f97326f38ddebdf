package pipeline_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
	"fhirsynapse/internal/telemetry"
	"fhirsynapse/internal/testkit/otlptest"
)

// sending connects a world to a collector, until stop.
func sending(t *testing.T, w *world, to *otlptest.Collector) (stop func()) {
	t.Helper()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", to.URL)
	sent := telemetry.Start(t.Context(), os.Environ(), "test", w.now, w.log)
	if sent == nil {
		t.Fatal("nothing is sent")
	}
	w.observer = sent.Observer()
	w.boot()
	return func() { sent.Stop(t.Context()) }
}

func TestOneTraceGoesFromTheTimerToTheTables(t *testing.T) {
	w, collector := newWorld(t), otlptest.New(t)
	w.server.put("Patient", "p1", "one", 1, false)
	w.server.put("Observation", "o1", "one", 1, false)
	// Two handlers share the work, and none knows what the other has sent.
	stop := sending(t, w, collector)
	for range 12 {
		w.step()
	}
	if e, _ := w.export("nightly-000001"); e.State.Final() {
		t.Fatalf("the first handler has done all: %s", e.State)
	}
	stop()
	stop = sending(t, w, collector)
	w.loaded("nightly-000001")
	stop()

	spans := collector.Spans()
	roots := slices.DeleteFunc(slices.Clone(spans), func(s otlptest.Span) bool {
		return s.Parent != ""
	})
	if len(roots) != 1 || roots[0].Name != "export" || roots[0].Attributes["state"] != "loaded" {
		t.Fatalf("first spans: %+v", roots)
	}
	kinds := map[string]int{}
	for _, s := range spans {
		if s.Parent == "" {
			continue
		}
		kinds[s.Name]++
		if s.Trace != roots[0].Trace || s.Parent != roots[0].ID ||
			s.Attributes["export"] != "nightly-000001" || s.From < roots[0].From {
			t.Errorf("a span outside of the export's trace: %+v", s)
		}
	}
	for _, kind := range []string{
		pipeline.StepKickOff, pipeline.StepPoll, pipeline.StepLanded, pipeline.StepCommit,
		pipeline.StepConclude,
	} {
		if kinds[kind] == 0 {
			t.Errorf("no span of a %s step, only %v", kind, slices.Sorted(maps.Keys(kinds)))
		}
	}
}

func TestTheCountersHaveTheCountsOfTheLedger(t *testing.T) {
	w, collector := newWorld(t), otlptest.New(t)
	for i := range 7 {
		w.server.put("Patient", fmt.Sprintf("p%d", i), "one", 1, false)
	}
	w.server.put("Observation", "o1", "one", 1, false)
	stop := sending(t, w, collector)
	w.loaded("nightly-000001")
	w.server.put("Patient", "p1", "two", 2, false)
	w.loaded("nightly-000002")
	stop()

	want := map[string]int64{}
	for _, export := range []string{"nightly-000001", "nightly-000002"} {
		reports, err := w.p.Report(t.Context(), export)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range reports {
			want[r.Type+" applied"] += r.Applied
			want[r.Type+" superseded"] += r.Superseded
			want[r.Type+" quarantined"] += r.Quarantined
		}
	}
	if want["Patient applied"] < 8 {
		t.Fatalf("the ledger has too little for this test: %v", want)
	}
	numbers := collector.Numbers()
	for key, n := range want {
		typ, result, _ := strings.Cut(key, " ")
		name := fmt.Sprintf("fhirsynapse.loaded.lines{plan=nightly,result=%s,type=%s}", result, typ)
		if int64(numbers[name]) != n {
			t.Errorf("%s is %v, the ledger has %d", name, numbers[name], n)
		}
	}
	if n := numbers["fhirsynapse.exports{plan=nightly,state=loaded}"]; n != 2 {
		t.Errorf("%v exports have ended", n)
	}
	if n := numbers["fhirsynapse.prepared.lines{plan=nightly,type=Patient}"]; n < 8 {
		t.Errorf("%v lines were prepared", n)
	}
	lag, known := numbers["fhirsynapse.lag{plan=nightly}"]
	if !known || lag < 0 || lag > (3*time.Hour).Seconds() {
		t.Errorf("lag %v, known: %t; all: %v", lag, known, numbers)
	}
}

func TestAFailureIsCountedAndItsSpanIsMarked(t *testing.T) {
	w, collector := newWorld(t), otlptest.New(t)
	var log bytes.Buffer
	w.log = slog.New(slog.NewJSONHandler(&log, nil))
	w.server.put("Patient", "p1", "one", 1, false)
	w.plans[0].MaxBad = 0
	w.server.put("Patient", "", "a line without id", 1, false)
	stop := sending(t, w, collector)
	e := w.run("nightly-000001")
	stop()
	if e.State != records.Failed {
		t.Fatalf("the export is %s", e.State)
	}
	if n := collector.Numbers()["fhirsynapse.exports{plan=nightly,state=failed}"]; n != 1 {
		t.Errorf("%v failed exports", n)
	}
	if !slices.ContainsFunc(collector.Spans(), func(s otlptest.Span) bool {
		return s.Name == pipeline.StepCommit && s.Failed
	}) {
		t.Error("no span of a failed commit")
	}
	if !strings.Contains(log.String(), `"msg":"export failed"`) {
		t.Error("the log has no line for the alert rule")
	}
}

func TestWithoutVariablesNothingIsStarted(t *testing.T) {
	before := runtime.NumGoroutine()
	for _, environ := range [][]string{
		nil,
		{"OTEL_SERVICE_NAME=x"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1", "OTEL_SDK_DISABLED=true"},
		{
			"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1", "OTEL_TRACES_EXPORTER=none",
			"OTEL_METRICS_EXPORTER=none",
		},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_PROTOCOL=grpc"},
	} {
		sent := telemetry.Start(t.Context(), environ, "test", time.Now,
			slog.New(slog.DiscardHandler))
		if sent != nil || sent.Observer() != nil {
			t.Errorf("%v: telemetry is on", environ)
		}
		sent.Stop(t.Context())
	}
	if after := runtime.NumGoroutine(); after > before {
		t.Errorf("%d goroutines were started", after-before)
	}
}

// The collector answers nothing before the export has ended, so no step can have waited for it.
func TestADeadCollectorKeepsNoStepWaiting(t *testing.T) {
	w, collector := newWorld(t), otlptest.New(t)
	w.server.put("Patient", "p1", "one", 1, false)
	collector.Hold()
	stop := sending(t, w, collector)
	w.loaded("nightly-000001")
	for range 10_000 { // more than the queue of spans takes
		w.observer.StepEnded(pipeline.StepReport{
			Step: pipeline.Step{Kind: pipeline.StepPoll, Export: "nightly-000001"}, Began: w.now(),
			Ended: w.now(), Outcome: pipeline.OutcomeDone,
		})
	}
	collector.Release()
	stop()
}

func TestTheWordsOfACollectorAreNotLogged(t *testing.T) {
	w, collector := newWorld(t), otlptest.New(t)
	var log bytes.Buffer
	w.log = slog.New(slog.NewJSONHandler(&log, nil))
	collector.Refuse("MARKER")
	stop := sending(t, w, collector)
	w.loaded("nightly-000001")
	stop()
	if !strings.Contains(log.String(), "telemetry not sent") ||
		strings.Contains(log.String(), "MARKER") {
		t.Errorf("log: %s", log.String())
	}
}

func TestTelemetryHasNoHealthData(t *testing.T) {
	w, collector := newWorld(t), otlptest.New(t)
	w.server.put("Patient", "MARKER-ID", "MARKER-VALUE", 1, false)
	w.server.put("Patient", "", "MARKER-LINE", 1, false)
	w.server.put("Observation", "MARKER-ID", "MARKER-VALUE", 1, true)
	failures := 0
	w.server.status = func() error { // words of the server
		if failures++; failures > 1 {
			return nil
		}
		return errors.New("MARKER-ANSWER")
	}
	stop := sending(t, w, collector)
	e := w.run("nightly-000001")
	stop()
	if e.State != records.Loaded {
		t.Fatalf("the export is %s", e.State)
	}
	numbers := collector.Numbers()
	if numbers["fhirsynapse.loaded.lines{plan=nightly,result=quarantined,type=Patient}"] != 1 ||
		numbers["fhirsynapse.step.retries{plan=nightly,step=poll}"] != 1 {
		t.Errorf("no bad line, or no failure: this test shows nothing: %v", numbers)
	}
	for _, text := range []string{"MARKER", "ndjson"} {
		if collector.Contains(text) {
			t.Errorf("%s was sent", text)
		}
	}
}

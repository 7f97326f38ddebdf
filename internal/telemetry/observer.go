package telemetry

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	api "go.opentelemetry.io/otel/metric"
	metricsoff "go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	tracesoff "go.opentelemetry.io/otel/trace/noop"

	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
)

const scope = "fhirsynapse"

// observer implements pipeline.Observer. It keeps no export in memory.
type observer struct {
	now     func() time.Time
	tracer  trace.Tracer
	meter   api.Meter
	seconds api.Float64Histogram
	counts  map[string]api.Int64Counter

	mu    sync.Mutex
	plans map[string]pipeline.PlanReport
}

// counters are the names of the counters, with unit and description.
var counters = [][3]string{
	{"fhirsynapse.step.retries", "{retry}", "Steps that failed and are sent again"},
	{"fhirsynapse.exports", "{export}", "Exports that have ended, by state"},
	{"fhirsynapse.prepared.files", "{file}", "Files that were flattened"},
	{"fhirsynapse.prepared.bytes", "By", "Bytes of NDJSON that were read"},
	{"fhirsynapse.prepared.lines", "{line}", "Lines that were read"},
	{"fhirsynapse.prepared.rows", "{row}", "Rows that were made of them"},
	{"fhirsynapse.prepared.quarantined", "{line}", "Lines that went to quarantine"},
	{"fhirsynapse.loaded.lines", "{line}", "Lines of the ledger of loaded exports, by result"},
}

// forgotten is the age of a tick after which its plan is not reported: another instance has the
// timer by then.
const forgotten = 15 * time.Minute

// newObserver makes the instruments. A provider that is nil takes nothing.
func newObserver(
	spans *sdktrace.TracerProvider, meters *sdkmetric.MeterProvider, now func() time.Time,
) (*observer, error) {
	o := &observer{
		now: now, tracer: tracesoff.NewTracerProvider().Tracer(scope),
		meter:  metricsoff.NewMeterProvider().Meter(scope),
		counts: map[string]api.Int64Counter{}, plans: map[string]pipeline.PlanReport{},
	}
	if spans != nil {
		o.tracer = spans.Tracer(scope)
	}
	if meters != nil {
		o.meter = meters.Meter(scope)
	}
	var faults []error
	for _, c := range counters {
		counter, err := o.meter.Int64Counter(c[0], api.WithUnit(c[1]), api.WithDescription(c[2]))
		o.counts[c[0]], faults = counter, append(faults, err)
	}
	var err error
	o.seconds, err = o.meter.Float64Histogram("fhirsynapse.step.duration", api.WithUnit("s"),
		api.WithDescription("How long steps took"),
		api.WithExplicitBucketBoundaries(.05, .2, 1, 5, 20, 60, 300, 1200, 3600))
	return o, errors.Join(append(faults, err, o.gauges())...)
}

// gauges are computed when metrics are sent, from what the last tick has seen.
func (o *observer) gauges() error {
	lag, err := o.meter.Float64ObservableGauge("fhirsynapse.lag", api.WithUnit("s"),
		api.WithDescription("Time since the end of what a plan has loaded"))
	if err != nil {
		return err
	}
	age, err := o.meter.Float64ObservableGauge("fhirsynapse.unfinished.age", api.WithUnit("s"),
		api.WithDescription("Time since the request of a plan's unfinished export; 0 without one"))
	if err != nil {
		return err
	}
	_, err = o.meter.RegisterCallback(func(_ context.Context, to api.Observer) error {
		o.mu.Lock()
		defer o.mu.Unlock()
		now := o.now()
		for _, p := range o.plans {
			if now.Sub(p.At) > forgotten {
				continue
			}
			of := api.WithAttributes(attribute.String("plan", p.Plan))
			if !p.Paused { // nobody waits for a paused plan
				to.ObserveFloat64(lag, now.Sub(p.LoadedTill).Seconds(), of)
			}
			unfinished := 0.0
			if !p.UnfinishedSince.IsZero() {
				unfinished = now.Sub(p.UnfinishedSince).Seconds()
			}
			to.ObserveFloat64(age, unfinished, of)
		}
		return nil
	}, lag, age)
	return err
}

func (o *observer) add(name string, n int64, attrs ...attribute.KeyValue) {
	if n != 0 {
		o.counts[name].Add(context.Background(), n, api.WithAttributes(attrs...))
	}
}

// parent returns a context for the spans of an export. The span of the export itself is sent at its
// end; until then its ids are known, and whether it is sampled.
func (o *observer) parent(export string) context.Context {
	ctx := context.WithValue(context.Background(), exportKey{}, export)
	_, root := o.tracer.Start(ctx, "export")
	return trace.ContextWithSpanContext(ctx, root.SpanContext())
}

// StepEnded implements pipeline.Observer.
func (o *observer) StepEnded(r pipeline.StepReport) {
	s := r.Step
	plan, _, _ := records.CutExportID(s.Export)
	short := []attribute.KeyValue{
		attribute.String("plan", plan), attribute.String("step", s.Kind),
	}
	o.seconds.Record(context.Background(), r.Ended.Sub(r.Began).Seconds(), api.WithAttributes(
		append(short, attribute.String("outcome", string(r.Outcome)))...))
	if r.Outcome == pipeline.OutcomeAgain {
		o.add("fhirsynapse.step.retries", 1, short...)
	}
	if p := r.Prepared; p.Files > 0 {
		of := []attribute.KeyValue{short[0], attribute.String("type", s.Type)}
		o.add("fhirsynapse.prepared.files", p.Files, of...)
		o.add("fhirsynapse.prepared.bytes", p.Bytes, of...)
		o.add("fhirsynapse.prepared.lines", p.Lines, of...)
		o.add("fhirsynapse.prepared.rows", p.Rows, of...)
		o.add("fhirsynapse.prepared.quarantined", p.Quarantined, of...)
	}
	if s.Export == "" {
		return // it belongs to no trace
	}
	attrs := append(short, attribute.String("export", s.Export), attribute.Int("try", s.Try),
		attribute.String("outcome", string(r.Outcome)))
	for key, text := range map[string]string{"type": s.Type, "error.type": r.Class} {
		if text != "" {
			attrs = append(attrs, attribute.String(key, text))
		}
	}
	for key, n := range map[string]int64{
		"job": int64(s.Job), "bytes": r.Prepared.Bytes, "lines": r.Prepared.Lines,
		"rows": r.Prepared.Rows, "quarantined": r.Prepared.Quarantined,
	} {
		if n > 0 {
			attrs = append(attrs, attribute.Int64(key, n))
		}
	}
	_, span := o.tracer.Start(o.parent(s.Export), s.Kind, trace.WithTimestamp(r.Began),
		trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(attrs...))
	if r.Outcome == pipeline.OutcomeFailed || r.Outcome == pipeline.OutcomeCut {
		span.SetStatus(codes.Error, string(r.Outcome))
	}
	span.End(trace.WithTimestamp(r.Ended))
}

// ExportEnded implements pipeline.Observer.
func (o *observer) ExportEnded(r pipeline.ExportReport) {
	plan := attribute.String("plan", r.Plan)
	state := attribute.String("state", string(r.State))
	o.add("fhirsynapse.exports", 1, plan, state)
	var sum pipeline.Counts
	for typ, c := range r.Loaded {
		sum.Add(c)
		for result, n := range map[string]int64{
			"applied": c.Applied, "superseded": c.Superseded, "filtered": c.Filtered,
			"quarantined": c.Quarantined, "blank": c.Blank,
		} {
			o.add("fhirsynapse.loaded.lines", n, plan, attribute.String("type", typ),
				attribute.String("result", result))
		}
	}
	ctx := context.WithValue(context.Background(), exportKey{}, r.Export)
	_, span := o.tracer.Start(ctx, "export", trace.WithNewRoot(),
		trace.WithTimestamp(r.RequestedAt), trace.WithAttributes(plan, state,
			attribute.String("export", r.Export), attribute.Int64("lines", sum.Lines),
			attribute.Int64("quarantined", sum.Quarantined)))
	if r.State == records.Failed {
		span.SetAttributes(attribute.String("failed.step", r.FailedStep),
			attribute.String("whose", r.FaultSide))
		span.SetStatus(codes.Error, "failed")
	}
	span.End(trace.WithTimestamp(r.EndedAt))
}

// PlanTicked implements pipeline.Observer.
func (o *observer) PlanTicked(r pipeline.PlanReport) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.plans[r.Plan] = r
}

var _ pipeline.Observer = (*observer)(nil)

// Package telemetry sends traces and metrics by OTLP over HTTP, to where OpenTelemetry's standard
// environment variables say. Without an endpoint it starts nothing. docs/telemetry.md has the
// names.
package telemetry

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"

	"fhirsynapse/internal/pipeline"
)

// Telemetry sends until Stop. A nil Telemetry sends nothing.
type Telemetry struct {
	observer *observer
	stops    []func(context.Context) error
	log      *slog.Logger
}

// stopFor bounds the last sending. The host waits ten seconds for a handler that stops, and
// running steps may take half of them.
const stopFor = 2 * time.Second

// Start begins to send if the environment names an endpoint, and returns nil otherwise. It does no
// I/O. A wrong setting is logged and turns telemetry off: no export fails for it.
//
// The SDK reads the details, such as headers and intervals, from the environment of the process.
func Start(
	ctx context.Context, environ []string, version string, now func() time.Time, log *slog.Logger,
) *Telemetry {
	env := variables(environ)
	traces, metrics := env.sends("TRACES"), env.sends("METRICS")
	if !traces && !metrics {
		return nil
	}
	for _, signal := range []string{"_TRACES", "_METRICS", ""} {
		protocol := env["OTEL_EXPORTER_OTLP"+signal+"_PROTOCOL"]
		if protocol != "" && protocol != "http/protobuf" {
			log.WarnContext(ctx, "telemetry is off: this program sends http/protobuf alone",
				"setting", "OTEL_EXPORTER_OTLP"+signal+"_PROTOCOL")
			return nil
		}
	}
	t := &Telemetry{log: log}
	otel.SetErrorHandler(&troubles{log: log, now: now})
	var spans *trace.TracerProvider
	var meters *metric.MeterProvider
	res := describe(env, version)
	if traces {
		sender, err := otlptracehttp.New(ctx)
		if err != nil {
			return t.off(ctx, err)
		}
		spans = trace.NewTracerProvider(trace.WithResource(res),
			trace.WithIDGenerator(ids{installationOf(env)}), trace.WithBatcher(sender))
		t.stops = append(t.stops, spans.Shutdown)
	}
	if metrics {
		sender, err := otlpmetrichttp.New(ctx)
		if err != nil {
			return t.off(ctx, err)
		}
		meters = metric.NewMeterProvider(metric.WithResource(res),
			metric.WithReader(metric.NewPeriodicReader(sender)))
		t.stops = append(t.stops, meters.Shutdown)
	}
	var err error
	if t.observer, err = newObserver(spans, meters, now); err != nil {
		return t.off(ctx, err)
	}
	log.InfoContext(ctx, "telemetry is sent", "traces", traces, "metrics", metrics)
	return t
}

// off ends what was started. The error may quote a setting with a secret, so it is not logged.
func (t *Telemetry) off(ctx context.Context, _ error) *Telemetry {
	t.log.WarnContext(ctx,
		"telemetry is off: look at the settings that begin with OTEL_EXPORTER_OTLP")
	t.Stop(ctx)
	return nil
}

// Observer returns what the pipeline reports to; nil if nothing is sent.
func (t *Telemetry) Observer() pipeline.Observer {
	if t == nil {
		return nil
	}
	return t.observer
}

// Stop sends the rest, for two seconds at most, also if ctx has ended.
func (t *Telemetry) Stop(ctx context.Context) {
	if t == nil {
		return
	}
	ctx, done := context.WithTimeout(context.WithoutCancel(ctx), stopFor)
	defer done()
	var all sync.WaitGroup
	for _, stop := range t.stops {
		all.Go(func() {
			if err := stop(ctx); err != nil {
				otel.Handle(err)
			}
		})
	}
	all.Wait()
}

// describe names this process. The environment's own names win.
func describe(env environment, version string) *resource.Resource {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails, according to its documentation
	instance := cmp.Or(env["WEBSITE_INSTANCE_ID"], "process") + "/" + hex.EncodeToString(b[:])
	ours := resource.NewSchemaless(
		attribute.String("service.name", "fhirsynapse"),
		attribute.String("service.version", version),
		// Counters of two processes would be mixed up otherwise.
		attribute.String("service.instance.id", instance),
	)
	theirs := resource.Environment()
	merged, err := resource.Merge(resource.Default(), ours)
	if err == nil {
		merged, err = resource.Merge(merged, theirs)
	}
	if err != nil && merged == nil {
		return ours
	}
	return merged
}

type environment map[string]string

func variables(environ []string) environment {
	env := environment{}
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		env[name] = strings.TrimSpace(value)
	}
	return env
}

// sends reports whether a signal has an endpoint and is not turned off.
func (e environment) sends(signal string) bool {
	exporter := cmp.Or(e["OTEL_"+signal+"_EXPORTER"], "otlp")
	endpoint := cmp.Or(e["OTEL_EXPORTER_OTLP_"+signal+"_ENDPOINT"],
		e["OTEL_EXPORTER_OTLP_ENDPOINT"])
	return endpoint != "" && exporter == "otlp" &&
		!strings.EqualFold(e["OTEL_SDK_DISABLED"], "true")
}

// troubles logs that sending fails, now and then. The text of an error may quote the collector's
// answer or a header, so it is left out.
type troubles struct {
	log *slog.Logger
	now func() time.Time

	mu   sync.Mutex
	next time.Time
}

const complainEvery = 10 * time.Minute

// Handle implements otel.ErrorHandler.
func (tr *troubles) Handle(err error) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if tr.now().Before(tr.next) {
		return
	}
	tr.next = tr.now().Add(complainEvery)
	tr.log.Warn("telemetry not sent; the exports go on", "timeout",
		errors.Is(err, context.DeadlineExceeded))
}

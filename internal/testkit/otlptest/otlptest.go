// Package otlptest is a collector of OpenTelemetry on loopback, which keeps the spans and the
// numbers that it receives by OTLP over HTTP.
package otlptest

import (
	"compress/gzip"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	metrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	traces "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	metric "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/protobuf/proto"
)

// Span is one span that arrived.
type Span struct {
	Trace, ID, Parent, Name string
	Attributes              map[string]string
	Failed                  bool
	// From and Till are in nanoseconds since 1970.
	From, Till uint64
}

// Collector keeps what arrives.
type Collector struct {
	URL string

	t        *testing.T
	mu       sync.Mutex
	requests int
	spans    []Span
	latest   map[string]float64 // by process, metric and attributes
	bodies   [][]byte
	hold     chan struct{}
	refusal  string
}

// New starts a collector that ends with the test.
func New(t *testing.T) *Collector {
	t.Helper()
	c := &Collector{t: t, latest: map[string]float64{}}
	server := httptest.NewServer(c)
	t.Cleanup(func() {
		c.Release()
		server.Close()
	})
	c.URL = server.URL
	return c
}

// Hold keeps all requests unanswered until Release.
func (c *Collector) Hold() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hold = make(chan struct{})
}

// Release answers the requests that are held.
func (c *Collector) Release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.hold != nil {
		close(c.hold)
		c.hold = nil
	}
}

// Refuse answers all requests with an error and a text.
func (c *Collector) Refuse(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refusal = text
}

// ServeHTTP implements http.Handler.
func (c *Collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := read(r)
	c.mu.Lock()
	c.requests++
	hold, refusal := c.hold, c.refusal
	if err == nil && refusal == "" {
		err = c.keep(r.URL.Path, body)
	}
	c.mu.Unlock()
	if hold != nil {
		<-hold
	}
	switch {
	case refusal != "":
		http.Error(w, refusal, http.StatusBadRequest)
	case err != nil:
		c.t.Errorf("%s: %v", r.URL.Path, err)
		http.Error(w, "unreadable", http.StatusBadRequest)
	default:
		w.Header().Set("Content-Type", "application/x-protobuf")
	}
}

func read(r *http.Request) ([]byte, error) {
	from := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, err
		}
		from = unzipped
	}
	return io.ReadAll(from)
}

func (c *Collector) keep(path string, body []byte) error {
	c.bodies = append(c.bodies, body)
	switch path {
	case "/v1/traces":
		var in traces.ExportTraceServiceRequest
		if err := proto.Unmarshal(body, &in); err != nil {
			return err
		}
		for _, r := range in.GetResourceSpans() {
			for _, s := range r.GetScopeSpans() {
				for _, span := range s.GetSpans() {
					c.spans = append(c.spans, Span{
						Trace: fmt.Sprintf("%x", span.GetTraceId()),
						ID:    fmt.Sprintf("%x", span.GetSpanId()),
						Name:  span.GetName(), Parent: fmt.Sprintf("%x", span.GetParentSpanId()),
						Attributes: texts(span.GetAttributes()),
						Failed:     span.GetStatus().GetCode() == 2,
						From:       span.GetStartTimeUnixNano(), Till: span.GetEndTimeUnixNano(),
					})
				}
			}
		}
		return nil
	case "/v1/metrics":
		var in metrics.ExportMetricsServiceRequest
		if err := proto.Unmarshal(body, &in); err != nil {
			return err
		}
		for _, r := range in.GetResourceMetrics() {
			process := texts(r.GetResource().GetAttributes())["service.instance.id"]
			for _, s := range r.GetScopeMetrics() {
				for _, m := range s.GetMetrics() {
					c.keepMetric(process, m)
				}
			}
		}
		return nil
	default:
		return fmt.Errorf("no such path: %s", path)
	}
}

func (c *Collector) keepMetric(process string, m *metric.Metric) {
	points := append(m.GetSum().GetDataPoints(), m.GetGauge().GetDataPoints()...)
	for _, p := range points {
		n := p.GetAsDouble()
		if _, whole := p.GetValue().(*metric.NumberDataPoint_AsInt); whole {
			n = float64(p.GetAsInt())
		}
		c.latest[process+"\n"+series(m.GetName(), texts(p.GetAttributes()))] = n
	}
	for _, p := range m.GetHistogram().GetDataPoints() {
		c.latest[process+"\n"+series(m.GetName(), texts(p.GetAttributes()))] = float64(p.GetCount())
	}
}

func texts(attrs []*common.KeyValue) map[string]string {
	out := map[string]string{}
	for _, a := range attrs {
		switch v := a.GetValue().GetValue().(type) {
		case *common.AnyValue_StringValue:
			out[a.GetKey()] = v.StringValue
		default:
			out[a.GetKey()] = fmt.Sprint(a.GetValue().GetIntValue())
		}
	}
	return out
}

// series spells a metric with its attributes, as in "name{plan=nightly,type=Patient}".
func series(name string, attrs map[string]string) string {
	var pairs []string
	for _, key := range slices.Sorted(maps.Keys(attrs)) {
		pairs = append(pairs, key+"="+attrs[key])
	}
	return name + "{" + strings.Join(pairs, ",") + "}"
}

// Spans returns the spans that arrived.
func (c *Collector) Spans() []Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.spans)
}

// Requests counts the requests that arrived.
func (c *Collector) Requests() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.requests
}

// Numbers returns the newest number of each series, spelled as in
// "name{plan=nightly,type=Patient}", summed over all processes. A histogram has its count.
func (c *Collector) Numbers() map[string]float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := map[string]float64{}
	for key, n := range c.latest {
		_, name, _ := strings.Cut(key, "\n")
		out[name] += n
	}
	return out
}

// Contains reports whether a text is in anything that arrived.
func (c *Collector) Contains(text string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.ContainsFunc(c.bodies, func(b []byte) bool {
		return strings.Contains(string(b), text)
	})
}

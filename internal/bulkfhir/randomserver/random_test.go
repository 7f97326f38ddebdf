// Package randomserver_test exports from randomly generated bulk servers, with the real client and
// pipeline on a driven clock.
package randomserver_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fhirsynapse/internal/bulkfhir"
	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/testkit/pipelinetest"
	"fhirsynapse/internal/testkit/refwarehouse"
)

var (
	seedFlag = flag.Uint64("random.seed", 0, "seed of the first server; 0 takes one by the clock")
	runsFlag = flag.Int("random.n", 10_000, "number of servers")
)

const workers = 4

// An export may be loaded only if every resource of the server is in the tables. Otherwise it must
// be incomplete, or failed with a cause.
func TestRandomServers(t *testing.T) {
	t.Parallel()
	first, n := *seedFlag, *runsFlag/share
	if first == 0 {
		first = uint64(time.Now().UnixNano()) % 1_000_000_000
	}
	if testing.Short() {
		n = min(n, 500)
	}
	t.Logf("seed %d: go test ./internal/bulkfhir/randomserver -run Random -random.seed=%d", first,
		first)
	net := newNetwork(t)
	states := map[records.State]int{}
	var mu sync.Mutex
	var next atomic.Int64
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for i := next.Add(1) - 1; i < int64(n) && !t.Failed(); i = next.Add(1) - 1 {
				seed := first + uint64(i)
				state, fault := net.try(t.Context(), seed, nil)
				if fault != "" {
					net.explain(t, seed, fault)
				}
				mu.Lock()
				states[state]++
				mu.Unlock()
			}
		})
	}
	group.Wait()
	t.Logf("ended: %v", states)
	for _, s := range []records.State{records.Loaded, records.Incomplete, records.Failed} {
		if !t.Failed() && n >= 500 && states[s] < n/50 {
			t.Errorf("only %d of %d exports are %s: the servers are drawn badly", states[s], n, s)
		}
	}
}

// network is one HTTP server for all random servers.
type network struct {
	url     string
	client  *http.Client
	servers sync.Map // by number
	numbers atomic.Int64
	views   flatten.PlanViews
}

func newNetwork(t *testing.T) *network {
	t.Helper()
	var small []*sof.View
	for _, typ := range []string{"Patient", "Observation", "Encounter"} {
		text := fmt.Sprintf(
			`{"name":%q,"resource":%q,"select":[{"column":[{"name":"id","path":"id"}]}]}`,
			strings.ToLower(typ), typ)
		v, err := sof.Compile(typ+".json", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		small = append(small, v)
	}
	n := &network{views: flatten.Native(func(string) ([]*sof.View, error) { return small, nil })}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		number, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		if one, ok := n.servers.Load(number); ok {
			one.(http.Handler).ServeHTTP(w, r)
			return
		}
		w.WriteHeader(http.StatusNotFound)
	}))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.Start()
	t.Cleanup(s.Close)
	n.url, n.client = s.URL, s.Client()
	return n
}

// explain reports a fault with the smallest set of quirks that still shows one.
func (n *network) explain(t *testing.T, seed uint64, fault string) {
	skip := map[int]bool{}
	for i := range 4 {
		skip[i] = true
		if _, still := n.try(t.Context(), seed, skip); still == "" {
			delete(skip, i)
		} else {
			fault = still
		}
	}
	s := draw(seed, skip)
	t.Errorf("seed %d: %s\nquirks: %s\nresources: %v", seed, fault, strings.Join(s.quirks, "; "),
		s.has)
}

type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) until(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at.After(c.at) {
		c.at = at
	}
}

type yearly struct{}

func (yearly) Next(t time.Time) time.Time { return t.AddDate(1, 0, 0) }

// export is one run of the pipeline against one server.
type export struct {
	*server
	clock   *clock
	journal *pipelinetest.MemoryJournal
	queue   *pipelinetest.MemoryQueue
	store   *refwarehouse.Store
	p       *pipeline.Pipeline
	log     bytes.Buffer
}

// try exports once from the server of a seed, and returns the fault of the outcome.
func (n *network) try(ctx context.Context, seed uint64, skip map[int]bool) (records.State, string) {
	x := &export{
		server: draw(seed, skip), clock: &clock{at: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)},
	}
	number := strconv.FormatInt(n.numbers.Add(1), 10)
	x.base, x.now = n.url+"/"+number, x.clock.now
	n.servers.Store(number, x.server)
	defer n.servers.Delete(number)
	if err := x.open(n, seed); err != nil {
		return "", err.Error()
	}
	e, err := x.run(ctx)
	if err != nil {
		return e.State, err.Error()
	}
	return e.State, x.judge(ctx, e)
}

func (x *export) open(n *network, seed uint64) error {
	lake := pipelinetest.NewMemoryLake(x.now)
	x.journal, x.queue, x.store = pipelinetest.NewMemoryJournal(),
		pipelinetest.NewMemoryQueue(x.now), refwarehouse.NewStore()
	source, err := bulkfhir.New(bulkfhir.Options{
		Dialect: bulkfhir.DialectBulk, BaseURL: x.base + "/fhir", HTTP: n.client, Now: x.now,
		LineLimit: 1 << 20,
	})
	if err != nil {
		return err
	}
	flattener, err := flatten.NewFlattener(flatten.Options{
		Lake: lake, Views: n.views, Evaluators: 1,
	})
	if err != nil {
		return err
	}
	token := rand.New(rand.NewPCG(seed, 99))
	x.p = pipeline.New(pipeline.Options{Plans: []pipeline.Plan{{
		Name: "nightly", Level: pipeline.LevelSystem, Schema: "fhir", Schedule: yearly{},
		OpenEnd: true, MaxBad: 0.05,
	}}}, pipeline.Ports{
		Lake: lake, Landings: lake, Journal: x.journal, Queue: x.queue, Flattener: flattener,
		Warehouse: x.store.Warehouse(lake, n.views.Tables),
		Source:    func(string) (pipeline.Source, error) { return source, nil },
		Now:       x.now, Token: func() string { return fmt.Sprintf("%x", token.Uint64()) },
		Log: slog.New(slog.NewTextHandler(&x.log, nil)),
	})
	return nil
}

// run drives the export until it has ended.
func (x *export) run(ctx context.Context) (records.ExportSummary, error) {
	tick := x.now()
	var e records.ExportSummary
	for range 20_000 {
		all, err := records.Exports(ctx, x.journal, "nightly", 1)
		if err != nil {
			return e, err
		}
		if len(all) > 0 {
			if e = all[0]; e.State.Final() {
				return e, nil
			}
		}
		handle := func(ctx context.Context, m pipeline.Message) error {
			return x.p.Handle(ctx, m.Body)
		}
		if x.queue.Receive(ctx, nil, handle) {
			continue
		}
		if at, waiting := x.queue.Next(); waiting && !at.After(tick) {
			x.clock.until(at)
			continue
		}
		x.clock.until(tick)
		tick = x.now().Add(5 * time.Minute)
		if err := x.p.Tick(ctx); err != nil {
			_, _ = fmt.Fprintf(&x.log, "tick: %v\n", err)
		}
	}
	return e, fmt.Errorf("the export did not end; it is %q at %v\n%s", e.State, x.now(), x.tail())
}

func (x *export) tail() string {
	lines := strings.Split(strings.TrimSpace(x.log.String()), "\n")
	return strings.Join(lines[max(0, len(lines)-6):], "\n")
}

// judge compares the outcome of an export with the server's data.
func (x *export) judge(ctx context.Context, e records.ExportSummary) string {
	missing, err := x.missing(ctx)
	switch {
	case err != nil:
		return err.Error()
	case e.State == records.Loaded && missing > 0:
		return fmt.Sprintf("the export is loaded, and %d resources are missing\n%s", missing,
			x.tail())
	case e.State == records.Incomplete && missing > x.lost():
		return fmt.Sprintf(
			"the export is incomplete, and %d resources are missing that the server gave\n%s",
			missing-x.lost(), x.tail())
	case e.State == records.Failed && (e.Failure == nil || e.Failure.Cause == ""):
		return "the export failed without a cause"
	case e.State == records.Failed && len(e.Failure.Cause) > 4096:
		return fmt.Sprintf("the cause has %d bytes", len(e.Failure.Cause))
	case e.State == records.Cancelled:
		return "the export was cancelled, and nobody asked for that"
	case !x.harmful && len(x.quirks) <= 1 && e.State != records.Loaded:
		return fmt.Sprintf("nothing harmful was drawn, and the export is %s: %+v\n%s", e.State,
			e.Failure, x.tail())
	case len(x.queue.Dead()) > 0:
		return "a message was given up by the queue\n" + x.tail()
	case strings.Contains(x.log.String(), marker):
		return "text of the server is in the log\n" + x.tail()
	}
	return x.spilled(ctx)
}

// lost returns the number of resources that cannot be in the tables.
func (x *export) lost() int {
	n := x.withheld
	for _, f := range x.files {
		n += f.spoilt
	}
	return n
}

// missing counts the resources that are in no table.
func (x *export) missing(ctx context.Context) (int, error) {
	content, err := x.store.Warehouse(nil, nil).Content(ctx, "fhir")
	if err != nil {
		return 0, err
	}
	n := 0
	for typ, ids := range x.has {
		rows := strings.Join(content[strings.ToLower(typ)], "\n")
		for _, id := range ids {
			if !strings.Contains(rows, id) {
				n++
			}
		}
	}
	return n, nil
}

// spilled searches the journal for the server's text.
func (x *export) spilled(ctx context.Context) string {
	for key, err := range x.journal.List(ctx, "") {
		if err != nil {
			return err.Error()
		}
		entry, err := x.journal.Read(ctx, key)
		if err != nil {
			return err.Error()
		}
		if bytes.Contains(entry.Data, []byte(marker)) {
			return "text of the server is in the journal: " + key
		}
	}
	return ""
}

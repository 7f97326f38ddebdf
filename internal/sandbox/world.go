package sandbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"

	"fhirsynapse/internal/app"
	"fhirsynapse/internal/emulator/azurite"
	"fhirsynapse/internal/emulator/eventgrid"
	"fhirsynapse/internal/emulator/fhirserver"
	"fhirsynapse/internal/emulator/fhirserver/azureblob"
	"fhirsynapse/internal/emulator/fhirserver/store"
	"fhirsynapse/internal/emulator/functionshost"
	"fhirsynapse/internal/emulator/servicebus"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/warehouse"
)

// Options of a World.
type Options struct {
	// Root is the repository, with the tools, host.json and the functions.
	Root string
	// Dir is the folder of this run, which may replace its contents.
	Dir string
	// Source is the kind of the FHIR server; empty means SourceAzure.
	Source string
	// Exports is a file with the plans to run, for servers outside the sandbox; no FHIR server is
	// started then. Empty means the plan of the demo.
	Exports string
	// Cohort is FormerSmokers for a plan that exports this cohort; empty for a plan at system
	// level.
	Cohort string
	// WithoutGroups makes the FHIR server refuse Groups: the kick-offs name the patients of the
	// cohort. It needs SourceBulk.
	WithoutGroups bool
	// Store is the FHIR server's data.
	Store *store.Store
	// ExportSchedule is the handler's timer; empty means that exports begin only by Export, as
	// whoever counts them needs.
	ExportSchedule string
	// Settings are added to the handler's own settings, and override them.
	Settings map[string]string
	// Engines holds the warehouses that this process can open, to read the ledger.
	Engines warehouse.Engines
	// Events selects the faults of storage events: duplicates, losses, disorder.
	Events eventgrid.Options
	// LockDuration is the lock duration of messages; zero means 30 seconds.
	LockDuration time.Duration
	// HoldEvents holds back storage events until ReleaseEvents.
	HoldEvents bool
	// BlobsInMemory keeps Azurite's blobs in memory, because disk writes would disturb a
	// measurement.
	BlobsInMemory bool
	// MaxCount is the maximum number of resources that the FHIR server writes into a file.
	MaxCount int
	// HTTP is the address of the status page; empty means any free port of this machine.
	HTTP string
	// Keys are demanded of requests; without them all are allowed.
	Keys functionshost.Keys
	Now  func() time.Time
	Log  *slog.Logger
	// HandlerOutput receives the handler's log lines.
	HandlerOutput io.Writer
}

// World is the sandbox without the Functions host, which may be started and killed in it any number
// of times.
type World struct {
	Server *fhirserver.Server
	Bus    *servicebus.Server
	App    *app.App // built from the handler's settings, in this process

	options  Options
	settings map[string]string
	azurite  *azurite.Server
	events   *eventgrid.Events
	release  func()
	base     string

	closers []func()
}

// Queues and containers of the sandbox.
const (
	stepsQueue  = "export-steps"
	eventsQueue = "blob-events"
	// probeQueue is for people who test their own client.
	probeQueue = "probe"
	landing    = "fhir-landing"
	// rarely is a schedule that fires once in four years: the host wants one.
	rarely   = "0 0 0 29 2 *"
	planName = "demo"
	schema   = "main"
)

// maxDeliveryCount of the app's queues prevents dead letters from a burst of refused calls while a
// handler restarts.
const maxDeliveryCount = 100

// StartWorld starts storage, broker and FHIR server, and writes exports.yaml with one plan. If it
// fails, it stops everything that it has started.
func StartWorld(ctx context.Context, o Options) (w *World, err error) {
	w = &World{options: o}
	defer func() {
		if err != nil {
			w.Close()
			w = nil
		}
	}()
	if err := os.MkdirAll(o.Dir, 0o755); err != nil { //nolint:gosec // a folder for the person who runs the demo
		return w, fmt.Errorf("start the sandbox: %w", err)
	}
	tools := filepath.Join(o.Root, "tools", "azurite")
	blobs := filepath.Join(o.Dir, "azurite")
	if o.BlobsInMemory {
		blobs = ""
	}
	if w.azurite, err = azurite.Start(ctx, azurite.Options{
		Tools: tools, Dir: blobs, Log: o.Log,
	}); err != nil {
		return w, err
	}
	w.closers = append(w.closers, w.azurite.Stop)
	w.Bus = servicebus.New(servicebus.Options{Log: o.Log})
	w.closers = append(w.closers, w.Bus.Close)
	for _, queue := range []string{stepsQueue, eventsQueue} {
		c := servicebus.QueueConfig{
			LockDuration: o.LockDuration, MaxDeliveryCount: maxDeliveryCount,
		}
		if queue == stepsQueue {
			c.DuplicateWindow = time.Hour
		}
		w.Bus.AddQueue(queue, c)
	}
	w.Bus.AddQueue(probeQueue, servicebus.QueueConfig{
		DuplicateWindow: time.Hour, LockDuration: 5 * time.Minute,
	})
	if _, err := w.Bus.Listen("127.0.0.1:0"); err != nil { //nolint:contextcheck // it lives as long as the world, not the start
		return w, fmt.Errorf("start the service bus stand-in: %w", err)
	}
	if err := w.startServer(ctx); err != nil {
		return w, err
	}
	return w, w.configure(ctx)
}

// startServer starts the FHIR server, and the storage events of its container.
func (w *World) startServer(ctx context.Context) error {
	client, err := azblob.NewClientFromConnectionString(w.azurite.ConnectionString(), nil)
	if err != nil {
		return fmt.Errorf("start the FHIR server: %w", err)
	}
	bus, err := azservicebus.NewClientFromConnectionString(w.Bus.ConnectionString(), nil)
	if err != nil {
		return fmt.Errorf("start storage events: %w", err)
	}
	sender, err := bus.NewSender(eventsQueue, nil)
	if err != nil {
		return fmt.Errorf("start storage events: %w", err)
	}
	events := w.options.Events
	events.Endpoint, events.Container, events.Sender, events.Now, events.Log = w.azurite.Endpoint(),
		landing, sender, w.options.Now, w.options.Log
	if w.events, err = eventgrid.New(events); err != nil {
		return err
	}
	if w.options.Exports == "" {
		if err := w.startFHIRServer(client); err != nil { //nolint:contextcheck // it lives as long as the world, not the start
			return err
		}
	}
	if err := azureblob.New(client).Ensure(ctx, landing); err != nil {
		return err
	}
	w.watch(ctx, bus)
	return nil
}

// startFHIRServer starts the emulator of the FHIR server.
func (w *World) startFHIRServer(client *azblob.Client) (err error) {
	o := fhirserver.Options{
		Blobs: azureblob.New(client),
		OnCommit: func(_, path, etag string, size int64, api string) {
			w.events.Created(path, etag, size, api)
		},
	}
	if w.options.Source == SourceBulk {
		if o, err = w.bulkOptions(); err != nil {
			return err
		}
	}
	if w.options.WithoutGroups {
		o.GroupWrites = http.StatusForbidden
	}
	o.Store, o.Now, o.Log, o.PollsBeforeDone, o.MaxCount = w.options.Store, w.options.Now,
		w.options.Log, 1, w.options.MaxCount
	if w.Server, err = fhirserver.New(o); err != nil {
		return err
	}
	if w.base, err = w.Server.Listen("127.0.0.1:0"); err != nil {
		return err
	}
	w.closers = append(w.closers, func() { closing(w.options.Log, "FHIR server", w.Server.Close) })
	return nil
}

// watch sends storage events until the world ends.
func (w *World) watch(ctx context.Context, bus *azservicebus.Client) {
	watching, stop := context.WithCancel(context.WithoutCancel(ctx))
	released := make(chan struct{})
	w.release = sync.OnceFunc(func() { close(released) })
	if !w.options.HoldEvents {
		w.release()
	}
	var done sync.WaitGroup
	done.Go(func() {
		select {
		case <-released:
			w.events.Run(watching)
		case <-watching.Done():
		}
	})
	w.closers = append(w.closers, func() {
		stop()
		done.Wait()
		closing(w.options.Log, "storage events", func() error {
			return bus.Close(context.WithoutCancel(ctx))
		})
	})
}

// configure writes exports.yaml and makes the handler's settings.
func (w *World) configure(ctx context.Context) error {
	exports := w.options.Exports
	if exports == "" {
		exports = filepath.Join(w.options.Dir, "exports.yaml")
		if err := os.WriteFile(exports, []byte(w.plans()), 0o600); err != nil {
			return fmt.Errorf("write the plan: %w", err)
		}
	}
	w.settings = map[string]string{
		"FUNCTIONS_WORKER_RUNTIME": "custom",

		"ExportSchedule":       cmp.Or(w.options.ExportSchedule, rarely),
		"ServiceBusConnection": w.Bus.ConnectionString(),
		"LakeStorage":          w.azurite.ConnectionString(),
		"StepsQueue":           stepsQueue, "BlobEventsQueue": eventsQueue,
		"LandingContainer": landing, "ExportsFile": exports,
		"Warehouse": "duckdb:" + filepath.Join(w.options.Dir, "fhir.duckdb"),
		"Settle":    "300ms", "PollMin": "200ms", "PollMax": "2s", "SilentAfter": "1m",
	}
	maps.Copy(w.settings, w.options.Settings)
	all := map[string]string{}
	// the file may refer to variables of the person who runs the sandbox
	if w.options.Exports != "" {
		for _, setting := range os.Environ() {
			name, value, _ := strings.Cut(setting, "=")
			all[name] = value
		}
	}
	maps.Copy(all, w.settings)
	environ := make([]string, 0, len(all))
	for name, value := range all {
		environ = append(environ, name+"="+value)
	}
	var err error
	w.App, err = app.New(app.Environment{
		Environ: environ, ReadFile: os.ReadFile, Now: w.options.Now, Engines: w.options.Engines,
	}, w.options.Log)
	if err != nil {
		return err
	}
	return errors.Join(w.App.Lake().EnsureContainers(ctx), w.App.Journal().EnsureContainer(ctx))
}

// StartHost runs a packaged function app in the world.
func (w *World) StartHost(
	ctx context.Context, staged string, onEvent func(functionshost.Event),
) (*functionshost.Host, error) {
	return functionshost.Start(ctx, functionshost.Options{
		Root: staged, Settings: w.settings, Env: os.Environ(), Log: w.options.Log,
		Now:    w.options.Now,
		Stdout: w.options.HandlerOutput, Stderr: w.options.HandlerOutput, OnEvent: onEvent,
		HTTP: cmp.Or(w.options.HTTP, "127.0.0.1:0"), Keys: w.options.Keys,
	})
}

// ReleaseEvents releases the storage events that Options.HoldEvents holds back.
func (w *World) ReleaseEvents() { w.release() }

// Landed returns the number and the bytes of the blobs in the landing area.
func (w *World) Landed(ctx context.Context) (files int, bytes int64, err error) {
	for f, err := range w.App.Lake().List(ctx, pipeline.Landing, "") {
		if err != nil {
			return 0, 0, err
		}
		files++
		bytes += f.Size
	}
	return files, bytes, nil
}

// Settings returns the settings of the handler.
func (w *World) Settings() map[string]string { return maps.Clone(w.settings) }

// writeSettings writes the handler's settings into a file for a shell. A shell that has read the
// file can run the commands of fhirsynapse on this world.
func (w *World) writeSettings() (path string, err error) {
	path = filepath.Join(w.options.Dir, "settings.env")
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(w.settings)) {
		fmt.Fprintf(&b, "export %s='%s'\n", name, strings.ReplaceAll(w.settings[name], "'", `'\''`))
	}
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		return "", fmt.Errorf("write the settings: %w", err)
	}
	return path, nil
}

// BaseURL returns the base URL of the FHIR server.
func (w *World) BaseURL() *url.URL {
	u, err := url.Parse(w.base)
	if err != nil {
		return &url.URL{}
	}
	return u
}

// BlobURL returns the URL of a blob in the landing area.
func (w *World) BlobURL(path string) string {
	return w.azurite.Endpoint() + "/" + landing + "/" + path
}

// Close stops the parts of the world, the last started first.
func (w *World) Close() {
	for i := len(w.closers) - 1; i >= 0; i-- {
		w.closers[i]()
	}
	w.closers = nil
}

func closing(log *slog.Logger, what string, end func() error) {
	if err := end(); err != nil {
		log.Warn("closing", "what", what, "error", err)
	}
}

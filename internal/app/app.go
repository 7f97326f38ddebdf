package app

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"fhirsynapse/internal/azure"
	"fhirsynapse/internal/config"
	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/warehouse"
)

// App holds the settings and the adapters of a handler, and builds its pipeline at the first use.
type App struct {
	config  config.Config
	environ []string
	read    func(string) ([]byte, error)
	engines warehouse.Engines
	now     func() time.Time
	log     *slog.Logger
	// views are the views of the plans; nil before openTables.
	views flatten.PlanViews
	// observer takes telemetry; nil without any.
	observer pipeline.Observer

	lake      *azure.Lake
	published *azure.Lake
	journal   *azure.Journal
	queue     *azure.Queue

	mu    sync.Mutex
	built *pipeline.Pipeline
}

// Environment holds the inputs of a program: its variables, files, clock and engines.
type Environment struct {
	Environ  []string
	ReadFile func(string) ([]byte, error)
	Now      func() time.Time
	// Engines holds the warehouses that the program can open, by scheme.
	Engines warehouse.Engines
	// Version describes the build, for the log.
	Version string
}

// New reads the settings and makes the adapters, without I/O except for the files that the settings
// name. It reports all errors of the settings together.
func New(e Environment, log *slog.Logger) (*App, error) {
	cfg, configErr := config.FromEnv(e.Environ, e.ReadFile, slices.Collect(maps.Keys(e.Engines))...)
	var viewsErr error
	if cfg.ViewsFolder != "" {
		// The bundled views are known to be valid, so they are compiled at their first use.
		// Compiling them here would take most of the time to the first answer.
		_, viewsErr = Views(cfg.ViewsFolder)
	}
	if err := errors.Join(configErr, viewsErr); err != nil {
		return nil, err
	}
	for _, w := range append(cfg.Warnings, cfg.Exports.Warnings...) {
		log.Warn("configuration", "warning", w)
	}
	a := &App{
		config: cfg, environ: e.Environ, read: e.ReadFile, engines: e.Engines, now: e.Now, log: log,
	}
	return a, a.connect()
}

// connect makes the adapters from the settings, without I/O.
func (a *App) connect() error {
	cfg := a.config
	clients, err := azure.Connect(azure.Settings{
		Storage: account(cfg.Lake), ServiceBus: account(cfg.Bus),
	})
	if err != nil {
		return err
	}
	a.lake = azure.NewLake(clients.Storage, azure.Containers{
		Landing: cfg.LandingContainer, Staging: cfg.StagingContainer,
		Quarantine: cfg.QuarantineContainer,
	})
	a.published = azure.NewLake(clients.Storage, azure.Containers{Staging: cfg.PublishedContainer})
	a.journal = azure.NewJournal(clients.Storage, cfg.JournalContainer)
	a.queue = azure.NewQueue(clients.ServiceBus, cfg.StepsQueue)
	return nil
}

func account(c config.Connection) azure.Account {
	return azure.Account{
		ConnectionString: c.ConnectionString.Reveal(), Address: c.Address, ClientID: c.ClientID,
	}
}

// Lake returns the storage of the app, for a caller that makes its containers on a developer's
// machine.
func (a *App) Lake() *azure.Lake { return a.lake }

// Journal returns the journal of the app.
func (a *App) Journal() *azure.Journal { return a.journal }

// Pipeline returns the pipeline, which the first call builds. The plans may be in the journal;
// while they cannot be read, each call tries again.
func (a *App) Pipeline(ctx context.Context) (*pipeline.Pipeline, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.built != nil {
		return a.built, nil
	}
	exports, err := a.exports(ctx)
	if err != nil {
		return nil, err
	}
	cohorts, err := a.cohorts(exports)
	if err != nil {
		return nil, err
	}
	sources, err := a.sources(exports, cohorts)
	if err != nil {
		return nil, err
	}
	flattener, opened, err := openTables(a, exports, a.lake)
	if err != nil {
		return nil, err
	}
	a.built = pipeline.New(pipeline.Options{
		Plans: exports.Plans, Settle: a.config.Settle, StepTimeout: a.config.StepTimeout,
		PollMin: a.config.PollMin, PollMax: a.config.PollMax, SilentAfter: a.config.SilentAfter,
		ExportTimeout: a.config.ExportTimeout, StuckAfter: a.config.StuckAfter,
		KickOffPatience: a.config.KickOffPatience, LeaseFor: a.config.LeaseFor,
	}, pipeline.Ports{
		Lake: a.lake, Landings: a.lake, Remover: a.lake, Journal: a.journal, Queue: a.queue,
		Warehouse: opened.Warehouse, Concluder: opened.Concluder, Flattener: flattener,
		Source: sources, Cohorts: cohorts, Now: a.now, Token: token, Log: a.log,
		Observer: a.observer,
	})
	return a.built, nil
}

func token() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails, according to its documentation
	return hex.EncodeToString(b[:])
}

func (a *App) exports(ctx context.Context) (config.Exports, error) {
	key := a.config.ExportsFile.Blob
	switch {
	case key == "" && len(a.config.Exports.Plans) > 0:
		return a.config.Exports, nil
	case key == "": // the plans were not read with the settings
		return config.ReadExports(a.config.ExportsFile.Path, a.environ, a.read)
	}
	doc, err := a.journal.Read(ctx, key)
	if err != nil {
		return config.Exports{},
			fmt.Errorf("read the plans from the journal container, blob %s: %w", key, err)
	}
	exports, err := config.ParseExports(key, doc.Data, a.getenv)
	for _, w := range exports.Warnings {
		a.log.WarnContext(ctx, "configuration", "warning", w)
	}
	if err == nil {
		err = exports.CheckStorage(a.config.Warehouse.Scheme, a.config.EngineTransforms)
	}
	return exports, err
}

func (a *App) getenv(name string) string {
	for _, pair := range a.environ {
		if k, v, ok := strings.Cut(pair, "="); ok && k == name {
			return v
		}
	}
	return ""
}

// port returns the port that the Functions host has set, or 8080 for a handler started by hand.
func (a *App) port() string {
	for _, name := range []string{"FUNCTIONS_CUSTOMHANDLER_PORT", "FUNCTIONS_HTTPWORKER_PORT"} {
		if port := a.getenv(name); port != "" {
			return port
		}
	}
	return "8080"
}

// levelOf reads the log level before the configuration, because errors of the configuration are
// logged.
func levelOf(environ []string) slog.Level {
	var level slog.Level
	for _, pair := range environ {
		if k, v, _ := strings.Cut(pair, "="); k == "LogLevel" {
			_ = level.UnmarshalText([]byte(v)) // the configuration reports a wrong level
		}
	}
	return level
}

// FromProcess returns the environment of this process.
func FromProcess(engines warehouse.Engines) Environment {
	info, _ := debug.ReadBuildInfo()
	return Environment{
		Environ: os.Environ(), ReadFile: os.ReadFile, Now: time.Now, Engines: engines,
		Version: Version(info),
	}
}

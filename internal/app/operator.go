package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"fhirsynapse/internal/config"
	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
)

// Operator looks after the exports from outside the handler, with the settings of the same app.
// Start needs all settings; the other methods need only the storage account.
type Operator struct {
	Environment Environment
	// Log receives warnings.
	Log *slog.Logger
}

// Exports lists the exports in the journal, of all plans if plan is empty.
func (o Operator) Exports(
	ctx context.Context, plan string, most int,
) ([]records.ExportSummary, error) {
	a, err := o.journal()
	if err != nil {
		return nil, err
	}
	list, err := records.Exports(ctx, a.journal, plan, most)
	if err == nil && plan != "" && len(list) == 0 {
		err = records.Known(ctx, a.journal, plan)
	}
	return list, err
}

// Start begins an export of a plan at once, as the app would, so it needs all settings of the app
// and an identity with the same rights. An export returned with an error is already in the journal,
// and the app's next tick continues it.
func (o Operator) Start(
	ctx context.Context, plan string, window records.Window,
) (records.ExportSummary, error) {
	a, err := New(o.Environment, o.Log)
	if err != nil {
		return records.ExportSummary{}, err
	}
	p, err := a.Pipeline(ctx)
	if err != nil {
		return records.ExportSummary{}, err
	}
	id, err := p.Start(ctx, plan, window)
	if id == "" {
		return records.ExportSummary{}, err
	}
	list, readErr := records.Exports(ctx, a.journal, plan, 1)
	if i := slices.IndexFunc(list, func(e records.ExportSummary) bool {
		return e.ID == id
	}); i >= 0 {
		return list[i], err
	}
	return records.ExportSummary{
		Export: records.Export{ID: id, Plan: plan, State: records.Requested},
	}, errors.Join(err, readErr)
}

// Ask makes the app begin an export of a plan at its next tick, and returns the export's id. A plan
// without an export in the journal is looked up in exports.yaml.
func (o Operator) Ask(
	ctx context.Context, plan string, window records.Window,
) (id string, err error) {
	a, err := o.journal()
	if err != nil {
		return "", err
	}
	known := records.Known(ctx, a.journal, plan)
	exports, err := a.exports(ctx)
	switch {
	case known != nil && !errors.Is(known, records.ErrNoPlan):
		return "", fmt.Errorf("start plan %s: %w", plan, known)
	case err != nil && known != nil:
		return "", fmt.Errorf(
			"start plan %s: it had no export yet, and exports.yaml, which would tell of it, cannot be read: %w", plan, err)
	case err == nil && !slices.ContainsFunc(exports.Plans, func(p pipeline.Plan) bool {
		return p.Name == plan
	}):
		return "", fmt.Errorf("start plan %s: %w", plan, pipeline.NotConfigured(exports.Plans))
	}
	return records.RequestExport(ctx, a.journal, plan, window, a.now())
}

// Cancel ends an export, or the running export of a plan. It ends the export's jobs at the server
// if the plan's source can be reached from here; otherwise the app ends them.
func (o Operator) Cancel(
	ctx context.Context, name string,
) (id string, jobs []pipeline.JobEnd, err error) {
	a, err := o.journal()
	if err != nil {
		return "", nil, err
	}
	c := pipeline.Canceller{
		Journal: a.journal, Now: a.now,
		Source: func(plan string) (pipeline.Source, error) { return a.sourceOf(ctx, plan) },
	}
	id, err = records.Running(ctx, a.journal, name)
	noPlan := errors.Is(err, records.ErrNoPlan)
	switch {
	case noPlan:
		id = name
	case err != nil:
		return "", nil, err
	}
	jobs, cancelErr := c.Cancel(ctx, id)
	if noPlan && fault.Of(cancelErr) == fault.BadData { // the name does not have the form of an id
		return "", nil, fmt.Errorf("cancel: %w", err)
	}
	return id, jobs, cancelErr
}

// Pause keeps the schedule from starting a plan.
func (o Operator) Pause(ctx context.Context, plan string) error {
	a, err := o.journal()
	if err != nil {
		return err
	}
	return records.Pause(ctx, a.journal, plan, a.now())
}

// Resume lets the schedule start a plan again.
func (o Operator) Resume(ctx context.Context, plan string) error {
	a, err := o.journal()
	if err != nil {
		return err
	}
	return records.Resume(ctx, a.journal, plan)
}

// journal returns an app with only the settings that the journal needs.
func (o Operator) journal() (*App, error) {
	cfg, err := config.JournalFromEnv(o.Environment.Environ)
	if err != nil {
		return nil, err
	}
	return o.with(cfg)
}

// with returns an app with some of its settings.
func (o Operator) with(cfg config.Config) (*App, error) {
	for _, w := range cfg.Warnings {
		o.Log.Warn("configuration", "warning", w)
	}
	a := &App{
		config: cfg, environ: o.Environment.Environ, read: o.Environment.ReadFile,
		now: o.Environment.Now, log: o.Log,
	}
	return a, a.connect()
}

// sourceOf makes the FHIR server of one plan; the other sources may lack settings.
func (a *App) sourceOf(ctx context.Context, plan string) (pipeline.Source, error) {
	exports, err := a.exports(ctx)
	if err != nil {
		return pipeline.Source{}, err
	}
	source, ok := exports.Source(plan)
	if !ok {
		return pipeline.Source{}, unknownPlan(plan)
	}
	of, err := a.sources(config.Exports{
		Sources:  map[string]config.Source{source.Name: source},
		SourceOf: map[string]string{plan: source.Name}, PatientsOf: exports.PatientsOf,
	}, cohorts{})
	if err != nil {
		return pipeline.Source{}, err
	}
	return of(plan)
}

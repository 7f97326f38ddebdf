package app

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"fhirsynapse/internal/config"
	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
	"fhirsynapse/internal/warehouse"
)

// planTables returns the tables that a plan fills.
func planTables(set flatten.PlanViews, p pipeline.Plan) (warehouse.PlanTables, error) {
	tables, err := set.Tables(p.Name)
	if err == nil && len(p.Types) > 0 {
		tables = slices.DeleteFunc(slices.Clone(tables), func(t flatten.Table) bool {
			return !slices.Contains(p.Types, t.Resource)
		})
	}
	return warehouse.PlanTables{Plan: p.Name, Schema: p.Schema, Tables: tables}, err
}

// describe asks the warehouse of an app about the tables of a plan.
func describe(
	ctx context.Context, a *App, p warehouse.PlanTables,
) (warehouse.Description, error) {
	scheme, address := a.config.Warehouse.Scheme, a.config.Warehouse.Rest.Reveal()
	engine, ok := a.engines[scheme].(warehouse.Describer)
	if !ok {
		return warehouse.Description{},
			fault.Permanentf("this program cannot describe the tables of %s", scheme)
	}
	return engine.Describe(ctx, address, p, warehouse.DescribeOptions{Published: a.published})
}

// Tables lists the tables of a plan, or of all plans if plan is empty. Without the journal, the
// table of exports in the warehouse takes its place.
func (o Operator) Tables(ctx context.Context, plan string) (out warehouse.Listing, err error) {
	a, err := o.withTables()
	if err != nil {
		return out, err
	}
	exports, err := a.exports(ctx)
	if err != nil {
		return out, err
	}
	if plan != "" && !slices.ContainsFunc(exports.Plans, func(p pipeline.Plan) bool {
		return p.Name == plan
	}) {
		return out, fmt.Errorf("plan %s: %w", plan, pipeline.NotConfigured(exports.Plans))
	}
	flattener, opened, err := openTables(a, exports, a.lake)
	if err != nil {
		return out, err
	}
	if opened.Tables != nil {
		defer func() { err = errors.Join(err, opened.Tables.Close()) }()
	}
	marks := pipeline.New(pipeline.Options{Plans: exports.Plans}, pipeline.Ports{
		Lake: a.lake, Journal: a.journal, Warehouse: opened.Warehouse, Flattener: flattener,
		Now: a.now, Token: token, Log: a.log,
	})
	list := lister{a, marks, &out}
	for _, p := range exports.Plans {
		if plan != "" && p.Name != plan {
			continue
		}
		if err := list.add(ctx, p); err != nil {
			return out, fmt.Errorf("list the tables of plan %s: %w", p.Name, err)
		}
	}
	return out, nil
}

// lister adds the tables of plans to a list.
type lister struct {
	*App
	marks *pipeline.Pipeline
	out   *warehouse.Listing
}

func (l lister) add(ctx context.Context, p pipeline.Plan) error {
	tables, err := planTables(l.views, p)
	if err != nil {
		return err
	}
	d, err := describe(ctx, l.App, tables)
	if err != nil {
		return err
	}
	var c warehouse.Complete
	c.Types, err = l.marks.Watermarks(ctx, p.Name)
	if err == nil {
		c.Others = c.Types[pipeline.AllTypes]
		err = l.compareViews(ctx, p.Name, &d)
	}
	if err != nil {
		l.out.Unknown = append(l.out.Unknown, fmt.Sprintf("plan %s: complete as of is from the table "+
			"%s, because the exports in the journal cannot be compared with the tables: %s", p.Name,
			warehouse.ExportsTable, fault.Clip(err.Error())))
		c = warehouse.Complete{Others: d.CompleteAt}
	}
	l.out.Add(tables, d, c, len(p.Types) > 0)
	return nil
}

// compareViews marks the tables whose last commit used earlier views than the last one of the plan.
func (l lister) compareViews(
	ctx context.Context, plan string, d *warehouse.Description,
) error {
	here, err := l.views.ViewSet(plan)
	if err != nil {
		return err
	}
	sets, err := records.ViewSets(ctx, l.journal, plan)
	if err != nil || len(sets) == 0 {
		return err
	}
	if sets[len(sets)-1] != here {
		l.out.Notes = append(l.out.Notes, "plan "+plan+
			": the views of this program are not those of the plan's last commits; drift is compared with the views of this program")
	}
	d.OlderViews(len(sets))
	return nil
}

// withTables returns an app with only the settings that its tables and the journal need.
func (o Operator) withTables() (*App, error) {
	e := o.Environment
	var schemes []string
	for scheme := range e.Engines {
		schemes = append(schemes, scheme)
	}
	cfg, err := config.TablesFromEnv(e.Environ, schemes...)
	if err != nil {
		return nil, err
	}
	for _, w := range cfg.Warnings {
		o.Log.Warn("configuration", "warning", w)
	}
	a := &App{
		config: cfg, environ: e.Environ, read: e.ReadFile, engines: e.Engines, now: e.Now,
		log: o.Log,
	}
	return a, a.connect()
}

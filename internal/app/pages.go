package app

import (
	"context"
	"net/http"
	"time"

	"fhirsynapse/internal/azfunc"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
	"fhirsynapse/internal/statuspage"
	"fhirsynapse/internal/statuspage/history"
)

// Pages returns the handlers of the functions with an httpTrigger, by name. Making them does no
// I/O.
func (a *App) Pages(version string) map[string]http.Handler {
	site := statuspage.New(statuspage.Options{
		Journal: a.journal, Lake: a.lake, Ledger: behindPages{a}, Plans: behindPages{a},
		Operator: behindPages{a}, Counter: behindPages{a}, Now: a.now, Log: a.log,
		Version: version,
		Public:  isPublic(a.getenv("WEBSITE_HOSTNAME")),
	})
	return map[string]http.Handler{
		azfunc.Status: site.Status(), azfunc.Start: site.Start(), azfunc.Cancel: site.Cancel(),
		azfunc.Retry: site.Retry(),
	}
}

// isPublic reports whether the host is reached under a name of its own. The variable
// WEBSITE_HOSTNAME has that name in Azure, and localhost under Core Tools.
func isPublic(hostname string) bool { return hostname != "" && !azfunc.IsLoopback(hostname) }

// behindPages implements the status page's ports on the pipeline, which the first use builds.
type behindPages struct{ *App }

// Limits of what a page waits for. Azure's front end cuts a request after 230 seconds.
const (
	pageWait = 20 * time.Second
	actWait  = 200 * time.Second
)

// Plans implements statuspage.Plans.
func (b behindPages) Plans(ctx context.Context) ([]pipeline.Plan, error) {
	p, err := b.Pipeline(ctx)
	if err != nil {
		return nil, err
	}
	return p.Plans, nil
}

// Ledger implements history.Ledger.
func (b behindPages) Ledger(
	ctx context.Context, schema, export string,
) ([]pipeline.LedgerEntry, error) {
	p, err := b.Pipeline(ctx)
	if err != nil {
		return nil, err
	}
	ctx, done := context.WithTimeout(ctx, pageWait)
	defer done()
	return p.Warehouse.Ledger(ctx, schema, export)
}

// Start implements statuspage.Operator. It begins the export at once, unless the plan has a cohort:
// finding its patients may take longer than a browser waits, so the next tick begins it.
func (b behindPages) Start(
	ctx context.Context, plan string, window records.Window,
) (string, error) {
	p, err := b.Pipeline(ctx)
	if err != nil {
		return "", err
	}
	for _, known := range p.Plans {
		if known.Name == plan && known.Cohort != "" {
			return records.RequestExport(ctx, b.journal, plan, window, b.now())
		}
	}
	// A browser that leaves must not cut off a kick-off.
	ctx, done := context.WithTimeout(context.WithoutCancel(ctx), actWait)
	defer done()
	return p.Start(ctx, plan, window)
}

// Cancel implements statuspage.Operator.
func (b behindPages) Cancel(ctx context.Context, export string) error {
	p, err := b.Pipeline(ctx)
	if err != nil {
		return err
	}
	ctx, done := context.WithTimeout(context.WithoutCancel(ctx), actWait)
	defer done()
	_, err = p.Cancel(ctx, export)
	return err
}

// Tables implements statuspage.Counter.
func (b behindPages) Tables(
	ctx context.Context, plan pipeline.Plan,
) (out statuspage.Tables, err error) {
	if _, err := b.Pipeline(ctx); err != nil {
		return out, err
	}
	tables, err := planTables(b.views, plan)
	if err != nil {
		return out, err
	}
	d, err := describe(ctx, b.App, tables)
	out.Approximate, out.Local = d.Approximate, d.Local
	if err != nil {
		return out, err
	}
	if d.Uncounted != nil {
		out.Uncounted = d.Uncounted.Error()
	}
	for _, t := range d.Tables {
		r := statuspage.TableRows{Table: t.Table, Type: t.Type}
		for _, difference := range t.Drift {
			if difference.IsDifferent() {
				r.Drift = append(r.Drift, difference.Text)
			}
		}
		if t.Exists && d.Uncounted == nil {
			r.Rows = &t.Rows
		}
		if t.Exists || len(r.Drift) > 0 {
			out.Rows = append(out.Rows, r)
		}
	}
	return out, nil
}

// remember sums up the exports that have ended, for the status page. Its failure changes nothing
// but what the page shows.
func (a *App) remember(ctx context.Context, p *pipeline.Pipeline) {
	ctx, done := context.WithTimeout(ctx, rememberFor)
	defer done()
	k := history.Keeper{
		Accountant: &history.Accountant{Journal: a.journal, Lake: a.lake}, Ledger: p.Warehouse,
	}
	if err := k.Catch(ctx); err != nil {
		a.log.WarnContext(ctx, "history of exports not written; the next tick tries again",
			"error", err)
	}
}

// rememberFor bounds the time of a tick that goes into the history.
const rememberFor = 2 * time.Minute

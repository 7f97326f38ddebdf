package cli_test

import (
	"context"

	"fhirsynapse/internal/batch"
	"fhirsynapse/internal/cli"
	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
	"fhirsynapse/internal/query"
	"fhirsynapse/internal/warehouse"
)

// twelve answers every statement with one row.
func twelve(_ context.Context, _, _ string, show func(query.Result) error) error {
	return show(query.Result{
		Columns: []query.Column{{Name: "n", Type: "BIGINT"}},
		Rows:    func(yield func([]any, error) bool) { yield([]any{int64(12)}, nil) },
	})
}

// runs implements cli.Runs. It does nothing, unless a test sets a function.
type runs struct {
	load  func(context.Context, batch.LoadRequest) (batch.LoadReport, error)
	start func(context.Context, batch.StartRequest) (batch.StartReport, error)

	maintain func(context.Context, batch.MaintainRequest) (batch.MaintainReport, error)
	tables   func(context.Context, batch.TablesRequest) (warehouse.Listing, error)
}

func (r *runs) Tables(ctx context.Context, q batch.TablesRequest) (warehouse.Listing, error) {
	if r.tables == nil {
		return warehouse.Listing{}, nil
	}
	return r.tables(ctx, q)
}

func (r *runs) Maintain(
	ctx context.Context, q batch.MaintainRequest,
) (batch.MaintainReport, error) {
	if r.maintain == nil {
		return batch.MaintainReport{}, nil
	}
	return r.maintain(ctx, q)
}

func (r *runs) Load(ctx context.Context, q batch.LoadRequest) (batch.LoadReport, error) {
	if r.load == nil {
		return batch.LoadReport{}, nil
	}
	return r.load(ctx, q)
}

func (r *runs) Start(ctx context.Context, q batch.StartRequest) (batch.StartReport, error) {
	if r.start == nil {
		return batch.StartReport{}, nil
	}
	return r.start(ctx, q)
}

// operator implements cli.Journal. It has no exports, unless a test sets a function.
type operator struct {
	exports func(context.Context, string, int) ([]records.ExportSummary, error)
	start   func(context.Context, string, records.Window) (records.ExportSummary, error)
	ask     func(context.Context, string, records.Window) (string, error)
	cancel  func(context.Context, string) (string, []pipeline.JobEnd, error)
	pause   func(context.Context, string) error
}

func (j *operator) Exports(
	ctx context.Context, plan string, most int,
) ([]records.ExportSummary, error) {
	if j.exports == nil {
		return nil, nil
	}
	return j.exports(ctx, plan, most)
}

func (j *operator) Start(
	ctx context.Context, plan string, window records.Window,
) (records.ExportSummary, error) {
	if j.start == nil {
		return records.ExportSummary{}, nil
	}
	return j.start(ctx, plan, window)
}

func (j *operator) Ask(
	ctx context.Context, plan string, window records.Window,
) (string, error) {
	if j.ask == nil {
		return "", nil
	}
	return j.ask(ctx, plan, window)
}

func (j *operator) Cancel(ctx context.Context, name string) (string, []pipeline.JobEnd, error) {
	if j.cancel == nil {
		return "", nil, nil
	}
	return j.cancel(ctx, name)
}

func (j *operator) Pause(ctx context.Context, plan string) error {
	if j.pause == nil {
		return nil
	}
	return j.pause(ctx, plan)
}

func (j *operator) Resume(context.Context, string) error { return nil }

// planned implements cli.Tables with a list for each plan; the empty name is all plans.
type planned map[string]warehouse.Listing

func (p planned) Tables(_ context.Context, plan string) (warehouse.Listing, error) {
	list, ok := p[plan]
	if !ok {
		return list, fault.Permanentf("plan %s: there is no such plan", plan)
	}
	return list, nil
}

// commands returns commands that succeed and do nothing.
func commands() cli.Commands {
	c := cli.Commands{
		Serve: func(context.Context) int {
			return 0
		}, Runs: &runs{}, Journal: &operator{}, Version: "fhirsynapse v1",
	}
	c.StubQuery(twelve)
	return c
}

package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"fhirsynapse/internal/emulator/fhirserver/store"
	"fhirsynapse/internal/emulator/fhirserver/synthetic"
	"fhirsynapse/internal/emulator/functionshost"
	"fhirsynapse/internal/pipeline"
)

// Demo runs one full export, changes data at the server, runs one incremental export, and compares
// the tables with a fresh load.
type Demo struct {
	World Options
	// Data is a folder of NDJSON; empty means the synthetic hospital, with the number Patients of
	// patients.
	Data     string
	Patients int
	Seed     uint64
	// StopFull ends the demo after the full export.
	StopFull bool
	Out      io.Writer
	// Patience bounds each export.
	Patience time.Duration
}

// Run runs the demo. It fails when a sum is wrong, when a resource is missing, or when the tables
// differ from the tables of a fresh load.
func (d Demo) Run(ctx context.Context) error {
	data, err := d.data()
	if err != nil {
		return err
	}
	d.World.Store = data
	d.say("building the handler")
	staged, err := Package(ctx, d.World.Root, d.World.Dir)
	if err != nil {
		return err
	}
	d.say("starting storage, service bus and the FHIR server: %s", counts(data.Counts()))
	w, err := StartWorld(ctx, d.World)
	if err != nil {
		return err
	}
	defer w.Close()
	host, err := w.StartHost(ctx, staged, nil)
	if err != nil {
		return err
	}
	defer host.Stop()
	if d.World.Cohort != "" {
		return d.runCohort(ctx, w, host, data)
	}
	full, err := d.export(ctx, w, host, "full")
	if err != nil || d.StopFull {
		return d.end(err, full)
	}
	changed, err := data.Change(d.Seed+1,
		store.Shares{Update: 0.1, Add: 0.05, Delete: 0.05, Recreate: 0.1}, Lately(d.World.Now))
	if err != nil {
		return fmt.Errorf("change the server's data: %w", err)
	}
	d.say("changed at the server: %d updated, %d added, %d deleted, %d created again",
		sum(changed.Updated), sum(changed.Added), sum(changed.Deleted), sum(changed.Recreated))
	incremental, err := d.export(ctx, w, host, "incremental")
	if err != nil {
		return d.end(err, full, incremental)
	}
	host.Stop()
	return d.end(d.compare(ctx, w, data), full, incremental)
}

// Lately returns a time that is certainly in the next export's window. The server's clock shows
// whole seconds, and the window ends before the server's current second.
func Lately(now func() time.Time) time.Time { return now().UTC().Add(-2 * time.Second) }

func (d Demo) say(format string, args ...any) {
	_, _ = fmt.Fprintf(d.Out, "demo: "+format+"\n", args...)
}

func counts(byType map[string]int) string {
	return fmt.Sprintf("%d resources of %d types", sum(byType), len(byType))
}

func sum(byType map[string]int) (n int) {
	for _, c := range byType {
		n += c
	}
	return n
}

// data makes the data of the FHIR server.
func (d Demo) data() (*store.Store, error) {
	// The demo's data was written before the demo began; changes come later.
	s, err := store.New(
		store.Options{Base: d.World.Now().UTC().Add(-24 * time.Hour).Truncate(time.Second)})
	if err != nil {
		return nil, err
	}
	if d.Data != "" {
		if _, err := s.LoadFolder(d.Data); err != nil {
			return nil, err
		}
		return s, nil
	}
	return s, synthetic.Generate(synthetic.Options{Seed: d.Seed, Patients: d.Patients},
		func(_ string, line []byte) error { return s.Add(line) })
}

// export runs one export and prints its reconciliation.
func (d Demo) export(
	ctx context.Context, w *World, host *functionshost.Host, kind string,
) ([]pipeline.TypeReport, error) {
	ctx, done := context.WithTimeoutCause(ctx, d.Patience,
		fmt.Errorf("no end after %v", d.Patience))
	defer done()
	began := d.World.Now()
	e, err := w.Export(ctx, host)
	if err != nil {
		return nil, fmt.Errorf("%s export: %w", kind, err)
	}
	took := d.World.Now().Sub(began)
	p, err := w.App.Pipeline(ctx)
	if err != nil {
		return nil, err
	}
	reports, err := p.Report(ctx, e.ID)
	if err != nil {
		return nil, err
	}
	rows, err := rowsPerTable(ctx, w.database())
	if err != nil {
		return nil, err
	}
	d.say("%s export %s, loaded in %v", kind, e.ID, took.Round(10*time.Millisecond))
	d.print(reports, rows)
	var wrong []error
	for _, r := range reports {
		wrong = append(wrong, r.Check())
	}
	for _, queue := range []string{stepsQueue, eventsQueue} {
		if dead := len(w.Bus.Queue(queue).DeadLetters()); dead > 0 {
			wrong = append(wrong, fmt.Errorf("%d dead letters in queue %s", dead, queue))
		}
	}
	return reports, errors.Join(wrong...)
}

func (w *World) database() string {
	_, file, _ := strings.Cut(w.settings["Warehouse"], ":")
	return file
}

// compare compares the tables with the tables of a fresh load.
func (d Demo) compare(ctx context.Context, w *World, data *store.Store) error {
	if err := SameAsFresh(ctx, data, w.database(), d.World.Dir); err != nil {
		return fmt.Errorf("the tables differ from those of a fresh full load: %w", err)
	}
	d.say("the tables are those of a fresh full load of the server's present %s",
		counts(data.Counts()))
	return nil
}

// print shows the reconciliation, and the present number of rows in each type's tables.
func (d Demo) print(reports []pipeline.TypeReport, rows map[string][]tableRows) {
	t := table.NewWriter()
	t.SetOutputMirror(d.Out)
	t.SetStyle(table.StyleLight)
	t.AppendHeader(table.Row{
		"type", "files", "manifest", "lines", "applied", "superseded", "filtered", "quarantined",
		"deleted", "rows per table",
	})
	all := pipeline.TypeReport{Type: "all"}
	row := func(r pipeline.TypeReport, rows string) table.Row {
		return table.Row{
			r.Type, r.Files, r.Manifest, r.Lines, r.Applied, r.Superseded, r.Filtered,
			r.Quarantined, r.Deleted, rows,
		}
	}
	for _, r := range reports {
		t.AppendRow(row(r, withRows(rows[r.Type])))
		all.Files += r.Files
		all.Manifest += r.Manifest
		all.Add(r.Counts)
	}
	t.AppendFooter(row(all, filled(rows)))
	columns := make([]table.ColumnConfig, 0, 8)
	for n := 2; n <= 9; n++ {
		columns = append(columns, table.ColumnConfig{
			Number: n, Align: text.AlignRight, AlignFooter: text.AlignRight,
			AlignHeader: text.AlignRight,
		})
	}
	columns = append(columns, table.ColumnConfig{
		Number: 10, WidthMax: 64, WidthMaxEnforcer: text.WrapSoft,
	})
	t.SetColumnConfigs(columns)
	t.Style().Format.Header = text.FormatDefault
	t.Style().Format.Footer = text.FormatDefault
	t.Render()
}

// withRows lists the tables that have rows.
func withRows(of []tableRows) string {
	var tables []string
	for _, t := range of {
		if t.rows > 0 {
			tables = append(tables, fmt.Sprintf("%s %d", t.table, t.rows))
		}
	}
	if len(tables) == 0 {
		return "none"
	}
	return strings.Join(tables, ", ")
}

// filled returns how many of all tables have rows.
func filled(rows map[string][]tableRows) string {
	have, all := 0, 0
	for _, tables := range rows {
		for _, t := range tables {
			if all++; t.rows > 0 {
				have++
			}
		}
	}
	return fmt.Sprintf("%d of %d tables have rows", have, all)
}

// end prints the last line, for people and for scripts.
func (d Demo) end(err error, exports ...[]pipeline.TypeReport) error {
	if err != nil {
		return err
	}
	var loaded, listed, quarantined int64
	for _, reports := range exports {
		for _, r := range reports {
			loaded += r.Applied + r.Superseded + r.Filtered
			listed += r.Manifest
			quarantined += r.Quarantined
		}
	}
	d.say("ok %d/%d resources, %d quarantined", loaded, listed, quarantined)
	return nil
}

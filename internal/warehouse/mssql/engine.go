package mssql

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/storage"
	"fhirsynapse/internal/warehouse"
	"fhirsynapse/internal/warehouse/mssql/statements"
	"fhirsynapse/internal/warehouse/tds"
)

// Engine returns the engine of a T-SQL product with tables.
func Engine(name tsql.Engine) warehouse.Engine { return engine{name} }

type engine struct{ name tsql.Engine }

// Local implements warehouse.Engine. A server has no folder on this machine, so temporary files use
// the system's folder and bad lines the current one.
func (engine) Local(address string) (warehouse.Local, bool) {
	_, own := tds.Take(address, storage.Settings...)
	o, _ := storedAs(own) // Open returns the faults
	return warehouse.Local{Schema: "dbo", Storage: o}, true
}

// storedAs returns how an address wants tables to be stored.
func storedAs(own map[string]string) (storage.Options, []storage.Fault) {
	var columns []string
	if text := own[storage.SettingClusterBy]; text != "" {
		columns = strings.Split(text, ",")
	}
	return storage.Parse(own[storage.SettingStorage], own[storage.SettingDistribute], columns)
}

// take returns an address without the parameters of this package, and these parameters.
func take(address string) (server string, own map[string]string) {
	return tds.Take(address,
		append([]string{paramCommitRows, paramCopy, paramIndexes}, storage.Settings...)...)
}

// connect returns connections to the server of an address, for commands that only look.
func (e engine) connect(address string) (
	pool *tds.Pool, server tds.Server, kind statements.Engine, err error,
) {
	address, _ = take(address)
	if server, err = tds.ParseServer(e.name, address); err != nil {
		return nil, server, kind, err
	}
	if kind, err = statements.For(e.name); err != nil {
		return nil, server, kind, err
	}
	pool, err = tds.Connect(server, tds.Options{Statements: 1})
	return pool, server, kind, err
}

// Open implements warehouse.Engine.
func (e engine) Open(address string, r warehouse.OpenOptions) (to warehouse.Opened, err error) {
	address, own := take(address)
	server, err := tds.ParseServer(e.name, address)
	if err != nil {
		return to, err
	}
	rows, err := commitRows(server, own)
	if err != nil {
		return to, err
	}
	lines, err := e.copiesLines(server, own)
	if err != nil {
		return to, err
	}
	none, err := e.noIndexes(server, own)
	if err != nil {
		return to, err
	}
	stored, faults := storedAs(own)
	faults = append(faults, stored.Check(string(e.name), r.EngineTransforms)...)
	if err := storage.Join(faults); err != nil {
		return to, fault.Permanentf("warehouse %s: %s: %w", server.Engine, server, err)
	}
	o := Options{
		CommitRows: rows, Lines: lines, NoIndexes: none,
		Server: server, Lake: r.Lake, Remover: r.Remover, Views: r.Views.Tables,
		StagingURL: r.StagingURL, LineLimit: r.LineLimit,
		Statements: r.Statements, TempDir: r.TempDir, Now: r.Now, Log: r.Log,
	}
	if r.EngineTransforms {
		views, err := r.CompiledViews(string(e.name))
		if err != nil {
			return to, err
		}
		o.Documents = views
	}
	w, err := Open(o)
	if err != nil {
		return to, err
	}
	to = warehouse.Opened{Warehouse: w, Concluder: w, Tables: w}
	if w.InPlace() {
		to.InPlace = w
	} else {
		to.Beside = w
	}
	return to, nil
}

// paramIndexes is the parameter of the address that leaves indexes and statistics to others.
const paramIndexes = "indexes"

// noIndexes reports whether commits make no indexes and statistics.
func (e engine) noIndexes(server tds.Server, own map[string]string) (bool, error) {
	text, given := own[paramIndexes]
	switch {
	case !given:
		return false, nil
	case text == "none" && e.name != tsql.Fabric:
		return true, nil
	}
	return false, fault.Permanentf(
		"warehouse %s: %s: %s is none, where a person makes indexes and statistics, or left out",
		server.Engine, server, paramIndexes)
}

// paramCopy is the parameter of the address that chooses the files for COPY INTO.
const paramCopy = "copy"

// copiesLines reports whether all rows are sent as lines of JSON instead of Parquet.
func (e engine) copiesLines(server tds.Server, own map[string]string) (bool, error) {
	text, given := own[paramCopy]
	switch {
	case !given || text == "parquet":
		return false, nil
	case text == "lines" && e.name != tsql.SQLServer:
		return true, nil
	}
	return false, fault.Permanentf(
		"warehouse %s: %s: %s is parquet, or lines where the engine reads files by COPY INTO",
		server.Engine, server, paramCopy)
}

// paramCommitRows is the parameter of the address that bounds the rows of a transaction.
const paramCommitRows = "commitRows"

// commitRows returns the bound of the address, or 0.
func commitRows(server tds.Server, own map[string]string) (int64, error) {
	text, given := own[paramCommitRows]
	if !given {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 {
		return 0, fault.Permanentf(
			"warehouse %s: %s: %s is the greatest number of rows in a transaction, as in 5000000",
			server.Engine, server, paramCommitRows)
	}
	return n, nil
}

// Check signs in and reads the ledger.
func (w *Warehouse) Check(ctx context.Context, schema string) error {
	t := statements.Target{Engine: w.engine, Schema: schema}
	err := w.pool.Again(ctx, func(int) error {
		return w.with(ctx, func(s session) error {
			_, err := s.ledger(ctx, t, "check")
			return err
		})
	})
	if err != nil {
		return fmt.Errorf("open the warehouse: read the ledger: %w", err)
	}
	return nil
}

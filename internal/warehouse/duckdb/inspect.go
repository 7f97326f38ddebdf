package duckdb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/warehouse"
)

var _ warehouse.Inspector = engine{}

// Inspect implements warehouse.Inspector. A missing file is fine, because the first commit makes
// it; then only its folder is examined.
func (engine) Inspect(
	ctx context.Context, address string, plans []warehouse.PlanTables,
) (out warehouse.Inspection, err error) {
	file, _ := parseAddress(address)
	out.Server = file
	version, err := Version(ctx)
	if err != nil {
		return out, err
	}
	out.Engine = warehouse.Finding{Text: "DuckDB " + version}
	there, err := exists(file)
	if err != nil {
		return out, err
	}
	if !there {
		out.Rights = folder(file)
		for _, p := range plans {
			out.Drift = append(out.Drift,
				warehouse.Drift{Plan: p, New: len(p.Tables)}.Finding())
		}
		return out, nil
	}
	if err := CheckFile(file); err != nil {
		return out, err
	}
	out.Rights = writable(file)
	path, err := filepath.Abs(file)
	if err != nil {
		return out, fmt.Errorf("find database %s: %w", file, err)
	}
	release, err := lockPath(ctx, path, shared)
	if err != nil {
		return out, fault.Transientf("this process is writing to the database: %w", err)
	}
	defer release()
	waiting, stop := context.WithTimeout(ctx, countWait)
	defer stop()
	db, err := openWaiting(ctx, waiting, path)
	if fault.Of(err) == fault.Transient && err != nil {
		for range plans {
			out.Drift = append(out.Drift, warehouse.Finding{
				Level: warehouse.Worth, Text: err.Error(),
				Remedy: "run the command again between two commits",
			})
		}
		return out, nil
	}
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, db.close()) }()
	for _, p := range plans {
		out.Drift = append(out.Drift, db.drift(ctx, p))
	}
	return out, nil
}

// Version starts an instance in memory and returns the version of DuckDB.
func Version(ctx context.Context) (version string, err error) {
	db, err := openDatabase(ctx, settings{threads: 1})
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, db.close()) }()
	if err := db.QueryRowContext(ctx, "SELECT version()").Scan(&version); err != nil {
		return "", fmt.Errorf("ask DuckDB for its version: %w", classified(err))
	}
	return version, nil
}

// folder looks whether the file of a database can be made.
func folder(file string) warehouse.Finding {
	dir := filepath.Dir(file)
	for dir != filepath.Dir(dir) {
		if _, err := os.Stat(dir); err == nil {
			break
		}
		dir = filepath.Dir(dir) // a commit makes the folders below
	}
	f, err := os.CreateTemp(dir, ".fhirsynapse-doctor-*")
	if err != nil {
		return warehouse.Finding{
			Level: warehouse.Wrong, Text: "no file can be made in the folder " + dir,
			Remedy: "let this user write there, or name another file in the setting Warehouse",
		}
	}
	if err := errors.Join(f.Close(), os.Remove(f.Name())); err != nil {
		return warehouse.Finding{
			Level: warehouse.Worth, Text: "a file was left in the folder " + dir,
			Remedy: "remove " + f.Name(),
		}
	}
	return warehouse.Finding{Text: "the file does not exist yet: the first commit makes it"}
}

// writable looks whether the file can be opened for writing.
func writable(file string) warehouse.Finding {
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		return warehouse.Finding{
			Level: warehouse.Wrong, Text: "the file cannot be written",
			Remedy: "let this user write " + file,
		}
	}
	if err := f.Close(); err != nil {
		return warehouse.Finding{Level: warehouse.Worth, Text: "the file cannot be closed"}
	}
	return warehouse.Finding{Text: "the file can be read and written"}
}

// drift compares the tables of a plan with its views. It makes the statements of the next commit
// without running them.
func (db *database) drift(ctx context.Context, p warehouse.PlanTables) warehouse.Finding {
	there, err := db.columns(ctx, p.Schema)
	if err != nil {
		return warehouse.Finding{
			Level: warehouse.Worth,
			Text:  "the catalog cannot be read: " + fault.Clip(err.Error()),
		}
	}
	d := warehouse.Drift{Plan: p}
	var types []string
	for _, t := range p.Tables {
		types = append(types, t.Resource)
	}
	slices.Sort(types)
	for _, resource := range slices.Compact(types) {
		tables := flatten.TablesOf(p.Tables, resource)
		if there[strings.ToLower(warehouse.HeadTable(resource))] == nil {
			d.New += len(tables) // the first commit of the type makes them
			continue
		}
		for _, want := range wantedTables(resource, tables) {
			ddl, err := missingColumns(p.Schema, want, there[strings.ToLower(want.table)])
			if err != nil {
				d.Refused = append(d.Refused, &fault.Error{
					Class: fault.Permanent, Err: fmt.Errorf("%s: %w", resource, err),
					Remedy: "give the view's column another name, " +
						warehouse.Rebuilding("duckdb:FILE", p.Schema, resource),
				})
				continue
			}
			for _, statement := range ddl {
				d.Pending = append(d.Pending, changeOf(want.table, statement))
			}
		}
	}
	return d.Finding()
}

// changeOf names a statement of missingColumns for a person.
func changeOf(table, statement string) string {
	if _, column, ok := strings.Cut(statement, " ADD COLUMN "); ok {
		return "add column " + table + "." + strings.Trim(strings.Fields(column)[0], `"`)
	}
	verb, _, _ := strings.Cut(statement, " ")
	return cmp.Or(strings.ToLower(verb), "change") + " table " + table
}

package duckdb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/warehouse"
)

var _ warehouse.Describer = engine{}

// describeWait bounds Describe's wait for a commit of another process.
const describeWait = 2 * time.Second

// Describe implements warehouse.Describer. A missing file has no tables. DuckDB keeps the number of
// rows, so that counting them reads no row.
func (engine) Describe(
	ctx context.Context, address string, p warehouse.PlanTables, _ warehouse.DescribeOptions,
) (out warehouse.Description, err error) {
	file, _ := parseAddress(address)
	out.Local = true
	there, err := exists(file)
	if err != nil {
		return out, err
	}
	if !there {
		out.Tables = p.States(func(flatten.Table) bool { return false }, nil)
		return out, nil
	}
	if err := CheckFile(file); err != nil {
		return out, err
	}
	db, release, err := openFile(ctx, file, describeWait)
	if err == nil {
		err = errors.Join(db.describe(ctx, p, &out), db.close())
		release()
	}
	if err != nil {
		return out, fmt.Errorf("describe the tables of schema %s: %w", p.Schema, err)
	}
	return out, nil
}

// describe fills in a description of the tables of a plan.
func (db *database) describe(
	ctx context.Context, p warehouse.PlanTables, out *warehouse.Description,
) error {
	there, err := db.columns(ctx, p.Schema)
	if err != nil {
		return err
	}
	has := func(table string) map[string]string { return there[strings.ToLower(table)] }
	changes := map[string]warehouse.TypeChange{}
	if has(warehouse.LedgerTable) != nil {
		if changes, err = db.changes(ctx, p.Schema); err != nil {
			return err
		}
	}
	out.Tables = p.States(func(t flatten.Table) bool { return has(t.Name) != nil }, changes)
	var counts []string
	for i, t := range p.Tables {
		begun := has(warehouse.HeadTable(t.Resource)) != nil
		out.Tables[i].Drift = driftOf(t, has(t.Name), begun)
		if out.Tables[i].Exists {
			counts = append(counts, "SELECT "+text(t.Name)+", count(*) FROM "+
				tableName(p.Schema, t.Name))
		}
	}
	if has(warehouse.ExportsTable) != nil {
		if err := db.complete(ctx, p.Schema, out); err != nil {
			return err
		}
	}
	if len(counts) == 0 {
		return nil
	}
	rows := map[string]int64{}
	err = db.each(ctx, strings.Join(counts, " UNION ALL "), func(scan func(...any) error) error {
		var table string
		var n int64
		err := scan(&table, &n)
		rows[table] = n
		return err
	})
	out.SetRows(rows)
	return err
}

// changes returns the last commit of each resource type that wrote rows.
func (db *database) changes(
	ctx context.Context, schema string,
) (map[string]warehouse.TypeChange, error) {
	out := map[string]warehouse.TypeChange{}
	err := db.each(ctx, "SELECT type, max(committed_at), max(view_set) FROM "+
		tableName(schema, warehouse.LedgerTable)+" WHERE applied > 0 GROUP BY type",
		func(scan func(...any) error) error {
			var typ string
			var at sql.NullTime
			var set sql.NullInt64
			err := scan(&typ, &at, &set)
			out[typ] = warehouse.TypeChange{At: at.Time, ViewSet: int(set.Int64)}
			return err
		})
	return out, err
}

// complete reads up to when the exports of a schema have loaded everything.
func (db *database) complete(
	ctx context.Context, schema string, out *warehouse.Description,
) error {
	return db.each(ctx, "SELECT plan_name, max(till) FROM "+
		tableName(schema, warehouse.ExportsTable)+
		" WHERE state = 'loaded' GROUP BY plan_name ORDER BY max(till)",
		func(scan func(...any) error) error {
			var plan sql.NullString
			var till sql.NullTime
			err := scan(&plan, &till)
			out.Plan, out.CompleteAt = plan.String, till.Time.UTC()
			return err
		})
}

// each calls row for each row of a query.
func (db *database) each(
	ctx context.Context, query string, row func(scan func(...any) error) error,
) (err error) {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return classified(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// driftOf compares the columns of a table with its view. begun is set if a commit of the type has
// made its tables.
func driftOf(
	t flatten.Table, there map[string]string, begun bool,
) (out []warehouse.TableDrift) {
	if there == nil {
		if begun {
			return []warehouse.TableDrift{warehouse.TableMissing()}
		}
		return nil
	}
	var of wanted
	for _, w := range wantedTables(t.Resource, []flatten.Table{t}) {
		if w.table == t.Name {
			of = w
		}
	}
	known := map[string]bool{}
	for _, c := range of.columns {
		key := strings.ToLower(c.name)
		known[key] = true
		switch kind, has := there[key]; {
		case !has:
			out = append(out, warehouse.ColumnMissing(c.name))
		case kind != c.kind:
			out = append(out, warehouse.TypeChanged(c.name, kind, c.kind))
		}
	}
	return append(out, warehouse.ExtraColumns(there, known)...)
}

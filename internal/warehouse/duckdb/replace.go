package duckdb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"fhirsynapse/internal/warehouse"
)

// Replace replaces the tables of a type by the tables of another schema in one transaction. DuckDB
// can only copy them. No commit runs at the same time.
func (w *Warehouse) Replace(ctx context.Context, r warehouse.Replacement) error {
	if err := r.Check(); err != nil {
		return err
	}
	tables, err := w.o.Views.Tables(r.Plan, r.Type)
	if err != nil {
		return err
	}
	names := []string{warehouse.HeadTable(r.Type)}
	for _, t := range tables {
		names = append(names, t.Name)
	}
	return w.alone(ctx, func(db *database) error {
		there, err := db.columns(ctx, r.Schema)
		if err != nil {
			return err
		}
		return db.inTransaction(ctx, func() error { return w.replace(ctx, db, r, names, there) })
	})
}

// alone calls do with the database while no commit runs.
func (w *Warehouse) alone(ctx context.Context, do func(*database) error) error {
	return w.writeBeside(ctx, sideBySide, func(_ *session, db *database) error { return do(db) })
}

// replace is the transaction. names begin with the head's.
func (w *Warehouse) replace(
	ctx context.Context, db *database, r warehouse.Replacement, names []string,
	there map[string]map[string]string,
) error {
	exec := func(step, statement string, args ...any) error {
		w.o.before(step)
		if _, err := db.ExecContext(ctx, statement, args...); err != nil {
			return fmt.Errorf("%s: %w", step, classified(err))
		}
		return nil
	}
	if there == nil {
		if err := exec("schema", "CREATE SCHEMA "+name(attached)+"."+name(r.Schema)); err != nil {
			return err
		}
	}
	if head := there[strings.ToLower(names[0])]; head != nil {
		if missing, err := missingColumns(r.Schema, wantedTables(r.Type, nil)[0],
			head); err != nil || len(missing) > 0 {
			return r.Untold(r.Schema + "." + warehouse.HeadTable(r.Type))
		}
		join := tableName(r.Schema, names[0]) + " AS h LEFT JOIN " + tableName(r.From, names[0]) +
			" AS n ON n.id = h.id"
		var lacking int64
		w.o.before("compare")
		if err := db.QueryRowContext(ctx,
			"SELECT count(*) FROM "+join+
				" WHERE (n.id IS NULL AND NOT h.deleted) OR n.version < h.version").Scan(
			&lacking); err != nil {
			return fmt.Errorf("compare with what is there: %w", classified(err))
		}
		if lacking > 0 {
			return r.Lacks(lacking)
		}
		// A full export does not list deleted resources, and older versions of them must lose.
		if err := exec("tombstones",
			"INSERT INTO "+tableName(r.From, names[0])+
				" SELECT h.id, h.version, h.deleted, h.view_set FROM "+join+
				" WHERE n.id IS NULL AND h.deleted"); err != nil {
			return err
		}
	}
	for _, table := range names {
		if err := exec("drop", "DROP TABLE IF EXISTS "+tableName(r.Schema, table)); err != nil {
			return err
		}
		if err := exec("copy",
			"CREATE TABLE "+tableName(r.Schema, table)+" AS FROM "+
				tableName(r.From, table)); err != nil {
			return err
		}
	}
	ledger := tableName(r.Schema, warehouse.LedgerTable)
	if there[warehouse.LedgerTable] == nil {
		if err := exec("ledger",
			"CREATE TABLE "+ledger+" AS FROM "+tableName(r.From, warehouse.LedgerTable)+
				" WHERE type = ?", r.Type); err != nil {
			return err
		}
	} else if err := exec("ledger",
		"INSERT INTO "+ledger+" BY NAME FROM "+tableName(r.From, warehouse.LedgerTable)+
			" WHERE type = ?", r.Type); err != nil {
		return err
	}
	w.o.before("commit")
	return nil
}

// Discard drops a schema with its tables, if it exists.
func (w *Warehouse) Discard(ctx context.Context, schema string) error {
	if _, err := os.Stat(w.o.Path); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return w.alone(ctx, func(db *database) error {
		w.o.before("discard")
		if _, err := db.ExecContext(ctx,
			"DROP SCHEMA IF EXISTS "+name(attached)+"."+name(schema)+" CASCADE"); err != nil {
			return classified(err)
		}
		return nil
	})
}

package duckdb

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/warehouse"
)

// column is a column in DuckDB's description.
type column struct{ name, kind string }

// kindOf returns a column's type in DuckDB. A timestamp is UTC without a zone, so that it reads the
// same in every session.
func kindOf(c sof.Column) string {
	switch c.Kind {
	case sof.Boolean:
		return "BOOLEAN"
	case sof.Integer:
		return "INTEGER"
	case sof.BigInt:
		return "BIGINT"
	case sof.Decimal:
		precision, scale := flatten.DecimalSize(c)
		return fmt.Sprintf("DECIMAL(%d,%d)", precision, scale)
	case sof.Date:
		return "DATE"
	case sof.Timestamp:
		return "TIMESTAMP"
	case sof.Text:
	}
	return "VARCHAR"
}

// wanted is a table with its columns that a batch of one type needs.
type wanted struct {
	table   string
	columns []column
}

func wantedTables(resource string, tables []flatten.Table) []wanted {
	all := []wanted{
		{
			warehouse.HeadTable(resource),
			[]column{
				{"id", "VARCHAR"},
				{"version", "VARCHAR"},
				{"deleted", "BOOLEAN"},
				{"view_set", "INTEGER"},
			},
		},
		ledgerTable(),
	}
	for _, t := range tables {
		w := wanted{table: t.Name}
		for _, c := range t.Columns {
			w.columns = append(w.columns, column{c.Name, kindOf(c)})
		}
		w.columns = append(w.columns, column{warehouse.IDColumn, "VARCHAR"},
			column{warehouse.VersionColumn, "VARCHAR"},
			column{warehouse.LastUpdatedColumn, "TIMESTAMP"},
			column{warehouse.ExportColumn, "VARCHAR"})
		all = append(all, w)
	}
	return all
}

func ledgerTable() wanted {
	return wanted{warehouse.LedgerTable, []column{
		{"path", "VARCHAR"},
		{"etag", "VARCHAR"},
		{"export", "VARCHAR"},
		{"type", "VARCHAR"},
		{"lines", "BIGINT"},
		{"blank", "BIGINT"},
		{"quarantined", "BIGINT"},
		{"filtered", "BIGINT"},
		{"applied", "BIGINT"},
		{"superseded", "BIGINT"},
		{"deleted", "BIGINT"},
		{"view_set", "INTEGER"},
		{"committed_at", "TIMESTAMP"},
	}}
}

// ensure creates the missing tables of a batch. Two concurrent commits may need the same ones.
func (s *session) ensure(ctx context.Context, db *database, batch *staged) error {
	s.definitions.Lock()
	defer s.definitions.Unlock()
	return db.ensure(ctx, batch.batch.Schema, batch.batch.Type, batch.tables)
}

// ensure creates missing parts: the schema, its tables, their columns. Columns that the views no
// longer have stay; a column with another type is refused, because its values would be lost.
func (db *database) ensure(
	ctx context.Context, schema, resource string, tables []flatten.Table,
) error {
	there, err := db.columns(ctx, schema)
	if err != nil {
		return err
	}
	if there[strings.ToLower(warehouse.HeadTable(resource))] != nil {
		if err := db.sameButCase(ctx, schema, resource); err != nil {
			return err
		}
	}
	return db.define(ctx, schema, there, wantedTables(resource, tables),
		"give the view's column another name, "+
			warehouse.Rebuilding("duckdb:FILE", schema, resource))
}

// define creates the schema and the missing parts of tables, in one transaction. remedy is for a
// column with another type.
func (db *database) define(
	ctx context.Context, schema string, there map[string]map[string]string, tables []wanted,
	remedy string,
) error {
	var ddl []string
	if there == nil {
		ddl = append(ddl, "CREATE SCHEMA IF NOT EXISTS "+name(attached)+"."+name(schema))
	}
	var faults []error
	for _, want := range tables {
		more, err := missingColumns(schema, want, there[strings.ToLower(want.table)])
		ddl, faults = append(ddl, more...), append(faults, err)
	}
	if err := errors.Join(faults...); err != nil {
		return &fault.Error{Class: fault.Permanent, Err: err, Remedy: remedy}
	}
	if len(ddl) == 0 {
		return nil
	}
	return db.inTransaction(ctx, func() error {
		for _, statement := range ddl {
			if _, err := db.ExecContext(ctx, statement); err != nil {
				return fmt.Errorf("make the tables of schema %s: %w", schema, classified(err))
			}
		}
		return nil
	})
}

// sameButCase refuses a type if a head table differs only in case.
func (db *database) sameButCase(ctx context.Context, schema, resource string) error {
	heads, err := db.strings(ctx, `SELECT table_name FROM duckdb_tables()
		WHERE database_name = ? AND lower(schema_name) = lower(?) AND lower(table_name) = lower(?)`, attached, schema, warehouse.HeadTable(resource))
	if err != nil {
		return fmt.Errorf("read the tables of schema %s: %w", schema, err)
	}
	for _, table := range heads {
		if err := warehouse.SameButCase(table, resource); err != nil {
			return err
		}
	}
	return nil
}

// missingColumns returns the statements that create a table or add its columns.
func missingColumns(schema string, want wanted, there map[string]string) (ddl []string, err error) {
	table := tableName(schema, want.table)
	var definitions []string
	var faults []error
	for _, c := range want.columns {
		kind, known := there[strings.ToLower(c.name)]
		switch {
		case known && kind != c.kind && c.name == warehouse.LastUpdatedColumn && kind == "VARCHAR":
			// In tables of older versions it is a text. The version has the same instant.
			ddl = append(ddl, "ALTER TABLE "+table+" ALTER COLUMN "+name(c.name)+
				" TYPE TIMESTAMP USING "+lastUpdated(""))
		case known && kind != c.kind:
			faults = append(faults,
				fmt.Errorf("column %s.%s is %s in the database and %s in the view",
					want.table, c.name, kind, c.kind))
		case !known && there != nil:
			ddl = append(ddl, "ALTER TABLE "+table+" ADD COLUMN "+name(c.name)+" "+c.kind)
		case !known:
			definitions = append(definitions, name(c.name)+" "+c.kind)
		}
	}
	if len(definitions) > 0 {
		ddl = append(ddl, "CREATE TABLE "+table+" ("+strings.Join(definitions, ", ")+")")
	}
	return ddl, errors.Join(faults...)
}

func tableName(schema, table string) string {
	return name(attached) + "." + name(schema) + "." + name(table)
}

// columns returns the types of all columns of a schema, by table and name in lower case, because
// DuckDB ignores case; nil if the schema does not exist.
func (db *database) columns(
	ctx context.Context, schema string,
) (map[string]map[string]string, error) {
	rows, err := db.QueryContext(ctx, `SELECT lower(t.table_name), lower(c.column_name), c.data_type
		FROM duckdb_schemas() s
		LEFT JOIN duckdb_tables() t ON t.database_name = s.database_name AND t.schema_name = s.schema_name
		LEFT JOIN duckdb_columns() c ON c.table_oid = t.table_oid AND c.database_name = t.database_name AND c.schema_name = t.schema_name
		WHERE s.database_name = ? AND lower(s.schema_name) = lower(?)`, attached, schema)
	if err != nil {
		return nil, fmt.Errorf("read the tables of schema %s: %w", schema, classified(err))
	}
	defer rows.Close()
	var there map[string]map[string]string
	for rows.Next() {
		var table, column, kind *string
		if err := rows.Scan(&table, &column, &kind); err != nil {
			return nil, fmt.Errorf("read the tables of schema %s: %w", schema, err)
		}
		if there == nil {
			there = map[string]map[string]string{}
		}
		if table == nil || column == nil || kind == nil {
			continue
		}
		if there[*table] == nil {
			there[*table] = map[string]string{}
		}
		there[*table][*column] = *kind
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read the tables of schema %s: %w", schema, err)
	}
	return there, nil
}

// inTransaction runs do between BEGIN and COMMIT, or ROLLBACK if it fails.
func (db *database) inTransaction(ctx context.Context, do func() error) error {
	if _, err := db.ExecContext(ctx, "BEGIN"); err != nil {
		return fmt.Errorf("begin: %w", classified(err))
	}
	err := do()
	if err == nil {
		if _, err = db.ExecContext(ctx, "COMMIT"); err == nil {
			return nil
		}
		err = fmt.Errorf("commit: %w", classified(err))
	}
	// DuckDB may have ended the transaction itself. The connection is closed next.
	_, _ = db.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
	return err
}

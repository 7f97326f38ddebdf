package enginebench

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	_ "fhirsynapse/internal/warehouse/duckdb" // brings the driver
)

// typedRead reads a flat table in DuckDB's fastest way: read_json with a struct of only the used
// members, and list functions over it.
type typedRead struct {
	table, resource  string
	columns, selects string
	names            []string
}

var typedReads = []typedRead{
	{
		table: "flat_patient", resource: "Patient",
		columns: `id: 'VARCHAR', gender: 'VARCHAR', birthDate: 'VARCHAR',
			name: 'STRUCT("use" VARCHAR, family VARCHAR, given VARCHAR[])[]',
			extension: 'STRUCT(url VARCHAR, valueAddress STRUCT(city VARCHAR))[]',
			deceasedDateTime: 'VARCHAR', maritalStatus: 'STRUCT(coding STRUCT(code VARCHAR)[])',
			address: 'STRUCT(city VARCHAR)[]', telecom: 'STRUCT("system" VARCHAR, "value" VARCHAR)[]'`,
		selects: `id, gender, birthDate AS birth_date,
			list_filter(list_transform(list_filter(name, lambda n: n."use" = 'official'), lambda n: n.family), lambda f: f IS NOT NULL)[1] AS family,
			nullif(array_to_string(flatten(list_transform(list_filter(name, lambda n: n."use" = 'official'), lambda n: n.given)), ' '), '') AS given,
			list_filter(list_transform(list_filter(extension, lambda e: e.url = 'http://hl7.org/fhir/StructureDefinition/patient-birthPlace'), lambda e: e.valueAddress.city), lambda c: c IS NOT NULL)[1] AS birth_place,
			deceasedDateTime AS deceased, maritalStatus.coding[1].code AS marital, address[1].city AS city,
			list_filter(list_transform(list_filter(telecom, lambda t: t."system" = 'phone'), lambda t: t."value"), lambda v: v IS NOT NULL)[1] AS phone`,
		names: strings.Fields(
			"id gender birth_date family given birth_place deceased marital city phone"),
	},
	{
		table: "flat_observation", resource: "Observation",
		columns: `id: 'VARCHAR', status: 'VARCHAR', subject: 'STRUCT(reference VARCHAR)', encounter: 'STRUCT(reference VARCHAR)',
			category: 'STRUCT(coding STRUCT(code VARCHAR)[])[]', code: 'STRUCT(coding STRUCT("system" VARCHAR, code VARCHAR, display VARCHAR)[])',
			effectiveDateTime: 'VARCHAR', valueQuantity: 'STRUCT("value" DOUBLE, unit VARCHAR)',
			valueCodeableConcept: 'STRUCT(coding STRUCT(code VARCHAR)[])'`,
		selects: `id, status,
			CASE WHEN starts_with(subject.reference, 'Patient/') THEN subject.reference[9:] END AS patient_id,
			CASE WHEN starts_with(encounter.reference, 'Encounter/') THEN encounter.reference[11:] END AS encounter_id,
			list_filter(flatten(list_transform(category, lambda c: list_transform(c.coding, lambda k: k.code))), lambda c: c IS NOT NULL)[1] AS category,
			list_filter(list_transform(list_filter(code.coding, lambda c: c."system" = 'http://loinc.org'), lambda c: c.code), lambda c: c IS NOT NULL)[1] AS code,
			code.coding[1].display AS display, effectiveDateTime AS effective, valueQuantity."value" AS "value", valueQuantity.unit AS unit,
			valueCodeableConcept.coding[1].code AS value_code`,
		names: strings.Fields(
			"id status patient_id encounter_id category code display effective value unit value_code"),
	},
}

// query returns the SELECT for a file's rows.
func (t typedRead) query(j job) string {
	return fmt.Sprintf("SELECT %s FROM read_json(%s, format = 'newline_delimited', columns = {%s})",
		t.selects, quoted(j.file(t.resource)), t.columns)
}

func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// duckHash computes all columns and keeps only a hash of them.
func duckHash(ctx context.Context, j job) (rows int64, err error) {
	return withDuckDB(ctx, j, func(
		ctx context.Context, db *sql.DB, t typedRead,
	) (n int64, err error) {
		var hash any
		err = db.QueryRowContext(ctx,
			fmt.Sprintf("SELECT count(*), bit_xor(hash(%s)) FROM (%s)", strings.Join(t.names, ", "),
				t.query(j))).Scan(&n, &hash)
		return n, err
	})
}

func duckCopy(ctx context.Context, j job) (rows int64, err error) {
	return withDuckDB(ctx, j, func(ctx context.Context, db *sql.DB, t typedRead) (int64, error) {
		r, err := db.ExecContext(ctx,
			fmt.Sprintf("COPY (%s) TO %s (FORMAT parquet, COMPRESSION snappy)", t.query(j),
				quoted(filepath.Join(j.out, t.table+".duckdb.parquet"))))
		if err != nil {
			return 0, err
		}
		return r.RowsAffected()
	})
}

func withDuckDB(
	ctx context.Context, j job, do func(context.Context, *sql.DB, typedRead) (int64, error),
) (rows int64, err error) {
	db, err := openDuckDB(j.cores)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	for _, t := range typedReads {
		n, err := do(ctx, db, t)
		if err != nil {
			return 0, fmt.Errorf("DuckDB on %s: %w", t.resource, err)
		}
		rows += n
	}
	return rows, nil
}

// openDuckDB opens DuckDB in memory. It allows any order of rows, so that DuckDB's threads can
// write in parallel.
func openDuckDB(threads int) (*sql.DB, error) {
	return sql.Open("duckdb",
		fmt.Sprintf("?threads=%d&preserve_insertion_order=false&autoinstall_known_extensions=false&autoload_known_extensions=false", threads))
}

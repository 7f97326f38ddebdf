package duckdb

import (
	"testing"

	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/testkit/pipelinetest"
)

// Tables of older versions have a text where new ones have an instant.
func TestTypesOfOlderTablesAreChanged(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	lake := pipelinetest.NewMemoryLake(nowOf(start))
	w, err := Open(store.options(t, lake, crashViews.Tables))
	if err != nil {
		t.Fatal(err)
	}
	table := tableName("fhir", "patient")
	err = w.alone(t.Context(), func(db *database) error {
		for _, statement := range []string{
			"CREATE SCHEMA " + name(attached) + ".fhir",
			"CREATE TABLE " + table +
				" (_id VARCHAR, _version VARCHAR, _last_updated VARCHAR, _export VARCHAR)",
			"INSERT INTO " + table + " VALUES ('a', '2024-01-02T03:04:05.678900000Z/1/1/0', " +
				"'2024-01-02T03:04:05.678Z', 'x')",
		} {
			if _, err := db.ExecContext(t.Context(), statement); err != nil {
				return err
			}
		}
		tables := []flatten.Table{{Name: "patient", Resource: "Patient"}}
		for range 2 { // the second one has nothing to do
			if err := db.ensure(t.Context(), "fhir", "Patient", tables); err != nil {
				return err
			}
		}
		got, err := db.strings(t.Context(),
			"SELECT typeof(_last_updated) || ' ' || _last_updated FROM "+table)
		if err == nil && (len(got) != 1 || got[0] != "TIMESTAMP 2024-01-02 03:04:05.678") {
			t.Errorf("the instant: %v", got)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

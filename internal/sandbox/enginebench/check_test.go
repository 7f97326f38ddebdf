package enginebench

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
)

func TestTheSidesHaveTheSameRows(t *testing.T) {
	t.Parallel()
	j, _ := newJob(t, 2)
	var want int64
	for i, run := range []side{evaluate, duckHash, writeParquet, duckCopy} {
		got, err := run(t.Context(), j)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			want = got
		}
		if got != want || got == 0 {
			t.Errorf("side %d has %d rows, the first %d", i, got, want)
		}
	}
	if err := sameRows(t.Context(), j); err != nil {
		t.Error(err)
	}
}

// nearestDouble returns the double nearest to the decimal "value". DuckDB's own cast of
// a wide decimal can miss it by one bit: 4.94 becomes 4.9399999999999995.
const nearestDouble = `CAST(CAST("value" AS VARCHAR) AS DOUBLE)`

// sameRows compares the tables in the Parquet files of both sides.
func sameRows(ctx context.Context, j job) (err error) {
	db, err := openDuckDB(j.cores)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	for _, t := range typedReads {
		ours, theirs := "SELECT * FROM "+written(j, t, "native"),
			"SELECT * FROM "+written(j, t, "duckdb")
		if t.resource == "Observation" {
			ours = `SELECT * REPLACE (` + nearestDouble + ` AS "value") FROM ` +
				written(j, t, "native")
		}
		for _, pair := range [][2]string{{ours, theirs}, {theirs, ours}} {
			var n int64
			if err := db.QueryRowContext(ctx,
				fmt.Sprintf("SELECT count(*) FROM (%s EXCEPT ALL %s)", pair[0],
					pair[1])).Scan(&n); err != nil {
				return err
			}
			if n != 0 {
				return fmt.Errorf("%s: %d rows of one side are not among those of the other",
					t.table, n)
			}
		}
	}
	return nil
}

func written(j job, t typedRead, side string) string {
	return "read_parquet(" + quoted(filepath.Join(j.out, t.table+"."+side+".parquet")) + ")"
}

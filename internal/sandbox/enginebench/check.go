package enginebench

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"

	"fhirsynapse/internal/ndjson"
	"fhirsynapse/internal/sof/native"
)

// check compares what the sides have read: the numbers of rows, the rows in the
// Parquet files, the decimals, and what each does with a damaged line.
func (b *Bench) check(ctx context.Context, j job, seen map[string][]figures) (err error) {
	rows := int64(-1)
	for _, all := range seen {
		for _, f := range all {
			if rows < 0 {
				rows = f.Rows
			}
			if f.Rows != rows {
				return fmt.Errorf("one side has read %d rows, another %d", f.Rows, rows)
			}
		}
	}
	db, err := openDuckDB(2)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	for _, t := range typedReads {
		if err := sameRows(ctx, db, j, t); err != nil {
			return err
		}
	}
	b.say("check: all sides have %d rows; the rows in the Parquet files are the same, decimals compared as the doubles nearest to them", rows)
	if err := b.checkDecimals(ctx, db, j); err != nil {
		return err
	}
	return b.checkValidation(ctx, db, j)
}

func files(j job, side string, t typedRead) string {
	return "read_parquet(" + quoted(filepath.Join(j.out, side+"-1", t.table+".parquet")) + ")"
}

// nearestDouble gives the double nearest to the decimal "value". DuckDB's own cast
// of a wide decimal can miss it by one bit: 4.94 becomes 4.9399999999999995.
const nearestDouble = `CAST(CAST("value" AS VARCHAR) AS DOUBLE)`

// sameRows compares a table in the Parquet files of both sides.
func sameRows(ctx context.Context, db *sql.DB, j job, t typedRead) error {
	ours := `SELECT * REPLACE (` + nearestDouble + ` AS "value") FROM ` + files(j, nativeParquet, t)
	if !strings.Contains(t.selects, `AS "value"`) {
		ours = "SELECT * FROM " + files(j, nativeParquet, t)
	}
	theirs := "SELECT * FROM " + files(j, duckParquet, t)
	for _, pair := range [][2]string{{ours, theirs}, {theirs, ours}} {
		var n int64
		if err := db.QueryRowContext(ctx, fmt.Sprintf("SELECT count(*) FROM (%s EXCEPT ALL %s)", pair[0], pair[1])).Scan(&n); err != nil {
			return err
		}
		if n != 0 {
			return fmt.Errorf("%s: %d rows of one side are not among those of the other", t.table, n)
		}
	}
	return nil
}

// checkDecimals adds up the values: of the lines, read by encoding/json and summed
// as fractions, and of both Parquet files.
func (b *Bench) checkDecimals(ctx context.Context, db *sql.DB, j job) error {
	want, n, err := sumOfValues(j.file("Observation"))
	if err != nil {
		return err
	}
	var t typedRead
	for _, t = range typedReads {
		if t.resource == "Observation" {
			break
		}
	}
	var text string
	var lossy int64
	err = db.QueryRowContext(ctx, `SELECT CAST(sum("value") AS VARCHAR) FROM `+files(j, nativeParquet, t)).Scan(&text)
	if err != nil {
		return err
	}
	got, ok := new(big.Rat).SetString(text)
	if !ok || got.Cmp(want) != 0 {
		return fmt.Errorf("the decimals of the lines add up to %s, those of the native engine's file to %s", want.FloatString(12), text)
	}
	err = db.QueryRowContext(ctx, fmt.Sprintf(
		`SELECT count(*) FROM (SELECT DISTINCT id, "value" FROM %s) a JOIN (SELECT DISTINCT id, "value" FROM %s) b USING (id) WHERE CAST(CAST(b."value" AS VARCHAR) AS DECIMAL(38, 18)) <> a."value"`,
		files(j, nativeParquet, t), files(j, duckParquet, t))).Scan(&lossy)
	if err != nil {
		return err
	}
	b.say("check: %d decimals of the native engine add up exactly to those of the lines; of DuckDB's doubles %d are another decimal", n, lossy)
	return nil
}

func sumOfValues(path string) (sum *big.Rat, n int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	counts := map[string]int64{}
	for l, err := range ndjson.Lines(f, 0) {
		if err != nil {
			return nil, 0, err
		}
		var o struct {
			ValueQuantity struct {
				Value json.Number `json:"value"`
			} `json:"valueQuantity"`
		}
		if err := json.Unmarshal(l.JSON, &o); err != nil {
			return nil, 0, err
		}
		if v := o.ValueQuantity.Value; v != "" {
			counts[v.String()]++
			n++
		}
	}
	sum = new(big.Rat)
	for text, times := range counts {
		v, ok := new(big.Rat).SetString(text)
		if !ok {
			return nil, 0, fmt.Errorf("a value is no number")
		}
		sum.Add(sum, v.Mul(v, new(big.Rat).SetInt64(times)))
	}
	return sum, n, nil
}

// damage is what no view reads, broken.
const damage = `,"unread":[{"a":1},{"b":tru}]}`

// checkValidation damages one line of a thousand where no column looks.
func (b *Bench) checkValidation(ctx context.Context, db *sql.DB, j job) error {
	const lines, broken = 1000, 500
	src, err := firstLines(j.file("Observation"), lines)
	if err != nil {
		return err
	}
	at := min(broken, len(src)-1)
	src[at] = append(bytes.TrimSuffix(src[at], []byte("}")), damage...)
	views, err := compileViews("Observation")
	if err != nil {
		return err
	}
	engine, err := native.New(views)
	if err != nil {
		return err
	}
	e := engine.Evaluator()
	var bad []int
	for i, line := range src {
		if _, err := e.Eval(ctx, line, func(int, [][]byte) error { return nil }); err != nil {
			bad = append(bad, i)
		}
	}
	if len(bad) != 1 || bad[0] != at {
		return fmt.Errorf("line %d is damaged, the native engine refuses %v", at, bad)
	}
	dir := filepath.Join(j.out, "damaged")
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	damaged := job{data: dir, out: dir}
	if err := os.WriteFile(damaged.file("Observation"), append(bytes.Join(src, []byte("\n")), '\n'), 0o600); err != nil {
		return err
	}
	var n int64
	for _, t := range typedReads {
		if t.resource != "Observation" {
			continue
		}
		verdict := "the query of DuckDB fails"
		if err := db.QueryRowContext(ctx, "SELECT count(id) FROM ("+t.query(damaged)+")").Scan(&n); err == nil {
			verdict = fmt.Sprintf("DuckDB gives %d rows", n)
		}
		b.say("check: JSON is validated: of %d lines with one damaged where no column looks, the native engine refuses that one and %s", len(src), verdict)
	}
	return nil
}

func firstLines(path string, n int) (out [][]byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	for l, err := range ndjson.Lines(f, 0) {
		if err != nil {
			return nil, err
		}
		if len(out) == n {
			break
		}
		out = append(out, bytes.Clone(l.JSON))
	}
	return out, nil
}

// Package conformance runs the official SQL on FHIR test cases.
//
// The comparison is strict: rows form a multiset, values compare by the type of their column, the
// order of columns counts if a case defines it, and a case that expects an error sees its fixtures
// too.
package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/decimal"
	"fhirsynapse/internal/sof/native"
)

// File is one file of cases.
type File struct {
	Name      string            `json:"-"`
	Title     string            `json:"title"`
	Resources []json.RawMessage `json:"resources"`
	Cases     []Case            `json:"tests"`
}

// Case is one view with its expected result.
type Case struct {
	Title         string                       `json:"title"`
	Tags          []string                     `json:"tags"`
	View          json.RawMessage              `json:"view"`
	Expect        []map[string]json.RawMessage `json:"expect"`
	ExpectColumns []string                     `json:"expectColumns"`
	ExpectCount   *int                         `json:"expectCount"`
	ExpectError   bool                         `json:"expectError"`
}

// newer is the folder whose files replace files with the same name.
const newer = "newer"

// Load reads the case files of a folder, ordered by name.
func Load(dir fs.FS) ([]File, error) {
	names, err := fs.Glob(dir, "*.json")
	if err != nil {
		return nil, fmt.Errorf("list the case files: %w", err)
	}
	slices.Sort(names)
	var out []File
	for _, name := range names {
		from := name
		if _, err := fs.Stat(dir, path.Join(newer, name)); err == nil {
			from = path.Join(newer, name)
		}
		b, err := fs.ReadFile(dir, from)
		if err != nil {
			return nil, fmt.Errorf("read the cases: %w", err)
		}
		f := File{Name: name}
		if err := json.Unmarshal(b, &f); err != nil {
			return nil, fmt.Errorf("read the cases of %s: %w", from, err)
		}
		if len(f.Cases) > 0 {
			out = append(out, f)
		}
	}
	return out, nil
}

// Table is the result of a view: its columns, and the cells of each row. A nil cell is NULL.
type Table struct {
	Columns []sof.Column
	Rows    [][][]byte
}

// Runner runs one view over resources. Its error satisfies expectError.
type Runner func(view []byte, resources []json.RawMessage) (Table, error)

// Native runs views with the native engine. It allows elements that R4 lacks, because the cases
// cover several FHIR versions, and resources without an id.
func Native(view []byte, resources []json.RawMessage) (Table, error) {
	v, err := sof.Compile("view.json", view, sof.Lenient())
	if err != nil {
		return Table{}, err
	}
	engine, err := native.New([]*sof.View{v}, native.IDOptional())
	if err != nil {
		return Table{}, err
	}
	t := Table{Columns: v.Columns}
	eval := engine.Evaluator()
	for _, r := range resources {
		_, err := eval.Eval(context.Background(), r, func(_ int, row [][]byte) error {
			t.Rows = append(t.Rows, clone(row))
			return nil
		})
		if err != nil {
			return Table{}, err
		}
	}
	return t, nil
}

func clone(row [][]byte) [][]byte {
	out := make([][]byte, len(row))
	for i, c := range row {
		out[i] = bytes.Clone(c)
	}
	return out
}

// Run runs one case of f; nil means passed.
func Run(f File, c Case, run Runner) error {
	t, err := run(c.View, f.Resources)
	var refused *Refused
	var notRun *NotRun
	switch {
	case errors.As(err, &refused), errors.As(err, &notRun):
		return err
	case c.ExpectError && err == nil:
		return fmt.Errorf("expected an error, got %d rows", len(t.Rows))
	case c.ExpectError:
		return nil
	case err != nil:
		return err
	}
	if c.ExpectCount != nil && len(t.Rows) != *c.ExpectCount {
		return fmt.Errorf("expected %d rows, got %d", *c.ExpectCount, len(t.Rows))
	}
	if c.ExpectColumns != nil {
		var names []string
		for _, col := range t.Columns {
			names = append(names, col.Name)
		}
		if !slices.Equal(names, c.ExpectColumns) {
			return fmt.Errorf("expected the columns %v, got %v", c.ExpectColumns, names)
		}
	}
	if c.Expect == nil {
		return nil
	}
	return compare(c.Expect, t)
}

func compare(expect []map[string]json.RawMessage, t Table) error {
	var want, got []string
	for i, row := range expect {
		text, err := expected(row, t.Columns)
		if err != nil {
			return fmt.Errorf("expected row %d: %w", i, err)
		}
		want = append(want, text)
	}
	for _, row := range t.Rows {
		text, err := actual(row, t.Columns)
		if err != nil {
			return err
		}
		got = append(got, text)
	}
	slices.Sort(want)
	slices.Sort(got)
	if slices.Equal(want, got) {
		return nil
	}
	return fmt.Errorf("the rows differ\nexpected:\n  %s\ngot:\n  %s", strings.Join(want, "\n  "),
		strings.Join(got, "\n  "))
}

// expected returns an expected row as text, with its values in canonical form. A column that the
// view lacks is a difference.
func expected(row map[string]json.RawMessage, columns []sof.Column) (string, error) {
	out := make([]string, len(columns))
	for i, c := range columns {
		text, err := canonical(row[c.Name])
		if err != nil {
			return "", err
		}
		out[i] = c.Name + "=" + text
	}
	for name := range row {
		if !slices.ContainsFunc(columns, func(c sof.Column) bool { return c.Name == name }) {
			return "", fmt.Errorf("the view has no column %s", name)
		}
	}
	return strings.Join(out, " "), nil
}

// actual returns a result row as text. A cell that does not fit the kind of its column is an error.
func actual(row [][]byte, columns []sof.Column) (string, error) {
	out := make([]string, len(columns))
	for i, c := range columns {
		raw := json.RawMessage(row[i])
		switch {
		case row[i] == nil:
			raw = json.RawMessage("null")
		case c.Collection:
		case c.Kind == sof.Boolean, c.Kind == sof.Integer, c.Kind == sof.BigInt,
			c.Kind == sof.Decimal:
		default:
			quoted, err := json.Marshal(string(row[i]))
			if err != nil {
				return "", err
			}
			raw = quoted
		}
		text, err := canonical(raw)
		if err != nil {
			return "", fmt.Errorf("column %s: %w", c.Name, err)
		}
		out[i] = c.Name + "=" + text
	}
	return strings.Join(out, " "), nil
}

// canonical returns JSON text with numbers by value and objects by member name.
func canonical(raw json.RawMessage) (string, error) {
	if raw == nil {
		return "null", nil
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return "", fmt.Errorf("not JSON: %w", err)
	}
	v, err := plain(v)
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(v)
	return string(text), err
}

func plain(v any) (any, error) {
	var err error
	switch v := v.(type) {
	case json.Number:
		d, ok := decimal.Parse(v.String())
		if !ok {
			return nil, fmt.Errorf("%s is out of range", v)
		}
		// 5 and 5.0 are one number
		q, _ := d.Div(decimal.Int(1))
		return json.Number(q.String()), nil
	case []any:
		for i := range v {
			if v[i], err = plain(v[i]); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for k := range v {
			if v[k], err = plain(v[k]); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}

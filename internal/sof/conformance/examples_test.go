package conformance_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/decimal"
	"fhirsynapse/internal/sof/native"
	"fhirsynapse/views"
)

const examples = "testdata/r4-examples/"

// packedLines returns the lines of a compressed file, or none if it does not exist.
func packedLines(t *testing.T, name string) (lines [][]byte) {
	t.Helper()
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	r, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	s := bufio.NewScanner(bytes.NewReader(text))
	s.Buffer(nil, len(text)+1)
	for s.Scan() {
		lines = append(lines, bytes.Clone(s.Bytes()))
	}
	return lines
}

// tagged returns the columns of a bundled view with an ansi/type tag.
func tagged(t *testing.T, view string) []string {
	t.Helper()
	text, err := fs.ReadFile(views.FS(), view+".json")
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	var names []string
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, x := range v {
				walk(x)
			}
		case map[string]any:
			if name, ok := v["name"].(string); ok && v["tag"] != nil {
				names = append(names, name)
			}
			for _, x := range v {
				walk(x)
			}
		}
	}
	walk(v)
	return names
}

// nullRows returns the forEachOrNull of a view that have columns for %rowIndex.
func nullRows(r sof.Row) (out []*sof.Iterate) {
	switch r := r.(type) {
	case *sof.Product:
		for _, p := range r.Parts {
			out = append(out, nullRows(p)...)
		}
	case *sof.Union:
		for _, b := range r.Branches {
			out = append(out, nullRows(b)...)
		}
	case *sof.Iterate:
		if out = nullRows(r.Body); r.Outer && len(r.Index) > 0 {
			out = append(out, r)
		}
	case *sof.Recurse:
		out = nullRows(r.Body)
	case *sof.Project:
	}
	return out
}

// withoutIndex removes %rowIndex from rows of nulls, where the other engine has none.
func withoutIndex(v *sof.View, row [][]byte) {
	for _, it := range nullRows(v.Rows) {
		empty := true
		for _, c := range it.Columns {
			empty = empty &&
				(row[c] == nil || slices.Contains(it.Index, c) && string(row[c]) == "0")
		}
		for _, c := range it.Index {
			if empty {
				row[c] = nil
			}
		}
	}
}

// plainCell returns a cell in the form of both engines.
func plainCell(c sof.Column, text string) string {
	if c.Kind == sof.Decimal {
		if d, ok := decimal.Parse(text); ok {
			const digits = 27 // precision of the other engine
			return d.Round(digits).Trim().String()
		}
	}
	if c.FHIRType == "dateTime" || c.FHIRType == "instant" {
		head, zone := text, ""
		if i := strings.LastIndexAny(text, "Z+-"); i > len("2020-01-01T") {
			head, zone = text[:i], strings.Replace(text[i:], "Z", "+00:00", 1)
		}
		if whole, fraction, ok := strings.Cut(head, "."); ok {
			if head = whole; strings.TrimRight(fraction, "0") != "" {
				head += "." + strings.TrimRight(fraction, "0")
			}
		}
		return head + zone
	}
	return text
}

// The specification's examples have rows from another vendor's FHIRPath engine. The bundled views
// must return the same.
func TestRowsOfAnotherEngine(t *testing.T) {
	t.Parallel()
	all, err := views.Bundled()
	if err != nil {
		t.Fatal(err)
	}
	rows, values := 0, 0
	for _, v := range all {
		engine, err := native.New([]*sof.View{v})
		if err != nil {
			t.Fatal(err)
		}
		left := tagged(t, v.Name)
		var got []map[string]string
		var from [][]byte // the lines of the rows
		eval := engine.Evaluator()
		for _, line := range packedLines(t, examples+"in/"+v.Resource+".ndjson.gz") {
			_, err := eval.Eval(t.Context(), line, func(_ int, row [][]byte) error {
				withoutIndex(v, row)
				cells := map[string]string{}
				for i, c := range v.Columns {
					if row[i] != nil && !slices.Contains(left, c.Name) {
						cells[c.Name] = plainCell(c, string(row[i]))
					}
				}
				got, from = append(got, cells), append(from, line)
				return nil
			})
			if err != nil {
				t.Errorf("%s: %v", v.Name, err)
			}
		}
		expected := packedLines(t, examples+"expected/"+v.Name+".ndjson.gz")
		if len(expected) != len(got) {
			t.Errorf("%s: %d rows, want %d", v.Name, len(got), len(expected))
			continue
		}
		for i, line := range expected {
			rows++
			n, faults := compareRow(t, v, line, got[i], from[i])
			values += n
			for _, f := range faults {
				t.Errorf("%s, row %d: %s", v.Name, i+1, f)
			}
		}
	}
	t.Logf("%d rows, %d values of %d views", rows, values, len(all))
	if rows != 1317 {
		t.Errorf("%d rows are compared, want 1317", rows)
	}
}

// foreign reports whether a line refers to the id at another server. The other engine accepts ids
// of any server as keys.
func foreign(line []byte, id string) bool {
	return regexp.MustCompile(`"reference":\s*"[a-z]+://[^"]*/` + regexp.QuoteMeta(id) +
		`"`).Match(line)
}

func compareRow(
	t *testing.T, v *sof.View, line []byte, got map[string]string, from []byte,
) (values int, faults []string) {
	t.Helper()
	want := map[string]string{}
	if err := json.Unmarshal(line, &want); err != nil {
		t.Fatal(err)
	}
	for _, c := range v.Columns {
		w, ok := want[c.Name]
		g, ok2 := got[c.Name]
		if ok {
			values++
			w = plainCell(c, w)
		}
		if ok && !ok2 && foreign(from, w) {
			continue
		}
		if ok != ok2 || g != w {
			faults = append(faults,
				fmt.Sprintf("column %s: %q %t, want %q %t", c.Name, g, ok2, w, ok))
		}
	}
	return values, faults
}

package tsqleval

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/decimal"
	"fhirsynapse/internal/sof/native"
)

// stored returns a cell of the native engine as a table stores it: in the type of its column, NULL
// if it does not fit.
func stored(c sof.Column, cell []byte) string {
	const null = "NULL"
	if cell == nil {
		return null
	}
	text := string(cell)
	switch c.Kind {
	case sof.Boolean:
		if text != "true" && text != "false" {
			return null
		}
		return text
	case sof.Integer, sof.BigInt:
		bits := 32
		if c.Kind == sof.BigInt {
			bits = 64
		}
		n, err := strconv.ParseInt(text, 10, bits)
		if err != nil {
			return null
		}
		return fmt.Sprint(n)
	case sof.Decimal:
		d, ok := decimal.Parse(text)
		if !ok {
			return null
		}
		r := d.RoundHalfEven(c.Scale)
		if r.Sign() == 0 && d.Sign() != 0 || r.IntDigits() > c.Precision-c.Scale {
			return null
		}
		return r.Trim().String()
	case sof.Date:
		if len(text) < 10 || len(text) > 10 && text[10] != 'T' {
			return null
		}
		if _, err := time.Parse(time.DateOnly, text[:10]); err != nil {
			return null
		}
		return text[:10]
	case sof.Timestamp:
		// second 60 is the second after 59, which Go cannot parse
		leap := len(text) > 19 && text[17:19] == "60"
		if leap {
			text = text[:17] + "59" + text[19:]
		}
		t, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			return null
		}
		if leap {
			t = t.Add(time.Second)
		}
		return t.UTC().Truncate(time.Millisecond).Format("2006-01-02T15:04:05.000")
	case sof.Text:
	}
	return "'" + compact(text) + "'"
}

// compact removes the white space from JSON text.
func compact(text string) string {
	var b bytes.Buffer
	if !strings.HasPrefix(text, "{") && !strings.HasPrefix(text, "[") ||
		json.Compact(&b, []byte(text)) != nil {
		return text
	}
	return b.String()
}

// returned returns a cell of a server in the form of stored.
func returned(c sof.Column, cell []byte) string {
	if cell == nil {
		return "NULL"
	}
	text := string(cell)
	switch c.Kind {
	case sof.Text:
		return "'" + compact(text) + "'"
	case sof.Decimal:
		if d, ok := decimal.Parse(text); ok {
			return d.Trim().String()
		}
	case sof.Boolean, sof.Integer, sof.BigInt, sof.Date, sof.Timestamp:
	}
	return text
}

// Diff returns the difference between the rows of the native engine (-) and of a server (+), as
// tables store them and in any order. It is empty if they do not differ.
func Diff(columns []sof.Column, native, server [][][]byte) string {
	return cmp.Diff(rowsAs(columns, native, stored), rowsAs(columns, server, returned))
}

func rowsAs(columns []sof.Column, rows [][][]byte, as func(sof.Column, []byte) string) []string {
	out := []string{}
	for _, r := range rows {
		var cells []string
		for i, c := range columns {
			cells = append(cells, c.Name+"="+as(c, r[i]))
		}
		out = append(out, strings.Join(cells, " "))
	}
	slices.Sort(out)
	return out
}

// NativeRows returns the rows of the native engine. An error means that a line is bad.
func NativeRows(v *sof.View, lines [][]byte) ([][][]byte, error) {
	engine, err := native.New([]*sof.View{v})
	if err != nil {
		return nil, err
	}
	eval := engine.Evaluator()
	var rows [][][]byte
	for _, line := range lines {
		if _, err := eval.Eval(context.Background(), line, func(_ int, row [][]byte) error {
			var cells [][]byte
			for _, c := range row {
				cells = append(cells, bytes.Clone(c))
			}
			rows = append(rows, cells)
			return nil
		}); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// Lines reads lines of a resource type: the lines of the bundled views' tests, and the first few of
// every file of real data. root is the root of the repository.
func Lines(root, resource string, most int) ([][]byte, error) {
	var out [][]byte
	for _, dir := range []string{"made", "synthea"} {
		b, err := os.ReadFile(filepath.Join(root, "views", "testdata", dir, resource+".ndjson"))
		if err == nil {
			out = append(out, bytes.Split(bytes.TrimSpace(b), []byte("\n"))...)
		}
	}
	files, err := filepath.Glob(filepath.Join(root, "..", "shared", "data", "synthea-ndjson", "*",
		resource+".*.ndjson.gz"))
	if err != nil {
		return nil, err
	}
	for _, name := range files {
		text, err := unzipped(name)
		if err != nil {
			return nil, err
		}
		all := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
		out = append(out, all[:min(len(all), most)]...)
	}
	return out, nil
}

// Examples reads FHIR's own examples of a resource type, or none if the type has none. root is the
// root of the repository.
func Examples(root, resource string) ([][]byte, error) {
	text, err := unzipped(filepath.Join(root, "internal", "sof", "conformance", "testdata",
		"r4-examples", "in", resource+".ndjson.gz"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return bytes.Split(bytes.TrimSpace(text), []byte("\n")), nil
}

func unzipped(name string) (text []byte, err error) {
	f, err := os.Open(filepath.Clean(name))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

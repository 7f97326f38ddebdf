package tsql_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/decimal"
	"fhirsynapse/internal/sof/native"
	"fhirsynapse/internal/sof/schema"
	"fhirsynapse/internal/sof/sofgen"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/sof/tsql/tsqltest"
	"fhirsynapse/views"
)

// stored is a cell of the native engine as a table keeps it: in the type of its
// column, NULL where it does not fit.
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
		return d.Round(c.Scale).Trim().String()
	case sof.Date:
		if len(text) < 10 || len(text) > 10 && text[10] != 'T' {
			return null
		}
		if _, err := time.Parse(time.DateOnly, text[:10]); err != nil {
			return null
		}
		return text[:10]
	case sof.Timestamp:
		t, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			return null
		}
		return t.UTC().Truncate(time.Millisecond).Format("2006-01-02T15:04:05.000")
	case sof.Text:
	}
	return "'" + compact(text) + "'"
}

// compact takes the white space out of JSON text.
func compact(text string) string {
	var b bytes.Buffer
	if !strings.HasPrefix(text, "{") && !strings.HasPrefix(text, "[") || json.Compact(&b, []byte(text)) != nil {
		return text
	}
	return b.String()
}

// returned is a cell of a server in the form of stored.
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

// nativeRows are the rows of the native engine; an error means that a line is bad.
func nativeRows(v *sof.View, lines [][]byte) ([][][]byte, error) {
	engine, err := native.New([]*sof.View{v})
	if err != nil {
		return nil, err
	}
	eval := engine.Evaluator()
	var rows [][][]byte
	for _, line := range lines {
		if _, err := eval.Eval(line, func(_ int, row [][]byte) error {
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

func agree(t *testing.T, v *sof.View, e tsql.Engine, lines [][]byte) int {
	t.Helper()
	body, err := tsql.Body(v, e, tsql.Shape{From: "[docs]"})
	if err != nil {
		t.Fatalf("%s: %v", v.Name, err)
	}
	want, err := nativeRows(v, lines)
	if err != nil {
		t.Fatalf("%s: %v", v.Name, err)
	}
	_, got, err := tsqltest.Run(body, tsqltest.Dialect{Varchar: !e.Facts().National}, tsqltest.Documents("docs", lines))
	if err != nil {
		t.Fatalf("%s: %v", v.Name, err)
	}
	if d := cmp.Diff(rowsAs(v.Columns, want, stored), rowsAs(v.Columns, got, returned)); d != "" {
		t.Errorf("%s on %s: the native engine (-) and the body (+) differ:\n%s", v.Name, e, d)
	}
	return len(got)
}

// linesOf reads lines of a type: those of the bundled views' tests, and of real
// data where there is some.
func linesOf(t *testing.T, resource string, most int) [][]byte {
	t.Helper()
	var out [][]byte
	for _, dir := range []string{"made", "synthea"} {
		b, err := os.ReadFile(filepath.Join("../../../views/testdata", dir, resource+".ndjson"))
		if err == nil {
			out = append(out, bytes.Split(bytes.TrimSpace(b), []byte("\n"))...)
		}
	}
	files, err := filepath.Glob("../../../../shared/data/synthea-ndjson/*/" + resource + ".*.ndjson.gz")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		z, err := gzip.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(z)
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if err != nil {
			t.Fatal(err)
		}
		lines := bytes.Split(bytes.TrimSpace(b), []byte("\n"))
		out = append(out, lines[:min(len(lines), most)]...)
	}
	return out
}

func TestBundledViewsGiveTheRowsOfTheNativeEngine(t *testing.T) {
	t.Parallel()
	all, err := views.Bundled()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range tsql.Engines() {
		t.Run(string(e), func(t *testing.T) {
			t.Parallel()
			rows := 0
			for _, v := range all {
				rows += agree(t, v, e, linesOf(t, v.Resource, 40))
			}
			t.Logf("%d views, %d rows", len(all), rows)
			if rows < 1000 {
				t.Errorf("only %d rows: there is nothing to compare", rows)
			}
		})
	}
}

// checkGenerated runs a generated view over generated lines, where the engine can
// say the view and the native engine takes the line.
func checkGenerated(t *testing.T, seed uint64) (rows int, refused error) {
	t.Helper()
	g := sofgen.New(seed, false)
	typ, _ := schema.R4().Type(sofgen.PickOne(g, "Patient", "QuestionnaireResponse"))
	src := g.View(typ)
	v, err := sof.Compile("v.json", src)
	if err != nil {
		return 0, nil
	}
	e := sofgen.PickOne(g, tsql.Engines()...)
	body, err := tsql.Body(v, e, tsql.Shape{From: "[docs]"})
	if err != nil {
		return 0, err
	}
	for range 8 {
		line := g.Resource(typ)
		want, bad := nativeRows(v, [][]byte{line})
		_, got, err := tsqltest.Run(body, tsqltest.Dialect{Varchar: !e.Facts().National}, tsqltest.Documents("docs", [][]byte{line}))
		if bad != nil {
			continue
		}
		if err != nil {
			t.Fatalf("seed %d: %v\n%s\n%s\n%s", seed, err, src, line, body)
		}
		if d := cmp.Diff(rowsAs(v.Columns, want, stored), rowsAs(v.Columns, got, returned)); d != "" {
			t.Fatalf("seed %d on %s: the native engine (-) and the body (+) differ:\n%s\n%s\n%s\n%s", seed, e, d, src, line, body)
		}
		rows += len(got)
	}
	return rows, nil
}

func TestGeneratedViewsGiveTheRowsOfTheNativeEngine(t *testing.T) {
	t.Parallel()
	first := rand.Uint64() >> 1
	t.Logf("seeds from %d", first)
	const count = 400
	rows, refused := 0, 0
	reasons := map[string]int{}
	for i := range uint64(count) {
		n, err := checkGenerated(t, first+i)
		rows += n
		if err != nil {
			refused++
			for _, line := range strings.Split(err.Error(), "\n") {
				if _, reason, ok := strings.Cut(line, "cannot say this: "); ok {
					reasons[reason]++
				}
			}
		}
	}
	t.Logf("%d rows, %d of %d views refused: %v", rows, refused, count, reasons)
	if rows < 500 || refused > count/2 {
		t.Errorf("%d rows, %d of %d views refused: too little is compared", rows, refused, count)
	}
}

func FuzzGeneratedViewsGiveTheRowsOfTheNativeEngine(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) { _, _ = checkGenerated(t, seed) })
}

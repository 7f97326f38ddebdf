package query_test

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"strings"
	"testing"
	"time"

	"fhirsynapse/internal/query"

	"github.com/google/go-cmp/cmp"
)

// exact is a driver's decimal.
type exact string

func (e exact) String() string { return string(e) }
func (exact) Float64() float64 { return 0 }

// marshaled is a driver's map with a fixed order.
type marshaled string

func (m marshaled) MarshalJSON() ([]byte, error) { return []byte(m), nil }

// answer returns a result of literal rows. Each row is a copy, as from a database.
func answer(columns string, rows ...[]any) query.Result {
	var r query.Result
	for c := range strings.FieldsSeq(columns) {
		name, typ, _ := strings.Cut(c, ":")
		r.Columns = append(r.Columns, query.Column{Name: name, Type: typ})
	}
	r.Rows = func(yield func([]any, error) bool) {
		for _, row := range rows {
			if !yield(row, nil) {
				return
			}
		}
	}
	return r
}

var errCut = errors.New("connection cut")

func cut(r query.Result) query.Result {
	rows := r.Rows
	r.Rows = func(yield func([]any, error) bool) {
		for row, err := range rows {
			if !yield(row, err) {
				return
			}
		}
		yield(nil, errCut)
	}
	return r
}

func written(t *testing.T, write func(*strings.Builder) error) string {
	t.Helper()
	var b strings.Builder
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

var at = time.Date(2026, 3, 1, 4, 5, 6, 70_000_000, time.FixedZone("", 3600))

func TestValuesKeepTheirDigitsAndTypes(t *testing.T) {
	t.Parallel()
	huge, _ := new(big.Int).SetString("170141183460469231731687303715884105727", 10)
	tests := map[string]struct {
		typ, csv, json string
		value          any
	}{
		"null":           {"VARCHAR", `""`, `null`, nil},
		"text":           {"VARCHAR", `a`, `"a"`, "a"},
		"empty text":     {"VARCHAR", `""`, `""`, ""},
		"text to quote":  {"VARCHAR", "\"a \"\"b\"\",\nc\"", `"a \"b\",\nc"`, "a \"b\",\nc"},
		"non-Latin text": {"VARCHAR", "山田 <太郎>", `"山田 <太郎>"`, "山田 <太郎>"},
		"outer blanks":   {"VARCHAR", `" a"`, `" a"`, " a"},
		"boolean":        {"BOOLEAN", `true`, `true`, true},
		"integer":        {"INTEGER", `-7`, `-7`, int32(-7)},
		"beyond 2^53": {
			"BIGINT", `9007199254740993`, `9007199254740993`,
			int64(9007199254740993),
		},
		"hugeint": {"HUGEINT", huge.String(), huge.String(), huge},
		"decimal": {
			"DECIMAL(38,12)", `12345678901234567890.123456789012`,
			`12345678901234567890.123456789012`, exact("12345678901234567890.123456789012"),
		},
		"double":       {"DOUBLE", `1000000`, `1000000`, 1e6},
		"small double": {"DOUBLE", `1e-09`, `1e-09`, 1e-9},
		"float":        {"FLOAT", `0.1`, `0.1`, float32(0.1)},
		"no number":    {"DOUBLE", `NaN`, `"NaN"`, math.NaN()},
		"date":         {"DATE", `2026-03-01`, `"2026-03-01"`, at},
		"time":         {"TIME", `04:05:06.07`, `"04:05:06.07"`, at},
		"timestamp":    {"TIMESTAMP", `2026-03-01 04:05:06.07`, `"2026-03-01 04:05:06.07"`, at},
		"instant": {
			"TIMESTAMPTZ", `2026-03-01 03:05:06.07Z`, `"2026-03-01 03:05:06.07Z"`,
			at,
		},
		"bytes": {"BLOB", `\x00ff`, `"\\x00ff"`, []byte{0, 255}},
		"uuid": {
			"UUID", `00010203-0405-0607-0809-0a0b0c0d0e0f`,
			`"00010203-0405-0607-0809-0a0b0c0d0e0f"`,
			[]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
		},
		"list":            {"VARCHAR[]", `"[""a"",null]"`, `["a",null]`, []any{"a", nil}},
		"list of dates":   {"DATE[]", `"[""2026-03-01""]"`, `["2026-03-01"]`, []any{at}},
		"list of numbers": {"DECIMAL(9,2)[]", `[1.20]`, `[1.20]`, []any{exact("1.20")}},
		"struct": {
			"STRUCT(b INTEGER, a DECIMAL(9,2))", `"{""a"":1.20,""b"":1}"`,
			`{"a":1.20,"b":1}`,
			map[string]any{"b": int32(1), "a": exact("1.20")},
		},
		"map": {
			"MAP(VARCHAR, INTEGER)", `"{""z"":1,""a"":2}"`, `{"z":1,"a":2}`,
			marshaled(`{"z":1,"a":2}`),
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := func() query.Result {
				r := answer("v", []any{tt.value})
				r.Columns[0].Type = tt.typ
				return r
			}
			gotCSV := written(t, func(b *strings.Builder) error {
				return query.CSV(b, r(), query.HeaderNever)
			})
			if want := tt.csv + "\n"; gotCSV != want {
				t.Errorf("CSV = %q, want %q", gotCSV, want)
			}
			gotJSON := written(t, func(b *strings.Builder) error { return query.JSON(b, r()) })
			if want := "[\n{\"v\":" + tt.json + "}\n]\n"; gotJSON != want {
				t.Errorf("JSON = %q, want %q", gotJSON, want)
			}
			if !json.Valid([]byte(gotJSON)) {
				t.Errorf("not JSON: %q", gotJSON)
			}
		})
	}
}

func TestCSVHasAHeaderAndOneRecordARow(t *testing.T) {
	t.Parallel()
	r := answer("id:VARCHAR name:VARCHAR", []any{"1", nil}, []any{nil, ""}, []any{nil, nil},
		[]any{"2", "a,b"})
	got := written(t, func(b *strings.Builder) error { return query.CSV(b, r, query.HeaderAlways) })
	if want := "id,name\n1,\n,\"\"\n,\n2,\"a,b\"\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	alone := written(t, func(b *strings.Builder) error {
		return query.CSV(b, answer("v", []any{nil}, []any{"x"}), query.HeaderAlways)
	})
	records, err := csv.NewReader(strings.NewReader(alone)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([][]string{{"v"}, {""}, {"x"}}, records); diff != "" {
		t.Errorf("a lone NULL is lost: %s", diff)
	}
}

func TestCSVOfASingleValueIsTheBareValue(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		columns string
		rows    [][]any
		want    string
	}{
		"a number":     {"n:BIGINT", [][]any{{int64(12)}}, "12\n"},
		"a text":       {"v", [][]any{{`a "b", c`}}, "a \"b\", c\n"},
		"NULL":         {"v", [][]any{{nil}}, "\n"},
		"no row":       {"v", nil, "v\n"},
		"two rows":     {"v", [][]any{{"a,b"}, {nil}}, "v\n\"a,b\"\n\"\"\n"},
		"three rows":   {"v", [][]any{{"a"}, {"b"}, {"c"}}, "v\na\nb\nc\n"},
		"two columns":  {"v w", [][]any{{"a", nil}}, "v,w\na,\n"},
		"nothing else": {"v", [][]any{{""}}, "\n"},
	} {
		got := written(t, func(b *strings.Builder) error {
			return query.CSV(b, answer(tt.columns, tt.rows...), query.HeaderAuto)
		})
		if got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
	var b strings.Builder
	if err := query.CSV(&b, cut(answer("v", []any{"x"})),
		query.HeaderAuto); !errors.Is(err, errCut) || b.String() != "v\nx\n" {
		t.Errorf("an answer that breaks off: %q, %v", b.String(), err)
	}
}

func FuzzCSVReadsBack(f *testing.F) {
	f.Add("a", "b")
	f.Add("", " ")
	f.Add("x\"y", "1,2\r\n3")
	f.Fuzz(func(t *testing.T, a, b string) {
		var out strings.Builder
		if err := query.CSV(&out, answer("x y", []any{a, b}), query.HeaderNever); err != nil {
			t.Fatal(err)
		}
		records, err := csv.NewReader(strings.NewReader(out.String())).ReadAll()
		if err != nil {
			t.Fatalf("%q: %v", out.String(), err)
		}
		// encoding/csv reads CRLF inside quotes as LF.
		want := [][]string{{
			strings.ReplaceAll(a, "\r\n", "\n"),
			strings.ReplaceAll(b, "\r\n", "\n"),
		}}
		if diff := cmp.Diff(want, records); diff != "" {
			t.Error(diff)
		}
	})
}

func TestJSONNamesAreUniqueAndInOrder(t *testing.T) {
	t.Parallel()
	r := answer("b a b b_1", []any{int64(1), nil, "x", "y"})
	got := written(t, func(b *strings.Builder) error { return query.JSON(b, r) })
	if want := "[\n{\"b\":1,\"a\":null,\"b_2\":\"x\",\"b_1\":\"y\"}\n]\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	none := written(t, func(b *strings.Builder) error { return query.JSON(b, answer("a")) })
	if none != "[]\n" {
		t.Errorf("no rows = %q", none)
	}
}

func TestTableShowsNullAndEscapesWhatMovesTheCursor(t *testing.T) {
	t.Parallel()
	r := answer("id:VARCHAR count:BIGINT", []any{"a\x1b[2Jb\n", int64(12)}, []any{nil, nil},
		[]any{"山田", int64(3)})
	got := written(t, func(b *strings.Builder) error { return query.Table(b, r) })
	want := "" +
		"┌─────────────┬───────┐\n" +
		"│ id          │ count │\n" +
		"├─────────────┼───────┤\n" +
		"│ a\\x1b[2Jb\\n │    12 │\n" +
		"│ NULL        │  NULL │\n" +
		"│ 山田        │     3 │\n" +
		"└─────────────┴───────┘\n" +
		"3 rows\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestTableEndsAtItsLimit(t *testing.T) {
	t.Parallel()
	var rows [][]any
	for range query.TableRows + 5 {
		rows = append(rows, []any{"x"})
	}
	got := written(t, func(b *strings.Builder) error {
		return query.Table(b, answer("v", rows...))
	})
	if !strings.HasSuffix(got, "\nthe first 10000 rows; --csv and --json return all\n") {
		t.Errorf("foot = %q", got[len(got)-60:])
	}
	one := written(t, func(b *strings.Builder) error {
		return query.Table(b, answer("v", rows[:1]...))
	})
	if !strings.HasSuffix(one, "\n1 row\n") {
		t.Errorf("foot = %q", one)
	}
}

func TestAnAnswerThatBreaksOffIsAnError(t *testing.T) {
	t.Parallel()
	for name, write := range map[string]func(*strings.Builder, query.Result) error{
		"csv": func(b *strings.Builder, r query.Result) error {
			return query.CSV(b, r, query.HeaderAlways)
		},
		"json":  func(b *strings.Builder, r query.Result) error { return query.JSON(b, r) },
		"table": func(b *strings.Builder, r query.Result) error { return query.Table(b, r) },
	} {
		var b strings.Builder
		if err := write(&b, cut(answer("v", []any{"x"}))); !errors.Is(err, errCut) {
			t.Errorf("%s: %v", name, err)
		}
		if name == "json" && json.Valid([]byte(b.String())) {
			t.Errorf("half an answer reads like a whole one: %s", b.String())
		}
	}
}

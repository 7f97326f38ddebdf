package flatten_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"

	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/pipeline"
)

const (
	everyKind = `{"resourceType":"ViewDefinition","name":"obs","resource":"Observation","status":"active","select":[{"column":[
		{"name":"id","path":"id"},
		{"name":"text","path":"value.ofType(string)"},
		{"name":"number","path":"value.ofType(Quantity).value"},
		{"name":"whole","path":"value.ofType(integer)"},
		{"name":"flag","path":"value.ofType(boolean)"},
		{"name":"day","path":"effective.ofType(dateTime)","tag":[{"name":"ansi/type","value":"DATE"}]},
		{"name":"at","path":"issued","tag":[{"name":"ansi/type","value":"TIMESTAMP"}]},
		{"name":"codes","path":"code.coding.code","collection":true}]}]}`
	valueView = `{"resourceType":"ViewDefinition","name":"obs_value","resource":"Observation","status":"active","select":[
		{"forEach":"value.ofType(string)","column":[{"name":"value","path":"$this"}]}]}`
)

// file is a table's file in memory.
type file struct {
	bytes.Buffer
	closed bool
}

func (f *file) Close() error { f.closed = true; return nil }

// extract extracts the tables of Observation from inputs.
func extract(
	t *testing.T, format flatten.Format, lake pipeline.Lake, inputs ...string,
) (map[string]*file, pipeline.Done) {
	t.Helper()
	f, err := flatten.NewFlattener(flatten.Options{
		Lake: lake, Views: compiled(t, everyKind, patientView, valueView), Evaluators: 2,
		Block: 256, Codec: flatten.None,
	})
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]*file{}
	x, err := f.Extraction(plan, "Observation", format, func(table string) (io.WriteCloser, error) {
		files[table] = &file{}
		return files[table], nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"obs", "obs_value"}, x.Tables()); d != "" {
		t.Errorf("tables: %s", d)
	}
	var sum pipeline.Done
	for i, in := range inputs {
		done, err := x.Add(t.Context(),
			pipeline.Flattening{
				Plan: plan, Type: "Observation", Path: "x.ndjson", Dir: fmt.Sprintf("d/%d", i),
				LastUpdated: time.Unix(0, 0),
			}, strings.NewReader(in))
		if err != nil {
			t.Fatal(err)
		}
		sum.Lines += done.Lines
		sum.Heads += done.Heads
		sum.Quarantined += done.Quarantined
		sum.Deleted += done.Deleted
		sum.ValueCounts = done.ValueCounts
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	for name, f := range files {
		if !f.closed {
			t.Errorf("%s is left open", name)
		}
	}
	return files, sum
}

const observations = `{"resourceType":"Observation","id":"a","valueString":"x, \"y\"\\\n\u0001é","issued":"2024-01-02T01:02:03.5+01:00","code":{"coding":[{"code":"1"},{"code":"b\"c"}]}}
{"resourceType":"Observation","id":"b","valueQuantity":{"value":-1.2300},"effectiveDateTime":"2024-05-06T07:08:09Z"}
no JSON
{"resourceType":"Observation","id":"a","valueString":""}
{"resourceType":"Observation","id":"c","valueInteger":12,"effectiveDateTime":"2024-05"}
{"resourceType":"Observation","id":"d","valueQuantity":{"value":1e30},"issued":"2024-01-02"}
{"resourceType":"Observation","id":"e","valueBoolean":true}
{"resourceType":"Patient","id":"e"}
`

func TestExtractionWritesCSV(t *testing.T) {
	t.Parallel()
	lake := newLake()
	files, done := extract(t, flatten.CSV, lake, observations,
		`{"resourceType":"Observation","id":"z","valueString":" "}`)
	want := "id,text,number,whole,flag,day,at,codes\n" +
		"a,\"x, \"\"y\"\"\\\n\x01é\",,,,,2024-01-02T00:02:03.500Z,\"[\"\"1\"\",\"\"b\\\"\"c\"\"]\"\n" +
		"b,,-1.2300,,,2024-05-06,,[]\n" +
		"a,\"\",,,,,,[]\n" +
		"c,,,12,,,,[]\n" +
		"d,,,,,,,[]\n" +
		"e,,,,true,,,[]\n" +
		"z,\" \",,,,,,[]\n"
	if d := cmp.Diff(want, files["obs"].String()); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if got, want := files["obs_value"].String(),
		"value\n\"x, \"\"y\"\"\\\n\x01é\"\n\"\"\n\" \"\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if done.Lines != 9 || done.Heads != 7 || done.Quarantined != 2 {
		t.Errorf("done: %+v", done)
	}
	if !inQuarantine(t, lake, "d/0.ndjson") {
		t.Error("the bad lines are nowhere")
	}
}

func inQuarantine(t *testing.T, lake pipeline.Lake, path string) bool {
	t.Helper()
	_, err := lake.Stat(t.Context(), pipeline.Quarantine, path)
	return err == nil
}

func TestExtractionWritesNDJSON(t *testing.T) {
	t.Parallel()
	files, done := extract(t, flatten.NDJSON, newLake(), observations)
	want := `{"id":"a","text":"x, \"y\"\\\n\u0001é","number":null,"whole":null,"flag":null,"day":null,"at":"2024-01-02T00:02:03.500Z","codes":["1","b\"c"]}
{"id":"b","text":null,"number":-1.2300,"whole":null,"flag":null,"day":"2024-05-06","at":null,"codes":[]}
{"id":"a","text":"","number":null,"whole":null,"flag":null,"day":null,"at":null,"codes":[]}
{"id":"c","text":null,"number":null,"whole":12,"flag":null,"day":null,"at":null,"codes":[]}
{"id":"d","text":null,"number":null,"whole":null,"flag":null,"day":null,"at":null,"codes":[]}
{"id":"e","text":null,"number":null,"whole":null,"flag":true,"day":null,"at":null,"codes":[]}
`
	if d := cmp.Diff(want, files["obs"].String()); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	for line := range strings.Lines(files["obs"].String()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("not JSON: %s", line)
		}
	}
	counts := pipeline.ValueCounts{
		Nulled: map[string]int64{"obs.number": 1}, NoDay: map[string]int64{"obs.day": 1},
		NoTime: map[string]int64{"obs.at": 1},
	}
	if d := cmp.Diff(counts, done.ValueCounts); d != "" {
		t.Errorf("misfits: %s", d)
	}
}

func TestExtractionWritesParquet(t *testing.T) {
	t.Parallel()
	files, done := extract(t, flatten.Parquet, newLake(), observations, "")
	_ = done
	data := files["obs"].Bytes()
	f, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range f.Schema().Fields() {
		names = append(names, c.Name())
	}
	if d := cmp.Diff([]string{"id", "text", "number", "whole", "flag", "day", "at", "codes"},
		names); d != "" {
		t.Errorf("columns: %s", d)
	}
	var ids []string
	for _, g := range f.RowGroups() {
		rows := g.Rows()
		buf := make([]parquet.Row, 16)
		for {
			n, err := rows.ReadRows(buf)
			for _, row := range buf[:n] {
				ids = append(ids, string(row[0].ByteArray()))
			}
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := rows.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if d := cmp.Diff([]string{"a", "b", "a", "c", "d", "e"}, ids); d != "" {
		t.Errorf("rows: %s", d)
	}
}

func TestAnExtractionWithoutRowsHasItsFiles(t *testing.T) {
	t.Parallel()
	for format, want := range map[flatten.Format]string{
		flatten.CSV: "value\n", flatten.NDJSON: "",
	} {
		files, _ := extract(t, format, newLake(), "")
		if got := files["obs_value"].String(); got != want {
			t.Errorf("%s: %q", format, got)
		}
	}
	files, _ := extract(t, flatten.Parquet, newLake())
	data := files["obs_value"].Bytes()
	if f, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data))); err != nil ||
		f.NumRows() != 0 {
		t.Errorf("an empty Parquet file: %v", err)
	}
}

func TestAnExtractionThatCannotWriteFails(t *testing.T) {
	t.Parallel()
	f, err := flatten.NewFlattener(flatten.Options{Lake: newLake(), Views: compiled(t, everyKind)})
	if err != nil {
		t.Fatal(err)
	}
	full := errors.New("the disk is full")
	if _, err := f.Extraction(plan, "Observation", flatten.CSV,
		func(string) (io.WriteCloser, error) { return nil, full }); !errors.Is(err, full) {
		t.Errorf("create: %v", err)
	}
	if _, err := f.Extraction(plan, "Observation", "xml", func(string) (io.WriteCloser, error) {
		return &file{}, nil
	}); err == nil {
		t.Error("an unknown format is accepted")
	}
	x, err := f.Extraction(plan, "Observation", flatten.NDJSON,
		func(string) (io.WriteCloser, error) { return broken{full}, nil })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := x.Add(t.Context(),
		pipeline.Flattening{
			Plan: plan, Type: "Observation", Dir: "d", LastUpdated: time.Unix(0, 0),
		}, strings.NewReader(observations)); !errors.Is(err, full) {
		t.Errorf("write: %v", err)
	}
	if err := x.Close(); !errors.Is(err, full) {
		t.Errorf("close: %v", err)
	}
}

type broken struct{ err error }

func (b broken) Write([]byte) (int, error) { return 0, b.err }
func (b broken) Close() error              { return b.err }

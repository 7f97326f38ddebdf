package flatten_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/testkit/flattentest"
	"fhirsynapse/internal/testkit/pipelinetest"
)

const plan = "nightly"

var views = flattentest.Views{plan: {
	{
		Name: "patient", Resource: "Patient",
		Columns: []sof.Column{
			{Name: "family"}, {Name: "weight", Kind: sof.Decimal}, {Name: "born", Kind: sof.Date},
		},
	},
	{Name: "observation", Resource: "Observation", Columns: []sof.Column{{Name: "code"}}},
	{
		Name: "patient_name", Resource: "Patient",
		Columns: []sof.Column{
			{Name: "use"}, {Name: "zeta", Kind: sof.Integer}, {Name: "alpha", Kind: sof.Boolean},
		},
	},
}}

func newLake() *pipelinetest.MemoryLake {
	return pipelinetest.NewMemoryLake(func() time.Time { return time.Unix(0, 0) })
}

func flattener(t *testing.T, o flatten.Options) *flatten.Flattener {
	t.Helper()
	o.Views = views
	f, err := flatten.NewFlattener(o)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func patients(dir string) pipeline.Flattening {
	return pipeline.Flattening{
		Plan: plan, Export: "nightly-1", Type: "Patient", Path: "x/Patient-1.ndjson", Dir: dir,
	}
}

// dump returns everything under dir as text.
func dump(t *testing.T, lake pipeline.Lake, dir string) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	if exists(t, lake, dir+"/head.parquet") {
		for h, err := range flatten.Heads(t.Context(), lake, dir) {
			if err != nil {
				t.Fatal(err)
			}
			out["head"] = append(out["head"],
				fmt.Sprint(h.Line, " ", h.ID, " ", h.Version, " ", h.LastUpdated, " ", h.Deleted))
		}
	}
	for _, table := range views[plan] {
		if !exists(t, lake, flatten.File(dir, table.Name)) {
			continue
		}
		for r, err := range flatten.Rows(t.Context(), lake, dir, table) {
			if err != nil {
				t.Fatal(err)
			}
			line := fmt.Sprint(r.Line, " ", r.ID)
			for _, c := range r.Cells {
				if c == nil {
					line += "|NULL"
				} else {
					line += "|" + string(c)
				}
			}
			out[table.Name] = append(out[table.Name], line)
		}
	}
	return out
}

func exists(t *testing.T, lake pipeline.Lake, path string) bool {
	t.Helper()
	_, err := lake.Stat(t.Context(), pipeline.Staging, path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return err == nil
}

func read(t *testing.T, lake pipeline.Lake, area pipeline.Area, path string) []byte {
	t.Helper()
	r, err := lake.Open(t.Context(), area, path, "")
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

const meta = `"meta":{"lastUpdated":"2024-01-01T00:00:00Z","versionId":"1"}`

func TestRowsHeadsAndBadLines(t *testing.T) {
	t.Parallel()
	lake := newLake()
	in := strings.Join([]string{
		"\xEF\xBB\xBF" + `{"resourceType":"Patient","id":"a",` + meta +
			`,"rows":{"patient":[["Doe","1.50","1990-05-06"]],"patient_name":[["usual","1","true"],[null,"2",null]]}}`,
		``,
		`{"resourceType":"Patient","id":"b","meta":{"lastUpdated":"2024-01-01T01:00:00+01:00"},"rows":{"patient":[["","1e99","1990"]]}}`,
		`{broken`,
		`{"resourceType":"Observation","id":"c",` + meta + `}`,
		`{"resourceType":"OperationOutcome"}`,
		`{"resourceType":"Patient",` + meta + `,"rows":{"patient":[["no id",null,null]]}}`,
		`{"resourceType":"Patient","id":"a b",` + meta + `}`,
		`{"resourceType":"Patient","id":"` + strings.Repeat("x", 129) + `",` + meta + `}`,
		`{"resourceType":"Patient","id":"d","meta":{"lastUpdated":"yesterday"}}`,
		`{"resourceType":"Patient","id":"e",` + meta +
			`,"rows":{"patient":[["half","1e99",null],["short"]]}}`,
		`{"resourceType":"Patient","id":"f` + "\xff" + `",` + meta + `}`,
		`{"resourceType":"Patient","id":"g","meta":{"subsetted":true,"lastUpdated":"2024-01-01T00:00:00Z"},"rows":{"patient":[["cut",null,null]]}}`,
		`{"resourceType":"Patient","id":"h","meta":{"deleted":true,"lastUpdated":"2024-01-02T00:00:00Z","versionId":"3"},"rows":{"patient":[["gone",null,null]]}}`,
		`{"resourceType":"Patient","id":"i","meta":{"versionId":"v 2","lastUpdated":"2024-01-02T00:00:00Z"}}`,
		`   `,
		`{"resourceType":"Patient","id":"j",` + meta + `,"rows":{"patient_name":[["` +
			"\u6771\u4eac" + `",null,"false"]]}}`,
	}, "\r\n")
	got, err := flattener(t, flatten.Options{Lake: lake}).Flatten(t.Context(), patients("s/p@1"),
		strings.NewReader(in))
	if err != nil {
		t.Fatal(err)
	}
	want := pipeline.Done{
		Lines: 17, Blank: 2, Quarantined: 10, Filtered: 1, Deleted: 1, Heads: 4,
		Rows: map[string]int64{"patient": 2, "patient_name": 3},
		ValueCounts: pipeline.ValueCounts{
			Nulled: map[string]int64{"patient.weight": 1},
			NoDay:  map[string]int64{"patient.born": 1},
		},
		Longest: map[string]pipeline.Extent{
			"patient.family":   {Characters: 3, Bytes: 3},
			"patient_name.use": {Characters: 5, Bytes: 6},
		},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("done (-want +got):\n%s", d)
	}
	wantFiles := map[string][]string{
		"head": {
			"1 a 2024-01-01T00:00:00.000000000Z/00000000000000000001/1/0 2024-01-01T00:00:00.000Z false",
			"3 b 2024-01-01T00:00:00.000000000Z/00000000000000000000//0 2024-01-01T00:00:00.000Z false",
			"14 h 2024-01-02T00:00:00.000000000Z/00000000000000000003/3/1 2024-01-02T00:00:00.000Z true",
			"17 j 2024-01-01T00:00:00.000000000Z/00000000000000000001/1/0 2024-01-01T00:00:00.000Z false",
		},
		"patient":      {"1 a|Doe|1.500000000000000000|1990-05-06", "3 b||NULL|NULL"},
		"patient_name": {"1 a|usual|1|true", "1 a|NULL|2|NULL", "17 j|\u6771\u4eac|NULL|false"},
	}
	if d := cmp.Diff(wantFiles, dump(t, lake, "s/p@1")); d != "" {
		t.Errorf("files (-want +got):\n%s", d)
	}
	if exists(t, lake, "s/p@1/observation.parquet") {
		t.Error("a table of another type has a file")
	}

	var lines []int64
	for _, text := range strings.Split(strings.TrimSpace(string(read(t, lake, pipeline.Quarantine,
		"s/p@1.ndjson"))), "\n") {
		var q struct {
			Line, Offset int64
			Reason, Text string
		}
		if err := json.Unmarshal([]byte(text), &q); err != nil {
			t.Fatal(err)
		}
		if q.Reason == "" || !strings.HasPrefix(in[q.Offset:], q.Text[:min(7, len(q.Text))]) {
			t.Errorf("line %d is not quarantined with its reason and its text", q.Line)
		}
		lines = append(lines, q.Line)
	}
	if d := cmp.Diff([]int64{4, 5, 6, 7, 8, 9, 10, 11, 12, 15}, lines); d != "" {
		t.Errorf("quarantined lines (-want +got):\n%s", d)
	}
}

func TestAFileWithoutResourcesLeavesNothing(t *testing.T) {
	t.Parallel()
	lake := newLake()
	got, err := flattener(t, flatten.Options{Lake: lake}).Flatten(t.Context(), patients("s/p@1"),
		strings.NewReader("\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := pipeline.Done{
		Lines: 1, Blank: 1, Rows: map[string]int64{}, Longest: map[string]pipeline.Extent{},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("done (-want +got):\n%s", d)
	}
	expectNothing(t, lake)
}

func expectNothing(t *testing.T, lake pipeline.Lake) {
	t.Helper()
	for _, area := range []pipeline.Area{pipeline.Staging, pipeline.Quarantine} {
		for f, err := range lake.List(t.Context(), area, "") {
			if err != nil {
				t.Fatal(err)
			}
			t.Errorf("%s holds %s", area, f.Path)
		}
	}
}

func TestAMissingInstantIsTheJobs(t *testing.T) {
	t.Parallel()
	lake, in := newLake(), patients("s/p@1")
	f := flattener(t, flatten.Options{Lake: lake})
	const text = `{broken` + "\n" +
		`{"resourceType":"Patient","id":"a","rows":{"patient":[[null,null,null]]}}`
	if _, err := f.Flatten(t.Context(), in,
		strings.NewReader(text)); !errors.Is(err, pipeline.ErrNoInstant) {
		t.Errorf("error: %v", err)
	}
	expectNothing(t, lake)
	in.LastUpdated = time.Date(2024, 1, 1, 1, 0, 0, 5000000, time.FixedZone("", 3600))
	if _, err := f.Flatten(t.Context(), in, strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"2 a 2024-01-01T00:00:00.005000000Z/00000000000000000000//0 2024-01-01T00:00:00.005Z false",
	}
	if d := cmp.Diff(want, dump(t, lake, "s/p@1")["head"]); d != "" {
		t.Errorf("head (-want +got):\n%s", d)
	}
}

// many returns a file with rows, bad lines and a long line.
func many(n int) []byte {
	var b bytes.Buffer
	for i := range n {
		switch {
		case i%97 == 5:
			b.WriteString("{broken\n")
		case i == n/2:
			fmt.Fprintf(&b,
				`{"resourceType":"Patient","id":"p%d",%s,"rows":{"patient":[["%s",null,null]]}}`+
					"\n", i, meta, strings.Repeat("long", 50000))
		default:
			fmt.Fprintf(&b,
				`{"resourceType":"Patient","id":"p%d",%s,"rows":{"patient":[["f%d","%d.5",null]],"patient_name":[["x","%d","true"],["y",null,null]]}}`+"\n", i, meta, i%7, i, i)
		}
	}
	return b.Bytes()
}

func TestTheSameInputGivesTheSameBytes(t *testing.T) {
	t.Parallel()
	in := many(3000)
	var first map[string]string
	for _, o := range []flatten.Options{{Evaluators: 1}, {Evaluators: 4}, {Evaluators: 3}} {
		o.Lake, o.Block, o.RowGroup = newLake(), 4<<10, 64<<10
		var r io.Reader = bytes.NewReader(in)
		if o.Evaluators == 3 {
			r = iotest.HalfReader(r)
		}
		done, err := flattener(t, o).Flatten(t.Context(), patients("s/p@1"), r)
		if err != nil {
			t.Fatal(err)
		}
		if sum := done.Heads + done.Blank + done.Quarantined + done.Filtered; done.Lines != 3000 ||
			sum != done.Lines {
			t.Errorf("%d lines, accounted for %d", done.Lines, sum)
		}
		files := map[string]string{}
		for _, area := range []pipeline.Area{pipeline.Staging, pipeline.Quarantine} {
			for f, err := range o.Lake.List(t.Context(), area, "") {
				if err != nil {
					t.Fatal(err)
				}
				files[f.Path] = string(read(t, o.Lake, area, f.Path))
			}
		}
		if first == nil {
			first = files
		}
		for path := range files {
			if files[path] != first[path] || len(files) != len(first) {
				t.Errorf("%s differs with %d evaluators", path, o.Evaluators)
			}
		}
		rows := dump(t, o.Lake, "s/p@1")
		if int64(len(rows["patient_name"])) != done.Rows["patient_name"] ||
			int64(len(rows["head"])) != done.Heads {
			t.Errorf("rows and counts differ: %v", done.Rows)
		}
	}
}

func TestBothCodecsGiveTheSameRows(t *testing.T) {
	t.Parallel()
	in := many(500)
	var first map[string][]string
	for _, codec := range []flatten.Codec{flatten.Snappy, flatten.Zstd} {
		lake := newLake()
		if _, err := flattener(t, flatten.Options{Lake: lake, Codec: codec}).Flatten(t.Context(),
			patients("d"), bytes.NewReader(in)); err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = dump(t, lake, "d")
		}
		if d := cmp.Diff(first, dump(t, lake, "d")); d != "" {
			t.Errorf("%s (-snappy +got):\n%s", codec, d)
		}
	}
	if _, err := flatten.NewFlattener(flatten.Options{
		Lake: newLake(), Views: views, Codec: "lzma",
	}); err == nil {
		t.Error("an unknown codec was taken")
	}
}

func TestALineOverTheLimitIsQuarantined(t *testing.T) {
	t.Parallel()
	lake := newLake()
	in := `{"resourceType":"Patient","id":"a",` + meta + "}\n" + strings.Repeat("x", 3<<20) + "\n" +
		`{"resourceType":"Patient","id":"b",` + meta + "}"
	done, err := flattener(t, flatten.Options{Lake: lake, LineLimit: 1000}).Flatten(t.Context(),
		patients("d"), strings.NewReader(in))
	if err != nil {
		t.Fatal(err)
	}
	if done.Heads != 2 || done.Quarantined != 1 || done.Lines != 3 {
		t.Errorf("done: %+v", done)
	}
	if n := len(read(t, lake, pipeline.Quarantine, "d.ndjson")); n > 2<<20 {
		t.Errorf("the quarantine holds %d bytes", n)
	}
}

func TestNothingIsLeftOfAFileThatCannotBeRead(t *testing.T) {
	t.Parallel()
	lake := newLake()
	cut := errors.New("cut")
	r := io.MultiReader(bytes.NewReader(many(3000)), iotest.ErrReader(cut))
	_, err := flattener(t, flatten.Options{Lake: lake, Block: 1 << 10}).Flatten(t.Context(),
		patients("d"), r)
	if !errors.Is(err, cut) {
		t.Errorf("error: %v", err)
	}
	expectNothing(t, lake)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := flattener(t, flatten.Options{Lake: lake}).Flatten(ctx, patients("d"),
		bytes.NewReader(many(3000))); !errors.Is(err, context.Canceled) {
		t.Errorf("error: %v", err)
	}
	expectNothing(t, lake)
}

// fullLake fails to write paths that end in suffix.
type fullLake struct {
	pipeline.Lake
	suffix string
	err    error
}

func (l fullLake) Put(
	ctx context.Context, area pipeline.Area, path string, r io.Reader,
) (pipeline.File, error) {
	if strings.HasSuffix(path, l.suffix) {
		return pipeline.File{}, l.err
	}
	return l.Lake.Put(ctx, area, path, r)
}

func TestTheErrorOfTheLakeComesOut(t *testing.T) {
	t.Parallel()
	full := errors.New("full")
	for _, suffix := range []string{"head.parquet", "patient_name.parquet", ".ndjson"} {
		lake := newLake()
		f := flattener(t, flatten.Options{Lake: fullLake{lake, suffix, full}, RowGroup: 1 << 10})
		if _, err := f.Flatten(t.Context(), patients("d"),
			bytes.NewReader(many(3000))); !errors.Is(err, full) {
			t.Errorf("%s: error: %v", suffix, err)
		}
	}
}

func TestAnUnknownPlanIsAnError(t *testing.T) {
	t.Parallel()
	in := patients("d")
	in.Plan = "other"
	if _, err := flattener(t, flatten.Options{Lake: newLake()}).Flatten(t.Context(), in,
		strings.NewReader("")); err == nil {
		t.Error("no error")
	}
}

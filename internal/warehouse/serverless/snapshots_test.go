package serverless_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sqlc-dev/teesql/ast"
	"github.com/sqlc-dev/teesql/parser"

	"fhirsynapse/internal/emulator/sqlserver"
	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/warehouse/serverless"
)

var everySecond = serverless.Snapshots{Every: 2, Grace: 24 * time.Hour}

// snapshotFiles returns the published files of snapshots.
func (w *world) snapshotFiles(t *testing.T) []string {
	t.Helper()
	var out []string
	for f, err := range w.published.List(t.Context(), pipeline.Staging, "fhir/Patient/snapshot=") {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, strings.TrimPrefix(f.Path, "fhir/Patient/snapshot="))
	}
	return out
}

var snapshotRead = regexp.MustCompile(`BULK 'fhir/Patient/snapshot=([^/]*)/`)

// reads returns the snapshot that the view reads, or "".
func (w *world) reads() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	m := snapshotRead.FindStringSubmatch(w.views["[fhir].[_newest_Patient]"])
	if m == nil {
		return ""
	}
	return m[1]
}

func large(id string, version int) string {
	return fmt.Sprintf(
		`{"resourceType":"Patient","id":%q,"meta":{"versionId":"%d","lastUpdated":"2024-01-01T%02d:00:00Z"},"name":[{"family":"L"}],"text":{"div":%q}}`+"\n",
		id, version, version, strings.Repeat("x", 600_000))
}

func TestASnapshotTakesThePlaceOfParts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.snapshots = everySecond
	w.commit(t, w.Prepare(t, "plan-1",
		patient("a", 1, "A")+patient("b", 1, "B")+patient("c", 1, "C")))
	w.steps = nil
	w.commit(t, w.Prepare(t, "plan-2", patient("a", 2, "A2")+gone("b", 2)+large("d", 2)))
	want := []string{
		"SELECT SCHEMA_ID", "SELECT s.[location] FROM [sys].[external_data_sources]",
		"CREATE OR ALTER VIEW [fhir].[_newest_Patient",
		// another process
		"CREATE OR ALTER VIEW [fhir].[patient", "CREATE OR ALTER VIEW [fhir].[patient_name",
		"SELECT COUNT_BIG(*) AS [n] FROM [sys].[external_file_formats]",
		"SELECT t.[name] FROM [sys].[external_tables]",
		"CREATE EXTERNAL FILE FORMAT [fhirsynapse]",
		"CREATE EXTERNAL TABLE [fhir].[_snapshot_Patient_",
		"DROP EXTERNAL TABLE [fhir].[_snapshot_Patient_",
		"SELECT SCHEMA_ID", "SELECT s.[location] FROM [sys].[external_data_sources]",
		"CREATE OR ALTER VIEW [fhir].[_newest_Patient",
	}
	if d := cmp.Diff(want, w.steps); d != "" {
		t.Errorf("statements (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{
		"000002-000201/_intent.json", "000002-000201/_ready.json",
		"000002-000201/data/0A1B_1_0-1.parquet",
	}, w.snapshotFiles(t)); d != "" {
		t.Errorf("files (-want +got):\n%s", d)
	}
	// Versions and tombstones older than the snapshot lose.
	w.commit(t, w.Prepare(t, "plan-3",
		patient("a", 1, "A")+patient("b", 1, "B")+patient("c", 2, "C2")))
	if got := w.reads(); got != "000002-000201" {
		t.Errorf("the view reads %q", got)
	}
	// A small resource supersedes a large one, and a large one a small one.
	w.commit(t, w.Prepare(t, "plan-4", patient("d", 3, "D3")+large("c", 4)))
	w.commit(t, w.Prepare(t, "plan-5", gone("a", 4)))
	if got := w.reads(); got != "000004-000401" {
		t.Errorf("the view reads %q", got)
	}
	// The previous one is kept for the grace period.
	w.clock = w.clock.Add(24*time.Hour - time.Second)
	w.commit(t, w.Prepare(t, "plan-6", patient("e", 1, "E")))
	if d := cmp.Diff([]string{
		"000002-000201/_intent.json", "000002-000201/_ready.json", "000002-000201/_retired.json",
		"000002-000201/data/0A1B_1_0-1.parquet",
		"000004-000401/_intent.json", "000004-000401/_ready.json", "000004-000401/_retired.json",
		"000004-000401/data/0A1B_1_0-1.parquet",
		"000006-000601/_intent.json", "000006-000601/_ready.json",
		"000006-000601/data/0A1B_1_0-1.parquet",
	}, w.snapshotFiles(t)); d != "" {
		t.Errorf("files (-want +got):\n%s", d)
	}
	w.clock = w.clock.Add(time.Second)
	w.commit(t, w.Prepare(t, "plan-7", patient("e", 2, "E2")))
	if got := w.snapshotFiles(t); strings.HasPrefix(got[0], "000002") || len(got) != 7 {
		t.Errorf("files: %v", got)
	}
	// Without the setting the last one stays in use.
	w.snapshots = serverless.Snapshots{}
	w.clock = w.clock.Add(48 * time.Hour)
	for i := range 3 {
		w.commit(t, w.Prepare(t, fmt.Sprintf("plan-%d", 8+i), patient("f", 1+i, "F")))
	}
	if got := w.reads(); got != "000006-000601" {
		t.Errorf("the view reads %q", got)
	}
}

// A part that is completed after a snapshot was begun is read in addition, whatever its number. The
// next snapshot includes it.
func TestALatePart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.snapshots = everySecond
	w.commit(t, w.Prepare(t, "plan-1", patient("a", 1, "A")))
	late := w.Prepare(t, "plan-2", patient("a", 2, "A2"), patient("b", 1, "B"))
	late.Attempt = "1a7e"
	if err := w.open(t, failing{w.published, "part=", "000001.lines"}).Commit(t.Context(),
		late); err == nil {
		t.Fatal("the part is whole")
	}
	w.commit(t, w.Prepare(t, "plan-3", patient("c", 1, "C")))
	if got := w.reads(); !strings.HasPrefix(got, "000003-") {
		t.Fatalf("the view reads %q", got)
	}
	// Its committer was believed dead and continues.
	for name, text := range map[string]string{
		"000001.lines": "b\x0b" + version(1) + "\x0b0\x0bplan-2\x0b" + patient("b", 1, "B"),
		"_ready.json":  "2", "_done-plan-2.json": "[]",
	} {
		if _, err := w.published.Put(t.Context(), pipeline.Staging,
			"fhir/Patient/part=000002-1a7e/"+name, strings.NewReader(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.model.Commit(t.Context(), late); err != nil {
		t.Fatal(err)
	}
	w.commit(t, w.Prepare(t, "plan-4", patient("d", 1, "D")))
	if text := w.views["[fhir].[_newest_Patient]"]; !strings.Contains(text,
		"(CAST(p.filepath(1) AS varchar(128)) COLLATE Latin1_General_100_BIN2_UTF8 > '000003-0004' OR ") {
		t.Errorf("the view is %s", text)
	}
	w.commit(t, w.Prepare(t, "plan-5", patient("d", 2, "D2")))
	if text := w.views["[fhir].[_newest_Patient]"]; strings.Contains(text, " OR ") {
		t.Errorf("the view is %s", text)
	}
}

func version(n int) string {
	return fmt.Sprintf("2024-01-01T%02d:00:00.000000000Z/%020d/%d/0", n, n, n)
}

// Wherever a snapshot fails, readers see the same rows, commits succeed, and in the end there is
// exactly one snapshot.
func TestASnapshotThatFailsAnywhere(t *testing.T) {
	t.Parallel()
	type failure struct {
		name  string
		lake  string // a file whose writing or removal fails
		pool  int    // request at which the connection is cut, counted from the last commit's first
		after bool
	}
	failures := []failure{}
	for _, file := range []string{
		"_intent.json", "_ready.json", "_retired.json", "remove 0A1B_1_0-1.parquet",
		"remove _ready.json", "remove _retired.json", "remove _intent.json",
	} {
		failures = append(failures, failure{name: file, lake: file})
	}
	// Another test cuts the requests of the batch; at the last number there is no request.
	const first, last = 6, 14
	for n := first; n <= last; n++ {
		failures = append(failures, failure{name: fmt.Sprintf("before request %d", n), pool: n},
			failure{name: fmt.Sprintf("after request %d", n), pool: n, after: true})
	}
	cut := 0
	for _, f := range failures {
		w := newWorld(t)
		w.snapshots = everySecond
		for i := range 4 {
			w.unseen(t, w.Prepare(t, fmt.Sprintf("plan-%d", i),
				patient("a", 1+i, "A")+gone("b", 1+i)+patient("c", 9-i, "C")))
		}
		// Now a snapshot is written, and one is old enough to be removed.
		w.clock = w.clock.Add(25 * time.Hour)
		w.unseen(t, w.Prepare(t, "plan-4", patient("d", 1, "D")))
		left := f.pool
		w.mu.Lock()
		w.fault = func(sqlserver.Request) sqlserver.Fault {
			if left--; left == 0 {
				cut++
				return sqlserver.Fault{CutBefore: !f.after, CutAfter: f.after}
			}
			return sqlserver.Fault{}
		}
		w.mu.Unlock()
		b := w.Prepare(t, "plan-5", patient("a", 9, "A9")+patient("d", 2, "D2"))
		var published pipeline.Lake = w.published
		if f.lake != "" {
			published = failing{w.published, "snapshot=", f.lake}
		}
		if err := w.open(t, published).Commit(t.Context(), b); err != nil {
			t.Errorf("%s: %v", f.name, err)
		}
		w.compare(t, b)
		w.mu.Lock()
		w.fault = nil
		w.mu.Unlock()
		for i := range 3 {
			w.clock = w.clock.Add(25 * time.Hour)
			w.unseen(t, w.Prepare(t, fmt.Sprintf("plan-%d", 6+i), patient("e", 1+i, "E")))
		}
		w.snapshots.Every = 1000 // only removal is due
		w.clock = w.clock.Add(25 * time.Hour)
		w.commit(t, w.Prepare(t, "plan-z", patient("z", 1, "Z")))
		names := map[string]int{}
		for _, path := range w.snapshotFiles(t) {
			name, _, _ := strings.Cut(path, "/")
			names[name]++
		}
		if d := cmp.Diff(map[string]int{w.reads(): 3}, names); d != "" || w.reads() == "" ||
			len(w.tables) > 0 {
			t.Errorf("%s: snapshots (-want +got):\n%s\nexternal tables: %v", f.name, d,
				slices.Sorted(maps.Keys(w.tables)))
		}
	}
	if cut != 2*(last-first) {
		t.Errorf("%d faults were met, want %d", cut, 2*(last-first))
	}
}

// A pool that cannot write snapshots fails no commit, and the next try is not immediate.
func TestAPoolThatMakesNoSnapshots(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]func(*world){
		"it may not": func(w *world) {
			w.fault = func(r sqlserver.Request) sqlserver.Fault {
				if strings.HasPrefix(r.Text, "CREATE EXTERNAL TABLE") {
					return sqlserver.Fault{Error: &sqlserver.Error{
						Number: 15151, Message: "you do not have permission",
					}}
				}
				return sqlserver.Fault{}
			}
		},
		"it writes nothing": func(w *world) { w.broken = true },
	} {
		w := newWorld(t)
		w.snapshots = everySecond
		set(w)
		for i := range 5 {
			w.commit(t, w.Prepare(t, fmt.Sprintf("plan-%d", i), patient("a", 1+i, "A")))
		}
		tried := 0
		for _, r := range w.server.Requests() {
			if strings.HasPrefix(r.Text, "CREATE EXTERNAL TABLE") {
				tried++
			}
		}
		if tried != 2 || w.reads() != "" {
			t.Errorf("%s: %d tries, the view reads %q", name, tried, w.reads())
		}
	}
}

func TestTheStatementsOfASnapshot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.snapshots = everySecond
	w.commit(t, w.Prepare(t, "plan-1", patient("a", 1, "A")+large("b", 1)))
	w.commit(t, w.Prepare(t, "plan-2", patient("a", 2, "A2")))
	w.commit(t, w.Prepare(t, "plan-3", patient("c", 1, "C")))
	text := w.views["[fhir].[_newest_Patient]"]
	w.commit(t, w.Prepare(t, "plan-4", patient("c", 2, "C2")))
	var made string
	for _, r := range w.server.Requests() {
		if strings.HasPrefix(r.Text, "CREATE EXTERNAL TABLE") {
			made = r.Text
		}
	}
	for name, c := range map[string]struct{ text, parsed string }{
		"newest-beside-snapshot.sql": {text, text},
		// The parser does not accept SELECT after CREATE EXTERNAL TABLE.
		"snapshot.sql": {made, made[strings.Index(made, "\nAS\n")+4:]},
	} {
		golden(t, name, c.text+"\n")
		script, err := parser.Parse(t.Context(), strings.NewReader(c.parsed))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, ok := script.Batches[0].Statements[0].(*ast.SelectStatement); !ok ||
			len(script.Batches[0].Statements) != 1 {
			t.Errorf("%s is no single SELECT", name)
		}
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (-want +got), see -update:\n%s", name, d)
	}
}

func TestTheParametersOfSnapshots(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]serverless.Snapshots{
		"":                               {},
		"&snapshot=20":                   {Every: 20, Grace: 24 * time.Hour},
		"&Snapshot=20&snapshotgrace=90m": {Every: 20, Grace: 90 * time.Minute},
	} {
		if _, o, err := serverless.ParseServer("//host?database=x" + query); err != nil ||
			o != want {
			t.Errorf("%s: %+v, %v", query, o, err)
		}
	}
	for query, want := range map[string]string{
		"database=x&snapshot=1":                        "at least 2",
		"database=x&snapshot=often":                    "host/x: snapshot is the number of parts",
		"database=x&snapshot=20&snapshotGrace=30m":     "at least 1h",
		"database=x&snapshotGrace=2h":                  "has no meaning without snapshot=PARTS",
		"database=x&storage=columnstore":               "storage has no meaning: the pool has no tables",
		"snapshot=20":                                  "names no database",
		"database=x&snapshot=20;":                      "do not parse",
		"database=x&snapshot=20&fedauth=activedefault": "is unknown",
	} {
		_, _, err := serverless.ParseServer("//host?" + query)
		if err == nil || fault.Of(err) != fault.Permanent || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", query, err)
		}
	}
}

package duckdb

import (
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/batch/localfs"
	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/testkit/flattentest"
	"fhirsynapse/internal/testkit/refwarehouse"
	"fhirsynapse/internal/warehouse"
)

const killHelper = "kill"

func TestMain(m *testing.M) {
	var err error
	switch os.Getenv(helperVariable) {
	case holdHelper:
		err = hold(os.Args[1])
	case killHelper:
		err = commitAndDie(os.Args[1], os.Args[2])
	default:
		os.Exit(m.Run())
	}
	if err != nil {
		_, _ = os.Stderr.WriteString(err.Error() + "\n")
		os.Exit(1)
	}
	os.Exit(0)
}

var crashViews = flattentest.Views{"plan": {
	{Name: "patient", Resource: "Patient", Columns: []sof.Column{{Name: "family"}}},
	{Name: "patient_name", Resource: "Patient", Columns: []sof.Column{{Name: "given"}}},
	{
		Name: warehouse.CompartmentTable("Patient"), Resource: "Patient",
		Columns: []sof.Column{{Name: warehouse.PatientColumn}},
	},
}}

// crashStore returns the store, the lake and the work below one folder.
func crashStore(dir string) (path, lake, work string) {
	return filepath.Join(dir, "x.duckdb"), filepath.Join(dir, "lake"), filepath.Join(dir, "work")
}

// crashWork is a batch to commit, or the end of an export.
type crashWork struct {
	Batch   pipeline.Batch
	Ends    bool
	End     pipeline.Conclusion
	Members []string // of the end
}

func (c crashWork) do(ctx context.Context, w pipeline.Warehouse) error {
	if !c.Ends {
		return w.Commit(ctx, c.Batch)
	}
	c.End.Members = pipeline.Members{}
	for _, m := range c.Members {
		c.End.Members[m] = struct{}{}
	}
	_, err := w.(pipeline.Concluder).Conclude(ctx, c.End)
	return err
}

// commitAndDie does the work of a folder and dies by SIGKILL before the nth statement.
func commitAndDie(dir, nth string) error {
	n, err := strconv.Atoi(nth)
	if err != nil {
		return err
	}
	path, lakeDir, workFile := crashStore(dir)
	f, err := os.Open(workFile)
	if err != nil {
		return err
	}
	var work crashWork
	if err := errors.Join(gob.NewDecoder(f).Decode(&work), f.Close()); err != nil {
		return err
	}
	w, err := Open(Options{
		Path: path, Lake: localfs.New(lakeDir), Views: crashViews.Tables,
		TempDir: filepath.Join(dir, "tmp"), Now: nowOf(start), before: func(string) {
			if n--; n == 0 {
				_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {} // until the signal arrives
			}
		},
	})
	if err != nil {
		return err
	}
	return work.do(context.Background(), w)
}

// prepareCrash returns a batch in which every statement has work.
func prepareCrash(t *testing.T, lake pipeline.Lake, export, lines string) pipeline.Batch {
	t.Helper()
	f, err := flatten.NewFlattener(flatten.Options{Lake: lake, Views: crashViews})
	if err != nil {
		t.Fatal(err)
	}
	in := pipeline.Flattening{Plan: "plan", Type: "Patient", Path: export + ".ndjson", Dir: export}
	done, err := f.Flatten(t.Context(), in, strings.NewReader(lines))
	if err != nil {
		t.Fatal(err)
	}
	return pipeline.Batch{
		Schema: "fhir", Plan: "plan", Export: export, Type: "Patient", ViewSet: 1, Attempt: "a1",
		Files: []pipeline.PreparedFile{
			{File: pipeline.File{Path: in.Path, ETag: "1"}, Dir: in.Dir, Done: done},
		},
	}
}

func crashLine(id string, hour int, family string) string {
	return fmt.Sprintf(
		`{"resourceType":"Patient","id":%q,"meta":{"lastUpdated":"2024-01-01T%02d:00:00Z"},"rows":{"patient":[[%q]],"patient_name":[["x"],["y"]],"compartment_patient":[[%[1]q]]}}`+"\n", id, hour, family)
}

func TestAKillDuringACommitLeavesAllOrNothing(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts a process for each statement of a commit")
	}
	dir := t.TempDir()
	path, lakeDir, _ := crashStore(dir)
	lake, model := localfs.New(lakeDir), refwarehouse.NewStore()
	s := store{path}
	first := prepareCrash(t, lake, "plan-1", crashLine("a", 8, "A")+crashLine("b", 8, "B"))
	second := prepareCrash(t, lake, "plan-2",
		crashLine("a", 9, "A2")+crashLine("a", 7, "A0")+crashLine("b", 7, "B0")+
			crashLine("c", 9, "C"))
	content := func(b pipeline.Batch) refwarehouse.Content {
		m := model.Warehouse(lake, crashViews.Tables)
		if err := m.Commit(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		c, err := m.Content(t.Context(), "fhir")
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	before := content(first)
	if err := s.Open(t, lake, crashViews.Tables).Commit(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	survivesKills(t, dir, crashWork{Batch: second}, before, content(second))
}

// survivesKills kills work ahead of each of its statements. The tables are as before, or as after.
func survivesKills(
	t *testing.T, dir string, work crashWork, before, after refwarehouse.Content,
) {
	t.Helper()
	path, lakeDir, workFile := crashStore(dir)
	lake, s := localfs.New(lakeDir), store{path}
	f, err := os.Create(workFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(gob.NewEncoder(f).Encode(work), f.Close()); err != nil {
		t.Fatal(err)
	}
	pristine, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for n := 1; ; n++ {
		if n > 100 {
			t.Fatal("the work has no end")
		}
		if err := errors.Join(os.WriteFile(path, pristine, 0o600),
			os.RemoveAll(path+".wal")); err != nil {
			t.Fatal(err)
		}
		killed := runKilled(t, dir, n)
		want := before
		if !killed {
			want = after
		}
		if d := cmp.Diff(want, s.Content(t, "fhir")); d != "" {
			t.Errorf("killed ahead of statement %d (-want +got):\n%s", n, d)
		}
		if !killed {
			t.Logf("%d statements", n-1)
			break
		}
		if err := work.do(t.Context(), s.Open(t, lake, crashViews.Tables)); err != nil {
			t.Errorf("done again after a kill ahead of statement %d: %v", n, err)
		}
		if d := cmp.Diff(after, s.Content(t, "fhir")); d != "" {
			t.Errorf("done again after a kill ahead of statement %d (-want +got):\n%s", n, d)
		}
	}
}

// The end of an export in which a patient leaves, a marked resource is removed and another one gets
// a mark.
func TestAKillDuringTheEndOfAnExportLeavesAllOrNothing(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts a process for each statement of the end of an export")
	}
	dir := t.TempDir()
	path, lakeDir, _ := crashStore(dir)
	lake, model := localfs.New(lakeDir), refwarehouse.NewStore()
	s := store{path}
	end := func(hour int, b pipeline.Batch, members ...string) crashWork {
		till := time.Date(2024, 1, 1, hour, 0, 0, 0, time.UTC)
		return crashWork{Ends: true, Members: members, End: pipeline.Conclusion{
			Schema: "fhir", Plan: "plan", Attempt: "a2", MostMissing: 1,
			Record: pipeline.ExportRecord{
				Export: b.Export, Plan: "plan", Cohort: "c", RequestedAt: till, FinishedAt: till,
			},
			Types: []pipeline.ConclusionType{
				{Type: "Patient", Files: b.Files, Full: true, Whole: true, Till: till},
			},
		}}
	}
	content := func(works ...crashWork) refwarehouse.Content {
		t.Helper()
		m := model.Warehouse(lake, crashViews.Tables)
		for _, w := range works {
			if err := w.do(t.Context(), m); err != nil {
				t.Fatal(err)
			}
		}
		c, err := m.Content(t.Context(), "fhir")
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	a, b := crashLine("a", 8, "A"), crashLine("b", 8, "B")
	c, d := crashLine("c", 8, "C"), crashLine("d", 8, "D")
	first := prepareCrash(t, lake, "plan-1", a+b+c+d)
	second := prepareCrash(t, lake, "plan-2", a+c+d)
	third := prepareCrash(t, lake, "plan-3", a)
	works := []crashWork{
		{Batch: first},
		end(9, first, "a", "b", "c", "d"),
		{Batch: second},
		end(10, second, "a", "b", "c", "d"),
		{Batch: third},
	}
	for _, w := range works {
		if err := w.do(t.Context(), s.Open(t, lake, crashViews.Tables)); err != nil {
			t.Fatal(err)
		}
	}
	before, last := content(works...), end(11, third, "a", "b", "c")
	survivesKills(t, dir, last, before, content(last))
}

// runKilled commits in another process and reports whether it was killed.
func runKilled(t *testing.T, dir string, n int) bool {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, dir, strconv.Itoa(n))
	cmd.Env = append(os.Environ(), helperVariable+"="+killHelper)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if s, ok := exit.Sys().(syscall.WaitStatus); ok && s.Signaled() &&
			s.Signal() == syscall.SIGKILL {
			return true
		}
	}
	if err != nil {
		t.Fatalf("commit in another process: %v: %s", err, out)
	}
	return false
}

func TestADatabaseInUseIsTransient(t *testing.T) {
	t.Parallel()
	path := databaseOf(t)
	_, release := holder(t, path)
	defer release()
	lake := localfs.New(t.TempDir())
	b := prepareCrash(t, lake, "plan-1", crashLine("a", 8, "A"))
	w := store{path}.Open(t, lake, crashViews.Tables)
	if err := w.Commit(t.Context(), b); fault.Of(err) != fault.Transient || err == nil ||
		!strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("commit: %v", err)
	}
	if _, err := w.Ledger(t.Context(), "fhir", "plan-1"); fault.Of(err) != fault.Transient ||
		err == nil {
		t.Errorf("ledger: %v", err)
	}
}

func TestNothingIsLeftInTheTemporaryFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	lake := localfs.New(filepath.Join(dir, "lake"))
	b := prepareCrash(t, lake, "plan-1", crashLine("a", 8, "A"))
	s := store{filepath.Join(dir, "db", "x.duckdb")}
	if err := s.Open(t, lake, crashViews.Tables).Commit(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(dir, "db", "tmp", "*", "*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

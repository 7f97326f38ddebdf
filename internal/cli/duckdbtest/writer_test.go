//go:build unix

package duckdbtest_test

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// holdSetting turns the test binary into a process that holds a file, as DuckDB does while it
// writes.
const holdSetting = "FHIRSYNAPSE_TEST_HOLD"

func TestMain(m *testing.M) {
	if path := os.Getenv(holdSetting); path != "" {
		if err := hold(path); err != nil {
			_, _ = os.Stderr.WriteString(err.Error() + "\n")
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// hold holds the write lock of a whole file until the input ends.
func hold(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if err := syscall.FcntlFlock(f.Fd(), syscall.F_SETLK, &syscall.Flock_t{
		Type: syscall.F_WRLCK, Whence: io.SeekStart,
	}); err != nil {
		return errors.Join(err, f.Close())
	}
	_, err = os.Stdout.WriteString("held\n")
	_, readErr := io.Copy(io.Discard, os.Stdin)
	return errors.Join(err, readErr, f.Close())
}

// writer starts a process that holds path; release ends it.
func writer(t *testing.T, path string) (pid int, release func()) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), holdSetting+"="+path)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, len("held\n"))); err != nil {
		t.Fatalf("the writer did not start: %v", err)
	}
	return cmd.Process.Pid, func() {
		if err := errors.Join(in.Close(), cmd.Wait()); err != nil {
			t.Error(err)
		}
	}
}

// loaded returns the path of a database with one patient.
func loaded(t *testing.T) string {
	t.Helper()
	data, db := t.TempDir(), filepath.Join(t.TempDir(), "fhir.duckdb")
	if err := os.WriteFile(filepath.Join(data, "Patient.ndjson"),
		[]byte(`{"resourceType":"Patient","id":"a"}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := run(t, "load", data, "--to", "duckdb:"+db); code != 0 {
		t.Fatal(errs)
	}
	return db
}

func TestAQueryWaitsForAnotherProcessToFinish(t *testing.T) {
	t.Parallel()
	db := loaded(t)
	_, release := writer(t, db)
	released := make(chan struct{})
	time.AfterFunc(500*time.Millisecond, func() { defer close(released); release() })
	code, out, errs := run(t, "query", "--db", db, "--csv", "select count(*) from patient")
	<-released
	if code != 0 || out != "1\n" {
		t.Errorf("code %d, %q, %s", code, out, errs)
	}
}

func TestALoadWaitsForAnotherProcessToFinish(t *testing.T) {
	t.Parallel()
	db := loaded(t)
	_, release := writer(t, db)
	released := make(chan struct{})
	time.AfterFunc(500*time.Millisecond, func() { defer close(released); release() })
	code, out, errs := run(t, "load", filepath.Join("testdata", "files", "mixed"), "--to",
		"duckdb:"+db)
	<-released
	if code != 0 || !strings.Contains(out, "loaded 4 resources") {
		t.Errorf("code %d, %q, %s", code, out, errs)
	}
}

// If another process holds the database file, the load names that process and reads no line.
func TestALoadNamesTheWriterBeforeItReads(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("-short leaves out what waits five seconds: run make test")
	}
	db := loaded(t)
	pid, release := writer(t, db)
	defer release()
	code, _, errs := run(t, "load", filepath.Join("testdata", "files", "half"), "--to",
		"duckdb:"+db)
	if code != 1 || !strings.Contains(errs, "in use by another process") ||
		!strings.Contains(errs, strconv.Itoa(pid)) || strings.Contains(errs, "lines are bad") {
		t.Errorf("code %d, %s", code, errs)
	}
}

func TestAQueryNamesTheWriterAfterFiveSeconds(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("-short leaves out what waits five seconds: run make test")
	}
	db := loaded(t)
	pid, release := writer(t, db)
	defer release()
	started := time.Now()
	code, _, errs := run(t, "query", "--db", db, "select 1")
	if took := time.Since(started); took < 4*time.Second {
		t.Errorf("gave up after %s", took)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"in use by another process", strconv.Itoa(pid), filepath.Base(exe),
	} {
		if code != 1 || !strings.Contains(errs, want) {
			t.Errorf("code %d, no %q in %s", code, want, errs)
		}
	}
}

func TestAQueryOfAnotherKindOfFileFailsAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"text": "id,name\n1,x\n", "zeros": strings.Repeat("\x00", 1<<16), "short": "x",
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		started := time.Now()
		code, _, errs := run(t, "query", "--db", path, "select 1")
		if want := "fhirsynapse: open database: " + path + " is not a DuckDB file\n"; code != 1 ||
			errs != want {
			t.Errorf("%s: code %d, %q", name, code, errs)
		}
		if took := time.Since(started); took > 3*time.Second {
			t.Errorf("%s: took %s", name, took)
		}
	}
	if code, _, errs := run(t, "query", "--db", filepath.Join(dir, "none"),
		"select 1"); code != 1 || !strings.Contains(errs, "no such file") {
		t.Errorf("no file: code %d, %s", code, errs)
	}
}

func TestLoadIntoFilesFromTheCommandLine(t *testing.T) {
	t.Parallel()
	data, out := t.TempDir(), filepath.Join(t.TempDir(), "deep", "out")
	const lines = `{"resourceType":"Patient","id":"a","gender":"female"}` + "\nno JSON\n" +
		`{"resourceType":"Patient","id":"a","gender":"male"}` + "\n"
	if err := os.WriteFile(filepath.Join(data, "Patient.ndjson"), []byte(lines),
		0o600); err != nil {
		t.Fatal(err)
	}
	db := loaded(t)
	for to, read := range map[string]string{
		"parquet": "read_parquet", "csv": "read_csv", "ndjson": "read_json",
	} {
		code, text, errs := run(t, "load", data, "--to", to+":"+out, "--max-bad", "50")
		if code != 0 ||
			!strings.Contains(text,
				"\nloaded 2 resources, 2 rows in 1 tables, 1 quarantined, 0 values did not fit, ") {
			t.Fatalf("%s: code %d, %s%s", to, code, text, errs)
		}
		code, text, errs = run(t, "query", "--db", db, "--csv", "--no-header",
			"select id, gender from "+read+"('"+filepath.Join(out, "patient."+to)+"')")
		if code != 0 || text != "a,female\na,male\n" {
			t.Errorf("%s: code %d, %q, %s", to, code, text, errs)
		}
	}
	bad, err := filepath.Glob(out + ".quarantine/*/Patient/*.ndjson")
	if err != nil || len(bad) != 3 {
		t.Errorf("quarantined: %v, %v", bad, err)
	}
	long := lines + `{"resourceType":"Patient","id":"b","implicitRules":"` +
		strings.Repeat("x", 64<<10) + `"}` + "\n"
	if err := os.WriteFile(filepath.Join(data, "Patient.ndjson"), []byte(long), 0o600); err != nil {
		t.Fatal(err)
	}
	for limit, want := range map[string]string{
		"64KiB": "loaded 2 resources, 2 rows in 1 tables, 2 quarantined",
		"1MB":   "loaded 3 resources, 3 rows in 1 tables, 1 quarantined",
	} {
		if code, text, errs := run(t, "load", data, "--to", "parquet:"+out, "--line-limit", limit,
			"--max-bad", "50"); code != 0 || !strings.Contains(text, want) {
			t.Errorf("%s: code %d, %s%s", limit, code, text, errs)
		}
	}
	for _, codec := range []string{"zstd", "none", "snappy"} {
		if code, _, errs := run(t, "load", data, "--to", "parquet:"+out, "--compression", codec,
			"--max-bad", "50"); code != 0 {
			t.Errorf("%s: code %d, %s", codec, code, errs)
		}
	}
	if code, _, errs := run(t, "load", data, "--to", "parquet:"+out, "--compression",
		"lzo"); code != 1 || !strings.Contains(errs, "snappy, zstd or none") {
		t.Errorf("lzo: code %d, %s", code, errs)
	}
}

package duckdb

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"fhirsynapse/internal/fault"
)

// databaseOf creates a database file with statements.
func databaseOf(t *testing.T, statements ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.duckdb")
	db, err := openDatabase(t.Context(), settings{})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.attach(t.Context(), path, attached, readWrite); err != nil {
		t.Fatal(err)
	}
	for _, s := range append([]string{"USE " + attached}, statements...) {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	if err := db.close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func queried(t *testing.T, path, query string) string {
	t.Helper()
	rows, err := Query(t.Context(), path, query, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := rows.Close(); err != nil {
			t.Error(err)
		}
	}()
	var out []string
	for rows.Next() {
		var s sql.NullString
		if err := rows.Scan(&s); err != nil {
			t.Fatal(err)
		}
		out = append(out, s.String)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return strings.Join(out, ",")
}

func TestAQueryFindsTablesInAnySchema(t *testing.T) {
	t.Parallel()
	path := databaseOf(t, "CREATE SCHEMA fhir", "CREATE TABLE fhir.patient AS SELECT 1 AS a",
		"CREATE SCHEMA Other_1", "CREATE TABLE Other_1.thing AS SELECT 2 AS b")
	if got := queried(t, path,
		"SELECT a FROM patient UNION ALL SELECT b FROM thing UNION ALL SELECT a + 2 FROM fhir.patient ORDER BY 1"); got != "1,2,3" {
		t.Errorf("got %s", got)
	}
	if _, err := Query(t.Context(), path, "INSERT INTO patient VALUES (2)",
		time.Second); err == nil {
		t.Error("a query could write")
	}
	if _, err := Query(t.Context(), path, "SELEKT", time.Second); fault.Of(err) != fault.Permanent {
		t.Errorf("a typo: %v", err)
	}
	if _, err := Query(t.Context(), path+"x", "SELECT 1",
		time.Minute); fault.Of(err) != fault.Permanent || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no such file: %v", err)
	}
}

func TestAFileThatIsNoDatabaseIsSaidToBeNone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.duckdb")
	if err := os.WriteFile(path, []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Query(t.Context(), path, "SELECT 1", time.Millisecond); err == nil ||
		!strings.Contains(err.Error(), path) {
		t.Errorf("error: %v", err)
	}
}

// Tests that need a second process run this binary again.
const (
	helperVariable = "FHIRSYNAPSE_DUCK_TEST_HELPER"
	holdHelper     = "hold"
)

// hold keeps a database open for writing until its input ends.
func hold(path string) error {
	ctx := context.Background()
	db, err := openDatabase(ctx, settings{})
	if err != nil {
		return err
	}
	if err := db.attach(ctx, path, attached, readWrite); err != nil {
		return err
	}
	if _, err := os.Stdout.WriteString("held\n"); err != nil {
		return err
	}
	_, err = os.Stdin.Read(make([]byte, 1))
	return errors.Join(err, db.close())
}

// holder starts a process that has a database open; release ends it.
func holder(t *testing.T, path string) (pid int, release func()) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, path)
	cmd.Env = append(os.Environ(), helperVariable+"="+holdHelper)
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
	if _, err := out.Read(make([]byte, 5)); err != nil {
		t.Fatalf("the holder did not start: %v", err)
	}
	return cmd.Process.Pid, func() {
		_, err := in.Write([]byte{'\n'})
		if err := errors.Join(err, cmd.Wait()); err != nil {
			t.Error(err)
		}
	}
}

func TestAQueryWaitsForAWriterAndThenNamesIt(t *testing.T) {
	t.Parallel()
	path := databaseOf(t, "CREATE TABLE t AS SELECT 7 AS n")
	pid, release := holder(t, path)
	_, err := Query(t.Context(), path, "SELECT n FROM t", 200*time.Millisecond)
	if fault.Of(err) != fault.Transient || err == nil ||
		!strings.Contains(err.Error(), "in use by another process") ||
		!strings.Contains(err.Error(), strconv.Itoa(pid)) {
		t.Errorf("error: %v", err)
	}
	released := make(chan struct{})
	time.AfterFunc(300*time.Millisecond, func() {
		defer close(released)
		release()
	})
	rows, err := Query(t.Context(), path, "SELECT n FROM t", time.Minute)
	if err != nil {
		<-released
		t.Fatal(err)
	}
	if err := rows.Close(); err != nil {
		t.Error(err)
	}
	<-released
}

func TestAQueryWaitsForAWriterOfThisProcess(t *testing.T) {
	t.Parallel()
	path := databaseOf(t, "CREATE TABLE t AS SELECT 7 AS n")
	release, err := lockPath(t.Context(), path, alone)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Query(t.Context(), path, "SELECT n FROM t",
		50*time.Millisecond); fault.Of(err) != fault.Transient || err == nil {
		t.Errorf("error: %v", err)
	}
	release()
	if got := queried(t, path, "SELECT n FROM t"); got != "7" {
		t.Errorf("got %s", got)
	}
}

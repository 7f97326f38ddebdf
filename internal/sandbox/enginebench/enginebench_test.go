package enginebench

import (
	"crypto/sha256"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	emulator "fhirsynapse/internal/emulator/sqlserver"
	"fhirsynapse/internal/emulator/sqlserver/tables"
	"fhirsynapse/internal/sqlserver"
)

// A Bench runs this program again, once for each measurement.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == sideCommand {
		root := &cobra.Command{Use: "sandbox", SilenceUsage: true}
		root.AddCommand(Commands(os.Stdout, time.Now, os.Getenv(sqlserver.Setting))...)
		if root.Execute() != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestTheSidesAgreeOnMadeUpData(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	b := Bench{Dir: filepath.Join(t.TempDir(), "run"), Megabytes: 2, Runs: 1, Seed: 7, Out: &out, Now: time.Now}
	for range 2 { // the second replaces the folder of the first
		out.Reset()
		if err := b.Run(t.Context()); err != nil {
			t.Fatalf("%v\n%s", err, out.String())
		}
	}
	for _, s := range sides {
		if !strings.Contains(out.String(), s.title) {
			t.Errorf("nothing about %s", s.title)
		}
	}
	if n := strings.Count(out.String(), "bench: check: "); n != 3 {
		t.Errorf("%d checks:\n%s", n, out.String())
	}
}

func TestALoadIsMeasuredWhereAServerIsNamed(t *testing.T) {
	db := tables.New(tables.Options{RowVersions: true})
	server, err := emulator.Listen(emulator.Options{Sessions: db.Session})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	t.Setenv(sqlserver.Setting, server.URL("someone", "secret", "pool"))
	var out strings.Builder
	b := Bench{Dir: filepath.Join(t.TempDir(), "run"), Megabytes: 1, Runs: 1, Seed: 7, Server: os.Getenv(sqlserver.Setting), Out: &out, Now: time.Now}
	if err := b.Run(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	for _, s := range serverSides {
		if !strings.Contains(out.String(), s.title) {
			t.Errorf("nothing about %s:\n%s", s.title, out.String())
		}
	}
	if strings.Contains(out.String(), "secret") {
		t.Error("the output shows the password")
	}
	copied := 0
	for _, r := range server.Requests() {
		if r.Kind == "copy" && strings.Contains(r.Text, "_view_observation") {
			copied++
		}
	}
	if left := len(db.Content(benchSchema)); copied == 0 || left > 0 {
		t.Errorf("%d copies of observations, %d tables left", copied, left)
	}
}

func TestTheDataAreTheSameForTheSameSeed(t *testing.T) {
	t.Parallel()
	sums := func(seed uint64) (out [][32]byte) {
		b := Bench{Dir: t.TempDir(), Megabytes: 10, Seed: seed}
		data := filepath.Join(b.Dir, "data")
		size, err := b.makeData(data)
		if err != nil {
			t.Fatal(err)
		}
		if size < 8_000_000 || size > 12_000_000 {
			t.Errorf("%d bytes", size)
		}
		for _, p := range parts {
			text, err := os.ReadFile(job{data: data}.file(p.resource))
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, sha256.Sum256(text))
		}
		return out
	}
	first := sums(1)
	if d := cmp.Diff(first, sums(1)); d != "" {
		t.Errorf("the same seed gives other data: %s", d)
	}
	if cmp.Equal(first, sums(2)) {
		t.Error("another seed gives the same data")
	}
}

// DuckDB's cast of DECIMAL(38, 18) to DOUBLE gives another double for some of these.
func TestDecimalsAreComparedAsTheNearestDouble(t *testing.T) {
	t.Parallel()
	db, err := openDuckDB(1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	for _, text := range []string{"4.94", "5.6313", "0.1", "-4.94", "120", "0.000000000000000001", "12345678901234567890.123456789012345678"} {
		want, err := strconv.ParseFloat(text, 64)
		if err != nil {
			t.Fatal(err)
		}
		var got float64
		err = db.QueryRowContext(t.Context(), "SELECT "+nearestDouble+` FROM (SELECT CAST('`+text+`' AS DECIMAL(38, 18)) AS "value")`).Scan(&got)
		if err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("%s gives %v, want %v", text, got, want)
		}
	}
}

func TestSidesThatDisagreeFail(t *testing.T) {
	t.Parallel()
	b := Bench{Out: io.Discard}
	seen := map[string][]figures{"a 1": {{Rows: 5}, {Rows: 5}}, "b 1": {{Rows: 6}}}
	if err := b.check(t.Context(), job{}, seen); err == nil || !strings.Contains(err.Error(), "rows") {
		t.Errorf("got %v", err)
	}
}

func TestAFolderOfSomebodyElseStays(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "thesis.txt")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	b := Bench{Dir: dir, Megabytes: 1, Runs: 1, Out: io.Discard, Now: time.Now}
	if err := b.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "--dir") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(file); err != nil {
		t.Error(err)
	}
}

func TestMedian(t *testing.T) {
	t.Parallel()
	seconds := func(f figures) float64 { return f.Seconds }
	for want, all := range map[float64][]figures{
		3:   {{Seconds: 9}, {Seconds: 1}, {Seconds: 3}},
		2.5: {{Seconds: 4}, {Seconds: 1}, {Seconds: 3}, {Seconds: 2}},
	} {
		if got := median(all, seconds); got != want {
			t.Errorf("%v, want %v", got, want)
		}
	}
}

package tsqltest_test

import (
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fhirsynapse/internal/batch"
	"fhirsynapse/internal/cli"
	"fhirsynapse/internal/emulator/fhirserver"
	"fhirsynapse/internal/emulator/fhirserver/jobs"
	"fhirsynapse/internal/emulator/fhirserver/store"
	"fhirsynapse/internal/emulator/fhirserver/synthetic"
	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/sof/tsql"
)

// bulkServer serves synthetic patients according to the Bulk Data guide.
func bulkServer(t *testing.T) (base string) {
	t.Helper()
	data, err := store.New(store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := synthetic.Generate(synthetic.Options{Seed: 1, Patients: 12},
		func(_ string, line []byte) error { return data.Add(line) }); err != nil {
		t.Fatal(err)
	}
	server, err := fhirserver.New(fhirserver.Options{
		Store: data, Blobs: &jobs.Memory{}, Now: time.Now, Log: slog.New(slog.DiscardHandler),
		Bulk: &fhirserver.Bulk{},
	})
	if err != nil {
		t.Fatal(err)
	}
	if base, err = server.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return base
}

// An export makes the same tables as a load of its files, on every engine that has tables.
func TestStartWritesToEveryEngineThatHasTables(t *testing.T) {
	lake, _ := account(t)
	base := bulkServer(t)
	open := func(string) (batch.Staging, error) {
		return batch.Staging{Container: lake, URL: stagingURL}, nil
	}
	for _, engine := range []tsql.Engine{tsql.SQLServer, tsql.Dedicated, tsql.Fabric} {
		t.Run(string(engine), func(t *testing.T) {
			t.Chdir(t.TempDir()) // bad lines go into the working directory
			kept := filepath.Join(t.TempDir(), "kept")
			var staging []string
			if engine != tsql.SQLServer {
				staging = []string{"--staging", stagingName}
			}
			db, to := engineOn(t, engine, lake)
			start := func(to string, args ...string) (code int, out, errs string) {
				var o, e strings.Builder
				args = append(append([]string{
					"start", "--once", "--source", base, "--to", to, "--schema", "nightly",
					"--types", "Patient,Observation",
				}, staging...), args...)
				code = cli.Run(t.Context(), args, func(string) string {
					return ""
				}, cli.Streams{Out: &o, Err: &e, Now: time.Now, Ticks: noTicks},
					cli.Commands{Runs: starter(open)})
				return code, o.String(), e.String()
			}
			if code, out, errs := start(to, "--keep", kept); code != 0 ||
				!strings.Contains(out, "every line is accounted for") {
				t.Fatalf("exit code %d, %s%s", code, out, errs)
			}
			first := rowsOf(db, "observation")
			if code, _, errs := start(to); code != 0 || rowsOf(db, "observation") != first {
				t.Errorf("a second export changes the tables, or fails with %d: %s", code, errs)
			}
			fresh, freshTo := engineOn(t, engine, lake)
			if code, out, errs := staged(t, lake,
				append([]string{kept, "--to", freshTo, "--schema", "nightly"},
					staging...)...); code != 0 {
				t.Fatalf("load of the kept files: exit code %d, %s%s", code, out, errs)
			}
			for _, table := range []string{
				"patient", "patient_name", "observation", "observation_component",
			} {
				if got, want := rowsOf(db, table), rowsOf(fresh, table); got != want || got == "" {
					t.Errorf("%s: %d bytes of rows, a load of the kept files makes %d", table,
						len(got), len(want))
				}
			}
			for f, err := range lake.List(t.Context(), pipeline.Staging, "") {
				t.Errorf("left in the container: %s, %v", f.Path, err)
			}
		})
	}
}

// A server that cannot be used is reported before the FHIR server is asked.
func TestStartOpensTheEngineFirst(t *testing.T) {
	t.Chdir(t.TempDir())
	_, server := standIn(t)
	to := server.URL("someone", "secret", "pool")
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ to, want string }{
		{to, "--to cannot be used"},
		{
			"synapse-serverless://pool.example?database=x",
			"start writes to csv, fabric, ndjson, parquet, sqlserver, synapse-dedicated",
		},
	} {
		startFails(t, c.to, c.want)
	}
}

func startFails(t *testing.T, to, want string) {
	t.Helper()
	var o, e strings.Builder
	// Nothing answers at port 1, so an error about the FHIR server would contain this address.
	code := cli.Run(t.Context(),
		[]string{
			"start", "--once", "--source", "http://127.0.0.1:1/fhir", "--to", to, "--allow-private",
		},
		func(string) string {
			return ""
		}, cli.Streams{Out: &o, Err: &e, Now: time.Now, Ticks: noTicks},
		cli.Commands{Runs: starter(func(string) (batch.Staging, error) {
			return batch.Staging{}, fault.Permanentf("no staging")
		})})
	if code != 1 || !strings.Contains(e.String(), want) ||
		strings.Contains(e.String(), "127.0.0.1:1/") || strings.Contains(e.String(), "secret") {
		t.Errorf("exit code %d, %s", code, e.String())
	}
}

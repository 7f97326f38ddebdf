package tsqltest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fhirsynapse/internal/app/connect"
	"fhirsynapse/internal/azure"
	"fhirsynapse/internal/batch"
	"fhirsynapse/internal/cli"
	"fhirsynapse/internal/emulator/sqlserver"
	"fhirsynapse/internal/emulator/sqlserver/tables"
	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/testkit/azuritetest"
)

const (
	stagingName = "https://account.blob.core.windows.net/staging"
	stagingURL  = "https://account.dfs.core.windows.net/staging"
)

// account returns a container of Azurite, and a container that does not exist. Azurite has no
// identities and no data lake endpoint, so the tests use its container under the name of an Azure
// container.
func account(t *testing.T) (staging, missing *azure.Lake) {
	t.Helper()
	ctx := t.Context()
	storage := azuritetest.Start(t)
	clients, err := azure.Connect(
		azure.Settings{Storage: azure.Account{ConnectionString: storage.ConnectionString()}})
	if err != nil {
		t.Fatal(err)
	}
	lake := azure.NewLake(clients.Storage, azure.Containers{
		Landing: "landing", Staging: "staging", Quarantine: "quarantine",
	})
	if err := lake.EnsureContainers(ctx); err != nil {
		t.Fatal(err)
	}
	return lake, azure.NewLake(clients.Storage, azure.Containers{Staging: "missing"})
}

// engineOn starts an emulator of an engine that reads a container.
func engineOn(t *testing.T, engine tsql.Engine, lake pipeline.Lake) (*tables.Database, string) {
	t.Helper()
	db := tables.New(tables.Options{
		RowVersions: true, Conflicts: engine == tsql.Fabric,
		Open: func(ctx context.Context, url string) (io.ReadCloser, error) {
			path, ok := strings.CutPrefix(url, stagingURL+"/load-")
			if !ok {
				return nil, fmt.Errorf("no file of a load: %s", url)
			}
			return lake.Open(ctx, pipeline.Staging, "load-"+path, "")
		},
	})
	server, err := sqlserver.Listen(sqlserver.Options{Sessions: db.Session})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	_, rest, _ := strings.Cut(server.URL("someone", "secret", "pool"), ":")
	return db, string(engine) + ":" + rest
}

// staged runs the command load with a staging container.
func staged(t *testing.T, c batch.Container, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e strings.Builder
	open := func(url string) (batch.Staging, error) {
		if url != stagingName {
			return batch.Staging{}, fault.Permanentf("another container: %s", url)
		}
		return batch.Staging{Container: c, URL: stagingURL}, nil
	}
	code = cli.Run(t.Context(), append([]string{"load"}, args...), func(string) string {
		return ""
	}, cli.Streams{Out: &o, Err: &e, Now: now, Ticks: noTicks},
		cli.Commands{Runs: runner(open)})
	return code, o.String(), e.String()
}

// bornView returns a folder with a view of patients, with a column of the given type.
func bornView(t *testing.T, typ string) (folder string) {
	t.Helper()
	folder = t.TempDir()
	put(t, folder, "born.json",
		`{"resourceType":"ViewDefinition","name":"born","status":"active","resource":"Patient","select":[{"column":[
		{"name":"id","path":"getResourceKey()","type":"id"},{"name":"day","path":"birthDate","type":"date"`+typ+`}]}]}`)
	return folder
}

func put(t *testing.T, folder, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func bornPatient(id, day, updated string) string {
	return fmt.Sprintf(
		`{"resourceType":"Patient","id":%q,"meta":{"lastUpdated":"2026-01-%sT00:00:00Z"},"birthDate":%q}`+"\n", id, updated, day)
}

// rowsOf returns the rows of a table, in order, without the export.
func rowsOf(db *tables.Database, table string) string {
	found := db.Content("nightly")[table]
	return strings.Join(texts(found.Columns, found.Rows), "\n")
}

// A refusal names a command; the test runs that command unchanged, with a storage account.
func TestAViewIsRebuiltThroughAStorageAccount(t *testing.T) {
	lake, _ := account(t)
	t.Chdir(t.TempDir())
	for _, engine := range []tsql.Engine{tsql.Dedicated, tsql.Fabric} {
		data := t.TempDir()
		db, to := engineOn(t, engine, lake)
		run := func(args ...string) (int, string, string) {
			return staged(t, lake,
				append([]string{data, "--to", to, "--staging", stagingName, "--schema", "nightly"},
					args...)...)
		}
		put(t, data, "1.Patient.ndjson",
			bornPatient("a", "1970-01-01", "01")+bornPatient("b", "1980-01-01", "01")+
				bornPatient("c", "1990-01-01", "02"))
		put(t, data, "1.Device.ndjson", `{"resourceType":"Device","id":"x"}`)
		texts, dates := bornView(t, ""), bornView(t, `,"tag":[{"name":"ansi/type","value":"DATE"}]`)
		if code, out, errs := run("--views", texts); code != 0 ||
			!strings.Contains(out, "loaded 4 resources") {
			t.Fatalf("%s: code %d, %s%s", engine, code, out, errs)
		}
		before := rowsOf(db, "born")
		code, _, errs := run("--views", dates)
		want := "fhirsynapse load DIR --to " + string(engine) +
			"://HOST?database=NAME --staging https://ACCOUNT.blob.core.windows.net/CONTAINER --schema nightly --rebuild=Patient, where DIR has"
		if code != 1 || !strings.Contains(errs, "column born.day is") ||
			!strings.Contains(errs, want) {
			t.Fatalf("%s: code %d, %s", engine, code, errs)
		}
		// The files of only the last export are too few.
		if err := os.Rename(filepath.Join(data, "1.Patient.ndjson"),
			filepath.Join(data, ".kept")); err != nil {
			t.Fatal(err)
		}
		put(t, data, "2.Patient.ndjson", bornPatient("a", "1971-01-01", "03"))
		if code, _, errs := run("--views", dates,
			"--rebuild=Patient"); code != 1 ||
			!strings.Contains(errs,
				"schema nightly has 3 resources of Patient, and the folder has 1 lines") ||
			rowsOf(db, "born") != before {
			t.Errorf("%s, of a part: code %d, %s", engine, code, errs)
		}
		// The number of lines equals the number of resources, but one resource is missing.
		put(t, data, "2.Patient.ndjson",
			bornPatient("a", "1971-01-01", "03")+bornPatient("b", "1980-01-01", "01")+
				bornPatient("b", "1980-01-01", "01"))
		if code, _, errs := run("--views", dates,
			"--rebuild=Patient"); code != 1 ||
			!strings.Contains(errs,
				"1 resources of Patient in schema nightly were not loaded") ||
			strings.Count(rowsOf(db, "born"), "day=") != 2 {
			t.Errorf("%s, without one: code %d, %s", engine, code, errs)
		}
		if err := os.Rename(filepath.Join(data, ".kept"),
			filepath.Join(data, "1.Patient.ndjson")); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if code, out, errs := run("--views", dates, "--rebuild"); code != 0 ||
				!strings.Contains(out, "loaded ") {
				t.Errorf("%s: code %d, %s%s", engine, code, out, errs)
			}
		}
		freshDB, freshTo := engineOn(t, engine, lake)
		if code, _, errs := staged(t, lake, data, "--to", freshTo, "--staging", stagingName,
			"--schema", "nightly", "--views", dates); code != 0 {
			t.Fatal(errs)
		}
		if got, fresh := rowsOf(db, "born"),
			rowsOf(freshDB, "born"); got != fresh || strings.Count(got, "day=") != 3 {
			t.Errorf("%s: rebuilt\n%s\na fresh load is\n%s", engine, got, fresh)
		}
		for f, err := range lake.List(t.Context(), pipeline.Staging, "") {
			t.Errorf("%s: left in the container: %s, %v", engine, f.Path, err)
		}
	}
}

// down is a container with one operation that fails.
type down struct {
	batch.Container
	puts, removes error
}

func (d down) Put(
	ctx context.Context, area pipeline.Area, path string, r io.Reader,
) (pipeline.File, error) {
	if d.puts != nil {
		return pipeline.File{}, d.puts
	}
	return d.Container.Put(ctx, area, path, r)
}

func (d down) Remove(ctx context.Context, area pipeline.Area, path string) error {
	if d.removes != nil {
		return d.removes
	}
	return d.Container.Remove(ctx, area, path)
}

func TestAContainerThatFailsIsNamed(t *testing.T) {
	lake, missing := account(t)
	t.Chdir(t.TempDir())
	data := t.TempDir()
	put(t, data, "Patient.ndjson", bornPatient("a", "1970-01-01", "01"))
	_, to := engineOn(t, tsql.Dedicated, lake)
	for name, c := range map[string]struct {
		container batch.Container
		staging   string
		want      string
	}{
		"no such container": {missing, stagingName, "look into the staging container"},
		"another account":   {lake, "https://other.blob.core.windows.net/x", "another container"},
		"nothing may be put": {
			down{lake, errors.New("no right to write"), nil},
			stagingName,
			"no right to write",
		},
		"nothing may be gone": {
			down{lake, nil, errors.New("no right to delete")},
			stagingName,
			"of the staging container: no right to delete",
		},
	} {
		if code, _, errs := staged(t, c.container, data, "--to", to, "--staging",
			c.staging); code != 1 || !strings.Contains(errs, c.want) {
			t.Errorf("%s: code %d, %s", name, code, errs)
		}
	}
}

func TestAStagingContainerIsNamedWithoutKeys(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"http://account.blob.core.windows.net/c", "https://account.blob.core.windows.net/",
		"https://account.blob.core.windows.net/c/folder",
		"https://account.dfs.core.windows.net/c",
		"https://account.blob.core.windows.net/c?sig=hunter2",
		"https://u:hunter2@account.blob.core.windows.net/c", "c", "https://[",
	} {
		if _, err := connect.Staging(text); fault.Of(err) != fault.Permanent ||
			!strings.Contains(fmt.Sprint(err), "must look like https://ACCOUNT") ||
			strings.Contains(fmt.Sprint(err), "hunter2") {
			t.Errorf("%s: %v", text, err)
		}
	}
	s, err := connect.Staging("https://account.blob.core.windows.net/c/")
	if err != nil || s.URL != "https://account.dfs.core.windows.net/c" {
		t.Errorf("%s, %v", s.URL, err)
	}
}

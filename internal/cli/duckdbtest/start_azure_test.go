package duckdbtest_test

import (
	"bytes"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"

	"fhirsynapse/internal/cli"
	"fhirsynapse/internal/emulator/fhirserver"
	"fhirsynapse/internal/emulator/fhirserver/azureblob"
	"fhirsynapse/internal/emulator/fhirserver/store"
	"fhirsynapse/internal/emulator/fhirserver/synthetic"
	"fhirsynapse/internal/testkit/azuritetest"
)

// A server of dialect azure writes into a storage account, and the command reads only its own files
// there.
func TestStartOnceFromAServerOfDialectAzure(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	storage := azuritetest.Start(t)
	client, err := azblob.NewClientFromConnectionString(storage.ConnectionString(), nil)
	if err != nil {
		t.Fatal(err)
	}
	account := azureblob.New(client)
	if err := account.Ensure(ctx, "exports"); err != nil {
		t.Fatal(err)
	}
	stranger, err := account.Create(ctx, "exports", "20260101T000000-9/Patient-1-1.ndjson")
	if err != nil {
		t.Fatal(err)
	}
	if err := stranger.Write(ctx,
		[]byte(`{"resourceType":"Patient","id":"of-somebody-else"}`+"\n")); err != nil {
		t.Fatal(err)
	}
	if _, err := stranger.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	data, err := store.New(store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	add := func(_ string, line []byte) error { return data.Add(line) }
	if err := synthetic.Generate(synthetic.Options{Seed: 1, Patients: 12}, add); err != nil {
		t.Fatal(err)
	}
	server, err := fhirserver.New(fhirserver.Options{
		Store: data, Blobs: account, Now: time.Now, Log: slog.New(slog.DiscardHandler),
		PollsBeforeDone: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	base, err := server.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	s := &bulkServer{
		Server: server, data: data, base: base, db: filepath.Join(t.TempDir(), "x.duckdb"),
	}
	getenv := func(name string) string {
		if name == "STORAGE" {
			return storage.ConnectionString()
		}
		return ""
	}
	var out, errs bytes.Buffer
	code := cli.Run(ctx, []string{
		"start", "--once", "--source", base, "--dialect", "azure", "--storage", "env:STORAGE",
		"--container", "exports",
		"--types", "Patient,Observation", "--to", "duckdb:" + s.db,
	}, getenv, cli.Streams{Out: &out, Err: &errs, Now: time.Now}, commands(time.Now))
	if code != 0 || !strings.Contains(out.String(), "every line is accounted for") {
		t.Fatalf("exit code %d\n%s%s", code, out.String(), errs.String())
	}
	if got := s.count(t, "patient"); got != "patient 12" {
		t.Errorf("got %s, want the 12 of this export", got)
	}
}

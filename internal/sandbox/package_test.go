package sandbox_test

import (
	"archive/zip"
	"bytes"
	"context"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"fhirsynapse/internal/emulator/functionshost"
	"fhirsynapse/internal/packaging/release"
	"fhirsynapse/internal/packaging/stage"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/sandbox"
	"fhirsynapse/internal/testkit/azuritetest"
	"fhirsynapse/internal/warehouse/open"
	"fhirsynapse/internal/warehouse/open/local"
)

// largestHandler bounds the handler's size in bytes, because a new instance in Azure downloads the
// package first.
const largestHandler = 40_000_000

// The zip file for Azure, unpacked as Azure does, runs an export from kick-off to tables. Steps and
// storage events arrive by serviceBusTrigger.
func TestPackageForAzureRunsUnderTheHost(t *testing.T) {
	azuritetest.Tools(t)
	deployed := unpack(t, packageForAzure(t))
	_, setting := newServer(t)
	w := packageWorld(t, sandbox.Options{
		Store: made(t, 3, killedTypes...), Engines: open.Engines(),
		Settings: map[string]string{"Warehouse": setting},
	})
	event := make(chan struct{})
	once := sync.OnceFunc(func() { close(event) })
	host, err := w.StartHost(t.Context(), deployed, func(e functionshost.Event) {
		if e.Kind == functionshost.InvocationEnded && e.Function == "BlobLoaded" {
			once()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer host.Stop()
	exported(t, w, host)
	select {
	case <-event: // the export does not wait for storage events
	case <-time.After(time.Minute):
		t.Fatal("no storage event came")
	}
	called(t, host, "TimerExport", "PollExport", "BlobLoaded")
}

// packageForAzure builds the handler as a release does, checks it, and returns the zip file. It
// builds for the processor of this machine, so that the test can run it.
func packageForAzure(t *testing.T) string {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skipf("the package is for Linux and this is %s: run this test on Linux", runtime.GOOS)
	}
	dir := t.TempDir()
	handler, staged, zipped := filepath.Join(dir, "handler"), filepath.Join(dir, "dist"),
		filepath.Join(dir, "app.zip")
	const version = "v0.0.0-test"
	if err := sandbox.Build(t.Context(), root, "./handler", handler, []string{"CGO_ENABLED=0"},
		release.Flags(version)...); err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(handler)
	if err != nil {
		t.Fatal(err)
	}
	if len(program) >= largestHandler {
		t.Errorf("the handler has %d bytes, and should have less than %d", len(program),
			largestHandler)
	}
	if !bytes.Contains(program, []byte(version)) {
		t.Errorf("the handler does not know its version: there is no variable %s",
			release.VersionVariable)
	}
	if runtime.GOARCH == "amd64" {
		if err := stage.CheckCloud(handler); err != nil {
			t.Error(err)
		}
	}
	if err := stage.Stage(stage.Options{Root: root, Out: staged, Executable: handler}); err != nil {
		t.Fatal(err)
	}
	if err := stage.Zip(staged, zipped); err != nil {
		t.Fatal(err)
	}
	return zipped
}

// unpack writes the files of a zip file with the modes that the zip file has for them.
func unpack(t *testing.T, path string) string {
	t.Helper()
	dir := t.TempDir()
	r, err := zip.OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	for _, f := range r.File {
		if !filepath.IsLocal(f.Name) {
			t.Fatalf("%s leads out of the folder", f.Name)
		}
		to := filepath.Join(dir, f.Name)
		text, err := fs.ReadFile(r, f.Name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, text, f.Mode()); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// The package for this machine uses the trigger that Core Tools needs, which finds blobs by
// polling.
func TestPackageForThisMachineRunsUnderTheHostWithTheBlobTrigger(t *testing.T) {
	azuritetest.Tools(t)
	w := packageWorld(t, sandbox.Options{
		Store: made(t, 3, killedTypes...), Engines: local.Engines(), HoldEvents: true,
	})
	dir := t.TempDir()
	handler, staged := filepath.Join(dir, "fhirsynapse"), filepath.Join(dir, "dist-start")
	if err := sandbox.Build(t.Context(), root, "./cmd/fhirsynapse", handler, nil); err != nil {
		t.Fatal(err)
	}
	if err := stage.Stage(stage.Options{
		Root: root, Out: staged, Executable: handler, BlobTrigger: stage.BlobTriggerPolling,
	}); err != nil {
		t.Fatal(err)
	}
	host, err := w.StartHost(t.Context(), staged, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer host.Stop()
	exported(t, w, host)
	for f, err := range w.App.Lake().List(t.Context(), pipeline.Landing, "") {
		if err != nil {
			t.Fatal(err)
		}
		if err := host.BlobFound(t.Context(), "BlobLoaded", w.BlobURL(f.Path), f.Size); err != nil {
			t.Errorf("%s: %v", f.Path, err)
		}
	}
	called(t, host, "TimerExport", "PollExport", "BlobLoaded")
}

func packageWorld(t *testing.T, o sandbox.Options) *sandbox.World {
	t.Helper()
	o.Root, o.Dir, o.Now, o.HandlerOutput, o.MaxCount = root, t.TempDir(), time.Now, io.Discard, 90
	o.Log = slog.New(slog.DiscardHandler)
	w, err := sandbox.StartWorld(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	return w
}

// exported runs one export, and checks that all its lines are accounted for.
func exported(t *testing.T, w *sandbox.World, host *functionshost.Host) {
	t.Helper()
	ctx, done := context.WithTimeout(t.Context(), 3*time.Minute)
	defer done()
	e, err := w.Export(ctx, host)
	if err != nil {
		t.Fatal(err)
	}
	p, err := w.App.Pipeline(ctx)
	if err != nil {
		t.Fatal(err)
	}
	reports, err := p.Report(ctx, e.ID)
	if err != nil || len(reports) == 0 {
		t.Fatalf("%d reports, %v", len(reports), err)
	}
	for _, r := range reports {
		if err := r.Check(); err != nil {
			t.Error(err)
		}
	}
}

// called checks that the host has called these functions, and that no call failed.
func called(t *testing.T, host *functionshost.Host, names ...string) {
	t.Helper()
	stats := host.Stats()
	for _, name := range names {
		if f := stats.Functions[name]; f.Succeeded == 0 || f.Failed > 0 {
			t.Errorf("%s: %d calls succeeded, %d failed: %v", name, f.Succeeded, f.Failed,
				f.Reasons)
		}
	}
	if stats.Crashes > 0 {
		t.Errorf("the handler crashed %d times", stats.Crashes)
	}
}

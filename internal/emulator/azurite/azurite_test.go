package azurite_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"

	"fhirsynapse/internal/emulator/azurite"
)

const tools = "../../../tools/azurite"

// install makes sure that Azurite is there, or skips.
func install(t *testing.T) {
	t.Helper()
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not on PATH: install Node.js 20 to run this test", tool)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	if err := azurite.Install(ctx, tools); err != nil {
		t.Fatal(err)
	}
}

func TestAzuriteStartsKeepsItsDataAndStops(t *testing.T) {
	t.Parallel()
	install(t)
	ctx := t.Context()
	o := azurite.Options{Tools: tools, Dir: filepath.Join(t.TempDir(), "data"), Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))}
	for round := range 2 {
		srv, err := azurite.Start(ctx, o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(srv.Stop)
		client, err := azblob.NewClientFromConnectionString(srv.ConnectionString(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if round == 0 {
			if _, err := client.CreateContainer(ctx, "lake", nil); err != nil {
				t.Fatal(err)
			}
			if _, err := client.UploadBuffer(ctx, "lake", "a/b.ndjson", []byte("{}\n"), nil); err != nil {
				t.Fatal(err)
			}
		}
		b := make([]byte, 3)
		if n, err := client.DownloadBuffer(ctx, "lake", "a/b.ndjson", b, nil); err != nil || n != 3 || string(b) != "{}\n" {
			t.Fatalf("round %d: got %q, %v", round, b[:n], err)
		}
		srv.Stop()
		srv.Stop()
		if c, err := (&net.Dialer{}).DialContext(ctx, "tcp", srv.Addr()); err == nil {
			_ = c.Close()
			t.Fatal("still listens after Stop")
		}
		select {
		case <-srv.Done():
		default:
			t.Fatal("Done is open after Stop")
		}
	}
}

func TestAzuriteStartsAllServices(t *testing.T) {
	t.Parallel()
	install(t)
	srv, err := azurite.Start(t.Context(), azurite.Options{Tools: tools, Queues: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Stop)
	seen := map[string]bool{}
	for field := range strings.SplitSeq(srv.ConnectionString(), ";") {
		name, endpoint, _ := strings.Cut(field, "Endpoint=http://")
		if addr, ok := strings.CutSuffix(endpoint, "/"+azurite.Account); ok {
			c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			_ = c.Close()
			seen[name] = true
		}
	}
	if !seen["Blob"] || !seen["Queue"] || !seen["Table"] {
		t.Errorf("services in the connection string: %v", seen)
	}
}

func TestStartNamesEveryThingThatIsMissing(t *testing.T) {
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	port := ln.Addr().(*net.TCPAddr).Port
	t.Setenv("PATH", t.TempDir())
	empty := t.TempDir()
	_, err = azurite.Start(t.Context(), azurite.Options{Tools: empty, BlobPort: port})
	if err == nil {
		t.Fatal("started")
	}
	for _, want := range []string{"node is not on PATH: install Node.js 20", "npm ci --prefix " + empty, "port " + strconv.Itoa(port) + " is in use"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
}

func TestInstallNamesWhatIsMissing(t *testing.T) {
	dir := t.TempDir()
	if err := azurite.Install(t.Context(), dir); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("a folder without a lock file: got %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "package-lock.json"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", t.TempDir())
	err := azurite.Install(t.Context(), dir)
	if err == nil || !strings.Contains(err.Error(), "node is not on PATH") || !strings.Contains(err.Error(), "npm is not on PATH") {
		t.Fatalf("got %v", err)
	}
}

// fakeNPM puts an npm on PATH that notes its calls and makes node_modules.
func fakeNPM(t *testing.T, script string) (dir, calls string) {
	t.Helper()
	dir, bin := t.TempDir(), t.TempDir()
	calls = filepath.Join(bin, "calls")
	for path, text := range map[string]string{
		filepath.Join(bin, "node"):               "#!/bin/sh\n",
		filepath.Join(bin, "npm"):                "#!/bin/sh\necho call >>" + calls + "\n" + script,
		filepath.Join(dir, "package-lock.json"):  "one",
		filepath.Join(dir, "node_modules/.keep"): "",
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	return dir, calls
}

func TestInstallRunsOnceUntilTheLockFileChanges(t *testing.T) {
	dir, calls := fakeNPM(t, ": >\"$3/node_modules/.package-lock.json\"\n") // npm ci --prefix <dir>
	results := make(chan error)
	for range 5 {
		go func() { results <- azurite.Install(t.Context(), dir) }()
	}
	for range 5 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	count := func() int {
		b, err := os.ReadFile(calls)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(b), "call")
	}
	if n := count(); n != 1 {
		t.Fatalf("npm ran %d times", n)
	}
	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(filepath.Join(dir, "package-lock.json"), later, later); err != nil {
		t.Fatal(err)
	}
	if err := azurite.Install(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	if n := count(); n != 2 {
		t.Fatalf("npm ran %d times", n)
	}
}

func TestAFailedInstallationSaysWhyAndIsTriedAgain(t *testing.T) {
	dir, _ := fakeNPM(t, "echo no line to the registry; exit 1")
	for range 2 {
		if err := azurite.Install(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "no line to the registry") {
			t.Fatalf("got %v", err)
		}
	}
}

package azurite_test

import (
	"log/slog"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"

	"fhirsynapse/internal/emulator/azurite"
	"fhirsynapse/internal/testkit/azuritetest"
)

func TestAzuriteStartsKeepsItsDataAndStops(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	o := azurite.Options{
		Tools: azuritetest.Tools(t), Dir: filepath.Join(t.TempDir(), "data"),
		Log: slog.New(slog.NewTextHandler(t.Output(),
			&slog.HandlerOptions{Level: slog.LevelDebug})),
	}
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
			if _, err := client.UploadBuffer(ctx, "lake", "a/b.ndjson", []byte("{}\n"),
				nil); err != nil {
				t.Fatal(err)
			}
		}
		b := make([]byte, 3)
		if n, err := client.DownloadBuffer(ctx, "lake", "a/b.ndjson", b,
			nil); err != nil || n != 3 || string(b) != "{}\n" {
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
	srv, err := azurite.Start(t.Context(), azurite.Options{
		Tools: azuritetest.Tools(t), Queues: true,
	})
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
	for _, want := range []string{
		"node is not on PATH: install Node.js 20", "npm ci --prefix " + empty,
		"port " + strconv.Itoa(port) + " is in use",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
}

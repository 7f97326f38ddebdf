// Package azuritetest starts Azurite for a test.
package azuritetest

import (
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"fhirsynapse/internal/emulator/azurite"
)

// Tools returns the folder that holds Azurite. It skips the test if Azurite or Node.js is not
// installed.
func Tools(t testing.TB) string {
	t.Helper()
	if _, err := exec.LookPath("node"); err != nil {
		t.Skip("node is not on PATH: install Node.js 20 to run this test")
	}
	dir, err := filepath.Abs(".")
	for err == nil && dir != filepath.Dir(dir) {
		tools := filepath.Join(dir, "tools", "azurite")
		if _, err := os.Stat(filepath.Join(tools, "node_modules",
			".package-lock.json")); err == nil {
			return tools
		}
		dir = filepath.Dir(dir)
	}
	t.Skip("Azurite is not installed: run make need-azurite")
	return ""
}

// Start runs Azurite until the test ends, or skips the test.
func Start(t testing.TB) *azurite.Server {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	server, err := azurite.Start(t.Context(), azurite.Options{
		Tools: Tools(t), Dir: t.TempDir(), Log: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	return server
}

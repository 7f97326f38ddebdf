package azurite_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"fhirsynapse/internal/emulator/azurite"
	"fhirsynapse/internal/testkit/azuritetest"
)

// parentOf is set in the process that the test kills, to its data folder.
const parentOf = "FHIRSYNAPSE_TEST_AZURITE_PARENT"

// TestParent is not a test: the next test kills its process.
func TestParent(t *testing.T) {
	dir := os.Getenv(parentOf)
	if dir == "" {
		return // runs only as a child of TestAzuriteDoesNotOutliveAKilledParent
	}
	srv, err := azurite.Start(t.Context(), azurite.Options{Tools: azuritetest.Tools(t), Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(os.Stderr, "azurite at "+srv.Addr())
	_, _ = io.Copy(io.Discard, os.Stdin) // until the test that started us has ended
	srv.Stop()
}

func TestAzuriteDoesNotOutliveAKilledParent(t *testing.T) {
	t.Parallel()
	azuritetest.Tools(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestParent$")
	cmd.Env = append(os.Environ(), parentOf+"="+t.TempDir())
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stdin.Close() }()
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var addr string
	lines := bufio.NewScanner(stderr)
	for addr == "" && lines.Scan() {
		_, addr, _ = strings.Cut(lines.Text(), "azurite at ")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed, as intended
	if addr == "" {
		t.Fatal("the parent did not start azurite")
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
		if err != nil {
			break
		}
		_ = c.Close()
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("azurite still listens")
		}
	}
	if ctx.Err() != nil {
		t.Fatal("azurite still listens")
	}
}

package sandbox_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fhirsynapse/internal/emulator/fhirserver"
	"fhirsynapse/internal/emulator/fhirserver/jobs"
	"fhirsynapse/internal/sandbox"
	"fhirsynapse/internal/testkit/azuritetest"
)

// The sandbox runs a given file of plans, against a server outside the sandbox.
func TestThePlansOfAPersonRunAgainstTheirServer(t *testing.T) {
	azuritetest.Tools(t)
	data := made(t, 5)
	server, err := fhirserver.New(fhirserver.Options{
		Blobs: jobs.NewFolder(t.TempDir()), Bulk: &fhirserver.Bulk{RetryAfter: "1"}, Store: data,
		Now: time.Now, PollsBeforeDone: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	base, err := server.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	t.Setenv("MINE_SERVER", base)
	plans := filepath.Join(t.TempDir(), "mine.yaml")
	text := `version: 1
sources:
  mine: {url: "${MINE_SERVER}", dialect: bulk, auth: {kind: none}}
plans:
  - {name: demo, source: mine, level: system, schema: main, schedule: "@every 1s"}
`
	if err := os.WriteFile(plans, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	w, db := newCloud(t, sandbox.Options{Exports: plans})
	if w.Server != nil {
		t.Error("there is a FHIR server of the sandbox, too")
	}
	host, err := w.StartHost(t.Context(), stageCloud(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer host.Stop()
	ctx, done := context.WithTimeout(t.Context(), 2*time.Minute)
	defer done()
	if _, err := w.Export(ctx, host); err != nil {
		t.Fatal(err)
	}
	sameAsFresh(t, data, db)
}

func TestWrongCallsOfRunWithPlansAreRefusedAtOnce(t *testing.T) {
	t.Parallel()
	plans := filepath.Join(t.TempDir(), "mine.yaml")
	if err := os.WriteFile(plans, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string][]string{
		"is no file": {"--exports", filepath.Join(t.TempDir(), "none")},
		"--patients": {"--exports", plans, "--patients", "3"},
		"--source":   {"--exports", plans, "--source", "bulk"},
	} {
		var out bytes.Buffer
		cmd := sandbox.Command(&out, &out)
		cmd.SetArgs(append([]string{"run"}, args...))
		if err := cmd.ExecuteContext(t.Context()); !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%v: %v", args, err)
		}
	}
}

package internal

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// runMake runs make with the folder programs as the whole PATH, and returns its output.
func runMake(t *testing.T, programs string, args ...string) (string, error) {
	t.Helper()
	path, err := exec.LookPath("make")
	if err != nil {
		t.Skip("make is not on PATH: install it to run this test")
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Dir = ".."
	cmd.Env = append(os.Environ(), "PATH="+programs, "MAKEFLAGS=", "MAKELEVEL=", "APP=", "EXPORTS=")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func TestPublishNamesWhatIsMissingBeforeItBuilds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"no app", []string{"publish"}, "make publish APP=my-app"},
		{
			"no Core Tools",
			[]string{"publish", "APP=my-app"},
			"func is missing: install Azure Functions Core Tools 4",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			out, err := runMake(t, t.TempDir(), c.args...)
			if err == nil || !strings.Contains(out, c.want) {
				t.Errorf("error %v, output %q, want %q", err, out, c.want)
			}
			if strings.Contains(out, "build") {
				t.Errorf("it went on: %q", out)
			}
		})
	}
}

// The flags are Core Tools' for a custom handler that is already built.
func TestPublishSendsTheStagedFolder(t *testing.T) {
	t.Parallel()
	programs := t.TempDir()
	fake := "#!/bin/sh\necho \"func got: $*\"\n"
	if err := os.WriteFile(filepath.Join(programs, "func"), []byte(fake), 0o700); err != nil {
		t.Fatal(err)
	}
	out, err := runMake(t, programs, "--old-file=package", "publish", "APP=my-app")
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if want := "func got: azure functionapp publish my-app --custom --no-build --script-root dist\n"; !strings.HasSuffix(out, want) {
		t.Errorf("got %q, want %q", out, want)
	}
}

package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"fhirsynapse/internal/packaging/stage"
)

// Build compiles a package of the repository into out, with the variables environ in addition to
// the variables of the process.
func Build(ctx context.Context, root, pkg, out string, environ []string, args ...string) error {
	args = append(append([]string{"build", "-o", out}, args...), pkg)
	cmd := exec.CommandContext(ctx, "go", args...) //nolint:gosec // the go command on packages of this repository
	cmd.Dir = root
	cmd.Env = append(os.Environ(), environ...)
	var said bytes.Buffer
	cmd.Stderr = &said
	err := cmd.Run()
	switch {
	case err == nil:
		return nil
	case errors.Is(err, exec.ErrNotFound):
		return errors.New("go is not on PATH: install Go 1.26 or newer")
	case strings.Contains(said.String(), "C compiler") || strings.Contains(said.String(), "g++"):
		return fmt.Errorf(
			"build %s: DuckDB needs a C++ compiler; install g++ (Debian: apt-get install g++)\n%s",
			pkg, said.String())
	}
	return fmt.Errorf("build %s: %w\n%s", pkg, err, said.String())
}

// Package builds the local handler, packages the function app in dir, and returns the app's folder.
func Package(ctx context.Context, root, dir string) (string, error) {
	handler, err := filepath.Abs(filepath.Join(dir, "fhirsynapse"))
	if err != nil {
		return "", err
	}
	if err := Build(ctx, root, "./cmd/fhirsynapse", handler, nil); err != nil {
		return "", err
	}
	staged := filepath.Join(dir, "app")
	return staged, stage.Stage(stage.Options{Root: root, Out: staged, Executable: handler})
}

// Clear makes dir an empty folder for the sandbox. It refuses a folder with other files, and
// recognizes its own by the mark that an earlier run left.
func Clear(dir string) error {
	mark := filepath.Join(dir, ".fhirsynapse-sandbox")
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("clear %s: %w", dir, err)
	}
	entries = slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return e.Name() == lockName })
	if len(entries) > 0 {
		if _, err := os.Stat(mark); err != nil {
			return fmt.Errorf("%s holds files that no demo made: name another folder with --dir",
				dir)
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // for the person who runs the demo
		return fmt.Errorf("clear %s: %w", dir, err)
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return fmt.Errorf("clear %s: %w", dir, err)
		}
	}
	return os.WriteFile(mark, []byte("made by the demo; everything here may be deleted\n"), 0o600)
}

// Package release builds the parts of a release: both programs for Linux and macOS on amd64 and
// arm64, the function app as a zip file, a software bill of materials for each program, and the
// checksums of all files.
//
// The same commit, version and Go release give the same bytes in every folder. A program that links
// DuckDB also depends on the C++ compiler, and needs one for its target: without it the release
// leaves the program out and reports that.
package release

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"fhirsynapse/internal/packaging/stage"
)

// VersionVariable is the variable that the linker sets to the version.
const VersionVariable = "fhirsynapse/internal/app.release"

// Flags returns the flags of go build for published programs: no paths of the machine, no symbol
// table, no build id, the version.
func Flags(version string) []string {
	return []string{
		"-trimpath", "-buildvcs=false",
		"-ldflags=-s -w -buildid= -X " + VersionVariable + "=" + version,
	}
}

// Release describes a release to build.
type Release struct {
	// Root is the repository, Out the folder to fill, which is cleared first.
	Root, Out string
	// Version names the release, as git describe prints it.
	Version string
	// SBOM is the module of cyclonedx-gomod with its version; empty means no bills of materials.
	SBOM string
	// Targets are the targets to build; see the function Targets.
	Targets []Target
	// Machine describes this machine's compilers.
	Machine Machine
	Log     io.Writer
}

// Run builds everything. A target that this machine cannot build is reported and left out.
func (r Release) Run(ctx context.Context) error {
	if r.Version == "" || strings.ContainsAny(r.Version, " /'\"") {
		return fmt.Errorf("release: the version %q is no file name", r.Version)
	}
	if err := r.clear(); err != nil {
		return fmt.Errorf("release: %w", err)
	}
	work, err := os.MkdirTemp("", "fhirsynapse-release-")
	if err != nil {
		return fmt.Errorf("release: %w", err)
	}
	defer func() { _ = os.RemoveAll(work) }()
	for _, t := range r.Targets {
		environ, reason := r.Machine.environment(t)
		if reason != "" {
			r.say("%s is left out: %s", t, reason)
			continue
		}
		if err := r.build(ctx, t, environ, work); err != nil {
			return fmt.Errorf("release %s: %w", t, err)
		}
	}
	if err := WriteSums(r.Out); err != nil {
		return fmt.Errorf("release: %w", err)
	}
	return nil
}

func (r Release) say(format string, args ...any) {
	fmt.Fprintf(r.Log, "release: "+format+"\n", args...)
}

// mark is a file in the folder of a release, so that no other folder is removed.
const mark = ".fhirsynapse-release"

func (r Release) clear() error {
	entries, err := os.ReadDir(r.Out)
	if err == nil && len(entries) > 0 {
		if _, err := os.Stat(filepath.Join(r.Out, mark)); err != nil {
			return fmt.Errorf("%s holds something else than a release: name another folder", r.Out)
		}
	}
	if err := os.RemoveAll(r.Out); err != nil {
		return err
	}
	if err := os.MkdirAll(r.Out, 0o750); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.Out, mark), nil, 0o600)
}

// build makes the archive of one target, its bill, and the function app for the handler's Azure
// target.
func (r Release) build(ctx context.Context, t Target, environ []string, work string) error {
	r.say("%s", t)
	program := filepath.Join(work, t.String(), t.Program)
	args := append(append([]string{"build"}, Flags(r.Version)...), "-o", program, t.Package)
	if err := r.goCommand(ctx, environ, args...); err != nil {
		return err
	}
	licenses, err := stage.Licenses(ctx, r.Root, program)
	if err != nil {
		return err
	}
	notices := filepath.Join(work, t.String(), "THIRD-PARTY-LICENSES.txt")
	if err := os.WriteFile(notices, licenses, 0o600); err != nil {
		return err
	}
	name := fmt.Sprintf("%s_%s_%s_%s", t.Program, r.Version, t.OS, t.Arch)
	out := filepath.Join(r.Out, name)
	if err := writeArchive(out+".tar.gz", []string{filepath.Join(r.Root, "LICENSE"), notices},
		program); err != nil {
		return err
	}
	if r.SBOM != "" {
		if err := r.bill(ctx, program, out+".cdx.json"); err != nil {
			return err
		}
	}
	if t != azure {
		return nil
	}
	app := filepath.Join(work, "dist")
	if err := stage.Stage(stage.Options{
		Root: r.Root, Out: app, Executable: program, Licenses: licenses,
	}); err != nil {
		return err
	}
	return stage.Zip(app, filepath.Join(r.Out, "function-app_"+r.Version+".zip"))
}

// bill writes a CycloneDX document of a program's modules. It contains nothing that differs between
// runs.
func (r Release) bill(ctx context.Context, program, out string) error {
	out, err := filepath.Abs(out)
	if err != nil {
		return err
	}
	// The bill has the checksum of the tool, which is built here.
	return r.goCommand(ctx, []string{"GOFLAGS=-trimpath", "CGO_ENABLED=0"}, "run", r.SBOM, "bin",
		"-json", "-noserial", "-notimestamp", "-std", "-output-version=1.6",
		"-version="+r.Version, "-output="+out, program)
}

func (r Release) goCommand(ctx context.Context, environ []string, args ...string) error {
	cmd := exec.CommandContext(ctx, "go", args...) //nolint:gosec // the arguments are ours
	cmd.Dir = r.Root
	// The user's flags would change the bytes.
	cmd.Env = append(append(slices.Clone(r.Machine.Environ), "GOFLAGS=", "GOOS=", "GOARCH=",
		"GOAMD64=", "GOARM64=", "GOEXPERIMENT="), environ...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return errors.Join(fmt.Errorf("go %s: %w", args[0], err),
			errors.New(strings.TrimSpace(string(out))))
	}
	return nil
}

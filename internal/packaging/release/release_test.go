package release

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"debug/buildinfo"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/azfunc"
)

// found pretends that a machine has these programs.
func found(programs ...string) func(string) (string, error) {
	return func(name string) (string, error) {
		if slices.Contains(programs, name) {
			return "/usr/bin/" + name, nil
		}
		return "", exec.ErrNotFound
	}
}

func TestWhatAMachineCanBuild(t *testing.T) {
	t.Parallel()
	const handlers = "handler-linux-amd64 handler-linux-arm64 handler-darwin-amd64 handler-darwin-arm64"
	for name, c := range map[string]struct {
		machine Machine
		want    string
		reasons []string
	}{
		"no compiler": {
			Machine{OS: "linux", Arch: "amd64", LookPath: found()},
			handlers,
			[]string{
				"the compiler gcc is missing", "aarch64-linux-gnu-gcc is missing",
				"build it on a machine with darwin", "build it on a machine with darwin",
			},
		},
		"its own compiler": {
			Machine{OS: "linux", Arch: "amd64", LookPath: found("gcc", "g++")},
			handlers + " fhirsynapse-linux-amd64",
			[]string{
				"aarch64-linux-gnu-gcc is missing", "machine with darwin", "machine with darwin",
			},
		},
		"a cross compiler": {
			Machine{
				OS: "linux", Arch: "arm64",
				LookPath: found("gcc", "g++", "x86_64-linux-gnu-gcc", "x86_64-linux-gnu-g++"),
			},
			handlers + " fhirsynapse-linux-amd64 fhirsynapse-linux-arm64",
			[]string{"machine with darwin", "machine with darwin"},
		},
		"a Mac": {
			Machine{OS: "darwin", Arch: "arm64", LookPath: found("clang", "clang++")},
			handlers + " fhirsynapse-darwin-amd64 fhirsynapse-darwin-arm64",
			[]string{"machine with linux", "machine with linux"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var built, reasons []string
			for _, target := range Targets() {
				environ, reason := c.machine.environment(target)
				if reason != "" {
					reasons = append(reasons, reason)
					continue
				}
				built = append(built, target.String())
				if cgo := slices.Contains(environ, "CGO_ENABLED=1"); cgo != target.CGO ||
					!slices.Contains(environ, "GOARCH="+target.Arch) {
					t.Errorf("%s is built with %v", target, environ)
				}
			}
			if diff := cmp.Diff(strings.Fields(c.want), built); diff != "" {
				t.Error(diff)
			}
			if len(reasons) != len(c.reasons) {
				t.Fatalf("reasons: %q", reasons)
			}
			for i, want := range c.reasons {
				if !strings.Contains(reasons[i], want) {
					t.Errorf("reason %q does not say %q", reasons[i], want)
				}
			}
		})
	}
}

// module is a repository of one small program that prints its path and version.
func module(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":            "module fhirsynapse\n\ngo 1.26\n",
		"internal/app/v.go": "package app\n\nvar release string\n\nfunc Release() string { return release }\n",
		"handler/main.go":   "package main\n\nimport (\n\t\"os\"\n\t\"runtime\"\n\t\"fhirsynapse/internal/app\"\n)\n\nfunc main() { _, file, _, _ := runtime.Caller(0); os.Stdout.WriteString(app.Release() + \" \" + file) }\n",
		"host.json":         `{"customHandler":{"description":{"defaultExecutablePath":"handler"}}}`,
		"LICENSE":           "MIT\n",
	} {
		write(t, filepath.Join(root, name), text)
	}
	for _, function := range azfunc.Functions() {
		from := filepath.Join("../../../functions", function, "function.json")
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(root, "functions", function, "function.json"), string(text))
	}
	return root
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func machine() Machine {
	return Machine{OS: runtime.GOOS, Arch: runtime.GOARCH, Environ: os.Environ(), LookPath: found()}
}

func TestAReleaseHasWhatCanBeBuiltAndItsChecksums(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	// Only some handlers, because compiling Go's packages for four platforms takes minutes.
	targets := slices.DeleteFunc(Targets(), func(target Target) bool {
		return !target.CGO && target != azure
	})
	r := Release{
		Root: module(t), Out: filepath.Join(t.TempDir(), "release"), Version: "v1.2.3",
		Targets: targets, Machine: machine(), Log: &log,
	}
	if err := r.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := []string{"function-app_v1.2.3.zip", "handler_v1.2.3_linux_amd64.tar.gz"}
	sums, err := os.ReadFile(filepath.Join(r.Out, sumsFile))
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for line := range strings.Lines(string(sums)) {
		sum, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		got, err := sumOf(filepath.Join(r.Out, name))
		if err != nil || got != sum {
			t.Errorf("%s: %v, %s in the list and %s in truth", name, err, sum, got)
		}
		listed = append(listed, name)
	}
	if diff := cmp.Diff(want, listed); diff != "" {
		t.Error(diff)
	}
	if n := strings.Count(log.String(), "is left out: it links DuckDB"); n != 4 {
		t.Errorf("%d programs are left out with a reason: %s", n, log.String())
	}
	if err := r.Run(t.Context()); err != nil {
		t.Errorf("a second release into the same folder: %v", err)
	}
	again, err := os.ReadFile(filepath.Join(r.Out, sumsFile))
	if err != nil || !bytes.Equal(sums, again) {
		t.Errorf("the second release differs: %v\n%s%s", err, sums, again)
	}
	checkArchive(t, filepath.Join(r.Out, "handler_v1.2.3_linux_amd64.tar.gz"))
}

// checkArchive checks an archive's modes and the program's output.
func checkArchive(t *testing.T, path string) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	packed, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	modes := map[string]int64{}
	for archive := tar.NewReader(packed); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		modes[header.Name] = header.Mode
		if header.Name != "handler" {
			continue
		}
		program, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		info, err := buildinfo.Read(bytes.NewReader(program))
		if err != nil {
			t.Fatal(err)
		}
		for _, setting := range info.Settings {
			if strings.HasPrefix(setting.Key, "vcs") {
				t.Errorf("the program has %s, which another folder has not", setting.Key)
			}
		}
		if !bytes.Contains(program, []byte("v1.2.3")) {
			t.Error("the program does not know its version")
		}
	}
	if diff := cmp.Diff(map[string]int64{
		"LICENSE": 0o644, "THIRD-PARTY-LICENSES.txt": 0o644, "handler": 0o755,
	}, modes); diff != "" {
		t.Error(diff)
	}
}

func TestAFolderOfSomethingElseIsLeftAlone(t *testing.T) {
	t.Parallel()
	out := t.TempDir()
	write(t, filepath.Join(out, "thesis.txt"), "x")
	err := Release{
		Root: module(t), Out: out, Version: "v1", Machine: machine(), Log: io.Discard,
	}.Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "holds something else") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(filepath.Join(out, "thesis.txt")); err != nil {
		t.Error(err)
	}
}

func TestCheckFindsWhatDependsOnTheFolder(t *testing.T) {
	t.Parallel()
	c := Check{
		Root: module(t), Flags: Flags("v1.2.3"), Target: azure, Machine: machine(),
		SharedCache: true,
	}
	if _, err := c.Run(t.Context()); err != nil {
		t.Errorf("the flags of a release: %v", err)
	}
	c.Flags = slices.DeleteFunc(c.Flags, func(f string) bool { return f == "-trimpath" })
	if _, err := c.Run(t.Context()); !errors.Is(err, ErrDiffers) {
		t.Errorf("without -trimpath: got %v", err)
	}
}

// The package that a user publishes is then the release's.
func TestTheMakefileBuildsThePackageWithTheFlagsOfARelease(t *testing.T) {
	t.Parallel()
	makefile, err := os.ReadFile("../../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	flags := Flags("$(VERSION)")
	name, value, _ := strings.Cut(flags[len(flags)-1], "=")
	want := strings.Join(flags[:len(flags)-1], " ") + " " + name + "='" + value + "'"
	if !strings.Contains(string(makefile), want) {
		t.Errorf("the Makefile has not %q", want)
	}
}

package release

import (
	"fmt"
	"os/exec"
	"strings"
)

// Target is one program for one platform.
type Target struct {
	// Program is the name of the executable, Package its source.
	Program, Package string
	OS, Arch         string
	// CGO is set if the program links DuckDB, which needs a C++ compiler.
	CGO bool
}

func (t Target) String() string { return t.Program + "-" + t.OS + "-" + t.Arch }

// azure is the target for the function app.
var azure = Target{Program: "handler", Package: "./handler", OS: "linux", Arch: "amd64"}

// Targets returns all targets of a release.
func Targets() []Target {
	var all []Target
	for _, program := range []Target{
		{Program: "handler", Package: "./handler"},
		{Program: "fhirsynapse", Package: "./cmd/fhirsynapse", CGO: true},
	} {
		for _, os := range []string{"linux", "darwin"} {
			for _, arch := range []string{"amd64", "arm64"} {
				t := program
				t.OS, t.Arch = os, arch
				all = append(all, t)
			}
		}
	}
	return all
}

// Machine decides which targets can be built.
type Machine struct {
	OS, Arch string
	Environ  []string
	// LookPath finds a program; nil means exec.LookPath.
	LookPath func(string) (string, error)
}

// triplets name the cross compilers of Debian and Ubuntu.
var triplets = map[string]string{"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}

// environment returns the variables that build a target here, or the reason why it
// cannot be built.
func (m Machine) environment(t Target) (environ []string, reason string) {
	environ = []string{"GOOS=" + t.OS, "GOARCH=" + t.Arch, "CGO_ENABLED=0"}
	if !t.CGO {
		return environ, ""
	}
	environ[2] = "CGO_ENABLED=1"
	cc, cxx := "gcc", "g++"
	switch {
	case t.OS == m.OS && t.OS == "darwin":
		// Apple's compiler builds for both processors.
		arch := strings.Replace(t.Arch, "amd64", "x86_64", 1)
		cc, cxx = "clang -arch "+arch, "clang++ -arch "+arch
	case t.OS != m.OS:
		return nil, fmt.Sprintf(
			"it links DuckDB, and there is no C++ compiler here that links for %s: build it on a machine with %s", t.OS, t.OS)
	case t.Arch != m.Arch:
		cc, cxx = triplets[t.Arch]+"-gcc", triplets[t.Arch]+"-g++"
	}
	lookPath := m.LookPath
	if lookPath == nil {
		lookPath = exec.LookPath
	}
	for _, compiler := range []string{cc, cxx} {
		program, _, _ := strings.Cut(compiler, " ")
		if _, err := lookPath(program); err != nil {
			return nil, fmt.Sprintf("it links DuckDB, and the compiler %s is missing", program)
		}
	}
	return append(environ, "CC="+cc, "CXX="+cxx), ""
}

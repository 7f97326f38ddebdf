// Package infra_test compares the Bicep files with the product, its documentation and Azure's
// rules.
package infra_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite testdata from the Bicep files, with the compiler")

// Files of testdata for machines without the compiler: the compiled template, the compiled
// parameter files, and the hashes of their sources.
const (
	compiledTemplate   = "testdata/main.json"
	compiledParameters = "testdata/parameters.json"
	compiledSources    = "testdata/sources.txt"
)

// compilerVersion is the version of Bicep that has written testdata.
const compilerVersion = "0.49.2"

// compiler returns the path of the Bicep compiler, or "".
var compiler = sync.OnceValue(func() string {
	for _, candidate := range []string{
		filepath.Join("..", "..", "shared", "tools", "bicep"), "bicep",
	} {
		if path, err := exec.LookPath(candidate); err == nil {
			if path, err = filepath.Abs(path); err == nil {
				return path
			}
		}
	}
	return ""
})

// bicep runs the compiler in a folder. The compiler reports a wrong property as a warning with exit
// code 0, so each line on stderr is a failure.
func bicep(t *testing.T, dir string, args ...string) []byte {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 8*time.Minute)
	defer stop()
	cmd := exec.CommandContext(ctx, compiler(), args...)
	var stdout, stderr bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &stdout, &stderr
	// The parameter files read these variables; testdata has their defaults.
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "AZURE_") || strings.HasPrefix(v, "OPERATOR_") ||
			strings.HasPrefix(v, "WAREHOUSE=")
	})
	if err := cmd.Run(); err != nil || stderr.Len() > 0 {
		t.Errorf("bicep %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return stdout.Bytes()
}

func sources(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, pattern := range []string{
		"*.bicep", "*.bicepparam", "modules/*.bicep", "bicepconfig.json",
	} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, names...)
	}
	if len(out) < 20 {
		t.Fatalf("only %d Bicep files found: %v", len(out), out)
	}
	return out
}

// sums returns each Bicep file's name with its hash.
func sums(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for _, name := range sources(t) {
		fmt.Fprintf(&b, "%x  %s\n",
			sha256.Sum256(bytes.ReplaceAll(read(t, name), []byte("\r\n"), []byte("\n"))),
			filepath.ToSlash(name))
	}
	return b.String()
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func parse(t *testing.T, data []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatal(err)
	}
}

// tidy removes the compiler's metadata about itself.
func tidy(v any) any {
	switch v := v.(type) {
	case map[string]any:
		delete(v, "_generator")
		if m, ok := v["metadata"].(map[string]any); ok && len(m) <= 1 && m["description"] == nil &&
			m["azd"] == nil {
			delete(v, "metadata")
		}
		for _, inner := range v {
			tidy(inner)
		}
	case []any:
		for _, inner := range v {
			tidy(inner)
		}
	}
	return v
}

func indented(t *testing.T, data []byte) []byte {
	t.Helper()
	var v any
	parse(t, data, &v)
	out, err := json.MarshalIndent(tidy(v), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return append(out, '\n')
}

// copied returns a copy of the Bicep files, because the compiler writes into their folder.
func copied(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "modules"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range sources(t) {
		write(t, filepath.Join(dir, name), read(t, name))
	}
	return dir
}

func write(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// The other tests read the compiled template in testdata, so that they run on machines without the
// compiler. This test fails if that copy is stale, and writes it with -update; it is not parallel,
// because the other tests would read a half-written copy.
func TestTheBicepFilesAreCompiledWithoutAWarning(t *testing.T) {
	if compiler() != "" {
		dir := copied(t)
		built := indented(t, bicep(t, dir, "build", "main.bicep", "--stdout"))
		// Other versions may write the same template differently.
		if version := string(bicep(t, dir, "--version")); strings.Contains(version,
			" "+compilerVersion+" ") {
			held(t, compiledTemplate, built)
		} else {
			t.Logf("%sis not version %s: what it gives is not compared with testdata", version,
				compilerVersion)
		}
		held(t, compiledParameters, parameterFiles(t, dir))
		// main.bicep does not use this one.
		bicep(t, dir, "lint", "modules/fabric.bicep")
		for _, pattern := range []string{"*.bicep", "modules/*.bicep", "*.bicepparam"} {
			bicep(t, dir, "format", "--pattern", pattern)
		}
		for _, name := range sources(t) {
			if !bytes.Equal(read(t, filepath.Join(dir, name)), read(t, name)) {
				t.Errorf("%s is not formatted: run bicep format infra/%s", name, name)
			}
		}
	} else {
		t.Log("the Bicep compiler is not here: the hashes alone tell that testdata was compiled of these files")
	}
	held(t, compiledSources, []byte(sums(t)))
}

// held compares a file of testdata with the output of the Bicep files.
func held(t *testing.T, name string, want []byte) {
	t.Helper()
	if *update && compiler() != "" {
		write(t, name, want)
	}
	if got := read(t, name); !bytes.Equal(got, want) {
		gotLines, wantLines := strings.Split(string(got), "\n"), strings.Split(string(want), "\n")
		for i := range min(len(gotLines), len(wantLines)) {
			if gotLines[i] != wantLines[i] {
				t.Errorf("%s is older than the Bicep files: run make golden, with bicep on the PATH\nline %d: %s\n  they give: %s", name, i+1, gotLines[i], wantLines[i])
				return
			}
		}
		t.Errorf("%s is older than the Bicep files: run make golden, with bicep on the PATH", name)
	}
}

// parameterFiles compiles the parameter files into one document, by name.
func parameterFiles(t *testing.T, dir string) []byte {
	t.Helper()
	bicep(t, dir, "build-params", "--pattern", "*.bicepparam")
	all := map[string]map[string]any{}
	for _, name := range sources(t) {
		name, isParameters := strings.CutSuffix(name, ".bicepparam")
		if !isParameters {
			continue
		}
		var file struct {
			Parameters map[string]struct {
				Value any `json:"value"`
			} `json:"parameters"`
		}
		parse(t, read(t, filepath.Join(dir, name+".json")), &file)
		all[name] = map[string]any{}
		for p, v := range file.Parameters {
			all[name][p] = v.Value
		}
	}
	out, err := json.MarshalIndent(all, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return append(out, '\n')
}

// parsed returns the compiled template. No test runs before the one that may rewrite it.
var parsed = sync.OnceValues(func() (template, error) {
	var out template
	data, err := os.ReadFile(compiledTemplate)
	if err == nil {
		err = json.Unmarshal(data, &out)
	}
	return out, err
})

// compiled returns the template of a deployment.
func compiled(t *testing.T) template {
	t.Helper()
	out, err := parsed()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// deployed evaluates the template with the given parameters, in addition to required ones.
func deployed(t *testing.T, parameters map[string]any) *deployment {
	t.Helper()
	all := map[string]any{"environmentName": "dev", "location": "northeurope"}
	for k, v := range parameters {
		all[k] = v
	}
	tmpl := compiled(t)
	for name, v := range all {
		p, ok := tmpl.Parameters[name]
		if !ok {
			t.Fatalf("the template has no parameter %s", name)
		}
		if len(p.AllowedValues) > 0 && !slices.Contains(p.AllowedValues, v) {
			t.Fatalf("parameter %s takes no %v", name, v)
		}
	}
	workedOut.Lock()
	defer workedOut.Unlock()
	key := fmt.Sprint(all)
	if d := workedOut.of[key]; d != nil {
		return d
	}
	d, err := deploy(tmpl, all)
	if err != nil {
		t.Fatal(err)
	}
	workedOut.of[key] = d
	return d
}

// workedOut caches the tests' deployments by parameters. They are immutable.
var workedOut = struct {
	sync.Mutex
	of map[string]*deployment
}{of: map[string]*deployment{}}

// only returns the one resource of a type whose name has the given end.
func only(t *testing.T, d *deployment, kind, end string) resource {
	t.Helper()
	var found []resource
	for _, r := range d.all(kind) {
		if strings.HasSuffix(r.Name, end) {
			found = append(found, r)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d resources of type %s with a name in %q, want 1", len(found), kind, end)
	}
	return found[0]
}

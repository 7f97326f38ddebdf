package stage

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/azfunc"
)

const root = "../../.." // the repository

// program writes a file in place of the built executable.
func program(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "built")
	if err := os.WriteFile(path, []byte("#!/bin/sh\nexit 0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func stageInto(t *testing.T, change func(*Options)) Options {
	t.Helper()
	o := Options{Root: root, Out: filepath.Join(t.TempDir(), "dist"), Executable: program(t)}
	if change != nil {
		change(&o)
	}
	if err := Stage(o); err != nil {
		t.Fatal(err)
	}
	return o
}

func files(t *testing.T, dir string) []string {
	t.Helper()
	var names []string
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestStagedFolderHoldsTheHandlerAndOneFunctionPerRouteAndNothingElse(t *testing.T) {
	t.Parallel()
	o := stageInto(t, nil)
	want := []string{"handler", "host.json"}
	for _, f := range azfunc.Functions() {
		want = append(want, f+"/function.json")
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, files(t, o.Out)); diff != "" {
		t.Error(diff)
	}
	info, err := os.Stat(filepath.Join(o.Out, "handler"))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o755 {
		t.Errorf("the handler has mode %v", info.Mode())
	}
	if !bytes.Equal(read(t, filepath.Join(o.Out, "handler")), read(t, o.Executable)) {
		t.Error("the handler is not the program")
	}
	left, err := os.ReadDir(filepath.Dir(o.Out))
	if err != nil || len(left) != 1 {
		t.Errorf("beside the folder: %v, %v", left, err)
	}
}

func TestTheExecutableIsNamedAsHostJSONSays(t *testing.T) {
	t.Parallel()
	o := stageInto(t, nil)
	var host struct {
		CustomHandler struct {
			Description struct{ DefaultExecutablePath string }
		}
	}
	if err := json.Unmarshal(read(t, filepath.Join(o.Out, "host.json")), &host); err != nil {
		t.Fatal(err)
	}
	name := host.CustomHandler.Description.DefaultExecutablePath
	if _, err := os.Stat(filepath.Join(o.Out, name)); err != nil {
		t.Error(err)
	}
}

func TestAZipMadeAsCoreToolsMakesItCarriesTheExecBit(t *testing.T) {
	t.Parallel()
	o := stageInto(t, nil)
	name, err := executableName(filepath.Join(o.Out, "host.json"))
	if err != nil {
		t.Fatal(err)
	}
	var buf bytes.Buffer
	if err := coreToolsZip(&buf, o.Out, name); err != nil {
		t.Fatal(err)
	}
	r, err := zip.NewReader(bytes.NewReader(buf.Bytes()), int64(buf.Len()))
	if err != nil {
		t.Fatal(err)
	}
	modes := map[string]fs.FileMode{}
	for _, f := range r.File {
		modes[f.Name] = f.Mode()
	}
	want := map[string]fs.FileMode{"handler": 0o777, "host.json": 0o666}
	for _, f := range azfunc.Functions() {
		want[f+"/function.json"] = 0o666
	}
	if diff := cmp.Diff(want, modes); diff != "" {
		t.Error(diff)
	}
}

// coreToolsZip does the same as Core Tools' ZipHelper: it loses the original modes, and only the
// entry whose name equals defaultExecutablePath exactly is executable.
func coreToolsZip(w io.Writer, dir, executable string) error {
	z := zip.NewWriter(w)
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		h := &zip.FileHeader{Name: path, Method: zip.Deflate}
		h.SetMode(0o666)
		if path == executable {
			h.SetMode(0o777)
		}
		entry, err := z.CreateHeader(h)
		if err != nil {
			return err
		}
		b, err := os.ReadFile(filepath.Join(dir, path)) // #nosec G304 -- a test's own folder
		if err != nil {
			return err
		}
		_, err = entry.Write(b)
		return err
	})
	if err != nil {
		return err
	}
	return z.Close()
}

func TestPollingTakesTheOtherTriggerOfBlobLoaded(t *testing.T) {
	t.Parallel()
	o := stageInto(t, func(o *Options) { o.BlobTrigger = BlobTriggerPolling })
	got := string(read(t, filepath.Join(o.Out, "BlobLoaded", "function.json")))
	if !strings.Contains(got, `"blobTrigger"`) ||
		!strings.Contains(got, `"supportsDeferredBinding": true`) {
		t.Errorf("got %s", got)
	}
	if n := len(files(t, o.Out)); n != 9 {
		t.Errorf("%d files", n)
	}
}

func TestAnotherRunReplacesTheFolderAndClearsStaleFiles(t *testing.T) {
	t.Parallel()
	o := stageInto(t, func(o *Options) { o.BlobTrigger = BlobTriggerPolling })
	for _, name := range []string{
		filepath.Join(o.Out, "stale"), filepath.Join(o.Out, "local.settings.json"),
		filepath.Join(o.Out, "TimerExport", "run.go"),
	} {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	killed := o.Out + "-new-123"
	if err := os.MkdirAll(filepath.Join(killed, "fresh"), 0o750); err != nil {
		t.Fatal(err)
	}
	o.BlobTrigger, o.Exports = BlobTriggerEvents, filepath.Join(root, "exports.sample.yaml")
	if err := Stage(o); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"BlobLoaded/function.json", "Cancel/function.json", "PollExport/function.json",
		"Retry/function.json", "Start/function.json", "Status/function.json",
		"TimerExport/function.json", "exports.yaml", "handler", "host.json", "local.settings.json",
	}
	if diff := cmp.Diff(want, files(t, o.Out)); diff != "" {
		t.Error(diff)
	}
	if _, err := os.Stat(killed); err == nil {
		t.Error("the folder of a killed run is still there")
	}
}

func TestAFolderOfSomethingElseIsLeftAlone(t *testing.T) {
	t.Parallel()
	for name, file := range map[string]string{
		"a stranger's": "thesis.txt", "a repository with a host.json": "go.mod",
		"an app with a database": "fhir.duckdb",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := t.TempDir()
			for _, f := range []string{file, filepath.Base(file) + ".bak"} {
				if err := os.WriteFile(filepath.Join(out, f), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if file != "thesis.txt" {
				if err := os.WriteFile(filepath.Join(out, "host.json"), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := Stage(Options{Root: root, Out: out, Executable: program(t)}); err == nil {
				t.Error("it was replaced")
			}
			if _, err := os.Stat(filepath.Join(out, file)); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAllFaultsAreReportedTogetherAndTheOldFolderStays(t *testing.T) {
	t.Parallel()
	good := stageInto(t, nil)
	bad := t.TempDir()
	for path, text := range map[string]string{
		"host.json":                              `{"customHandler":{"description":{"defaultExecutablePath":"handler"}}}`,
		"functions/Stranger/function.json":       `{}`,
		"functions/TimerExport/function.json":    `{"bindings":[{"type":"timerTrigger","name":"t"}]}`,
		"functions/BlobLoaded/function.json":     `{"bindings":[{"type":"blobTrigger","name":"blob"}]}`,
		"functions/Start/function.json":          `{"bindings":[{"type":"httpTrigger","name":"req","route":"start","authLevel":"anonymous"}]}`,
		"functions/Cancel/function.json":         `{"bindings":[{"type":"httpTrigger","name":"req","route":"end","authLevel":"admin"}]}`,
		"functions/README.md":                    ``,
		"functions/Stranger/nested/ignored.json": ``,
	} {
		p := filepath.Join(bad, path)
		if err := os.MkdirAll(filepath.Dir(p), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	err := Stage(Options{
		Root: bad, Out: good.Out, Executable: filepath.Join(bad, "none"), BlobTrigger: "push",
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		`blob trigger "push"`, "build it first", "functions/Stranger", `named "t"`,
		"supportsDeferredBinding", "functions/PollExport: missing",
		`authLevel is "anonymous", and must be "admin"`, `route is "end"`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
	if n := len(files(t, good.Out)); n != 9 {
		t.Errorf("the old folder now has %d files", n)
	}
}

func TestAnExecutablePathThatWouldLoseTheExecBitIsRefused(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"./handler", "bin/handler", "", "..", `bin\handler`} {
		path := filepath.Join(t.TempDir(), "host.json")
		text, err := json.Marshal(
			map[string]any{
				"customHandler": map[string]any{
					"description": map[string]any{"defaultExecutablePath": name},
				},
			})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := executableName(path); err == nil {
			t.Errorf("%q: got %q", name, got)
		}
	}
}

func TestTheSampleSettingsHaveEverySettingThatTheTriggersName(t *testing.T) {
	t.Parallel()
	var sample struct{ Values map[string]string }
	if err := json.Unmarshal(read(t, filepath.Join(root, "local.settings.sample.json")),
		&sample); err != nil {
		t.Fatal(err)
	}
	if sample.Values["FUNCTIONS_WORKER_RUNTIME"] != "custom" {
		t.Error("FUNCTIONS_WORKER_RUNTIME must be custom")
	}
	for _, trigger := range []string{BlobTriggerEvents, BlobTriggerPolling} {
		o := stageInto(t, func(o *Options) { o.BlobTrigger = trigger })
		for _, name := range azfunc.Functions() {
			text := string(read(t, filepath.Join(o.Out, name, "function.json")))
			parts := strings.Split(text, "%")
			for i := 1; i < len(parts); i += 2 {
				if sample.Values[parts[i]] == "" {
					t.Errorf("%s needs the setting %s", name, parts[i])
				}
			}
			for _, connection := range []string{"ServiceBusConnection", "LakeStorage"} {
				if strings.Contains(text, connection) && sample.Values[connection] == "" {
					t.Errorf("%s needs the setting %s", name, connection)
				}
			}
		}
	}
}

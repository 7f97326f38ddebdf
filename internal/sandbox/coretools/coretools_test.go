package coretools

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/emulator/azurite"
	"fhirsynapse/internal/packaging/stage"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/testkit/azuritetest"
	"fhirsynapse/internal/warehouse"
)

const (
	root = "../../.."
	// reportVariable makes the test binary act as func; its value is the file for the report.
	reportVariable = "FHIRSYNAPSE_TEST_FUNC_REPORT"
	// exitVariable makes the test binary end at once, with this exit code.
	exitVariable = "FHIRSYNAPSE_TEST_FUNC_EXIT"
	ready        = "Host lock lease acquired"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(reportVariable); path != "" {
		os.Exit(beFunc(path))
	}
	os.Exit(m.Run())
}

// freePorts returns ports that were free a moment ago.
func freePorts(t *testing.T, n int) []string {
	t.Helper()
	var ports []string
	for range n {
		ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = ln.Close() }()
		_, port, err := net.SplitHostPort(ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		ports = append(ports, port)
	}
	return ports
}

// staged packages an app as make start does, with the sample settings but other ports, so that
// running emulators of the developer do not interfere.
func staged(t *testing.T, ports []string) (dir string, values map[string]string) {
	t.Helper()
	base := t.TempDir()
	dir = filepath.Join(base, "dist-start")
	program := filepath.Join(base, "program")
	for path, source := range map[string]string{
		program: "", filepath.Join(base,
			"exports.yaml"): filepath.Join(root, "exports.sample.yaml"),
	} {
		var text []byte
		if source != "" {
			var err error
			if text, err = os.ReadFile(source); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := stage.Stage(stage.Options{
		Root: root, Out: dir, Executable: program, BlobTrigger: stage.BlobTriggerPolling,
	}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "local.settings.sample.json"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		IsEncrypted bool
		Values      map[string]string
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	storage := "DefaultEndpointsProtocol=http;AccountName=" + azurite.Account + ";AccountKey=" +
		azurite.AccountKey
	for i, service := range []string{"Blob", "Queue", "Table"} {
		storage += ";" + service + "Endpoint=http://127.0.0.1:" + ports[i] + "/" + azurite.Account
	}
	file.Values["LakeStorage"], file.Values["AzureWebJobsStorage"] = storage, storage
	file.Values["ServiceBusConnection"] = strings.Replace(file.Values["ServiceBusConnection"],
		"sb://127.0.0.1", "sb://127.0.0.1:"+ports[3], 1)
	if text, err = json.Marshal(file); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, settingsFile), text, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir, file.Values
}

// newStart returns a Start with this test binary as func.
func newStart(
	t *testing.T, dir string, environ ...string,
) (s Start, out *output, reported func() report) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "report.json")
	out = &output{seen: make(chan struct{})}
	s = Start{
		Tools: filepath.Join(root, "tools", "azurite"), App: dir,
		Data: filepath.Join(t.TempDir(), "data"), Func: os.Args[0],
		Environ: append(append(os.Environ(), reportVariable+"="+file), environ...),
		Engines: warehouse.Engines{
			"duckdb": warehouse.PortOnly(
				func(string, warehouse.OpenOptions) (pipeline.Warehouse, error) {
					return nil, errors.New("not opened by a start")
				}),
		},
		Now: time.Now, Log: slog.New(slog.DiscardHandler), Out: out, Err: out,
	}
	return s, out, func() report {
		t.Helper()
		var r report
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatalf("func has not reported: %v; it printed: %s", err, out)
		}
		if err := json.Unmarshal(text, &r); err != nil {
			t.Fatal(err)
		}
		return r
	}
}

func refused(t *testing.T, ports []string) {
	t.Helper()
	for _, port := range ports {
		if c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp",
			"127.0.0.1:"+port); err == nil {
			_ = c.Close()
			t.Errorf("something still listens on port %s", port)
		}
	}
}

func TestFuncFindsTheEmulatorsAndTheyOutliveIt(t *testing.T) {
	t.Parallel()
	azuritetest.Tools(t)
	ports := freePorts(t, 4)
	dir, _ := staged(t, ports)
	s, out, reported := newStart(t, dir, "FUNCTIONS_CLI_NATIVE_LANGUAGE=go", "CONTAINER_NAME=x")
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	select {
	case <-out.seen:
		interrupt()
		if err := <-ended; err != nil {
			t.Errorf("an interrupt is no failure: %v", err)
		}
	case err := <-ended:
		t.Fatalf("it ended with %v: %+v: %s", err, reported(), out)
	}
	got := reported()
	slices.Sort(got.Containers)
	want := report{
		Args: []string{"start"},
		Files: []string{
			"BlobLoaded", "Cancel", "PollExport", "Retry", "Start", "Status", "TimerExport", "handler",
			"host.json", settingsFile,
		},
		Containers: []string{"fhir-journal", "fhir-landing", "fhir-quarantine", "fhir-staging"},
		Message:    "step", AtTheEnd: "the emulators answer",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	refused(t, ports)
	order := []string{
		"start: Azurite listens", "start: the Service Bus emulator listens", "start: func start",
		ready, "start: func has ended",
	}
	rest := out.String()
	for _, line := range order {
		_, after, found := strings.Cut(rest, line)
		if !found {
			t.Fatalf("%q does not come in its place: %s", line, out)
		}
		rest = after
	}
}

func TestEmulatorsEndWhenFuncFails(t *testing.T) {
	t.Parallel()
	azuritetest.Tools(t)
	ports := freePorts(t, 4)
	dir, _ := staged(t, ports)
	s, _, reported := newStart(t, dir, exitVariable+"=3")
	if err := s.Run(t.Context()); err == nil ||
		!strings.Contains(err.Error(), "func start: exit status 3") {
		t.Errorf("got %v", err)
	}
	if fault := reported().Fault; fault != "" {
		t.Error(fault)
	}
	refused(t, ports)
}

func TestNothingStartsWhileSomethingIsMissing(t *testing.T) {
	t.Parallel()
	ports := freePorts(t, 4)
	for name, c := range map[string]struct {
		spoil func(t *testing.T, s *Start)
		want  string
	}{
		"no func": {func(_ *testing.T, s *Start) {
			s.Func = "no-such-func"
		}, "npm i -g azure-functions-core-tools@4"},
		"no settings": {func(t *testing.T, s *Start) {
			remove(t, filepath.Join(s.App, settingsFile))
		}, "copy local.settings.sample.json there"},
		"no plans": {func(t *testing.T, s *Start) {
			remove(t, filepath.Join(s.App, "..", "exports.yaml"))
		}, "start from exports.sample.yaml"},
		"a bad setting": {func(_ *testing.T, s *Start) {
			s.Environ = append(s.Environ, "Settle=soon")
		}, "Settle"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, _ := staged(t, ports)
			s, out, _ := newStart(t, dir)
			c.spoil(t, &s)
			if err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if out.String() != "" {
				t.Errorf("it went on: %s", out)
			}
		})
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

func TestSettingsSayWhichEmulatorsAreWanted(t *testing.T) {
	t.Parallel()
	const emulator = ";SharedAccessKeyName=k;SharedAccessKey=s;UseDevelopmentEmulator=true"
	queues := map[string]string{"StepsQueue": "export-steps", "BlobEventsQueue": "blob-events"}
	for name, c := range map[string]struct {
		values      map[string]string
		blob, table int // 0: none on this machine
		bus         string
		key         string
	}{
		"the sample's": {map[string]string{
			"AzureWebJobsStorage":  "UseDevelopmentStorage=true",
			"ServiceBusConnection": "Endpoint=sb://127.0.0.1" + emulator,
		}, 10000, 10002, "127.0.0.1:5672", "s"},
		"ports": {map[string]string{
			"LakeStorage": "AccountName=a;BlobEndpoint=http://localhost:1/a;TableEndpoint=http://localhost:2/a", "ServiceBusConnection": "Endpoint=sb://localhost:7/" + emulator,
		}, 1, 2, "127.0.0.1:7", "s"},
		"Azure's own": {map[string]string{
			"LakeStorage__blobServiceUri": "https://a.blob.core.windows.net",
			"AzureWebJobsStorage":         "AccountName=a;AccountKey=b",
			"ServiceBusConnection":        "Endpoint=sb://n.servicebus.windows.net;SharedAccessKeyName=k;SharedAccessKey=s",
		}, 0, 0, "", ""},
		"elsewhere": {map[string]string{
			"LakeStorage":          "AccountName=a;BlobEndpoint=http://10.0.0.1:1/a",
			"ServiceBusConnection": "Endpoint=sb://10.0.0.1" + emulator,
		}, 0, 0, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			maps.Copy(c.values, queues)
			o, wanted, err := storageOf(c.values)
			if err != nil || wanted != (c.blob != 0) || o.BlobPort != c.blob ||
				o.TablePort != c.table {
				t.Errorf("storage: %+v, %v, %v", o, wanted, err)
			}
			b, wanted, err := busOf(c.values)
			if err != nil || wanted != (c.bus != "") || b.addr != c.bus || b.key != c.key {
				t.Errorf("bus: %+v, %v, %v", b, wanted, err)
			}
			if wanted && !slices.Equal(b.queues, []string{"blob-events", "export-steps"}) {
				t.Errorf("queues: %v", b.queues)
			}
		})
	}
}

var _ io.Writer = (*output)(nil)

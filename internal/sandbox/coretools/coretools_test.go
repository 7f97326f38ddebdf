package coretools

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
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

// report holds the observations of the emulated func.
type report struct {
	Args       []string
	Files      []string
	Unwanted   []string
	Containers []string
	Message    string // received back from the steps queue
	AtTheEnd   string // whether the emulators still answered after the interrupt
	Fault      string
}

// beFunc records the environment of func start, waits for an interrupt, and records it again.
func beFunc(path string) int {
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt)
	ctx, done := context.WithTimeout(context.Background(), time.Minute)
	defer done()
	r := report{Args: os.Args[1:]}
	for _, name := range unwanted {
		if os.Getenv(name) != "" {
			r.Unwanted = append(r.Unwanted, name)
		}
	}
	err := r.look(ctx)
	code, _ := strconv.Atoi(os.Getenv(exitVariable))
	if err == nil && code == 0 {
		_, _ = fmt.Fprintln(os.Stdout, ready)
		select {
		case <-interrupted:
			again := report{}
			if err = again.look(ctx); err == nil {
				r.AtTheEnd = "the emulators answer"
			}
		case <-ctx.Done():
			err = errors.New("no interrupt came")
		}
	}
	if err != nil {
		r.Fault = err.Error()
	}
	text, err := json.Marshal(r)
	if err != nil || os.WriteFile(path, text, 0o600) != nil {
		return 1
	}
	return code
}

func (r *report) look(ctx context.Context) error {
	entries, err := os.ReadDir(".")
	if err != nil {
		return err
	}
	for _, e := range entries {
		r.Files = append(r.Files, e.Name())
	}
	values, err := readSettings(".")
	if err != nil {
		return err
	}
	blobs, err := azblob.NewClientFromConnectionString(values["LakeStorage"], nil)
	if err != nil {
		return err
	}
	for pages := blobs.NewListContainersPager(nil); pages.More(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, c := range page.ContainerItems {
			r.Containers = append(r.Containers, *c.Name)
		}
	}
	fields := fieldsOf(values["AzureWebJobsStorage"])
	for _, endpoint := range []string{"queueendpoint", "tableendpoint"} {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", strings.TrimSuffix(strings.TrimPrefix(fields[endpoint], "http://"), "/"+azurite.Account))
		if err != nil {
			return err
		}
		_ = c.Close()
	}
	return r.echo(ctx, values)
}

// echo sends a step and receives it, signed with the key of the settings.
func (r *report) echo(ctx context.Context, values map[string]string) error {
	client, err := azservicebus.NewClientFromConnectionString(values["ServiceBusConnection"], nil)
	if err != nil {
		return err
	}
	sender, err := client.NewSender(values["StepsQueue"], nil)
	if err != nil {
		return err
	}
	if err := sender.SendMessage(ctx, &azservicebus.Message{Body: []byte("step")}, nil); err != nil {
		return err
	}
	receiver, err := client.NewReceiverForQueue(values["StepsQueue"], &azservicebus.ReceiverOptions{ReceiveMode: azservicebus.ReceiveModeReceiveAndDelete})
	if err != nil {
		return err
	}
	messages, err := receiver.ReceiveMessages(ctx, 1, nil)
	if err != nil {
		return err
	}
	if len(messages) == 1 {
		r.Message = string(messages[0].Body)
	}
	return nil
}

// output is the output of a Start; seen is closed when a line of func has arrived.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
	seen chan struct{}
	once sync.Once
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text.Write(b)
	if strings.Contains(o.text.String(), ready) {
		o.once.Do(func() { close(o.seen) })
	}
	return len(b), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
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
	for path, source := range map[string]string{program: "", filepath.Join(base, "exports.yaml"): filepath.Join(root, "exports.sample.yaml")} {
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
	if err := stage.Stage(stage.Options{Root: root, Out: dir, Executable: program, BlobTrigger: stage.BlobTriggerPolling}); err != nil {
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
	storage := "DefaultEndpointsProtocol=http;AccountName=" + azurite.Account + ";AccountKey=" + azurite.AccountKey
	for i, service := range []string{"Blob", "Queue", "Table"} {
		storage += ";" + service + "Endpoint=http://127.0.0.1:" + ports[i] + "/" + azurite.Account
	}
	file.Values["LakeStorage"], file.Values["AzureWebJobsStorage"] = storage, storage
	file.Values["ServiceBusConnection"] = strings.Replace(file.Values["ServiceBusConnection"], "sb://127.0.0.1", "sb://127.0.0.1:"+ports[3], 1)
	if text, err = json.Marshal(file); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, settingsFile), text, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir, file.Values
}

// newStart returns a Start with this test binary as func.
func newStart(t *testing.T, dir string, environ ...string) (s Start, out *output, reported func() report) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "report.json")
	out = &output{seen: make(chan struct{})}
	s = Start{
		Tools: filepath.Join(root, "tools", "azurite"), App: dir, Data: filepath.Join(t.TempDir(), "data"), Func: os.Args[0],
		Environ: append(append(os.Environ(), reportVariable+"="+file), environ...),
		Engines: warehouse.Engines{"duckdb": warehouse.PortOnly(func(string, warehouse.OpenOptions) (pipeline.Warehouse, error) {
			return nil, errors.New("not opened by a start")
		})},
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
		if c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", "127.0.0.1:"+port); err == nil {
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
		Args:       []string{"start"},
		Files:      []string{"BlobLoaded", "PollExport", "TimerExport", "handler", "host.json", settingsFile},
		Containers: []string{"fhir-journal", "fhir-landing", "fhir-quarantine", "fhir-staging"},
		Message:    "step", AtTheEnd: "the emulators answer",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	refused(t, ports)
	order := []string{"start: Azurite listens", "start: the Service Bus emulator listens", "start: func start", ready, "start: func has ended"}
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
	if err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "func start: exit status 3") {
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
		"no func":       {func(_ *testing.T, s *Start) { s.Func = "no-such-func" }, "npm i -g azure-functions-core-tools@4"},
		"no settings":   {func(t *testing.T, s *Start) { remove(t, filepath.Join(s.App, settingsFile)) }, "copy local.settings.sample.json there"},
		"no plans":      {func(t *testing.T, s *Start) { remove(t, filepath.Join(s.App, "..", "exports.yaml")) }, "start from exports.sample.yaml"},
		"a bad setting": {func(_ *testing.T, s *Start) { s.Environ = append(s.Environ, "Settle=soon") }, "Settle"},
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
		"the sample's": {map[string]string{"AzureWebJobsStorage": "UseDevelopmentStorage=true", "ServiceBusConnection": "Endpoint=sb://127.0.0.1" + emulator}, 10000, 10002, "127.0.0.1:5672", "s"},
		"ports":        {map[string]string{"LakeStorage": "AccountName=a;BlobEndpoint=http://localhost:1/a;TableEndpoint=http://localhost:2/a", "ServiceBusConnection": "Endpoint=sb://localhost:7/" + emulator}, 1, 2, "127.0.0.1:7", "s"},
		"Azure's own":  {map[string]string{"LakeStorage__blobServiceUri": "https://a.blob.core.windows.net", "AzureWebJobsStorage": "AccountName=a;AccountKey=b", "ServiceBusConnection": "Endpoint=sb://n.servicebus.windows.net;SharedAccessKeyName=k;SharedAccessKey=s"}, 0, 0, "", ""},
		"elsewhere":    {map[string]string{"LakeStorage": "AccountName=a;BlobEndpoint=http://10.0.0.1:1/a", "ServiceBusConnection": "Endpoint=sb://10.0.0.1" + emulator}, 0, 0, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			maps.Copy(c.values, queues)
			o, wanted, err := storageOf(c.values)
			if err != nil || wanted != (c.blob != 0) || o.BlobPort != c.blob || o.TablePort != c.table {
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

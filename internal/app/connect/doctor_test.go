package connect_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"fhirsynapse/internal/app"
	"fhirsynapse/internal/app/connect"
	"fhirsynapse/internal/azure"
	"fhirsynapse/internal/doctor"
	"fhirsynapse/internal/emulator/fhirserver/store"
	"fhirsynapse/internal/emulator/fhirserver/synthetic"
	"fhirsynapse/internal/sandbox"
	"fhirsynapse/internal/testkit/azuritetest"
	"fhirsynapse/internal/warehouse"
	"fhirsynapse/internal/warehouse/duckdb"
)

// newWorld starts the sandbox, without a Functions host.
func newWorld(t *testing.T) *sandbox.World {
	t.Helper()
	azuritetest.Tools(t)
	data, err := store.New(store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := synthetic.Generate(synthetic.Options{Seed: 1, Patients: 2},
		func(_ string, line []byte) error { return data.Add(line) }); err != nil {
		t.Fatal(err)
	}
	w, err := sandbox.StartWorld(t.Context(), sandbox.Options{
		Root: "../../..", Dir: t.TempDir(), Store: data, Now: time.Now,
		Engines: warehouse.Engines{"duckdb": duckdb.Engine()},
		Log:     slog.New(slog.DiscardHandler), BlobsInMemory: true, HoldEvents: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	return w
}

func examine(t *testing.T, d connect.Doctor, q connect.DoctorRequest) map[string]doctor.Result {
	t.Helper()
	s, end, err := d.Subject(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { end(context.WithoutCancel(t.Context())) })
	out := map[string]doctor.Result{}
	for _, r := range doctor.Examine(t.Context(), s, doctor.Options{Now: time.Now}) {
		if _, twice := out[r.Check]; twice {
			t.Errorf("two checks are named %s", r.Check)
		}
		out[r.Check] = r
		fmt.Fprintf(t.Output(), "%-8s %-28s %s: %s\n", r.Status, r.Check, r.What, r.Why)
	}
	return out
}

func environ(settings map[string]string) []string {
	var out []string
	for name, value := range settings {
		out = append(out, name+"="+value)
	}
	return out
}

func doctorOf(t *testing.T, settings map[string]string) connect.Doctor {
	t.Helper()
	return connect.Doctor{
		Environment: app.Environment{
			Environ: environ(settings), ReadFile: os.ReadFile, Now: time.Now,
			Engines: warehouse.Engines{"duckdb": duckdb.Engine()},
		},
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Dir: t.TempDir(),
		DuckDB: duckdb.Version,
	}
}

// A whole installation of emulators is examined: all is well, and then each fault is told.
func TestDoctorExaminesAWholeInstallation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	settings := w.Settings()
	got := examine(t, doctorOf(t, settings), connect.DoctorRequest{KickOff: true})
	warnings := []string{ // nothing was exported yet, and an emulator does not tell everything
		"fhir-writes-sandbox", "queue-steps-settings", "queue-blobevents-settings",
	}
	for name, r := range got {
		want := doctor.OK
		if slices.Contains(warnings, name) {
			want = doctor.Warning
		}
		if r.Status != want {
			t.Errorf("%s is %s: %s", name, r.Status, r.Why)
		}
	}
	if len(got) < 20 {
		t.Errorf("only %d checks", len(got))
	}
}

// status fails the test where a check has another status, or a text is missing from it.
func status(
	t *testing.T, got map[string]doctor.Result, check string, want doctor.Status, texts ...string,
) {
	t.Helper()
	r, there := got[check]
	if !there || r.Status != want {
		t.Errorf("%s is %q, want %s: %s", check, r.Status, want, r.Why)
		return
	}
	for _, text := range texts {
		if !strings.Contains(r.Why+"\n"+r.Remedy, text) {
			t.Errorf("%s has no %q: %s -> %s", check, text, r.Why, r.Remedy)
		}
	}
}

func TestDoctorTellsWhatIsMissing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	settings := w.Settings()
	settings["StepsQueue"], settings["StagingContainer"] = "no-steps", "no-staging"
	folder := t.TempDir()
	settings["Warehouse"] = "duckdb:" + folder
	plans, err := os.ReadFile(settings["ExportsFile"])
	if err != nil {
		t.Fatal(err)
	}
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	settings["ExportsFile"] = filepath.Join(t.TempDir(), "exports.yaml")
	if err := os.WriteFile(settings["ExportsFile"],
		[]byte(strings.ReplaceAll(string(plans), w.BaseURL().String(), gone.URL)),
		0o600); err != nil {
		t.Fatal(err)
	}
	got := examine(t, doctorOf(t, settings), connect.DoctorRequest{})
	status(t, got, "lake-staging", doctor.Failed, "ContainerNotFound",
		`create container "no-staging"`)
	status(t, got, "lake-clock", doctor.Skipped, "it needs the check lake-staging")
	status(t, got, "lake-quarantine", doctor.OK)
	status(t, got, "queue-steps-send", doctor.Failed, `create queue "no-steps"`)
	status(t, got, "queue-steps-settings", doctor.Skipped)
	status(t, got, "fhir-token-sandbox", doctor.OK)
	status(t, got, "fhir-version-sandbox", doctor.Failed, "connection refused")
	status(t, got, "fhir-export-sandbox", doctor.Skipped)
	status(t, got, "warehouse", doctor.Failed, "is a folder: name a file")
	status(t, got, "warehouse-rights", doctor.Skipped)
}

// On a developer's machine, a service that is not started is a warning.
func TestDoctorExaminesAMachine(t *testing.T) {
	t.Parallel()
	closed, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := closed.Addr().String()
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	d := doctorOf(t, nil)
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(d.Dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got := examine(t, d, connect.DoctorRequest{Local: true})
	status(t, got, "duckdb", doctor.OK, "v1.")
	status(t, got, "views", doctor.OK)
	if len(got) != 2 {
		t.Errorf("%d checks outside a checkout and without settings", len(got))
	}
	write("go.mod", "module fhirsynapse\n\ngo 1.0\n")
	write("exports.yaml", "version: 1\nsources: {s: {url: \"http://"+address+
		"\", auth: {kind: none}}}\nplans: [{name: nightly, schedule: manual}]\n")
	write("local.settings.json", `{"IsEncrypted": false, "Values": {
		"ServiceBusConnection": "Endpoint=sb://`+address+
		`;SharedAccessKeyName=k;SharedAccessKey=c2VjcmV0;UseDevelopmentEmulator=true",
		"LakeStorage": "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=c2VjcmV0;BlobEndpoint=http://`+
		address+`/a", "Warehouse": "duckdb:fhir.duckdb"}}`)
	got = examine(t, d, connect.DoctorRequest{Local: true})
	for name, want := range map[string]doctor.Status{
		"settings": doctor.OK, "plans": doctor.OK, "go": doctor.OK, "exports-file": doctor.OK,
		"handler": doctor.Warning, "lake-reachable": doctor.Warning, "lake-staging": doctor.Skipped,
		"bus-reachable": doctor.Warning, "queue-steps-send": doctor.Skipped,
		"fhir-reachable-s": doctor.Warning, "fhir-token-s": doctor.Skipped,
		"warehouse": doctor.OK, "warehouse-tables-nightly": doctor.OK,
	} {
		status(t, got, name, want)
	}
	if got["warehouse"].Why != "connected to "+filepath.Join(d.Dir, "fhir.duckdb") {
		t.Errorf("the warehouse: %s", got["warehouse"].Why)
	}
	for _, r := range got {
		if r.Status == doctor.Failed || strings.Contains(r.Why+r.Remedy, "c2VjcmV0") {
			t.Errorf("%s: %s", r.Check, r.Why)
		}
	}
	write("local.settings.json", `{"IsEncrypted": true, "Values": {}}`)
	if _, _, err := d.Subject(t.Context(), connect.DoctorRequest{Local: true}); err == nil ||
		!strings.Contains(err.Error(), "func settings decrypt") {
		t.Errorf("encrypted settings: %v", err)
	}
}

// token is a signed-in person.
type token struct{}

func (token) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: "of-a-person", ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// The settings of a deployed app are read from Azure, and the services are examined with them.
func TestDoctorExaminesADeployedApp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	settings := w.Settings()
	settings["LakeStorage__clientId"] = "11111111-2222-3333-4444-555555555555"
	settings["ServiceBusConnection"] = "@Microsoft.KeyVault(VaultName=v;SecretName=bus)"
	mux := http.NewServeMux()
	answer := func(pattern, body string) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "Bearer of-a-person" {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			fmt.Fprint(w, body)
		})
	}
	const site = "/subscriptions/sub/resourceGroups/rg/providers/Microsoft.Web/sites/func-x"
	answer("GET /subscriptions", `{"value":[{"subscriptionId":"sub","state":"Enabled"}]}`)
	answer("GET /subscriptions/sub/resources", `{"value":[{"id":"`+site+`"}]}`)
	answer("GET "+site, `{"properties":{"state":"Stopped"}}`)
	var pairs []string
	for name, value := range settings {
		pairs = append(pairs, fmt.Sprintf("%q:%q", name, value))
	}
	answer("POST "+site+"/config/appsettings/list",
		`{"properties":{`+strings.Join(pairs, ",")+`}}`)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	d := doctorOf(t, map[string]string{"Warehouse": "duckdb:of-this-machine"})
	d.Management = func() (*azure.Management, error) {
		return azure.ManagementAt(server.URL, server.Client(), token{}), nil
	}
	got := examine(t, d, connect.DoctorRequest{App: "func-x"})
	status(t, got, "app", doctor.Failed, "it is stopped",
		"az functionapp start --name func-x --resource-group rg")
	status(t, got, "settings", doctor.Warning, "the plans are in the package of the app")
	status(t, got, "lake-staging", doctor.OK)
	status(t, got, "fhir-version-sandbox", doctor.OK)
	status(t, got, "warehouse", doctor.OK, settings["Warehouse"][len("duckdb:"):])
	if _, there := got["queue-steps-send"]; there {
		t.Error("a queue was examined whose connection only the app knows")
	}
	// The person can set the variable that the vault has.
	d.Environment.Environ = []string{"ServiceBusConnection=" + w.Settings()["ServiceBusConnection"]}
	got = examine(t, d, connect.DoctorRequest{App: "func-x", Group: "RG", Subscription: "sub"})
	status(t, got, "queue-steps-send", doctor.OK)
	other := connect.DoctorRequest{App: "func-x", Group: "other"}
	if _, _, err := d.Subject(t.Context(), other); err == nil ||
		!strings.Contains(err.Error(), "there is no function app func-x") {
		t.Errorf("an app of another group: %v", err)
	}
}

// No word of a server that refuses everything is in the report, because it may name patients.
func TestDoctorRepeatsNoWordOfAServer(t *testing.T) {
	t.Parallel()
	const marker = "Zebulon-Qx7"
	for _, body := range []string{
		`{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"` + marker +
			`","diagnostics":"` + marker + `","details":{"text":"` + marker + `"}}]}`,
		`{"resourceType":"CapabilityStatement","fhirVersion":"4.0.1","status":"` + marker +
			`","rest":[{"operation":[{"name":"export-` + marker + `"}]}]}`,
		marker,
	} {
		for _, status := range []int{200, 401, 403, 404, 500} {
			server := httptest.NewServer(http.HandlerFunc(
				func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("X-Progress", marker)
					w.WriteHeader(status)
					fmt.Fprint(w, body)
				}))
			t.Cleanup(server.Close)
			file := filepath.Join(t.TempDir(), "exports.yaml")
			if err := os.WriteFile(file, []byte("version: 1\nsources: {s: {url: \""+server.URL+
				"\", auth: {kind: none}}}\nplans: [{name: nightly, schedule: manual}]\n"),
				0o600); err != nil {
				t.Fatal(err)
			}
			d := doctorOf(t, map[string]string{"ExportsFile": file})
			for _, r := range examine(t, d, connect.DoctorRequest{KickOff: true}) {
				if strings.Contains(r.What+r.Why+r.Remedy, marker) {
					t.Errorf("HTTP %d: %s: %s -> %s", status, r.Check, r.Why, r.Remedy)
				}
			}
		}
	}
}

package config_test

import (
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fhirsynapse/internal/config"
	"fhirsynapse/internal/fault"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var update = flag.Bool("update", false, "rewrite golden files")

const plans = `
version: 1
sources: {s: {url: "https://fhir.example", auth: {kind: none}}}
plans: [{name: nightly, schedule: manual}]
`

// least returns the smallest valid environment.
func least() map[string]string {
	return map[string]string{
		"Warehouse":            "duckdb:fhir.duckdb",
		"ServiceBusConnection": "Endpoint=sb://x.servicebus.windows.net/;SharedAccessKeyName=k;SharedAccessKey=hunter2",
		"LakeStorage":          "AccountName=x;AccountKey=hunter2",
	}
}

// fromEnv runs FromEnv on maps of the environment and the files.
func fromEnv(env, files map[string]string) (config.Config, error) {
	var environ []string
	for _, k := range slices.Sorted(maps.Keys(env)) {
		environ = append(environ, k+"="+env[k])
	}
	read := func(name string) ([]byte, error) {
		text, ok := files[filepath.ToSlash(name)]
		if !ok {
			return nil, fmt.Errorf("open %s: %w", name, fs.ErrNotExist)
		}
		return []byte(text), nil
	}
	return config.FromEnv(environ, read, "duckdb", "synapse-dedicated")
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	c, err := fromEnv(least(), map[string]string{"exports.yaml": plans})
	if err != nil {
		t.Fatal(err)
	}
	want := config.Config{
		StepsQueue: "export-steps", BlobEventsQueue: "blob-events",
		LandingContainer: "fhir-landing", StagingContainer: "fhir-staging",
		QuarantineContainer: "fhir-quarantine", JournalContainer: "fhir-journal",
		PublishedContainer: "fhir-published",
		ExportsFile:        config.ExportsFile{Path: "exports.yaml"},
		Settle:             30 * time.Second, StepTimeout: 55 * time.Minute,
		PollMin: 10 * time.Second, PollMax: 5 * time.Minute, SilentAfter: 15 * time.Minute,
		ExportTimeout: 24 * time.Hour, StuckAfter: 12 * time.Hour, KickOffPatience: 4 * time.Minute,
		LeaseFor:  time.Minute,
		LineLimit: 64_000_000, LogLevel: slog.LevelInfo,
		Warehouse: config.Warehouse{Scheme: "duckdb"}, WarehouseStatements: 2,
	}
	ignore := cmpopts.IgnoreFields(config.Config{}, "Exports", "Bus", "Lake")
	secrets := cmp.Comparer(func(_, _ config.Secret) bool { return true })
	if diff := cmp.Diff(want, c, ignore, secrets); diff != "" {
		t.Error(diff)
	}
	if got := c.Warehouse.Rest.Reveal(); got != "fhir.duckdb" {
		t.Errorf("warehouse rest = %q", got)
	}
	if c.Bus.Identity() || c.Lake.Identity() {
		t.Error("connection strings taken for identities")
	}
	if len(c.Exports.Plans) != 1 {
		t.Errorf("plans = %v", c.Exports.Plans)
	}
}

func TestFromEnvReadsWhatIsSet(t *testing.T) {
	t.Parallel()
	env := map[string]string{
		"Warehouse": "synapse-dedicated:sqlserver://host?database=a:b",
		"ServiceBusConnection__fullyQualifiedNamespace": "x.servicebus.windows.net",
		"ServiceBusConnection__clientId":                "bus-id",
		"LakeStorage__blobServiceUri":                   "https://x.blob.core.windows.net/",
		"LakeStorage__clientId":                         "lake-id",
		"FUNCTIONS_APP_ROOT_PATH":                       "/home/site/wwwroot",
		"ExportsFile":                                   "conf/plans.yaml",
		"ViewsFolder":                                   "views",
		"lineLIMIT":                                     "1 MiB",
		"loglevel":                                      "DEBUG",
		"Settle":                                        "0s",
		"StepTimeout":                                   "9m",
	}
	c, err := fromEnv(env, map[string]string{
		"/home/site/wwwroot/conf/plans.yaml": plans,
		"/home/site/wwwroot/host.json":       `{"version":"2.0","functionTimeout":"00:10:00"}`,
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Warehouse; got.Scheme != "synapse-dedicated" ||
		got.Rest.Reveal() != "sqlserver://host?database=a:b" {
		t.Errorf("warehouse = %s %s", got.Scheme, got.Rest.Reveal())
	}
	if !c.Bus.Identity() || c.Bus.Address != "x.servicebus.windows.net" ||
		c.Bus.ClientID != "bus-id" {
		t.Errorf("bus = %+v", c.Bus)
	}
	if !c.Lake.Identity() || c.Lake.Address != "https://x.blob.core.windows.net" ||
		c.Lake.ClientID != "lake-id" {
		t.Errorf("lake = %+v", c.Lake)
	}
	if c.LineLimit != 1<<20 || c.LogLevel != slog.LevelDebug || c.Settle != 0 {
		t.Errorf("line limit, level, settle = %d, %s, %s", c.LineLimit, c.LogLevel, c.Settle)
	}
	if filepath.ToSlash(c.ViewsFolder) != "/home/site/wwwroot/views" {
		t.Errorf("views folder = %s", c.ViewsFolder)
	}
	if len(c.Warnings) != 0 {
		t.Errorf("warnings = %q", c.Warnings)
	}
}

func TestPlansInTheJournalAreLeftToTheApp(t *testing.T) {
	t.Parallel()
	env := least()
	env["ExportsFile"] = "blob:/conf/exports.yaml"
	c, err := fromEnv(env, nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := (config.ExportsFile{Blob: "conf/exports.yaml"}); c.ExportsFile != want {
		t.Errorf("exports file = %+v", c.ExportsFile)
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	host := func(timeout string) map[string]string {
		return map[string]string{
			"exports.yaml": plans, "root/exports.yaml": plans,
			"root/host.json": `{"functionTimeout":` + timeout + `}`,
		}
	}
	tests := map[string]struct {
		set   map[string]string // in addition to least; "-" removes
		files map[string]string
		want  []string
	}{
		"nothing set": {
			set: map[string]string{
				"Warehouse": "-", "ServiceBusConnection": "-", "LakeStorage": "-",
			},
			want: []string{
				"Warehouse: is not set: write one of duckdb:..., synapse-dedicated:...",
				"ServiceBusConnection: is not set", "LakeStorage: is not set",
			},
		},
		"another transform": {
			set:  map[string]string{"WarehouseTransform": "magic"},
			want: []string{`WarehouseTransform: "magic" must be one of native, tsql`},
		},
		"no statement at all": {
			set:  map[string]string{"WarehouseStatements": "0"},
			want: []string{`WarehouseStatements: "0" must be a number from 1 to 64`},
		},
		"unknown warehouse": {
			set: map[string]string{"Warehouse": "oracle:hunter2"},
			want: []string{
				`Warehouse: this program has no warehouse "oracle": write one of duckdb:..., synapse-dedicated:...`,
			},
		},
		"warehouse without a scheme": {
			set:  map[string]string{"Warehouse": "hunter2"},
			want: []string{"Warehouse: must be scheme:rest"},
		},
		"warehouse without a rest": {
			set:  map[string]string{"Warehouse": "duckdb:"},
			want: []string{`Warehouse: has nothing after "duckdb:"`},
		},
		"both forms of a connection": {
			set:  map[string]string{"LakeStorage__blobServiceUri": "https://x"},
			want: []string{"LakeStorage: and LakeStorage__blobServiceUri are both set"},
		},
		"connection string of one entity": {
			set: map[string]string{
				"ServiceBusConnection": "Endpoint=sb://x/;SharedAccessKey=hunter2;EntityPath=q",
			},
			want: []string{"ServiceBusConnection: has an EntityPath"},
		},
		"connection strings that are none": {
			set: map[string]string{"ServiceBusConnection": "hunter2", "LakeStorage": "hunter2"},
			want: []string{
				"ServiceBusConnection: is not a Service Bus connection string",
				"LakeStorage: is not a storage connection string",
			},
		},
		"addresses of the wrong shape": {
			set: map[string]string{
				"ServiceBusConnection":                          "-",
				"ServiceBusConnection__fullyQualifiedNamespace": "sb://x.servicebus.windows.net/",
				"LakeStorage":                                   "-",
				"LakeStorage__blobServiceUri":                   "https://x.blob.core.windows.net/?sig=hunter2",
			},
			want: []string{
				"ServiceBusConnection__fullyQualifiedNamespace: must be a bare host name",
				"LakeStorage__blobServiceUri: may not carry a key",
			},
		},
		"values that are none": {
			set: map[string]string{
				"Settle": "soon", "PollMin": "-1s", "LineLimit": "big", "LogLevel": "loud",
				"StepsQueue": "a b", "LandingContainer": "Landing",
			},
			want: []string{
				`StepsQueue: "a b" is not a queue name`,
				`LandingContainer: "Landing" is not a container name`,
				`Settle: "soon" is not a duration`, "PollMin: -1s is below the least",
				`LineLimit: "big" is not a size`, `LogLevel: "loud" is not a level`,
			},
		},
		"a queue name that is too long": {
			set:  map[string]string{"StepsQueue": strings.Repeat("q", 261)},
			want: []string{"is not a queue name: up to 260 letters"},
		},
		"a line limit that memory would not hold": {
			set: map[string]string{"LineLimit": "2GB"}, want: []string{"LineLimit: must be from"},
		},
		"waits out of order": {
			set: map[string]string{"PollMin": "10m", "PollMax": "5m", "SilentAfter": "5m"},
			want: []string{
				"PollMin: 10m0s is above PollMax, 5m0s", "SilentAfter: 5m0s must be above PollMax",
			},
		},
		"one name for two things": {
			set: map[string]string{
				"StagingContainer": "fhir-landing", "BlobEventsQueue": "EXPORT-steps",
			},
			want: []string{
				"BlobEventsQueue: \"EXPORT-steps\" is also the value of StepsQueue",
				"StagingContainer: \"fhir-landing\" is also the value of LandingContainer",
			},
		},
		"no plans": {
			files: map[string]string{},
			want: []string{
				"ExportsFile: file exports.yaml does not exist: start from exports.sample.yaml",
			},
		},
		"no blob": {
			set:  map[string]string{"ExportsFile": "blob:"},
			want: []string{"ExportsFile: blob: needs a path"},
		},
		"plans at fault": {
			files: map[string]string{"exports.yaml": "version: 2\n"},
			want: []string{
				"exports.yaml:1: the file: version: must be 1", "plans: must be a list",
			},
		},
		"step as long as the host": {
			set: map[string]string{"FUNCTIONS_APP_ROOT_PATH": "root"}, files: host(`"00:55:00"`),
			want: []string{
				"StepTimeout: 55m0s is not below functionTimeout of host.json, 00:55:00",
			},
		},
		"host's default timeout": {
			set: map[string]string{"FUNCTIONS_APP_ROOT_PATH": "root"}, files: host(`""`),
			want: []string{
				"StepTimeout: 55m0s is not below the host's default functionTimeout, 00:30:00",
			},
		},
		"host's overridden timeout": {
			set: map[string]string{"AzureFunctionsJobHost__functionTimeout": "00:05:00"},
			want: []string{
				"StepTimeout: 55m0s is not below AzureFunctionsJobHost__functionTimeout",
			},
		},
		"host.json is no JSON": {
			set: map[string]string{"FUNCTIONS_APP_ROOT_PATH": "root"}, files: host(`"`),
			want: []string{"host.json: "},
		},
		"host.json with nonsense": {
			set: map[string]string{"FUNCTIONS_APP_ROOT_PATH": "root"}, files: host(`"an hour"`),
			want: []string{`functionTimeout of host.json: "an hour" is not of the form hh:mm:ss`},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := least()
			for k, v := range tt.set {
				if env[k] = v; v == "-" {
					delete(env, k)
				}
			}
			files := tt.files
			if files == nil {
				files = map[string]string{"exports.yaml": plans}
			}
			_, err := fromEnv(env, files)
			if err == nil {
				t.Fatal("no fault")
			}
			if fault.Of(err) != fault.Permanent {
				t.Errorf("class = %s", fault.Of(err))
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("a secret shows in: %v", err)
			}
			lines := strings.Split(err.Error(), "\n")
			if len(lines) != len(tt.want) {
				t.Errorf("%d faults, want %d:\n%v", len(lines), len(tt.want), err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("no %q in:\n%v", want, err)
				}
			}
		})
	}
}

func TestStepTimeoutIsFreeWithoutALimit(t *testing.T) {
	t.Parallel()
	for _, hostJSON := range []string{
		`{"functionTimeout":"-1"}`, `{"functionTimeout":"01:00:00"}`,
		`{"functionTimeout":"1.00:00:00"}`,
	} {
		env := least()
		env["FUNCTIONS_APP_ROOT_PATH"] = "root"
		if _, err := fromEnv(env, map[string]string{
			"root/exports.yaml": plans, "root/host.json": hostJSON,
		}); err != nil {
			t.Errorf("%s: %v", hostJSON, err)
		}
	}
}

func TestMisspeltSettingsAreWarnedOf(t *testing.T) {
	t.Parallel()
	env := least()
	maps.Copy(env, map[string]string{
		"StepTimout": "1m", "LakeStorage__blobServiceUrl": "x", "ServiceBusConnection__what": "x",
		"PATH": "/bin", "HOME": "/", "LakeStorage__queueServiceUri": "https://x",
		"ExportSchedule":         "0 */5 * * * *",
		"APPSETTING_StepTimeout": "55m", "FUNCTIONS_WORKER_RUNTIME": "custom",
	})
	c, err := fromEnv(env, map[string]string{"exports.yaml": plans})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"setting LakeStorage__blobServiceUrl is not known: did you mean LakeStorage__blobServiceUri?",
		"setting ServiceBusConnection__what is not known",
		"setting StepTimout is not known: did you mean StepTimeout?",
	}
	if diff := cmp.Diff(want, c.Warnings); diff != "" {
		t.Error(diff)
	}
}

func TestSettingsAreDocumented(t *testing.T) {
	t.Parallel()
	const path = "../../docs/configuration.md"
	const head = "# Configuration\n\n" +
		"The settings of the Function App, or the environment of `fhirsynapse serve`. This file is made by\n" +
		"`go test ./internal/config -update`; the plans are described in `exports.sample.yaml`, cohorts of\n" +
		"patients in [cohorts.md](cohorts.md).\n\n"
	want := head + config.Markdown() +
		"\n`ExportSchedule` (NCRONTAB, six fields) is read by the host: how often the timer looks for plans that are due.\n" +
		"Names are compared without regard to case. All faults are reported at once, at start.\n"
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("run go test ./internal/config -update: %s", diff)
	}
}

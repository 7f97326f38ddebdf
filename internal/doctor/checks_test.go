package doctor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/warehouse"
)

// storage is a lake in memory. An error by "use verb" is returned.
type storage struct {
	errs   map[string]error
	newest map[string]time.Time // by use and prefix
	clock  time.Time
	blobs  chan string // written and removed
}

func newStorage() *storage {
	return &storage{
		errs: map[string]error{}, newest: map[string]time.Time{}, clock: noon(),
		blobs: make(chan string, 20),
	}
}

func (s *storage) Newest(_ context.Context, use, prefix string) (time.Time, error) {
	return s.newest[use+" "+prefix], s.errs[use+" list"]
}

func (s *storage) Write(_ context.Context, use, path string) (time.Time, error) {
	s.blobs <- "+" + use + "/" + path
	return s.clock, s.errs[use+" write"]
}

func (s *storage) Remove(_ context.Context, use, path string) error {
	s.blobs <- "-" + use + "/" + path
	return s.errs[use+" remove"]
}

// bus is a namespace in memory.
type bus struct {
	sends error
	set   QueueSettings
	err   error
}

func (b bus) MaySend(context.Context, string) error { return b.sends }

func (b bus) Describe(context.Context, string) (QueueSettings, error) { return b.set, b.err }

// fhir is a server in memory.
type fhir struct {
	token, describe, export, kick error
	none, unknown                 bool
	c                             Capability
}

func (f fhir) SignIn(context.Context) (bool, error)         { return !f.none, f.token }
func (f fhir) Describe(context.Context) (Capability, error) { return f.c, f.describe }
func (f fhir) MayExport(context.Context) (bool, error)      { return !f.unknown, f.export }
func (f fhir) KickOff(context.Context) (string, error)      { return "Patient", f.kick }

func good() QueueSettings {
	return QueueSettings{
		Duplicates: true, Window: time.Hour, Lock: 5 * time.Minute, MaxDelivery: 100,
		Status: "Active",
	}
}

func capable() Capability {
	return Capability{
		Found: true, FHIR: "4.0.1", Supported: true, Software: "S 1", Levels: []string{"system"},
		Date: noon(), Sent: noon(), Received: noon(),
	}
}

// installation is a subject in which all is well, and its parts to be broken.
type installation struct {
	Subject
	storage *storage
	plans   Plans
	fhir    fhir
	bus     bus
}

func newInstallation() *installation {
	i := &installation{storage: newStorage(), fhir: fhir{c: capable()}, bus: bus{set: good()}}
	i.storage.newest["landing 20261120"] = noon().AddDate(0, 0, -3)
	i.plans = Plans{
		Names:  []string{"nightly"},
		Tables: []warehouse.PlanTables{{Plan: "nightly", Schema: "fhir"}},
	}
	i.Settings = &Settings{From: "a test"}
	i.Views = func() (int, error) { return 3, nil }
	i.Lake = &Lake{
		Account: "acct", Address: "acct.blob.core.windows.net:443", Containers: []Container{
			{Use: "landing", Name: "fhir-landing"},
			{Use: "staging", Name: "fhir-staging", Write: true},
		},
	}
	i.Bus = &Bus{Namespace: "ns", Address: "ns.servicebus.windows.net", Queues: []Queue{
		{Setting: "StepsQueue", Name: "export-steps", Send: true, Window: time.Hour},
	}}
	i.Warehouse = &Warehouse{Scheme: "synapse-dedicated"}
	i.inspects(warehouse.Inspection{Server: "host/pool"}, nil)
	i.Now = noon
	return i
}

func (i *installation) inspects(found warehouse.Inspection, err error) {
	i.Warehouse.Inspect = func(
		context.Context, []warehouse.PlanTables,
	) (warehouse.Inspection, error) {
		return found, err
	}
}

func (i *installation) examine(t *testing.T) map[string]Result {
	t.Helper()
	i.Lake.Storage, i.Bus.Broker = i.storage, i.bus
	if i.Plans == nil {
		i.plans.Servers = []Server{
			{Name: "main", URL: "https://fhir.example", WritesToLake: true, FHIR: i.fhir},
		}
		i.Plans = func(context.Context) (Plans, error) { return i.plans, nil }
	}
	out := map[string]Result{}
	for _, r := range Examine(t.Context(), i.Subject, Options{Now: noon}) {
		if _, twice := out[r.Check]; twice {
			t.Errorf("two checks are named %s", r.Check)
		}
		out[r.Check] = r
		if r.What == "" || r.Why == "" || r.Status == Failed && r.Remedy == "" {
			t.Errorf("%s tells too little: %+v", r.Check, r)
		}
	}
	return out
}

func TestExamineAllIsWell(t *testing.T) {
	t.Parallel()
	i := newInstallation()
	i.KickOff = true
	got := i.examine(t)
	want := []string{
		"fhir-clock-main", "fhir-export-main", "fhir-kick-off-main", "fhir-token-main",
		"fhir-version-main", "fhir-writes-main", "lake-clock", "lake-landing", "lake-staging", "plans",
		"queue-steps-send", "queue-steps-settings", "settings", "views", "warehouse",
		"warehouse-collation", "warehouse-engine", "warehouse-rights", "warehouse-row-versions",
		"warehouse-state", "warehouse-tables-nightly",
	}
	if names := slices.Sorted(maps.Keys(got)); !slices.Equal(names, want) {
		t.Errorf("%v", names)
	}
	for name, r := range got {
		if r.Status != OK {
			t.Errorf("%s is %s: %s", name, r.Status, r.Why)
		}
	}
	made, gone := <-i.storage.blobs, <-i.storage.blobs
	if made[1:] != gone[1:] || !strings.HasPrefix(made, "+staging/fhirsynapse-doctor/") ||
		len(i.storage.blobs) != 0 {
		t.Errorf("the canary: %s, then %s", made, gone)
	}
}

func TestExamineTellsEachFault(t *testing.T) {
	t.Parallel()
	refused := &fault.Error{Class: fault.Permanent, Err: errors.New("HTTP 403"), Remedy: "give the role"}
	for name, c := range map[string]struct {
		change  func(i *installation)
		check   string
		status  Status
		text    string // in cause or remedy
		skipped string // a check that needs it
	}{
		"settings": {
			func(i *installation) { i.Settings.Faults = []error{errors.New("a: x"), errors.New("b: y")} },
			"settings", Failed, "2 faults:\na: x\nb: y", "",
		},
		"a strange setting": {
			func(i *installation) { i.Settings.Warnings = []string{"did you mean X"} },
			"settings", Warning, "did you mean X", "",
		},
		"views": {
			func(i *installation) {
				i.Views = func() (int, error) { return 0, errors.New("line 3") }
			},
			"views", Failed, "line 3", "",
		},
		"plans that cannot be read": {
			func(i *installation) {
				i.Plans = func(context.Context) (Plans, error) { return Plans{}, refused }
			},
			"plans", Failed, "give the role", "",
		},
		"an app that is stopped": {
			func(i *installation) { i.App = &App{Name: "f", Group: "g", State: "Stopped"} },
			"app", Failed, "az functionapp start --name f --resource-group g", "",
		},
		"a vault": {
			func(i *installation) {
				i.App = &App{Name: "f", State: "Running", Unresolved: []string{"Key"}}
			},
			"app", Warning, "only the app can read Key", "",
		},
		"no right to list": {
			func(i *installation) { i.storage.errs["landing list"] = refused },
			"lake-landing", Failed, "--role 'Storage Blob Data Reader'", "fhir-writes-main",
		},
		"no right to write": {
			func(i *installation) { i.storage.errs["staging write"] = refused },
			"lake-staging", Failed, "--role 'Storage Blob Data Contributor'", "lake-clock",
		},
		"no right to delete": {
			func(i *installation) { i.storage.errs["staging remove"] = refused },
			"lake-staging", Failed, "was left there", "",
		},
		"a clock a little ahead": {
			func(i *installation) { i.storage.clock = noon().Add(5 * time.Minute) },
			"lake-clock", Warning, "is 5m0s ahead of ours", "",
		},
		"a clock far behind": {
			func(i *installation) { i.storage.clock = noon().Add(-time.Hour) },
			"lake-clock", Failed, "behind ours", "",
		},
		"a service that has written nothing": {
			func(i *installation) { clear(i.storage.newest) },
			"fhir-writes-main", Warning, "fhirsynapse exports start PLAN", "",
		},
		"no right to send": {
			func(i *installation) { i.bus.sends = refused },
			"queue-steps-send", Failed, "'Azure Service Bus Data Sender'", "queue-steps-settings",
		},
		"settings that may not be read": {
			func(i *installation) { i.bus.err = fmt.Errorf("x: %w", ErrUntold) },
			"queue-steps-settings", Warning, "az servicebus queue show --namespace-name ns", "",
		},
		"no duplicate detection": {
			func(i *installation) { i.bus.set.Duplicates = false },
			"queue-steps-settings", Failed, "delete the queue", "",
		},
		"a short window": {
			func(i *installation) { i.bus.set.Window = time.Minute },
			"queue-steps-settings", Failed, "--duplicate-detection-history-time-window PT1H", "",
		},
		"sessions": {
			func(i *installation) { i.bus.set.Sessions = true },
			"queue-steps-settings", Failed, "requires sessions", "",
		},
		"a disabled queue": {
			func(i *installation) { i.bus.set.Status = "SendDisabled" },
			"queue-steps-settings", Failed, "--status Active", "",
		},
		"few deliveries": {
			func(i *installation) { i.bus.set.MaxDelivery = 10 },
			"queue-steps-settings", Warning, "--max-delivery-count 100", "",
		},
		"a short lock": {
			func(i *installation) { i.bus.set.Lock = 5 * time.Second },
			"queue-steps-settings", Warning, "--lock-duration PT5M", "",
		},
		"dead letters": {
			func(i *installation) { i.bus.set.Dead = 3 },
			"queue-steps-settings", Warning, "3 dead letters", "",
		},
		"no token": {
			func(i *installation) { i.fhir.token = refused },
			"fhir-token-main", Failed, "give the role", "fhir-version-main",
		},
		"R5": {
			func(i *installation) { i.fhir.c.FHIR, i.fhir.c.Supported = "5.0.0", false },
			"fhir-version-main", Failed, "FHIR 5.0.0", "fhir-export-main",
		},
		"no statement": {
			func(i *installation) { i.fhir.c = Capability{Supported: true} },
			"fhir-version-main", Warning, "no capability statement", "",
		},
		"no clock": {
			func(i *installation) { i.fhir.c.Date = time.Time{} },
			"fhir-clock-main", Warning, "does not tell its time", "",
		},
		"a server's clock": {
			func(i *installation) { i.fhir.c.Date = noon().Add(20 * time.Minute) },
			"fhir-clock-main", Failed, "20m0s ahead", "",
		},
		"no right to export": {
			func(i *installation) { i.fhir.export = refused },
			"fhir-export-main", Failed, "give the role", "",
		},
		"an export that is not listed": {
			func(i *installation) { i.fhir.c.Levels, i.fhir.unknown = nil, true },
			"fhir-export-main", Warning, "fhirsynapse doctor --kick-off", "",
		},
		"a kick-off that is refused": {
			func(i *installation) { i.KickOff, i.fhir.kick = true, refused },
			"fhir-kick-off-main", Failed, "give the role", "",
		},
		"a warehouse that is away": {
			func(i *installation) { i.inspects(warehouse.Inspection{}, refused) },
			"warehouse", Failed, "give the role", "warehouse-tables-nightly",
		},
		"an engine that cannot be examined": {
			func(i *installation) { i.Warehouse.Inspect = nil },
			"warehouse", Warning, "cannot examine", "warehouse-rights",
		},
		"row versions": {
			func(i *installation) {
				i.inspects(warehouse.Inspection{RowVersions: warehouse.Finding{
					Level: warehouse.Wrong, Text: "off", Remedy: "ALTER DATABASE",
				}}, nil)
			},
			"warehouse-row-versions", Failed, "ALTER DATABASE", "",
		},
		"drift": {
			func(i *installation) {
				i.inspects(warehouse.Inspection{Drift: []warehouse.Finding{{
					Level: warehouse.Worth, Text: "add column", Remedy: "nothing",
				}}}, nil)
			},
			"warehouse-tables-nightly", Warning, "add column", "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := newInstallation()
			c.change(i)
			got := i.examine(t)
			r := got[c.check]
			if r.Status != c.status || !strings.Contains(r.Why+"\n"+r.Remedy, c.text) {
				t.Errorf("%s is %q: %s -> %s", c.check, r.Status, r.Why, r.Remedy)
			}
			if c.skipped != "" && got[c.skipped].Status != Skipped {
				t.Errorf("%s is %q", c.skipped, got[c.skipped].Status)
			}
			for other, r := range got {
				if other != c.check && r.Status == Failed {
					t.Errorf("%s fails too: %s", other, r.Why)
				}
			}
		})
	}
}

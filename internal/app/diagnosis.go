package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"fhirsynapse/internal/azure"
	"fhirsynapse/internal/bulkfhir"
	"fhirsynapse/internal/config"
	"fhirsynapse/internal/doctor"
	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/warehouse"
	"fhirsynapse/internal/warehouse/tds"
)

// Diagnosis holds the options for examining the settings of an operator.
type Diagnosis struct {
	// From names the place of the settings, for people.
	From string
	// Person signs in as the person at this machine wherever the settings name an identity of the
	// app, which exists in Azure only.
	Person bool
}

// Subject returns what the settings name, for the checks of package doctor. It does no I/O except
// for the files that the settings name. close ends the connections.
func (o Operator) Subject(d Diagnosis) (s doctor.Subject, close func(context.Context)) {
	e := o.Environment
	cfg, err := config.FromEnv(e.Environ, e.ReadFile, slices.Collect(maps.Keys(e.Engines))...)
	if d.Person {
		asPerson(&cfg)
	}
	set := &doctor.Settings{
		From: d.From, Faults: eachFault(err), Warnings: slices.Concat(cfg.Warnings,
			cfg.Exports.Warnings),
	}
	a := diagnosed{&App{
		config: cfg, environ: e.Environ, read: e.ReadFile, engines: e.Engines, now: e.Now,
		log: o.Log,
	}}
	s = doctor.Subject{
		Settings: set, Now: e.Now,
		Views: func() (int, error) {
			set, err := Views(cfg.ViewsFolder)
			if err != nil {
				return 0, err
			}
			tables, err := set.Tables("")
			return len(tables), err
		},
	}
	if s.Lake, err = a.storage(); err != nil {
		set.Faults = append(set.Faults, err)
	}
	close = func(context.Context) {}
	if given(cfg.Bus) {
		namespace, err := azure.NewNamespace(account(cfg.Bus), nil)
		if err != nil {
			set.Faults = append(set.Faults, err)
		} else {
			s.Bus = diagnosedBus(cfg, namespace)
			close = func(ctx context.Context) { _ = namespace.Close(ctx) }
		}
	}
	fromLake := cfg.ExportsFile.Blob != "" && s.Lake != nil
	if fromLake || len(cfg.Exports.Plans) > 0 {
		s.Plans = func(ctx context.Context) (doctor.Plans, error) {
			return a.plans(ctx, d.Person)
		}
	}
	if scheme := cfg.Warehouse.Scheme; scheme != "" && e.Engines[scheme] != nil {
		s.Warehouse = a.warehouse(d.Person)
	}
	return s, close
}

// diagnosed is an app that was made from settings with faults. Its other methods may fail.
type diagnosed struct{ *App }

// eachFault splits joined errors.
func eachFault(err error) []error {
	if err == nil {
		return nil
	}
	inner := err
	if f, ok := err.(*fault.Error); ok && f.Remedy == "" { //nolint:errorlint // only the outermost
		inner = f.Err
	}
	many, ok := inner.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var out []error
	for _, one := range many.Unwrap() {
		out = append(out, eachFault(one)...)
	}
	return out
}

// asPerson replaces the identities of the app, which no other machine has.
func asPerson(cfg *config.Config) {
	cfg.Bus.ClientID, cfg.Lake.ClientID = "", ""
	for name, s := range cfg.Exports.Sources {
		cfg.Exports.Sources[name] = sourceAsPerson(s)
	}
}

func sourceAsPerson(s config.Source) config.Source {
	if s.Auth.Kind == config.AuthManagedIdentity || s.Auth.Kind == config.AuthWorkloadIdentity {
		s.Auth.Kind, s.Auth.ClientID = config.AuthManagedIdentity, ""
	}
	return s
}

// given reports whether a connection is named in exactly one of its two forms.
func given(c config.Connection) bool {
	return c.ConnectionString.IsZero() != (c.Address == "")
}

// storage returns the storage account, nil if the settings do not name one.
func (a diagnosed) storage() (*doctor.Lake, error) {
	cfg := a.config
	if !given(cfg.Lake) {
		return nil, nil //nolint:nilnil // the settings tell why
	}
	clients, err := azure.Connect(azure.Settings{Storage: account(cfg.Lake)})
	if err != nil {
		return nil, err
	}
	a.lake = azure.NewLake(clients.Storage, azure.Containers{
		Landing: cfg.LandingContainer, Staging: cfg.StagingContainer,
		Quarantine: cfg.QuarantineContainer,
	})
	a.journal = azure.NewJournal(clients.Storage, cfg.JournalContainer)
	place := func(container string) blobs {
		return blobs{azure.NewLake(clients.Storage, azure.Containers{Staging: container})}
	}
	storage := containers{
		"landing": place(cfg.LandingContainer), "staging": place(cfg.StagingContainer),
		"quarantine": place(cfg.QuarantineContainer), "journal": place(cfg.JournalContainer),
		"published": place(cfg.PublishedContainer),
	}
	out := &doctor.Lake{Storage: storage, Containers: []doctor.Container{
		{Use: "landing", Name: cfg.LandingContainer},
		{Use: "staging", Name: cfg.StagingContainer, Write: true},
		{Use: "quarantine", Name: cfg.QuarantineContainer, Write: true},
		{Use: "journal", Name: cfg.JournalContainer, Write: true},
	}}
	if cfg.Warehouse.Scheme == "synapse-serverless" {
		out.Containers = append(out.Containers, doctor.Container{
			Use: "published", Name: cfg.PublishedContainer, Write: true,
		})
	}
	if u, err := url.Parse(clients.Storage.URL()); err == nil {
		out.Address = u.Host
		if u.Port() == "" {
			out.Address = net.JoinHostPort(u.Hostname(), "443")
		}
		if name, _, ok := strings.Cut(u.Hostname(), ".blob."); ok {
			out.Account = name
		}
	}
	return out, nil
}

// containers implements doctor.Storage, by the use of a container.
type containers map[string]blobs

// blobs is one container.
type blobs struct{ *azure.Lake }

// fewBlobs is how many blobs of a listing are looked at.
const fewBlobs = 100

// Newest implements doctor.Storage.
func (c containers) Newest(ctx context.Context, use, prefix string) (newest time.Time, err error) {
	n := 0
	for f, err := range c[use].List(ctx, pipeline.Staging, prefix) {
		if err != nil {
			return newest, err
		}
		if f.Modified.After(newest) {
			newest = f.Modified
		}
		if n++; n >= fewBlobs {
			break
		}
	}
	return newest, nil
}

// Write implements doctor.Storage.
func (c containers) Write(ctx context.Context, use, path string) (time.Time, error) {
	f, err := c[use].Put(ctx, pipeline.Staging, path, strings.NewReader(""))
	return f.Modified, err
}

// Remove implements doctor.Storage.
func (c containers) Remove(ctx context.Context, use, path string) error {
	return c[use].Remove(ctx, pipeline.Staging, path)
}

func diagnosedBus(cfg config.Config, namespace *azure.Namespace) *doctor.Bus {
	out := &doctor.Bus{
		Address: namespace.Address(), Broker: broker{namespace}, Queues: []doctor.Queue{
			{Setting: "StepsQueue", Name: cfg.StepsQueue, Send: true, Window: time.Hour},
			{Setting: "BlobEventsQueue", Name: cfg.BlobEventsQueue},
		},
	}
	if name, _, ok := strings.Cut(out.Address, ".servicebus."); ok {
		out.Namespace = name
	}
	return out
}

// broker implements doctor.Broker.
type broker struct{ *azure.Namespace }

// Describe implements doctor.Broker.
func (b broker) Describe(ctx context.Context, queue string) (doctor.QueueSettings, error) {
	q, err := b.Queue(ctx, queue)
	switch {
	case errors.Is(err, azure.ErrNoManagement):
		return doctor.QueueSettings{}, untold{err}
	case errors.Is(err, azure.ErrNotPermitted):
		return doctor.QueueSettings{}, untold{azure.ErrNotPermitted}
	case err != nil:
		return doctor.QueueSettings{}, err
	}
	return doctor.QueueSettings{
		Duplicates: q.Duplicates, Window: q.Window, Lock: q.Lock, MaxDelivery: q.MaxDelivery,
		Sessions: q.Sessions, Status: q.Status, Active: q.Active, Dead: q.Dead,
		Scheduled: q.Scheduled,
	}, nil
}

// untold is an error with the meaning of doctor.ErrUntold.
type untold struct{ error }

func (untold) Is(target error) bool { return target == doctor.ErrUntold }

// plans reads the plans, with their servers and tables.
func (a diagnosed) plans(ctx context.Context, person bool) (doctor.Plans, error) {
	exports, err := a.exports(ctx)
	if err != nil {
		return doctor.Plans{}, err
	}
	var out doctor.Plans
	if a.config.ExportsFile.Blob != "" {
		out.Warnings = exports.Warnings // a file is read with the settings
	}
	engine, address := a.engines[a.config.Warehouse.Scheme], a.config.Warehouse.Rest.Reveal()
	var local warehouse.Local
	if engine != nil {
		local, _ = engine.Local(address)
	}
	set := planViews(a.config.ViewsFolder, exports, local.Storage)
	used := map[string]pipeline.Plan{} // the first plan of each source
	for _, p := range exports.Plans {
		out.Names = append(out.Names, p.Name)
		tables, err := planTables(set, p)
		if err != nil {
			return out, err
		}
		out.Tables = append(out.Tables, tables)
		if source := exports.SourceOf[p.Name]; used[source].Name == "" {
			used[source] = p
		}
	}
	for _, name := range slices.Sorted(maps.Keys(used)) {
		source := exports.Sources[name]
		if person {
			source = sourceAsPerson(source)
		}
		out.Servers = append(out.Servers, doctor.Server{
			Name: name, URL: source.URL, WritesToLake: source.Dialect == config.DialectAzure,
			FHIR: server{a: a.App, source: source, plan: used[name]},
		})
	}
	return out, nil
}

// server implements doctor.FHIR.
type server struct {
	a      *App
	source config.Source
	plan   pipeline.Plan // one that exports from it
}

func (s server) options() (bulkfhir.Options, error) {
	return s.a.sourceOptions(s.source)
}

// SignIn implements doctor.FHIR.
func (s server) SignIn(ctx context.Context) (bool, error) {
	o, err := s.options()
	if err != nil || o.Token == nil {
		return false, err
	}
	_, err = o.Token(ctx)
	return true, err
}

// Describe implements doctor.FHIR.
func (s server) Describe(ctx context.Context) (out doctor.Capability, err error) {
	o, err := s.options()
	if err != nil {
		return out, err
	}
	out.Sent = s.a.now()
	c, err := bulkfhir.Describe(ctx, o)
	out.Received = s.a.now()
	out.Found, out.Software, out.FHIR, out.Supported = c.Found, c.Software, c.FHIR, c.Supported
	out.Levels, out.Date = c.Levels, c.Date
	return out, err
}

// MayExport implements doctor.FHIR.
func (s server) MayExport(ctx context.Context) (bool, error) {
	o, err := s.options()
	if err != nil {
		return false, err
	}
	return bulkfhir.MayExport(ctx, o, noJob)
}

// noJob has the form of a job's id, and no job has it.
const noJob = "00000000-0000-4000-8000-000000000000"

// KickOff implements doctor.FHIR. It asks for the changes of the last minute in one type.
func (s server) KickOff(ctx context.Context) (string, error) {
	o, err := s.options()
	if err != nil {
		return "", err
	}
	kind := "Patient"
	if len(s.plan.Types) > 0 {
		kind = s.plan.Types[0]
	}
	r := pipeline.Request{
		Level: s.plan.Level, Group: s.plan.Group, Types: []string{kind},
		Since: s.a.now().Add(-time.Minute).UTC().Truncate(time.Second),
	}
	if r.Level == pipeline.LevelGroup && r.Group == "" { // the Groups of a cohort may be missing
		r.Level = pipeline.LevelPatient
	}
	if err := bulkfhir.DryRun(ctx, o, r); err != nil {
		return "", err
	}
	return fmt.Sprintf("the last minute's %s at level %s", kind, r.Level), nil
}

// warehouse returns the database of the tables.
func (a diagnosed) warehouse(person bool) *doctor.Warehouse {
	scheme, address := a.config.Warehouse.Scheme, a.config.Warehouse.Rest.Reveal()
	out := &doctor.Warehouse{Scheme: scheme}
	inspector, ok := a.engines[scheme].(warehouse.Inspector)
	if !ok {
		return out
	}
	if person && scheme != "duckdb" {
		address = signedInHere(address)
	}
	out.Inspect = func(
		ctx context.Context, plans []warehouse.PlanTables,
	) (warehouse.Inspection, error) {
		return inspector.Inspect(ctx, address, plans)
	}
	return out
}

// signedInHere replaces the identity of the app in the address of a server by the one of this
// machine. A user with a password stays.
func signedInHere(address string) string {
	u, err := url.Parse("sqlserver:" + strings.TrimPrefix(address, "sqlserver:"))
	if err != nil {
		return address // opening it tells the fault
	}
	if _, password := u.User.Password(); password {
		return address
	}
	u.User = nil
	left, _ := tds.Take(u.String(), "fedauth", "user id")
	separator := "?"
	if strings.Contains(left, "?") {
		separator = "&"
	}
	return cmp.Or(left, address) + separator + "fedauth=ActiveDirectoryDefault"
}

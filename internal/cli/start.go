package cli

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"fhirsynapse/internal/batch"
	"fhirsynapse/internal/config"
	"fhirsynapse/internal/pipeline"
)

const startLong = `Export once from a FHIR server with Bulk Data export into tables, without a configuration file:
kick-off, wait, download, flatten, commit. If the command is interrupted, it cancels its job at the
server; at the end it deletes the job. Then it prints the reconciliation: for each resource type the
files, the resources counted by the manifest, the lines read and what became of them. The exit code is
0 only if every line is accounted for.

The newest version of each resource wins, so repeating an export changes nothing. With --since the
server exports only changes, and tells which resources were deleted, if it supports that. An export
without --since tells of no deletes. With --level patient or group, some servers compare --since with
the Patient resource alone, and leave out new resources of an unchanged patient.

--dialect azure is for the FHIR service of Azure Health Data Services and for Microsoft's open source
FHIR server. They write into their own storage account, and this command only reads there: give
--storage https://ACCOUNT.blob.core.windows.net, with the identity of this machine or of the Azure
CLI, or a connection string as env:NAME or file:PATH. The files stay there.

--to accepts the same targets as the command load: see fhirsynapse load --help. Parquet, CSV and
NDJSON files have a row for every line that the server sent, and replace files of the same name. The
warehouse is opened before the server is asked. The downloaded files are removed at the end, unless
--keep names a folder for them.

While the command waits, it says for what, what has failed, and what comes next. It prints the address
of the job at the server, so that the job can be cancelled by hand.

Sign-in, --auth KIND:
  none               no sign-in
  bearer             an existing token: --token
  client-secret      OAuth 2 client credentials: --client-id, --secret; --token-url, --scope
  smart              SMART Backend Services, assertions signed with RS384 or ES384: --client-id,
                     --key; --key-id, --token-url, --scope
  managed-identity   Microsoft Entra, the managed identity of this machine in Azure: --client-id for
                     a user-assigned identity; --audience or --scope
  workload-identity  Microsoft Entra, the identity of this workload: --client-id, --tenant-id;
                     --audience or --scope
  client-credential  Microsoft Entra, an app registration: --tenant-id, --client-id, --secret;
                     --audience or --scope

Give a secret, key or token as env:NAME (an environment variable) or file:PATH, never on the command
line, where others can read it.

Parameters of the export: --types (_type), --type-filter (_typeFilter), --since (_since), --until
(_until), --patient (patient, by POST), --group. There is no _elements, because it would leave out
elements that have columns. A resource that stops matching a --type-filter is never exported again,
so its last state stays in the tables; better use the where of a view.`

func startCommand(getenv func(string) string, s Streams, c Commands) *cobra.Command {
	f := startFlags{getenv: getenv}
	cmd := &cobra.Command{
		Use:   "start --once --source URL --to WAREHOUSE",
		Short: "Export once from a bulk server into tables, without a configuration file",
		Long:  startLong,
		Example: "  fhirsynapse start --once --source https://bulk.example.org/fhir --level patient --types Patient,Observation --to duckdb:out/x.duckdb\n" +
			"  fhirsynapse start --once --source https://bulk.example.org/fhir --auth smart --client-id app --key file:key.json --to duckdb:x.duckdb\n" +
			"  fhirsynapse start --once --source https://bulk.example.org/fhir --to parquet:tables --keep ndjson",
		Args: arguments(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := f.request()
			if err != nil {
				return usageError{command: cmd.CommandPath(), err: err}
			}
			return f.run(cmd.Context(), s, c.Runs, r)
		},
	}
	f.add(cmd)
	return cmd
}

// startFlags holds the flags as typed.
type startFlags struct {
	getenv                 func(string) string
	r                      batch.StartRequest
	once, asJSON, words    bool
	to, since, until, kind string
	secrets                struct{ secret, key, token, storage string } // references to secrets
	maxBad                 float64
	base, urns             string
}

func (f *startFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.BoolVar(&f.once, "once", false, "one export, now, without a configuration file")
	flags.StringVar(&f.r.Source, "source", "", "the FHIR base `URL`")
	flags.StringVar(&f.r.Dialect, "dialect", config.DialectBulk,
		"how the server exports: bulk, by the Bulk Data guide, or azure")
	flags.StringVar(&f.secrets.storage, "storage", "",
		"with --dialect azure the account that the server writes to: its blob endpoint's `URL`, or env:NAME or file:PATH")
	flags.StringVar(&f.r.Container, "container", "fhir-landing",
		"with --dialect azure the `CONTAINER` to export into")
	flags.StringVar(&f.to, "to", "",
		"the `WAREHOUSE` as of the command load, for example duckdb:FILE, or env:NAME or file:PATH that contains it")
	flags.StringVar(&f.r.Schema, "schema", "",
		"the schema of the tables (default main in DuckDB, dbo in the others)")
	flags.StringVar(&f.r.Staging, "staging", "",
		"the `URL` of the container that synapse-dedicated and fabric read from: see fhirsynapse load --help")
	flags.StringVar(&f.r.Keep, "keep", "",
		"keep the NDJSON files of the export in this new `FOLDER`; by default they are removed")
	flags.StringVar(&f.r.Views, "views", "",
		"a `FOLDER` of ViewDefinitions in addition to the bundled ones")
	flags.StringVar(&f.r.Level, "level", pipeline.LevelSystem, "system, patient or group")
	flags.StringVar(&f.r.Group, "group", "", "the `ID` of a Group, with --level group")
	flags.StringSliceVar(&f.r.Types, "types", nil,
		"resource `TYPES`, separated by commas; by default all types of the server")
	flags.StringArrayVar(&f.r.TypeFilters, "type-filter", nil,
		"a `SEARCH` such as Observation?code=1234; may be repeated")
	flags.StringArrayVar(&f.r.Patients, "patient", nil,
		"the `ID` of a Patient, below --level system; may be repeated")
	flags.StringVar(&f.since, "since", "",
		"only what changed since this `INSTANT`, for example 2026-01-31T00:00:00Z")
	flags.StringVar(&f.until, "until", "",
		"only what changed until this `INSTANT`, at servers of guide version 3")
	flags.StringVar(&f.kind, "auth", string(config.AuthNone), "the `KIND` of sign-in, see above")
	flags.StringVar(&f.r.Auth.ClientID, "client-id", "",
		"the `ID` of this client at the server")
	flags.StringVar(&f.secrets.secret, "secret", "", "the client secret, as env:NAME or file:PATH")
	flags.StringVar(&f.secrets.key, "key", "",
		"the private key, PEM or JWK, as env:NAME or file:PATH")
	flags.StringVar(&f.secrets.token, "token", "", "the bearer token, as env:NAME or file:PATH")
	flags.StringVar(&f.r.Auth.KeyID, "key-id", "",
		"the kid of the key at the server, if the key does not contain it")
	flags.StringVar(&f.r.Auth.TokenURL, "token-url", "",
		"the `URL` of the token endpoint; by default it is read from .well-known/smart-configuration")
	flags.StringVar(&f.r.Auth.Scope, "scope", "",
		"the scope to ask for; by default system/*.rs or system/*.read, or the scope of the audience")
	flags.StringVar(&f.r.Auth.TenantID, "tenant-id", "", "the `ID` of the Entra tenant")
	flags.StringVar(&f.r.Auth.Audience, "audience", "",
		"the `URI` that an Entra token is for; by default the server of --source")
	flags.StringVar(&f.r.Method, "method", "",
		"GET or POST for the kick-off; by default the client chooses")
	flags.BoolVar(&f.r.Lenient, "lenient", false,
		"ask the server to ignore unknown parameters (Prefer: handling=lenient)")
	flags.StringVar(&f.r.FileToken, "file-token", "",
		"always or never send the token with file downloads; by default as the manifest says")
	flags.BoolVar(&f.r.AllowPrivate, "allow-private", false,
		"allow downloads from private addresses")
	flags.StringArrayVar(&f.r.StatusHosts, "status-host", nil,
		"a further `HOST` where the server may keep the status of the export; may be repeated")
	flags.IntVar(&f.r.Downloads, "downloads", 8, "the maximum number of concurrent downloads")
	flags.StringVar(&f.base, "base", "",
		"only absolute references to this base `URL` have a key; by default that of --source")
	flags.StringVar(&f.urns, "urn-references", "",
		"`HOW` to read urn:uuid references: ids uses the UUID as the id; by default they have no key")
	flags.Float64Var(&f.maxBad, "max-bad", 5,
		"the largest share of bad lines of a resource type, in per cent; above it the export fails")
	flags.BoolVar(&f.r.AllowErrors, "allow-errors", false,
		"accept that the server could not export everything, and count the export as complete")
	flags.DurationVar(&f.r.Timeout, "timeout", 24*time.Hour, "the time limit of the whole export")
	flags.BoolVar(&f.words, "show-server-text", false,
		"print what the server wrote about a failure even to a log; it may hold health data")
	flags.BoolVar(&f.asJSON, "json", false, "print the report as JSON")
}

// request checks all flags, and returns all errors together.
func (f *startFlags) request() (batch.StartRequest, error) {
	r := f.r
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if !f.once {
		wrong("--once is missing: exports of a plan are started by its schedule, or by fhirsynapse exports start PLAN")
	}
	switch u, err := url.Parse(r.Source); {
	case r.Source == "":
		wrong("--source is missing: name the FHIR base URL")
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		wrong("--source must look like https://HOST/PATH") // the text may contain a password
	case u.Scheme == "http" && !loopback(u.Hostname()):
		wrong("--source must be https: health data does not leave a machine unencrypted")
	}
	var target error
	if r.Scheme, r.Rest, target = warehouseOf(f.to, f.getenv); target != nil {
		wrong("%w", target)
	}
	switch {
	case !slices.Contains([]string{
		pipeline.LevelSystem, pipeline.LevelPatient, pipeline.LevelGroup,
	}, r.Level):
		wrong("--level %q is unknown: use system, patient or group", r.Level)
	case r.Level == pipeline.LevelGroup && r.Group == "":
		wrong("--group is missing: level group needs the id of a Group")
	case r.Level != pipeline.LevelGroup && r.Group != "":
		wrong("--group is only for --level group")
	case r.Level == pipeline.LevelSystem && len(r.Patients) > 0:
		wrong("--patient is only for --level patient or group")
	}
	if !slices.Contains([]string{"", "GET", "POST"}, r.Method) {
		wrong("--method %q is unknown: use GET or POST", r.Method)
	}
	if !slices.Contains([]string{"", "always", "never"}, r.FileToken) {
		wrong("--file-token %q is unknown: use always or never", r.FileToken)
	}
	switch reads := slices.Contains(readers, r.Scheme); {
	case reads && r.Staging == "":
		wrong("--staging is missing: %s reads from a storage account: name a container as https://ACCOUNT.blob.core.windows.net/CONTAINER", r.Scheme)
	case !reads && r.Staging != "":
		wrong("--staging is only for --to %s: leave it out",
			strings.Join(readers, " and "))
	}
	if r.Keep != "" && r.Dialect == config.DialectAzure {
		wrong("--keep is only for --dialect bulk: with azure the files stay in the container of --storage")
	}
	errs = append(errs, f.dialect(&r)...)
	r.Since, r.Until = f.instant("since", f.since, &errs), f.instant("until", f.until, &errs)
	references, err := config.ParseReferences(f.base, f.urns)
	if err != nil {
		errs = append(errs, err)
	}
	references.Base = cmp.Or(references.Base, r.Source)
	r.References = references
	if f.maxBad < 0 || f.maxBad > 100 {
		wrong("--max-bad must be from 0 to 100")
	}
	r.MaxBad = f.maxBad / 100
	if r.Downloads < 1 {
		wrong("--downloads must be at least 1")
	}
	if r.Timeout <= 0 {
		wrong("--timeout must be above 0")
	}
	errs = append(errs, f.auth(&r.Auth)...)
	return r, errors.Join(errs...)
}

// dialect checks the flags that belong to one dialect only.
func (f *startFlags) dialect(r *batch.StartRequest) (errs []error) {
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	switch {
	case r.Dialect == config.DialectBulk:
		if f.secrets.storage != "" {
			wrong("--storage is only for --dialect azure")
		}
		return errs
	case r.Dialect != config.DialectAzure:
		wrong("--dialect %q is unknown: use bulk or azure", r.Dialect)
		return errs
	}
	if r.Container == "" {
		wrong("--container is missing: name the container that the server exports into")
	}
	switch {
	case f.secrets.storage == "":
		wrong("--storage is missing: --dialect azure needs the account that the server writes to")
	case strings.HasPrefix(f.secrets.storage, "https://"):
		r.Storage.Address = f.secrets.storage
	default:
		connection, err := f.reveal("storage", f.secrets.storage)
		if err != nil {
			errs = append(errs, err)
		}
		r.Storage.Connection = connection
	}
	for _, flag := range []struct {
		name  string
		given bool
	}{
		{"patient", len(r.Patients) > 0},
		{"method", r.Method != ""},
		{"file-token", r.FileToken != ""},
	} {
		if flag.given {
			wrong("--%s is only for --dialect bulk", flag.name)
		}
	}
	return errs
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (f *startFlags) instant(name, value string, errs *[]error) time.Time {
	if value == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, value)
	if err != nil {
		*errs = append(*errs,
			fmt.Errorf("--%s %q is no instant with a time zone: write for example 2026-01-31T00:00:00Z", name, value))
	}
	return t.UTC()
}

// auth compares the sign-in flags with the requirements of their kind, and reads the secret that
// the flags refer to.
func (f *startFlags) auth(a *config.Auth) (errs []error) {
	forms := config.AuthForms()
	i := slices.IndexFunc(forms, func(form config.AuthForm) bool {
		return string(form.Kind) == f.kind
	})
	if i < 0 {
		var kinds []string
		for _, form := range forms {
			kinds = append(kinds, string(form.Kind))
		}
		return []error{fmt.Errorf("--auth %q is unknown: use %s", f.kind,
			strings.Join(kinds, ", "))}
	}
	form := forms[i]
	a.Kind = form.Kind
	// config.AuthForms has the keys of exports.yaml.
	given := []struct{ key, flag, value string }{
		{"clientId", "client-id", a.ClientID},
		{"tenantId", "tenant-id", a.TenantID},
		{"secret", "secret", f.secrets.secret},
		{"key", "key", f.secrets.key},
		{"token", "token", f.secrets.token},
		{"keyId", "key-id", a.KeyID},
		{"tokenUrl", "token-url", a.TokenURL},
		{"scope", "scope", a.Scope},
		{"audience", "audience", a.Audience},
	}
	for _, g := range given {
		needed := g.key == form.Secret || slices.Contains(form.Required, g.key)
		switch {
		case needed && g.value == "":
			errs = append(errs, fmt.Errorf("--%s is missing: --auth %s needs it", g.flag, a.Kind))
		case !needed && g.value != "" && !slices.Contains(form.Optional, g.key):
			errs = append(errs, fmt.Errorf("--%s has no meaning with --auth %s", g.flag, a.Kind))
		case g.key == form.Secret && g.value != "":
			var err error
			if a.Secret, err = f.reveal(g.flag, g.value); err != nil {
				errs = append(errs, err)
			}
		}
	}
	if a.Audience != "" && a.Scope != "" {
		errs = append(errs,
			errors.New(
				"--audience and --scope: the scope is the audience with /.default; give one"))
	}
	if base, err := url.Parse(f.r.Source); a.Audience == "" && err == nil &&
		slices.Contains(form.Optional, "audience") {
		a.Audience = base.Scheme + "://" + base.Host
	}
	return errs
}

// reveal returns the secret that a reference names. An error never repeats other texts, because
// they may be the secret itself.
func (f *startFlags) reveal(name, reference string) (config.Secret, error) {
	value, is, err := revealed(reference, f.getenv)
	switch {
	case err != nil:
		return config.Secret{}, fmt.Errorf("--%s: %w", name, err)
	case !is:
		return config.Secret{},
			fmt.Errorf("--%s must be env:NAME or file:PATH: what stands on a command line is no secret", name)
	}
	return config.NewSecret(value), nil
}

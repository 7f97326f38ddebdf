package tsqltest_test

import (
	"slices"
	"strings"
	"testing"

	"fhirsynapse/internal/cli"
	"fhirsynapse/internal/emulator/sqlserver"
	"fhirsynapse/internal/emulator/sqlserver/tables"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/warehouse/setup"
)

// check runs the command on a database in the given state.
func (s *state) check(
	t *testing.T, engine tsql.Engine, args ...string,
) (code int, missing []string, out, errs string) {
	t.Helper()
	db := tables.New(tables.Options{
		RowVersions: s.rowVersions, Collation: s.collation, System: s.views(),
	})
	server, err := sqlserver.Listen(sqlserver.Options{Sessions: db.Session})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	}()
	to := string(engine) + strings.TrimPrefix(server.URL("someone", "hunter2", "pool"), "sqlserver")
	var o, e strings.Builder
	code = cli.Run(t.Context(),
		append([]string{"sql", "setup", "--check", "--to", "env:TO", "--principal", "my-function"},
			args...),
		func(string) string {
			return to
		}, cli.Streams{Out: &o, Err: &e, Now: now, Ticks: noTicks}, cli.Commands{})
	for line := range strings.Lines(o.String()) {
		if what, is := strings.CutPrefix(strings.TrimSpace(line), "missing: "); is {
			missing = append(missing, what)
		}
	}
	return code, missing, o.String(), e.String()
}

// checked returns the set-ups to check, with their arguments in addition to the principal.
func checked() map[string]struct {
	setup.Setup
	args []string
} {
	out := map[string]struct {
		setup.Setup
		args []string
	}{}
	for _, e := range tsql.Engines() {
		s := setup.Setup{
			Engine: e, Principal: "my-function", Schema: "nightly", Database: "pool",
			Readers: []string{"Analysts"},
		}
		args := []string{"--schema", "nightly", "--reader", "Analysts"}
		if e == tsql.SQLServer {
			s.Rebuild, args = true, append(args, "--rebuild")
		}
		if e == tsql.Serverless {
			s.Published, s.Snapshots, args = publishedURL, true,
				append(args, "--snapshots", "--published", publishedURL)
		}
		out[string(e)] = struct {
			setup.Setup
			args []string
		}{s, args}
	}
	return out
}

func TestCheckTellsWhatEachStepMakes(t *testing.T) {
	for name, c := range checked() {
		t.Run(name, func(t *testing.T) {
			var all, named []setup.Step
			for _, step := range c.Steps() {
				all = append(all, step)
				if step.What != "" && !strings.HasPrefix(step.What, "database ") {
					named = append(named, step)
				}
			}
			whole := func(without string) *state {
				s := empty()
				s.byGrant = c.Engine == tsql.Fabric
				if c.Engine == tsql.Fabric &&
					without != "a collation that tells upper case from lower case" {
					s.collation = "Latin1_General_100_BIN2_UTF8"
				}
				for range 2 { // the script can be run again
					for _, step := range all {
						if step.What != without || without == "" {
							s.run(t, step)
						}
					}
				}
				return s
			}
			code, missing, out, errs := whole("").check(t, c.Engine, c.args...)
			if code != 0 || len(missing) > 0 || errs != "" ||
				!strings.HasPrefix(out, "complete: all ") {
				t.Errorf("after the script: code %d, %s%s", code, out, errs)
			}
			code, missing, _, errs = empty().check(t, c.Engine, c.args...)
			if code != 3 || len(missing) != len(named) ||
				!strings.Contains(errs,
					"an administrator adds them: fhirsynapse sql setup --engine "+name) ||
				strings.Contains(errs, "hunter2") {
				t.Errorf("before it: code %d, %d of %d are missing: %q\n%s", code, len(missing),
					len(named), missing, errs)
			}
			for _, step := range named {
				code, missing, _, errs := whole(step.What).check(t, c.Engine, c.args...)
				// If a user, a role or a schema is missing, its rights are missing too.
				name := names(step.What)
				depends := func(what string) bool {
					return what != step.What &&
						(len(name) == 0 || strings.HasPrefix(step.Text, "GRANT ") ||
							!strings.Contains(what, "["+name[0]+"]"))
				}
				if code != 3 || !slices.Contains(missing, step.What) ||
					slices.ContainsFunc(missing, depends) {
					t.Errorf("without %s: code %d, missing %q\n%s", step.What, code, missing, errs)
				}
			}
		})
	}
}

// A right may come from a role or from a wider right; a denied right does not count.
func TestCheckKnowsWhereRightsComeFrom(t *testing.T) {
	c := checked()["sqlserver"]
	const insert = "INSERT on schema [nightly] for [my-function]"
	for name, tt := range map[string]struct {
		change func(*state)
		want   []string
	}{
		"none": {func(*state) {}, []string{insert}},
		"of a role": {func(s *state) {
			s.principals, s.roles = append(s.principals, "inner", "outer"),
				append(s.roles, "inner", "outer")
			s.members = append(s.members, [2]string{"inner", "my-function"},
				[2]string{"outer", "inner"})
			s.permissions = append(s.permissions,
				[5]string{"outer", "SCHEMA", "INSERT", "G", "nightly"})
		}, nil},
		"of the owners": {func(s *state) {
			s.members = append(s.members, [2]string{"db_owner", "my-function"})
		}, nil},
		"of everybody": {func(s *state) {
			s.permissions = append(s.permissions,
				[5]string{"public", "SCHEMA", "INSERT", "G", "nightly"})
		}, nil},
		"on the database": {func(s *state) {
			s.permissions = append(s.permissions,
				[5]string{"my-function", "DATABASE", "INSERT", "W", ""})
		}, nil},
		"in another schema": {func(s *state) {
			s.permissions = append(s.permissions,
				[5]string{"my-function", "SCHEMA", "INSERT", "G", "dbo"})
		}, []string{insert}},
		"of another": {func(s *state) {
			s.permissions = append(s.permissions,
				[5]string{"dbo", "SCHEMA", "INSERT", "G", "nightly"})
		}, []string{insert}},
		"control": {func(s *state) {
			s.permissions = append(s.permissions,
				[5]string{"my-function", "SCHEMA", "CONTROL", "G", "nightly"})
		}, nil},
		"denied": {func(s *state) {
			s.permissions = append(s.permissions,
				[5]string{"my-function", "DATABASE", "CONTROL", "G", ""},
				[5]string{"my-function", "SCHEMA", "INSERT", "D", "nightly"})
		}, []string{insert}},
		"denied in another schema": {func(s *state) {
			s.permissions = append(s.permissions,
				[5]string{"my-function", "SCHEMA", "INSERT", "G", "nightly"},
				[5]string{"my-function", "SCHEMA", "INSERT", "D", "dbo"})
		}, nil},
	} {
		s := empty()
		for _, step := range c.Steps() {
			if step.What != insert {
				s.run(t, step)
			}
		}
		tt.change(s)
		if code, missing, _, errs := s.check(t, c.Engine,
			c.args...); !slices.Equal(missing, tt.want) || (code == 0) != (len(tt.want) == 0) {
			t.Errorf("%s: code %d, missing %q\n%s", name, code, missing, errs)
		}
	}
}

// A right on another credential does not count.
func TestCheckTellsCredentialsApart(t *testing.T) {
	c := checked()["synapse-serverless"]
	const references = "REFERENCES on credential [fhirsynapse] for [my-function]"
	s := empty()
	for _, step := range c.Steps() {
		if step.What != references {
			s.run(t, step)
		}
	}
	s.permissions = append(s.permissions,
		[5]string{"my-function", "DATABASE_SCOPED_CREDENTIAL", "REFERENCES", "G", "other"},
		[5]string{"my-function", "SCHEMA", "REFERENCES", "G", "nightly"})
	if code, missing, _, errs := s.check(t, c.Engine,
		c.args...); !slices.Equal(missing, []string{references}) {
		t.Errorf("code %d, missing %q\n%s", code, missing, errs)
	}
}

// A data source with the same name but another location does not count.
func TestCheckComparesThePlace(t *testing.T) {
	c := checked()["synapse-serverless"]
	for place, want := range map[string][]string{
		publishedURL + "/": nil,
		publishedURL + "2": {"data source [fhirsynapse] at " + publishedURL},
	} {
		s := empty()
		for _, step := range c.Steps() {
			s.run(t, step)
		}
		s.named["sys.external_data_sources"] = place
		if code, missing, _, errs := s.check(t, c.Engine, c.args...); !slices.Equal(missing, want) {
			t.Errorf("%s: code %d, missing %q\n%s", place, code, missing, errs)
		}
	}
}

// The parameter snapshot of the warehouse makes the check require the rights of snapshots.
func TestCheckReadsTheWarehouse(t *testing.T) {
	c := checked()["synapse-serverless"]
	s := empty()
	plain := c.Setup
	plain.Snapshots = false
	for _, step := range plain.Steps() {
		s.run(t, step)
	}
	args := []string{"--schema", "nightly", "--reader", "Analysts", "--published", publishedURL}
	if code, missing, _, errs := s.check(t, c.Engine, args...); code != 0 {
		t.Errorf("without snapshots: code %d, missing %q\n%s", code, missing, errs)
	}
	if code, missing, _, errs := s.check(t, c.Engine, append(args, "--snapshots")...); code != 3 ||
		len(missing) != 4 {
		t.Errorf("with snapshots: code %d, missing %q\n%s", code, missing, errs)
	}
}

func TestCheckThatCannotSignIn(t *testing.T) {
	server, err := sqlserver.Listen(sqlserver.Options{
		Sessions: tables.New(tables.Options{}).Session,
		Login: func(sqlserver.Login) *sqlserver.Error {
			return &sqlserver.Error{Number: 18456, Message: "Login failed for user 'someone'."}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	}()
	for to, want := range map[string]string{
		server.URL("someone", "hunter2", "pool"):          "check the set-up: connect: error 18456",
		"sqlserver://someone:hunter2@127.0.0.1:1":         "names no database",
		"synapse-serverless://h?database=pool&snapshot=1": "snapshot is the number of parts",
	} {
		var o, e strings.Builder
		code := cli.Run(t.Context(),
			[]string{"sql", "setup", "--check", "--to", to, "--principal", "x"},
			func(string) string { return "" },
			cli.Streams{Out: &o, Err: &e, Now: now, Ticks: noTicks}, cli.Commands{})
		if code != 1 || o.Len() > 0 || !strings.Contains(e.String(), want) ||
			strings.Contains(e.String(), "hunter2") {
			t.Errorf("%s: code %d, %s%s", want, code, o.String(), e.String())
		}
	}
}

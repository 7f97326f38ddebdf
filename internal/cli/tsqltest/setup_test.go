package tsqltest_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"fhirsynapse/internal/cli"
	"fhirsynapse/internal/emulator/sqlserver"
	"fhirsynapse/internal/emulator/sqlserver/tables"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/warehouse/setup"
)

const publishedURL = "https://account.dfs.core.windows.net/fhir-published"

// state is a database catalog that the statements of a set-up script change.
type state struct {
	rowVersions bool
	collation   string
	// byGrant is set if a GRANT creates the user that it names, as in Fabric.
	byGrant     bool
	principals  []string
	roles       []string // principals that are roles
	schemas     []string
	members     [][2]string
	permissions [][5]string // grantee, class, permission, state, schema or credential
	classifiers []string
	named       map[string]string // view and location, or "", of the objects named fhirsynapse
}

func empty() *state {
	return &state{
		collation: "SQL_Latin1_General_CP1_CI_AS", named: map[string]string{},
		principals: []string{"dbo", "public", "db_owner"}, roles: []string{"public", "db_owner"}, schemas: []string{"dbo"},
	}
}

var bracketed = regexp.MustCompile(`\[((?:[^\]]|\]\])*)\]`)

// names returns the quoted names of a statement.
func names(text string) []string {
	var out []string
	for _, m := range bracketed.FindAllStringSubmatch(text, -1) {
		out = append(out, strings.ReplaceAll(m[1], "]]", "]"))
	}
	return out
}

var grantee = regexp.MustCompile(`^GRANT ([A-Z ]+?)(?: ON ([A-Z ]+)::\[(.*)\])? TO \[(.*)\]$`)

// run executes a step, as a server would, and fails on a step that it does not know.
func (s *state) run(t *testing.T, step setup.Step) {
	t.Helper()
	text := step.Text
	if strings.HasPrefix(text, "IF ") {
		_, text, _ = strings.Cut(text, "\n  ")
	}
	if exec, is := strings.CutPrefix(text, "EXEC ("); is {
		text = strings.TrimSuffix(strings.TrimPrefix(strings.TrimSuffix(exec, ")"), "N"), "'")
		text = strings.ReplaceAll(strings.TrimPrefix(text, "'"), "''", "'")
	}
	add := func(list *[]string, name string) {
		if !slices.Contains(*list, name) {
			*list = append(*list, name)
		}
	}
	switch all := names(text); {
	case strings.HasPrefix(text, "RAISERROR "), strings.HasPrefix(text, "CREATE DATABASE ["):
	case strings.HasPrefix(text, "ALTER DATABASE "):
		s.rowVersions = true
	case strings.HasPrefix(text, "CREATE USER "):
		add(&s.principals, all[0])
	case strings.HasPrefix(text, "CREATE ROLE "):
		add(&s.principals, all[0])
		add(&s.roles, all[0])
	case strings.HasPrefix(text, "CREATE SCHEMA "):
		add(&s.schemas, all[0])
	case strings.HasPrefix(text, "ALTER ROLE "):
		s.members = append(s.members, [2]string{all[0], all[1]})
	case strings.HasPrefix(text, "EXEC sp_addrolemember "):
		parts := strings.Split(text, "'")
		s.members = append(s.members, [2]string{parts[1], parts[3]})
	case strings.HasPrefix(text, "CREATE MASTER KEY"):
		s.named["sys.symmetric_keys"] = ""
	case strings.HasPrefix(text, "CREATE DATABASE SCOPED CREDENTIAL "):
		s.named["sys.database_scoped_credentials"] = ""
	case strings.HasPrefix(text, "CREATE EXTERNAL DATA SOURCE "):
		s.named["sys.external_data_sources"] = strings.Split(text, "'")[1]
	case strings.HasPrefix(text, "CREATE EXTERNAL FILE FORMAT "):
		s.named["sys.external_file_formats"] = ""
	case strings.HasPrefix(text, "CREATE WORKLOAD GROUP "):
		s.named["sys.workload_management_workload_groups"] = ""
	case strings.HasPrefix(text, "CREATE WORKLOAD CLASSIFIER "):
		s.classifiers = append(s.classifiers, strings.Split(text, "'")[3])
	default:
		m := grantee.FindStringSubmatch(text)
		if m == nil {
			t.Fatalf("no server takes this: %s", step.Text)
		}
		class, schema := "DATABASE", ""
		switch m[2] {
		case "SCHEMA":
			class, schema = "SCHEMA", m[3]
		case "DATABASE SCOPED CREDENTIAL":
			class, schema = "DATABASE_SCOPED_CREDENTIAL", m[3]
		}
		if s.byGrant {
			add(&s.principals, m[4])
		}
		_, credential := s.named["sys.database_scoped_credentials"]
		if !slices.Contains(s.principals, m[4]) || class == "SCHEMA" && !slices.Contains(s.schemas, schema) || class == "DATABASE_SCOPED_CREDENTIAL" && !credential {
			return // the server lacks the principal, schema or credential
		}
		s.permissions = append(s.permissions, [5]string{m[4], class, m[1], "G ", schema})
	}
}

// views returns the catalog views of the state.
func (s *state) views() map[string]tables.View {
	// Ids are unique only within a class; these two are also ids of schemas.
	const credentialID, otherID = int64(6), int64(5)
	id := func(name string) int64 { return int64(slices.Index(s.principals, name)) }
	schemaID := func(name string) int64 { return int64(slices.Index(s.schemas, name)) + 5 }
	one := func(name string, columns ...string) tables.View {
		v := tables.View{Columns: append([]string{"name"}, columns...)}
		if location, there := s.named[name]; there {
			row := []any{"fhirsynapse"}
			if name == "sys.symmetric_keys" {
				row = []any{"##MS_DatabaseMasterKey##"}
			}
			if len(columns) > 0 {
				row = append(row, location)
			}
			v.Rows = append(v.Rows, row)
		}
		return v
	}
	out := map[string]tables.View{
		"sys.database_principals":                             {Columns: []string{"name", "principal_id", "type"}},
		"sys.schemas":                                         {Columns: []string{"name", "schema_id"}},
		"sys.database_role_members":                           {Columns: []string{"role_principal_id", "member_principal_id"}},
		"sys.database_permissions":                            {Columns: []string{"grantee_principal_id", "class_desc", "permission_name", "state", "major_id"}},
		"sys.symmetric_keys":                                  one("sys.symmetric_keys"),
		"sys.database_scoped_credentials":                     {Columns: []string{"name", "credential_id"}, Rows: [][]any{{"other", otherID}}},
		"sys.external_file_formats":                           one("sys.external_file_formats"),
		"sys.external_data_sources":                           one("sys.external_data_sources", "location"),
		"sys.workload_management_workload_groups":             one("sys.workload_management_workload_groups"),
		"sys.workload_management_workload_classifiers":        {Columns: []string{"classifier_id", "group_name"}},
		"sys.workload_management_workload_classifier_details": {Columns: []string{"classifier_id", "classifier_value"}},
	}
	fill := func(name string, row ...any) {
		v := out[name]
		v.Rows = append(v.Rows, row)
		out[name] = v
	}
	if _, there := s.named["sys.database_scoped_credentials"]; there {
		fill("sys.database_scoped_credentials", "fhirsynapse", credentialID)
	}
	for _, p := range s.principals {
		kind := "E"
		if slices.Contains(s.roles, p) {
			kind = "R"
		}
		fill("sys.database_principals", p, id(p), kind)
	}
	for _, name := range s.schemas {
		fill("sys.schemas", name, schemaID(name))
	}
	for _, m := range s.members {
		fill("sys.database_role_members", id(m[0]), id(m[1]))
	}
	for _, p := range s.permissions {
		major := int64(0)
		switch {
		case p[1] == "SCHEMA":
			major = schemaID(p[4])
		case p[4] == "fhirsynapse":
			major = credentialID
		case p[4] == "other":
			major = otherID
		}
		fill("sys.database_permissions", id(p[0]), p[1], p[2], p[3], major)
	}
	for i, member := range s.classifiers {
		fill("sys.workload_management_workload_classifiers", int64(i), "fhirsynapse")
		fill("sys.workload_management_workload_classifier_details", int64(i), member)
	}
	return out
}

// check runs the command on a database in the given state.
func (s *state) check(t *testing.T, engine tsql.Engine, args ...string) (code int, missing []string, out, errs string) {
	t.Helper()
	db := tables.New(tables.Options{RowVersions: s.rowVersions, Collation: s.collation, System: s.views()})
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
	code = cli.Run(t.Context(), append([]string{"sql", "setup", "--check", "--to", "env:TO", "--principal", "my-function"}, args...),
		func(string) string { return to }, cli.Streams{Out: &o, Err: &e, Now: now, Ticks: noTicks}, cli.Commands{})
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
		s := setup.Setup{Engine: e, Principal: "my-function", Schema: "nightly", Database: "pool", Readers: []string{"Analysts"}}
		args := []string{"--schema", "nightly", "--reader", "Analysts"}
		if e == tsql.SQLServer {
			s.Rebuild, args = true, append(args, "--rebuild")
		}
		if e == tsql.Serverless {
			s.Published, s.Snapshots, args = publishedURL, true, append(args, "--snapshots", "--published", publishedURL)
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
				if c.Engine == tsql.Fabric && without != "a collation that tells upper case from lower case" {
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
			if code != 0 || len(missing) > 0 || errs != "" || !strings.HasPrefix(out, "complete: all ") {
				t.Errorf("after the script: code %d, %s%s", code, out, errs)
			}
			code, missing, _, errs = empty().check(t, c.Engine, c.args...)
			if code != 3 || len(missing) != len(named) || !strings.Contains(errs, "an administrator adds them: fhirsynapse sql setup --engine "+name) || strings.Contains(errs, "hunter2") {
				t.Errorf("before it: code %d, %d of %d are missing: %q\n%s", code, len(missing), len(named), missing, errs)
			}
			for _, step := range named {
				code, missing, _, errs := whole(step.What).check(t, c.Engine, c.args...)
				// If a user, a role or a schema is missing, its rights are missing too.
				name := names(step.What)
				depends := func(what string) bool {
					return what != step.What && (len(name) == 0 || strings.HasPrefix(step.Text, "GRANT ") || !strings.Contains(what, "["+name[0]+"]"))
				}
				if code != 3 || !slices.Contains(missing, step.What) || slices.ContainsFunc(missing, depends) {
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
			s.principals, s.roles = append(s.principals, "inner", "outer"), append(s.roles, "inner", "outer")
			s.members = append(s.members, [2]string{"inner", "my-function"}, [2]string{"outer", "inner"})
			s.permissions = append(s.permissions, [5]string{"outer", "SCHEMA", "INSERT", "G", "nightly"})
		}, nil},
		"of the owners": {func(s *state) { s.members = append(s.members, [2]string{"db_owner", "my-function"}) }, nil},
		"of everybody": {func(s *state) {
			s.permissions = append(s.permissions, [5]string{"public", "SCHEMA", "INSERT", "G", "nightly"})
		}, nil},
		"on the database": {func(s *state) {
			s.permissions = append(s.permissions, [5]string{"my-function", "DATABASE", "INSERT", "W", ""})
		}, nil},
		"in another schema": {func(s *state) {
			s.permissions = append(s.permissions, [5]string{"my-function", "SCHEMA", "INSERT", "G", "dbo"})
		}, []string{insert}},
		"of another": {func(s *state) {
			s.permissions = append(s.permissions, [5]string{"dbo", "SCHEMA", "INSERT", "G", "nightly"})
		}, []string{insert}},
		"control": {func(s *state) {
			s.permissions = append(s.permissions, [5]string{"my-function", "SCHEMA", "CONTROL", "G", "nightly"})
		}, nil},
		"denied": {func(s *state) {
			s.permissions = append(s.permissions, [5]string{"my-function", "DATABASE", "CONTROL", "G", ""}, [5]string{"my-function", "SCHEMA", "INSERT", "D", "nightly"})
		}, []string{insert}},
		"denied in another schema": {func(s *state) {
			s.permissions = append(s.permissions, [5]string{"my-function", "SCHEMA", "INSERT", "G", "nightly"}, [5]string{"my-function", "SCHEMA", "INSERT", "D", "dbo"})
		}, nil},
	} {
		s := empty()
		for _, step := range c.Steps() {
			if step.What != insert {
				s.run(t, step)
			}
		}
		tt.change(s)
		if code, missing, _, errs := s.check(t, c.Engine, c.args...); !slices.Equal(missing, tt.want) || (code == 0) != (len(tt.want) == 0) {
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
	s.permissions = append(s.permissions, [5]string{"my-function", "DATABASE_SCOPED_CREDENTIAL", "REFERENCES", "G", "other"}, [5]string{"my-function", "SCHEMA", "REFERENCES", "G", "nightly"})
	if code, missing, _, errs := s.check(t, c.Engine, c.args...); !slices.Equal(missing, []string{references}) {
		t.Errorf("code %d, missing %q\n%s", code, missing, errs)
	}
}

// A data source with the same name but another location does not count.
func TestCheckComparesThePlace(t *testing.T) {
	c := checked()["synapse-serverless"]
	for place, want := range map[string][]string{publishedURL + "/": nil, publishedURL + "2": {"data source [fhirsynapse] at " + publishedURL}} {
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
	if code, missing, _, errs := s.check(t, c.Engine, append(args, "--snapshots")...); code != 3 || len(missing) != 4 {
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
		code := cli.Run(t.Context(), []string{"sql", "setup", "--check", "--to", to, "--principal", "x"}, func(string) string { return "" },
			cli.Streams{Out: &o, Err: &e, Now: now, Ticks: noTicks}, cli.Commands{})
		if code != 1 || o.Len() > 0 || !strings.Contains(e.String(), want) || strings.Contains(e.String(), "hunter2") {
			t.Errorf("%s: code %d, %s%s", want, code, o.String(), e.String())
		}
	}
}

package tsqltest_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"fhirsynapse/internal/emulator/sqlserver/tables"
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
		principals: []string{"dbo", "public", "db_owner"}, roles: []string{"public", "db_owner"},
		schemas: []string{"dbo"},
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
		if !slices.Contains(s.principals, m[4]) ||
			class == "SCHEMA" && !slices.Contains(s.schemas, schema) ||
			class == "DATABASE_SCOPED_CREDENTIAL" && !credential {
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
		"sys.database_principals": {Columns: []string{
			"name", "principal_id", "type",
		}},
		"sys.schemas": {Columns: []string{
			"name", "schema_id",
		}},
		"sys.database_role_members": {Columns: []string{
			"role_principal_id", "member_principal_id",
		}},
		"sys.database_permissions": {Columns: []string{
			"grantee_principal_id", "class_desc", "permission_name", "state", "major_id",
		}},
		"sys.symmetric_keys": one("sys.symmetric_keys"),
		"sys.database_scoped_credentials": {
			Columns: []string{"name", "credential_id"}, Rows: [][]any{{"other", otherID}},
		},
		"sys.external_file_formats": one("sys.external_file_formats"),
		"sys.external_data_sources": one("sys.external_data_sources",
			"location"),
		"sys.workload_management_workload_groups": one(
			"sys.workload_management_workload_groups"),
		"sys.workload_management_workload_classifiers": {Columns: []string{
			"classifier_id", "group_name",
		}},
		"sys.workload_management_workload_classifier_details": {Columns: []string{
			"classifier_id", "classifier_value",
		}},
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

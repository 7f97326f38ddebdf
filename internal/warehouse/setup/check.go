package setup

import (
	"context"
	"database/sql"
	"slices"
	"strings"

	"fhirsynapse/internal/sof/tsql"
)

// Session runs queries on the database.
type Session interface {
	// Query runs a statement and calls row for each of its rows. step names it in errors.
	Query(ctx context.Context, step, text string, row func(scan func(...any) error) error) error
}

// Result is the result of Check.
type Result struct {
	// Missing names the objects that the database lacks. Of is the number of checked objects.
	Missing []string
	Of      int
	// Server is the host and the database.
	Server string
	// Command writes the script that adds the missing objects.
	Command string
	// Note is a hint about properties that the engine does not report, or empty.
	Note string
}

// Check looks in the catalog for each step's objects. Objects that the login may not see count as
// missing.
func (s Setup) Check(ctx context.Context, session Session) (Result, error) {
	if err := s.Validate(); err != nil {
		return Result{}, err
	}
	c := &catalog{}
	for _, q := range s.queries(c) {
		if err := session.Query(ctx, "read "+q.what, q.text, q.row); err != nil {
			return Result{}, err
		}
	}
	r := Result{Command: s.Command()}
	if s.Engine == tsql.Fabric {
		r.Note = " (a role in the workspace may give the same rights, which SQL does not show)"
	}
	for _, step := range s.Steps() {
		if step.there == nil {
			continue
		}
		r.Of++
		if !step.there(c) {
			r.Missing = append(r.Missing, step.What)
		}
	}
	return r, nil
}

// permission is a row of sys.database_permissions. What names its schema or credential.
type permission struct {
	grantee, name string
	on            scope
	what          string
	denied        bool
}

// catalog holds a database's own data.
type catalog struct {
	rowVersions        bool
	collation          string
	principals         [][2]string // name and type
	schemas            []string
	members            [][2]string // role and member
	permissions        []permission
	group              bool
	classifiers        [][2]string // group and member
	masterKey          bool
	credential, format bool
	location           string
}

// query is one question to the catalog.
type query struct {
	what, text string
	row        func(scan func(...any) error) error
}

// queries returns the questions for an engine. Their answers go into c.
func (s Setup) queries(c *catalog) []query {
	list := func(what, text string, into *[]string) query {
		return query{what, text, func(scan func(...any) error) error {
			var name string
			err := scan(&name)
			*into = append(*into, name)
			return err
		}}
	}
	pairs := func(what, text string, into *[][2]string) query {
		return query{what, text, func(scan func(...any) error) error {
			var pair [2]string
			err := scan(&pair[0], &pair[1])
			*into = append(*into, pair)
			return err
		}}
	}
	found := func(what, view, name string, into *bool) query {
		return query{
			what, "SELECT COUNT_BIG(*) AS [n] FROM [sys].[" + view + "] AS o WHERE o.[name] = " +
				s.literal(name), func(scan func(...any) error) error {
				var n int64
				err := scan(&n)
				*into = n > 0
				return err
			},
		}
	}
	out := []query{
		{
			"the database",
			"SELECT d.[is_read_committed_snapshot_on], d.[collation_name] FROM [sys].[databases] AS d WHERE d.[name] = DB_NAME()", func(scan func(...any) error) error {
				var on sql.NullBool
				var collation sql.NullString
				err := scan(&on, &collation)
				c.rowVersions, c.collation = on.Bool, collation.String
				return err
			},
		},
		pairs("the principals", "SELECT p.[name], p.[type] FROM [sys].[database_principals] AS p",
			&c.principals),
		list("the schemas", "SELECT s.[name] FROM [sys].[schemas] AS s", &c.schemas),
		pairs("the members of roles", `SELECT r.[name] AS [role], m.[name] AS [member]
FROM [sys].[database_role_members] AS x
JOIN [sys].[database_principals] AS r ON r.[principal_id] = x.[role_principal_id]
JOIN [sys].[database_principals] AS m ON m.[principal_id] = x.[member_principal_id]`, &c.members),
		s.permissions(c),
	}
	if s.Engine == tsql.Dedicated {
		out = append(out,
			found("the workload group", "workload_management_workload_groups", workloadGroup,
				&c.group),
			pairs("the workload classifiers", `SELECT k.[group_name], v.[classifier_value]
FROM [sys].[workload_management_workload_classifiers] AS k
JOIN [sys].[workload_management_workload_classifier_details] AS v ON v.[classifier_id] = k.[classifier_id]`, &c.classifiers))
	}
	if s.Engine == tsql.Serverless {
		out = append(out, found("the master key", "symmetric_keys", masterKey, &c.masterKey),
			found("the credential", "database_scoped_credentials", sharedName, &c.credential),
			found("the file format", "external_file_formats", sharedName, &c.format),
			query{
				"the data source",
				"SELECT o.[location] FROM [sys].[external_data_sources] AS o WHERE o.[name] = " +
					s.literal(sharedName), func(scan func(...any) error) error {
					return scan(&c.location)
				},
			})
	}
	return out
}

// permissions returns the question for granted and denied rights. Only the serverless pool is asked
// for credentials.
func (s Setup) permissions(c *catalog) query {
	const from = `
FROM [sys].[database_permissions] AS x
JOIN [sys].[database_principals] AS g ON g.[principal_id] = x.[grantee_principal_id]
LEFT JOIN [sys].[schemas] AS s ON s.[schema_id] = x.[major_id]`
	text := "SELECT g.[name] AS [grantee], x.[class_desc], x.[permission_name], x.[state], s.[name] AS [schema]"
	if s.Engine == tsql.Serverless {
		text += ", c.[name] AS [credential]" + from +
			"\nLEFT JOIN [sys].[database_scoped_credentials] AS c ON c.[credential_id] = x.[major_id]"
	} else {
		text += from
	}
	return query{"the permissions", text, func(scan func(...any) error) error {
		var p permission
		var class, state string
		var schema, credential sql.NullString
		into := []any{&p.grantee, &class, &p.name, &state, &schema}
		if s.Engine == tsql.Serverless {
			into = append(into, &credential)
		}
		if err := scan(into...); err != nil {
			return err
		}
		p.denied = strings.TrimSpace(state) == "D"
		// A major_id counts within its class. The names from other classes are coincidences.
		switch {
		case class == "DATABASE":
			p.on = onDatabase
		case class == "SCHEMA":
			p.on, p.what = onSchema, schema.String
		case strings.Contains(class, "CREDENTIAL"):
			p.on, p.what = onCredential, credential.String
		default:
			return nil
		}
		c.permissions = append(c.permissions, p)
		return nil
	}}
}

// same compares names like the database.
func (c *catalog) same(a, b string) bool {
	upper := strings.ToUpper(c.collation)
	if strings.Contains(upper, "_BIN") || strings.Contains(upper, "_CS_") {
		return a == b
	}
	return strings.EqualFold(a, b)
}

func (c *catalog) has(names []string, name string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return c.same(n, name) })
}

func (c *catalog) schema(name string) bool { return c.has(c.schemas, name) }

// principal reports whether the database has a user of that name, or if role is set, a role.
func (c *catalog) principal(name string, role bool) bool {
	return slices.ContainsFunc(c.principals, func(p [2]string) bool {
		return c.same(p[0], name) && (strings.TrimSpace(p[1]) == "R") == role
	})
}

func (c *catalog) classified(principal string) bool {
	return slices.ContainsFunc(c.classifiers, func(k [2]string) bool {
		return c.same(k[0], workloadGroup) && c.same(k[1], principal)
	})
}

// roles returns a principal with its roles and their roles.
func (c *catalog) roles(principal string) []string {
	all := []string{principal, "public"}
	for i := 0; i < len(all); i++ {
		for _, m := range c.members {
			if c.same(m[1], all[i]) && !c.has(all, m[0]) {
				all = append(all, m[0])
			}
		}
	}
	return all
}

func (c *catalog) member(name, role string) bool { return c.has(c.roles(name), role) }

// fixed maps the built-in roles to their rights.
var fixed = map[string][]string{
	"db_owner":      {"CONTROL"},
	"db_datareader": {"SELECT"},
	"db_datawriter": {"INSERT", "UPDATE", "DELETE"},
	"db_ddladmin":   {"ALTER"},
}

// granted reports whether a principal has a right: directly or by a role, on the schema or the
// database, or by a wider right. A denial to any of them removes it.
func (c *catalog) granted(to string, r right, s Setup) bool {
	roles := c.roles(to)
	var held []permission
	for _, role := range roles {
		for _, name := range fixed[strings.ToLower(role)] {
			held = append(held, permission{on: onDatabase, name: name})
		}
	}
	on, schema := r.on, s.Schema
	if on == onLoadSchema {
		on, schema = onSchema, s.loadSchema() // as in the catalog
	}
	what := map[scope]string{onSchema: schema, onCredential: sharedName}
	for _, p := range c.permissions {
		if c.has(roles, p.grantee) && c.same(p.what, what[p.on]) {
			held = append(held, p)
		}
	}
	has := func(p permission, name string, on scope) bool { return p.name == name && p.on == on }
	covers := func(p permission) bool {
		wide := has(p, "CONTROL", onDatabase) || has(p, "CONTROL", on) || has(p, r.permission, on)
		switch {
		case wide:
			return true
		case on == onSchema:
			return has(p, r.permission, onDatabase)
		case on == onDatabase &&
			(strings.HasPrefix(r.permission, "CREATE ") ||
				strings.HasPrefix(r.permission, "ALTER ANY ")):
			return has(p, "ALTER", onDatabase)
		}
		return false
	}
	granted := false
	for _, p := range held {
		if covers(p) {
			if p.denied {
				return false
			}
			granted = true
		}
	}
	return granted
}

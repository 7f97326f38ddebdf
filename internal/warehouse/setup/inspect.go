package setup

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/warehouse"
	"fhirsynapse/internal/warehouse/mssql/statements"
	"fhirsynapse/internal/warehouse/tds"
)

// Inspect describes the database of a session: engine, collation, row versions and state, and for
// each schema the rights of whoever is signed in. A question that the engine refuses is a finding.
func Inspect(
	ctx context.Context, session Session, engine tsql.Engine, schemas []string,
) warehouse.Inspection {
	i := inspector{ctx, session, engine}
	var out warehouse.Inspection
	out.Engine = i.product()
	out.RowVersions, out.Collation = i.database()
	out.Pool = i.state()
	out.Rights = i.rights(schemas)
	return out
}

// Tolerant keeps a session after a question that the engine refuses.
type Tolerant struct{ *tds.Session }

// Query implements Session.
func (s Tolerant) Query(
	ctx context.Context, step, text string, row func(scan func(...any) error) error,
) error {
	err := s.Session.Query(ctx, step, text, row)
	if tds.Number(err) != 0 {
		s.GoOn()
	}
	return err
}

type inspector struct {
	ctx     context.Context //nolint:containedctx // it lives for one call of Inspect
	session Session
	engine  tsql.Engine
}

// one reads a single row.
func (i inspector) one(what, text string, into ...any) error {
	return i.session.Query(i.ctx, "read "+what, text, func(scan func(...any) error) error {
		return scan(into...)
	})
}

func unreadable(what string, err error) warehouse.Finding {
	return warehouse.Finding{
		Level: warehouse.Worth, Text: what + " cannot be read: " + fault.Clip(err.Error()),
	}
}

// The values of SERVERPROPERTY('EngineEdition').
var editions = map[int64]struct {
	name    string
	schemes []tsql.Engine
}{
	2: {"SQL Server Standard", []tsql.Engine{tsql.SQLServer}},
	3: {"SQL Server Enterprise", []tsql.Engine{tsql.SQLServer}},
	4: {"SQL Server Express", []tsql.Engine{tsql.SQLServer}},
	5: {"Azure SQL Database", []tsql.Engine{tsql.SQLServer}},
	6: {"dedicated SQL pool", []tsql.Engine{tsql.Dedicated}},
	8: {"Azure SQL Managed Instance", []tsql.Engine{tsql.SQLServer}},
	9: {"Azure SQL Edge", []tsql.Engine{tsql.SQLServer}},
	11: {
		"serverless SQL pool, or a warehouse of Fabric",
		[]tsql.Engine{tsql.Serverless, tsql.Fabric},
	},
	12: {"SQL database in Fabric", []tsql.Engine{tsql.SQLServer}},
}

const editionQuery = "SELECT CAST(SERVERPROPERTY('EngineEdition') AS bigint) AS [edition], CAST(SERVERPROPERTY('ProductVersion') AS varchar(50)) AS [version]"

// product compares the engine with the scheme of the address.
func (i inspector) product() warehouse.Finding {
	var edition sql.NullInt64
	var version sql.NullString
	if err := i.one("the version", editionQuery, &edition, &version); err != nil {
		return unreadable("the version of the engine", err)
	}
	known, ok := editions[edition.Int64]
	if !ok {
		return warehouse.Finding{
			Level: warehouse.Worth,
			Text: fmt.Sprintf("the engine has the unknown edition %d, version %s", edition.Int64,
				version.String),
		}
	}
	text := known.name + ", version " + version.String
	if !slices.Contains(known.schemes, i.engine) {
		return warehouse.Finding{
			Level: warehouse.Wrong,
			Text:  text + ": the setting Warehouse says " + string(i.engine),
			Remedy: "begin the setting Warehouse with " + string(known.schemes[0]) +
				": or name the server of a " + products[i.engine],
		}
	}
	if major, _, _ := strings.Cut(version.String, "."); i.engine == tsql.SQLServer &&
		edition.Int64 <= 4 && len(major) <= 2 && major < "15" {
		return warehouse.Finding{
			Level: warehouse.Wrong, Text: text + " is too old",
			Remedy: "use SQL Server 2019 (version 15) or newer",
		}
	}
	return warehouse.Finding{Text: text}
}

// database reads whether readers see row versions, and how texts are compared.
func (i inspector) database() (versions, collation warehouse.Finding) {
	var on sql.NullBool
	var name sql.NullString
	err := i.one("the database",
		"SELECT d.[is_read_committed_snapshot_on], d.[collation_name] FROM [sys].[databases] AS d WHERE d.[name] = DB_NAME()", &on, &name)
	if err != nil {
		return unreadable("READ_COMMITTED_SNAPSHOT", err), unreadable("the collation", err)
	}
	collation = warehouse.Finding{Text: name.String}
	switch err := statements.CheckCollation(name.String); {
	case err == nil:
	case i.engine == tsql.Fabric:
		collation = warehouse.Finding{
			Level: warehouse.Wrong, Remedy: fault.Remedy(err),
			Text: strings.TrimSuffix(err.Error(), ": "+fault.Remedy(err)),
		}
	case i.engine == tsql.Serverless:
		collation = warehouse.Finding{
			Level:  warehouse.Worth,
			Text:   name.String + ": the views compare texts by bytes, but the queries of readers may not",
			Remedy: "make the database with COLLATE Latin1_General_100_BIN2_UTF8, as fhirsynapse sql setup writes it",
		}
	default:
		collation.Text += "; ids and codes have a collation of their own, which compares bytes"
	}
	switch i.engine {
	case tsql.Serverless, tsql.Fabric:
		return warehouse.Finding{}, collation // readers always see whole commits
	case tsql.SQLServer, tsql.Dedicated:
	}
	if on.Bool {
		versions.Text = "on: readers see all of a commit or nothing of it"
		return versions, collation
	}
	versions = warehouse.Finding{
		Level:  warehouse.Worth,
		Text:   "off: readers wait for a commit, or make it wait",
		Remedy: "when nobody is connected: ALTER DATABASE CURRENT SET READ_COMMITTED_SNAPSHOT ON WITH NO_WAIT",
	}
	if i.engine == tsql.Dedicated {
		versions.Level = warehouse.Wrong
		versions.Text = "off: readers would see half a commit, so that fhirsynapse commits nothing"
		versions.Remedy = "in the database master, when nobody is connected to the pool: ALTER DATABASE [NAME] SET READ_COMMITTED_SNAPSHOT ON"
	}
	return versions, collation
}

// state reads whether the database is online, and its size in Azure.
func (i inspector) state() warehouse.Finding {
	if i.engine == tsql.Serverless || i.engine == tsql.Fabric {
		return warehouse.Finding{} // it is there, or the connection fails
	}
	var status, updates, size sql.NullString
	err := i.one("the state", "SELECT CAST(DATABASEPROPERTYEX(DB_NAME(), 'Status') AS varchar(60)) AS [status], CAST(DATABASEPROPERTYEX(DB_NAME(), 'Updateability') AS varchar(60)) AS [updates], CAST(DATABASEPROPERTYEX(DB_NAME(), 'ServiceObjective') AS varchar(60)) AS [size]", &status, &updates, &size)
	if err != nil {
		return unreadable("the state of the database", err)
	}
	text := status.String
	if size.String != "" {
		text += ", " + size.String
	}
	switch {
	case status.String != "" && !strings.EqualFold(status.String, "ONLINE"):
		return warehouse.Finding{
			Level: warehouse.Wrong, Text: "the database is " + text,
			Remedy: "bring it online, or resume the pool: az synapse sql pool resume --name POOL --workspace-name WORKSPACE --resource-group GROUP",
		}
	case strings.EqualFold(updates.String, "READ_ONLY"):
		return warehouse.Finding{
			Level: warehouse.Wrong, Text: "the database is read-only",
			Remedy: "name the primary replica, without ApplicationIntent=ReadOnly",
		}
	case text == "":
		return warehouse.Finding{Text: "connected"}
	}
	return warehouse.Finding{Text: strings.ToLower(status.String) + strings.TrimPrefix(text,
		status.String)}
}

// rights compares the effective rights with the rights of the set-up, schema by schema.
func (i inspector) rights(schemas []string) warehouse.Finding {
	var missing []string
	n := 0
	for _, schema := range schemas {
		s := Setup{Engine: i.engine, Schema: schema}
		for _, r := range s.usualRights() {
			if r.on == onCredential {
				continue // the function below does not know credentials on every engine
			}
			n++
			var has sql.NullInt64
			if err := i.one("the rights", s.has(r), &has); err != nil {
				return unreadable("the rights", err)
			}
			if has.Int64 == 1 {
				continue
			}
			_, called := s.securable(r.on)
			text := r.permission + " on " + called
			if !has.Valid && r.on != onDatabase {
				text += " (there is no such schema, or it cannot be seen)"
			}
			if !slices.Contains(missing, text) {
				missing = append(missing, text)
			}
		}
	}
	if len(missing) == 0 {
		return warehouse.Finding{Text: fmt.Sprintf("all %d that the statements of commits need", n)}
	}
	const most = 8
	if len(missing) > most {
		missing = append(missing[:most], fmt.Sprintf("and %d more", len(missing)-most))
	}
	return warehouse.Finding{
		Level: warehouse.Wrong,
		Text:  "whoever is signed in lacks " + strings.Join(missing, ", "),
		Remedy: fmt.Sprintf("print the statements for the administrator: fhirsynapse sql setup --engine %s --schema %s --principal NAME",
			i.engine, schemas[0]),
	}
}

// has returns the question whether the present login has a right: 1, 0, or NULL for an object that
// it cannot see.
func (s Setup) has(r right) string {
	securable, class := "DB_NAME()", "DATABASE"
	switch r.on {
	case onSchema:
		securable, class = s.literal(tsql.Quote(s.Schema)), "SCHEMA"
	case onLoadSchema:
		securable, class = s.literal(tsql.Quote(s.loadSchema())), "SCHEMA"
	case onDatabase, onCredential:
	}
	return "SELECT HAS_PERMS_BY_NAME(" + securable + ", '" + class + "', '" + r.permission +
		"') AS [has]"
}

package setup

import (
	"fmt"

	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/warehouse"
)

// scope is the object of a right.
type scope string

const (
	onDatabase   scope = "database"
	onSchema     scope = "schema"
	onLoadSchema scope = "schema of the loader" // only engines with tables have it
	onCredential scope = "credential"
)

// right is one permission with the statements that need it.
type right struct {
	permission string
	on         scope
	why        string
}

// sharedName is package serverless's name for its credential, data source and file format.
const sharedName = "fhirsynapse"

// loaderRights returns the rights of the loading principal.
func (s Setup) loaderRights() []right {
	rights := s.usualRights()
	if s.Move {
		rights = append(rights, right{
			"CONTROL", onSchema,
			"The first commit of this version moves the ledger, the heads and the locks of an older one by ALTER SCHEMA TRANSFER, which needs CONTROL on each of them. Take it back when the schema has none of them any more: REVOKE CONTROL ON SCHEMA::" +
				tsql.Quote(s.Schema) + " FROM " + tsql.Quote(s.Principal) + ".",
		})
	}
	return rights
}

func (s Setup) usualRights() []right {
	switch s.Engine {
	case tsql.SQLServer:
		rights := append(
			s.tables("Creates the tables and their indexes, adds and widens columns, maintains indexes and statistics."),
			right{"SELECT", onLoadSchema, readsOwn},
			right{
				"INSERT", onLoadSchema,
				"Fills the stages by bulk copy, and from them the heads and the ledger.",
			},
			right{"DELETE", onLoadSchema, replacesHeads},
			right{"ALTER", onLoadSchema, ownTables},
			right{"CREATE TABLE", onDatabase, createTable})
		if s.Rebuild {
			rights = append(rights,
				right{"CREATE SCHEMA", onDatabase, "load --rebuild builds tables in the schemas " +
					tsql.Quote(warehouse.Beside(s.Schema)) + " and " +
					tsql.Quote(warehouse.LoadSchema(warehouse.Beside(s.Schema))) +
					", which it creates, owns and drops; those tables then take the place of the old ones."})
		}
		return rights
	case tsql.Dedicated:
		return s.copying(
			"Creates the tables, adds and widens columns, creates and updates statistics, rebuilds the heaps.")
	case tsql.Fabric:
		return s.copying("Creates the tables, adds the columns of a changed view.")
	default:
		return s.publishing()
	}
}

const (
	readsOwn      = "Reads the ledger, the heads and the stages, and finds them in the catalog."
	replacesHeads = "Takes out the heads of resources that have a newer version, or that are gone."
	ownTables     = "Creates the ledger and the heads, creates and drops the stages of each commit."
	createTable   = "CREATE TABLE needs it besides ALTER on the schema; it gives no access to other schemas."
)

// tables returns the rights on the tables that people read.
func (s Setup) tables(alter string) []right {
	return []right{
		{
			"SELECT", onSchema,
			"Finds the tables in the catalog, and in them the rows of a resource.",
		},
		{"INSERT", onSchema, "Fills the tables from the stages."},
		{
			"DELETE", onSchema,
			"Takes out the rows of resources that have a newer version, or that are gone.",
		},
		{"ALTER", onSchema, alter},
	}
}

// copying returns the rights for engines with COPY INTO.
func (s Setup) copying(alter string) []right {
	return append(s.tables(alter),
		right{"SELECT", onLoadSchema, readsOwn},
		right{
			"INSERT", onLoadSchema,
			"Fills the stages by COPY INTO, and from them the heads and the ledger.",
		},
		right{
			"UPDATE", onLoadSchema,
			"Updates the row of a lock table, which keeps other commits of the type out; load --rebuild marks the heads.",
		},
		right{"DELETE", onLoadSchema, replacesHeads},
		right{"ALTER", onLoadSchema, ownTables},
		right{"CREATE TABLE", onDatabase, createTable},
		right{
			"ADMINISTER DATABASE BULK OPERATIONS", onDatabase, "COPY INTO needs it besides INSERT.",
		})
}

// publishing returns the rights on the serverless pool, which has views instead of tables.
func (s Setup) publishing() []right {
	rights := []right{
		{"SELECT", onSchema, "The views of a plan read the views _newest_TYPE."},
		{
			"ALTER", onSchema,
			"Each commit moves the views to what is published: CREATE OR ALTER VIEW.",
		},
		{
			"CREATE VIEW", onDatabase,
			"CREATE OR ALTER VIEW needs it besides ALTER on the schema; it gives no access to other schemas.",
		},
		{
			"VIEW DEFINITION", onDatabase,
			"Finds the master key, the credential, the data source and the file format in the catalog. It shows names, not data.",
		},
		{
			"REFERENCES", onCredential,
			"The views read files by the managed identity of the workspace.",
		},
		{"ADMINISTER DATABASE BULK OPERATIONS", onDatabase, "The views read files by OPENROWSET."},
	}
	if s.Snapshots {
		rights = append(rights,
			right{
				"CREATE TABLE", onDatabase,
				"A snapshot is written by CREATE EXTERNAL TABLE AS SELECT, and its table dropped at once.",
			},
			right{
				"ALTER ANY EXTERNAL FILE FORMAT", onDatabase,
				"CREATE EXTERNAL TABLE needs it to name the file format.",
			},
			right{
				"ALTER ANY EXTERNAL DATA SOURCE", onDatabase,
				"CREATE EXTERNAL TABLE needs it to name the data source. It is a wide right: its holder can make a data source with any credential of this database. Keep no other credentials here.",
			})
	}
	return rights
}

// readerRights returns the rights of the readers' role.
func (s Setup) readerRights() []right {
	rights := []right{{
		"SELECT", onSchema,
		"Reads the tables. What the loader keeps for itself is in another schema, " +
			tsql.Quote(s.loadSchema()) + ".",
	}}
	if s.Engine == tsql.Serverless {
		rights[0].why = "Reads the views. The schema also has views of the loader, whose names begin with _newest_: they show whole resources."
		rights = append(rights,
			right{
				"REFERENCES", onCredential,
				"The views read files by the managed identity of the workspace, and the pool checks this right of whoever runs the query.",
			},
			right{
				"ADMINISTER DATABASE BULK OPERATIONS", onDatabase,
				"The views read files by OPENROWSET, and the pool checks this right too. Both together let a reader query every file of the data source directly: all schemas, older versions and deleted resources. Give the role to nobody who must not see them.",
			})
	}
	return rights
}

// loadSchema is the schema of the loader's own tables.
func (s Setup) loadSchema() string { return warehouse.LoadSchema(s.Schema) }

// securable returns the ON clause of a right, and its name in messages.
func (s Setup) securable(on scope) (clause, called string) {
	switch on {
	case onSchema:
		return " ON SCHEMA::" + tsql.Quote(s.Schema), "schema " + tsql.Quote(s.Schema)
	case onLoadSchema:
		return " ON SCHEMA::" + tsql.Quote(s.loadSchema()), "schema " + tsql.Quote(s.loadSchema())
	case onCredential:
		return " ON DATABASE SCOPED CREDENTIAL::" + tsql.Quote(sharedName),
			"credential " + tsql.Quote(sharedName)
	default:
		return "", "the database"
	}
}

// grant returns the step that grants a right to a principal.
func (s Setup) grant(r right, to string) Step {
	clause, called := s.securable(r.on)
	return Step{
		Part: Database, What: fmt.Sprintf("%s on %s for %s", r.permission, called, tsql.Quote(to)),
		Why:   r.why,
		Text:  "GRANT " + r.permission + clause + " TO " + tsql.Quote(to),
		there: func(c *catalog) bool { return c.granted(to, r, s) },
	}
}

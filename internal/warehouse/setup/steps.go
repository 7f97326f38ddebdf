package setup

import (
	"fmt"
	"strings"

	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/warehouse/mssql/statements"
)

// Part is the database of a step.
type Part string

// The parts, in the order in which they are run.
const (
	Master   Part = "master"
	Database Part = "database"
)

// Step is one batch of a script.
type Step struct {
	Part Part
	// What names the created object; empty for a step that only stops a wrong run.
	What string
	// Why is the comment above it.
	Why string
	// Text is the batch.
	Text string

	there func(*catalog) bool
}

// Steps returns the batches of the script in their order. The setup must be valid.
func (s Setup) Steps() []Step { return steps{s}.all() }

// steps makes the batches of the script.
type steps struct{ Setup }

func (s steps) all() []Step {
	var all []Step
	if s.Engine != tsql.Fabric {
		all = append(all, s.only(Master, "master"))
		all = append(all, s.server()...)
	}
	all = append(all, s.only(Database, s.Database))
	if s.Engine == tsql.SQLServer {
		all = append(all,
			s.rowVersions("ALTER DATABASE CURRENT SET READ_COMMITTED_SNAPSHOT ON WITH NO_WAIT",
				Database))
	}
	if s.Engine == tsql.Fabric {
		all = append(all, s.collation())
	}
	all = append(all, s.user(s.Principal)...)
	all = append(all, s.schemas()...)
	if s.Engine == tsql.Serverless {
		all = append(all, s.external()...)
	}
	for _, r := range s.loaderRights() {
		all = append(all, s.grant(r, s.Principal))
	}
	all = append(all, s.role())
	for _, r := range s.readerRights() {
		all = append(all, s.grant(r, s.ReaderRole()))
	}
	for _, r := range s.Readers {
		all = append(all, s.reader(r)...)
	}
	if s.Engine == tsql.Dedicated {
		all = append(all, s.workload()...)
	}
	return all
}

// guarded returns a batch that runs only if a condition holds.
func guarded(condition, text string) string { return "IF " + condition + "\n  " + text }

// raise returns a statement that ends sqlcmd -b with a message. Severity 16 means an error of the
// user.
func (s steps) raise(message string) string {
	// In RAISERROR a percent sign begins a placeholder.
	return "RAISERROR (" + s.literal(strings.ReplaceAll(message, "%", "%%")) + ", 16, 1)"
}

// only stops a script in the wrong database.
func (s steps) only(part Part, database string) Step {
	message := "This part is for the database " + database +
		". Connect to it: sqlcmd -d. For another one, give fhirsynapse sql setup its name by --database."
	if part == Master {
		message = "This part is for the database master. Connect to it: sqlcmd -d master."
	}
	return Step{
		Part: part, Why: "Stops a run in another database; sqlcmd needs -b for it.",
		Text: guarded("DB_NAME() <> "+s.literal(database), s.raise(message)),
	}
}

// noDatabase returns the condition that the server has no database of the name.
func (s steps) noDatabase() string {
	return "NOT EXISTS (SELECT 1 FROM [sys].[databases] AS d WHERE d.[name] = " +
		s.literal(s.Database) + ")"
}

// server returns the steps in master.
func (s steps) server() []Step {
	made := func(*catalog) bool { return true } // the connection proves it
	switch s.Engine {
	case tsql.SQLServer:
		const azure = "CAST(SERVERPROPERTY(N'EngineEdition') AS int) "
		return []Step{
			{
				Part: Master, Why: "In Azure SQL Database a database has a price, so that Azure makes it: by template, portal or az sql db create.",
				Text: guarded(azure+"= 5 AND "+s.noDatabase(),
					s.raise("Azure SQL Database has no database "+s.Database+
						" here: make it in Azure.")),
			},
			{
				Part: Master, What: "database " + tsql.Quote(s.Database),
				Why: "SQL Server makes it here.", there: made,
				Text: guarded(azure+"<> 5 AND "+s.noDatabase(),
					"EXEC ("+s.literal("CREATE DATABASE "+tsql.Quote(s.Database))+")"),
			},
		}
	case tsql.Serverless:
		return []Step{{
			Part: Master, What: "database " + tsql.Quote(s.Database), there: made,
			Why: "A database of the serverless pool has no price of its own. The files are UTF-8, and with this collation text is compared by bytes, as FHIR ids and codes are.",
			Text: guarded(s.noDatabase(),
				"EXEC ("+s.literal("CREATE DATABASE "+tsql.Quote(s.Database)+
					" COLLATE Latin1_General_100_BIN2_UTF8")+")"),
		}}
	default:
		return []Step{s.rowVersions("ALTER DATABASE "+tsql.Quote(s.Database)+
			" SET READ_COMMITTED_SNAPSHOT ON", Master)}
	}
}

// rowVersions returns the step that turns READ_COMMITTED_SNAPSHOT on.
func (s steps) rowVersions(text string, part Part) Step {
	why := "Readers see all of a commit or nothing of it. It is on already in Azure SQL Database. Nobody else may be connected; with NO_WAIT the statement fails at once where somebody is."
	if s.Engine == tsql.Dedicated {
		why = "Readers see all of a commit or nothing of it; without it fhirsynapse commits nothing. It is off in a new pool, can only be turned on in master, and takes until nobody is connected to the pool."
	}
	return Step{
		Part: part, What: "READ_COMMITTED_SNAPSHOT", Why: why,
		Text: guarded("NOT EXISTS (SELECT 1 FROM [sys].[databases] AS d WHERE d.[name] = "+
			s.literal(s.Database)+" AND d.[is_read_committed_snapshot_on] = 1)", text),
		there: func(c *catalog) bool { return c.rowVersions },
	}
}

// collation stops a run in a warehouse that would merge ids. Its collation cannot be changed later.
func (s steps) collation() Step {
	return Step{
		Part: Database, What: "a collation that tells upper case from lower case",
		Why: "FHIR ids that differ in case only are two resources. The collation of a warehouse is chosen when it is made.",
		Text: guarded("EXISTS (SELECT 1 FROM [sys].[databases] AS d WHERE d.[name] = DB_NAME() AND d.[collation_name] NOT LIKE '%[_]BIN%' AND d.[collation_name] NOT LIKE '%[_]CS[_]%')",
			s.raise("The collation of this warehouse does not tell upper case from lower case: make a warehouse with Latin1_General_100_BIN2_UTF8, the default.")),
		there: func(c *catalog) bool { return statements.CheckCollation(c.collation) == nil },
	}
}

// noPrincipal returns the condition that the database has no user or role of the name.
func (s steps) noPrincipal(name string) string {
	return "NOT EXISTS (SELECT 1 FROM [sys].[database_principals] AS p WHERE p.[name] = " +
		s.literal(name) + ")"
}

// user returns the step that creates a database user. Fabric creates one with the first GRANT and
// does not support CREATE USER.
func (s steps) user(name string) []Step {
	if s.Engine == tsql.Fabric {
		return nil
	}
	from, why := " FROM EXTERNAL PROVIDER",
		"The identity is looked up in Entra ID by its name. An identity that was deleted and made anew under the same name needs its user dropped first."
	switch {
	case s.Login:
		from, why = " FOR LOGIN "+tsql.Quote(name),
			"The server has the login of this name; its password is set there, by CREATE LOGIN."
	case s.ClientID != "" && name == s.Principal:
		from, why = " WITH SID = "+sid(s.ClientID)+", TYPE = E",
			"The user is made from the client id of the identity, "+strings.ToLower(s.ClientID)+
				", so that the server needs no right to read Entra ID."
	}
	return []Step{{
		Part: Database, What: "user " + tsql.Quote(name), Why: why,
		Text:  guarded(s.noPrincipal(name), "CREATE USER "+tsql.Quote(name)+from),
		there: func(c *catalog) bool { return c.principal(name, false) },
	}}
}

// schemas returns the steps that create the plan's schema and, on engines with tables, the
// loader's.
func (s steps) schemas() []Step {
	all := []Step{s.schema(s.Schema,
		"The schema of the plan, for its tables alone. It is made here, so that the principal needs no right to make schemas.")}
	if s.Engine == tsql.Serverless {
		return all
	}
	return append(all,
		s.schema(s.loadSchema(),
			"The schema of what the loader keeps for itself: the ledger, the heads, and the stages while a commit is under way. Readers have no right on it."))
}

func (s steps) schema(name, why string) Step {
	return Step{
		Part: Database, What: "schema " + tsql.Quote(name), Why: why,
		Text: guarded("SCHEMA_ID("+s.literal(name)+") IS NULL",
			"EXEC ("+s.literal("CREATE SCHEMA "+tsql.Quote(name)+" AUTHORIZATION [dbo]")+")"),
		there: func(c *catalog) bool { return c.schema(name) },
	}
}

func (s steps) role() Step {
	name := s.ReaderRole()
	return Step{
		Part: Database, What: "role " + tsql.Quote(name),
		Why:   "The role for people and programs that read. It has no member unless --reader names one.",
		Text:  guarded(s.noPrincipal(name), "CREATE ROLE "+tsql.Quote(name)+" AUTHORIZATION [dbo]"),
		there: func(c *catalog) bool { return c.principal(name, true) },
	}
}

// reader returns the steps that admit a reader. Fabric creates a user only by GRANT, and the
// dedicated pool has no ALTER ROLE ADD MEMBER.
func (s steps) reader(reader string) []Step {
	if s.Engine == tsql.Fabric {
		var steps []Step
		for _, r := range s.readerRights() {
			r.why = "Lets a reader in, by itself: Fabric makes its user with this GRANT."
			steps = append(steps, s.grant(r, reader))
		}
		return steps
	}
	step := Step{
		Part:  Database,
		What:  fmt.Sprintf("%s in role %s", tsql.Quote(reader), tsql.Quote(s.ReaderRole())),
		Why:   "Lets a reader in.",
		Text:  "ALTER ROLE " + tsql.Quote(s.ReaderRole()) + " ADD MEMBER " + tsql.Quote(reader),
		there: func(c *catalog) bool { return c.member(reader, s.ReaderRole()) },
	}
	if s.Engine == tsql.Dedicated {
		step.Text = "EXEC sp_addrolemember " + s.literal(s.ReaderRole()) + ", " + s.literal(reader)
	}
	return append(s.user(reader), step)
}

// external returns the steps for the serverless pool's access to files. Creating a credential needs
// CONTROL on the database.
func (s steps) external() []Step {
	source := tsql.Quote(sharedName)
	absent := func(view string) string {
		return "NOT EXISTS (SELECT 1 FROM [sys].[" + view + "] AS o WHERE o.[name] = " +
			s.literal(sharedName) + ")"
	}
	steps := []Step{
		{
			Part: Database, What: "master key",
			Why: "The database keeps credentials under it. Without a password the pool protects it itself.",
			Text: guarded(
				"NOT EXISTS (SELECT 1 FROM [sys].[symmetric_keys] AS k WHERE k.[name] = "+
					s.literal(masterKey)+")", "CREATE MASTER KEY"),
			there: func(c *catalog) bool { return c.masterKey },
		},
		{
			Part: Database, What: "credential " + source,
			Why: "Reads files by the managed identity of the workspace; it has no secret. Only who has CONTROL on the database can make it, so that the principal cannot.",
			Text: guarded(absent("database_scoped_credentials"),
				"CREATE DATABASE SCOPED CREDENTIAL "+source+" WITH IDENTITY = 'Managed Identity'"),
			there: func(c *catalog) bool { return c.credential },
		},
		{
			Part: Database,
			Why:  "A data source of this name at another place has views on it, so that it is not replaced.",
			Text: guarded("EXISTS (SELECT 1 FROM [sys].[external_data_sources] AS o WHERE o.[name] = "+s.literal(sharedName)+" AND o.[location] NOT IN ("+s.literal(s.published())+", "+s.literal(s.published()+"/")+"))",
				s.raise("The data source fhirsynapse is at another place than "+s.published()+
					": drop it, and the views that read from it.")),
		},
		{
			Part: Database, What: "data source " + source + " at " + s.published(),
			Why: "The container of the published lines, which the views read.",
			Text: guarded(absent("external_data_sources"),
				"CREATE EXTERNAL DATA SOURCE "+source+" WITH (LOCATION = "+s.plain(s.published())+
					", CREDENTIAL = "+source+")"),
			there: func(c *catalog) bool {
				return strings.TrimSuffix(c.location, "/") == s.published()
			},
		},
	}
	if s.Snapshots {
		steps = append(steps, Step{
			Part: Database, What: "file format " + source, Why: "Snapshots are Parquet files.",
			Text: guarded(absent("external_file_formats"),
				"CREATE EXTERNAL FILE FORMAT "+source+
					" WITH (FORMAT_TYPE = PARQUET, DATA_COMPRESSION = 'org.apache.hadoop.io.compress.SnappyCodec')"),
			there: func(c *catalog) bool { return c.format },
		})
	}
	return steps
}

// masterKey is the name of the database's master key in the catalog.
const masterKey = "##MS_DatabaseMasterKey##"

func (s steps) published() string { return strings.TrimSuffix(s.Published, "/") }

// plain quotes a text for an option, without N before it.
func (s steps) plain(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// The workload group of the loader, and its limits.
const (
	workloadGroup = "fhirsynapse"
	// capPercent leaves half of the pool to readers. perRequest is a statement's share on the
	// smallest pool, DW100c, and allows two at a time, the default of WarehouseStatements.
	capPercent, perRequest = 50, 25
	// longestStatement is functionTimeout of host.json in seconds. No step waits longer for an
	// answer.
	longestStatement = 3600
)

// workload returns the steps that give the principal its own workload group.
func (s steps) workload() []Step {
	name := []rune(workloadGroup + "_" + s.Principal)
	classifier := string(name[:min(len(name), longestName)])
	return []Step{
		{
			Part: Database, What: "workload group " + tsql.Quote(workloadGroup),
			Why: fmt.Sprintf(
				"Without a group the loader gets the smallest share, as everybody does. This one takes at most %d%% of the pool, so that readers keep the rest; gives a statement %d%%, the least that DW100c has, so that two run at a time, as the setting WarehouseStatements says by default; and ends a statement after %d minutes, when nobody waits for it any more. Nothing is reserved while nothing is loaded. Change the numbers by ALTER WORKLOAD GROUP: they are not set again.",
				capPercent, perRequest, longestStatement/60),
			Text: guarded("NOT EXISTS (SELECT 1 FROM [sys].[workload_management_workload_groups] AS g WHERE g.[name] = "+s.literal(workloadGroup)+")",
				fmt.Sprintf("CREATE WORKLOAD GROUP %s WITH (MIN_PERCENTAGE_RESOURCE = 0, CAP_PERCENTAGE_RESOURCE = %d, REQUEST_MIN_RESOURCE_GRANT_PERCENT = %d, QUERY_EXECUTION_TIMEOUT_SEC = %d)",
					tsql.Quote(workloadGroup), capPercent, perRequest, longestStatement)),
			there: func(c *catalog) bool { return c.group },
		},
		{
			Part: Database, What: "workload classifier for " + tsql.Quote(s.Principal),
			Why: "Sends the statements of the principal to that group.",
			Text: guarded("NOT EXISTS (SELECT 1 FROM [sys].[workload_management_workload_classifiers] AS k WHERE k.[name] = "+s.literal(classifier)+")",
				"CREATE WORKLOAD CLASSIFIER "+tsql.Quote(classifier)+" WITH (WORKLOAD_GROUP = '"+
					workloadGroup+"', MEMBERNAME = "+s.plain(s.Principal)+")"),
			there: func(c *catalog) bool { return c.classified(s.Principal) },
		},
	}
}

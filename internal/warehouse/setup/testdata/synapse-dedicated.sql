-- Set-up of a dedicated SQL pool of Azure Synapse for fhirsynapse. What is there is left alone, so
-- that the script can be run again. It contains no secret.
--
--   loads:    my-function, into the schema fhir
--   reads:    nobody yet, by the role fhir_reader
--
-- Read it, then run it as an administrator:
--   fhirsynapse sql setup --engine synapse-dedicated --principal my-function --part master | sqlcmd -G -b -S WORKSPACE.sql.azuresynapse.net -d master
--   fhirsynapse sql setup --engine synapse-dedicated --principal my-function --part database | sqlcmd -G -b -S WORKSPACE.sql.azuresynapse.net -d fhir
--
-- Needed besides, and no SQL:
--   Storage Blob Data Reader on the staging container for the managed identity of the workspace:
--   COPY INTO reads as that.

-- ==== Part master, run in the database master ====

-- Stops a run in another database; sqlcmd needs -b for it.
IF DB_NAME() <> N'master'
  RAISERROR (N'This part is for the database master. Connect to it: sqlcmd -d master.', 16, 1);
GO

-- Readers see all of a commit or nothing of it; without it fhirsynapse commits nothing. It is off
-- in a new pool, can only be turned on in master, and takes until nobody is connected to the pool.
IF NOT EXISTS (SELECT 1 FROM [sys].[databases] AS d WHERE d.[name] = N'fhir' AND d.[is_read_committed_snapshot_on] = 1)
  ALTER DATABASE [fhir] SET READ_COMMITTED_SNAPSHOT ON;
GO

-- ==== Part database, run in the database fhir ====

-- Stops a run in another database; sqlcmd needs -b for it.
IF DB_NAME() <> N'fhir'
  RAISERROR (N'This part is for the database fhir. Connect to it: sqlcmd -d. For another one, give fhirsynapse sql setup its name by --database.', 16, 1);
GO

-- The identity is looked up in Entra ID by its name. An identity that was deleted and made anew
-- under the same name needs its user dropped first.
IF NOT EXISTS (SELECT 1 FROM [sys].[database_principals] AS p WHERE p.[name] = N'my-function')
  CREATE USER [my-function] FROM EXTERNAL PROVIDER;
GO

-- The schema of the plan, for its tables alone. It is made here, so that the principal needs no
-- right to make schemas.
IF SCHEMA_ID(N'fhir') IS NULL
  EXEC (N'CREATE SCHEMA [fhir] AUTHORIZATION [dbo]');
GO

-- The schema of what the loader keeps for itself: the ledger, the heads, and the stages while a
-- commit is under way. Readers have no right on it.
IF SCHEMA_ID(N'fhir_load') IS NULL
  EXEC (N'CREATE SCHEMA [fhir_load] AUTHORIZATION [dbo]');
GO

-- Finds the tables in the catalog, and in them the rows of a resource.
GRANT SELECT ON SCHEMA::[fhir] TO [my-function];
GO

-- Fills the tables from the stages.
GRANT INSERT ON SCHEMA::[fhir] TO [my-function];
GO

-- Takes out the rows of resources that have a newer version, or that are gone.
GRANT DELETE ON SCHEMA::[fhir] TO [my-function];
GO

-- Creates the tables, adds and widens columns, creates and updates statistics, rebuilds the heaps.
GRANT ALTER ON SCHEMA::[fhir] TO [my-function];
GO

-- Reads the ledger, the heads and the stages, and finds them in the catalog.
GRANT SELECT ON SCHEMA::[fhir_load] TO [my-function];
GO

-- Fills the stages by COPY INTO, and from them the heads and the ledger.
GRANT INSERT ON SCHEMA::[fhir_load] TO [my-function];
GO

-- Updates the row of a lock table, which keeps other commits of the type out; load --rebuild marks
-- the heads.
GRANT UPDATE ON SCHEMA::[fhir_load] TO [my-function];
GO

-- Takes out the heads of resources that have a newer version, or that are gone.
GRANT DELETE ON SCHEMA::[fhir_load] TO [my-function];
GO

-- Creates the ledger and the heads, creates and drops the stages of each commit.
GRANT ALTER ON SCHEMA::[fhir_load] TO [my-function];
GO

-- CREATE TABLE needs it besides ALTER on the schema; it gives no access to other schemas.
GRANT CREATE TABLE TO [my-function];
GO

-- COPY INTO needs it besides INSERT.
GRANT ADMINISTER DATABASE BULK OPERATIONS TO [my-function];
GO

-- The role for people and programs that read. It has no member unless --reader names one.
IF NOT EXISTS (SELECT 1 FROM [sys].[database_principals] AS p WHERE p.[name] = N'fhir_reader')
  CREATE ROLE [fhir_reader] AUTHORIZATION [dbo];
GO

-- Reads the tables. What the loader keeps for itself is in another schema, [fhir_load].
GRANT SELECT ON SCHEMA::[fhir] TO [fhir_reader];
GO

-- Without a group the loader gets the smallest share, as everybody does. This one takes at most 50%
-- of the pool, so that readers keep the rest; gives a statement 25%, the least that DW100c has, so
-- that two run at a time, as the setting WarehouseStatements says by default; and ends a statement
-- after 60 minutes, when nobody waits for it any more. Nothing is reserved while nothing is loaded.
-- Change the numbers by ALTER WORKLOAD GROUP: they are not set again.
IF NOT EXISTS (SELECT 1 FROM [sys].[workload_management_workload_groups] AS g WHERE g.[name] = N'fhirsynapse')
  CREATE WORKLOAD GROUP [fhirsynapse] WITH (MIN_PERCENTAGE_RESOURCE = 0, CAP_PERCENTAGE_RESOURCE = 50, REQUEST_MIN_RESOURCE_GRANT_PERCENT = 25, QUERY_EXECUTION_TIMEOUT_SEC = 3600);
GO

-- Sends the statements of the principal to that group.
IF NOT EXISTS (SELECT 1 FROM [sys].[workload_management_workload_classifiers] AS k WHERE k.[name] = N'fhirsynapse_my-function')
  CREATE WORKLOAD CLASSIFIER [fhirsynapse_my-function] WITH (WORKLOAD_GROUP = 'fhirsynapse', MEMBERNAME = 'my-function');
GO

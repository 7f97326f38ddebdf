-- Set-up of a dedicated SQL pool of Azure Synapse for fhirsynapse. What is there is left alone, so
-- that the script can be run again. It contains no secret.
--
--   loads:    it's [my] 100 % func, into the schema nightly_2
--   reads:    Analysts, jane@example.org, by the role nightly_2_reader
--
-- Read it, then run it as an administrator:
--   fhirsynapse sql setup --engine synapse-dedicated --principal 'it'\''s [my] 100 % func' --schema nightly_2 --database 'data]base' --reader Analysts --reader jane@example.org --move --part master | sqlcmd -G -b -S WORKSPACE.sql.azuresynapse.net -d master
--   fhirsynapse sql setup --engine synapse-dedicated --principal 'it'\''s [my] 100 % func' --schema nightly_2 --database 'data]base' --reader Analysts --reader jane@example.org --move --part database | sqlcmd -G -b -S WORKSPACE.sql.azuresynapse.net -d 'data]base'
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
IF NOT EXISTS (SELECT 1 FROM [sys].[databases] AS d WHERE d.[name] = N'data]base' AND d.[is_read_committed_snapshot_on] = 1)
  ALTER DATABASE [data]]base] SET READ_COMMITTED_SNAPSHOT ON;
GO

-- ==== Part database, run in the database data]base ====

-- Stops a run in another database; sqlcmd needs -b for it.
IF DB_NAME() <> N'data]base'
  RAISERROR (N'This part is for the database data]base. Connect to it: sqlcmd -d. For another one, give fhirsynapse sql setup its name by --database.', 16, 1);
GO

-- The identity is looked up in Entra ID by its name. An identity that was deleted and made anew
-- under the same name needs its user dropped first.
IF NOT EXISTS (SELECT 1 FROM [sys].[database_principals] AS p WHERE p.[name] = N'it''s [my] 100 % func')
  CREATE USER [it's [my]] 100 % func] FROM EXTERNAL PROVIDER;
GO

-- The schema of the plan, for its tables alone. It is made here, so that the principal needs no
-- right to make schemas.
IF SCHEMA_ID(N'nightly_2') IS NULL
  EXEC (N'CREATE SCHEMA [nightly_2] AUTHORIZATION [dbo]');
GO

-- The schema of what the loader keeps for itself: the ledger, the heads, and the stages while a
-- commit is under way. Readers have no right on it.
IF SCHEMA_ID(N'nightly_2_load') IS NULL
  EXEC (N'CREATE SCHEMA [nightly_2_load] AUTHORIZATION [dbo]');
GO

-- Finds the tables in the catalog, and in them the rows of a resource.
GRANT SELECT ON SCHEMA::[nightly_2] TO [it's [my]] 100 % func];
GO

-- Fills the tables from the stages.
GRANT INSERT ON SCHEMA::[nightly_2] TO [it's [my]] 100 % func];
GO

-- Takes out the rows of resources that have a newer version, or that are gone.
GRANT DELETE ON SCHEMA::[nightly_2] TO [it's [my]] 100 % func];
GO

-- Creates the tables, adds and widens columns, creates and updates statistics, rebuilds the heaps.
GRANT ALTER ON SCHEMA::[nightly_2] TO [it's [my]] 100 % func];
GO

-- Reads the ledger, the heads and the stages, and finds them in the catalog.
GRANT SELECT ON SCHEMA::[nightly_2_load] TO [it's [my]] 100 % func];
GO

-- Fills the stages by COPY INTO, and from them the heads and the ledger.
GRANT INSERT ON SCHEMA::[nightly_2_load] TO [it's [my]] 100 % func];
GO

-- Updates the row of a lock table, which keeps other commits of the type out; load --rebuild marks
-- the heads.
GRANT UPDATE ON SCHEMA::[nightly_2_load] TO [it's [my]] 100 % func];
GO

-- Takes out the heads of resources that have a newer version, or that are gone.
GRANT DELETE ON SCHEMA::[nightly_2_load] TO [it's [my]] 100 % func];
GO

-- Creates the ledger and the heads, creates and drops the stages of each commit.
GRANT ALTER ON SCHEMA::[nightly_2_load] TO [it's [my]] 100 % func];
GO

-- CREATE TABLE needs it besides ALTER on the schema; it gives no access to other schemas.
GRANT CREATE TABLE TO [it's [my]] 100 % func];
GO

-- COPY INTO needs it besides INSERT.
GRANT ADMINISTER DATABASE BULK OPERATIONS TO [it's [my]] 100 % func];
GO

-- The first commit of this version moves the ledger, the heads and the locks of an older one by
-- ALTER SCHEMA TRANSFER, which needs CONTROL on each of them. Take it back when the schema has none
-- of them any more: REVOKE CONTROL ON SCHEMA::[nightly_2] FROM [it's [my]] 100 % func].
GRANT CONTROL ON SCHEMA::[nightly_2] TO [it's [my]] 100 % func];
GO

-- The role for people and programs that read. It has no member unless --reader names one.
IF NOT EXISTS (SELECT 1 FROM [sys].[database_principals] AS p WHERE p.[name] = N'nightly_2_reader')
  CREATE ROLE [nightly_2_reader] AUTHORIZATION [dbo];
GO

-- Reads the tables. What the loader keeps for itself is in another schema, [nightly_2_load].
GRANT SELECT ON SCHEMA::[nightly_2] TO [nightly_2_reader];
GO

-- The identity is looked up in Entra ID by its name. An identity that was deleted and made anew
-- under the same name needs its user dropped first.
IF NOT EXISTS (SELECT 1 FROM [sys].[database_principals] AS p WHERE p.[name] = N'Analysts')
  CREATE USER [Analysts] FROM EXTERNAL PROVIDER;
GO

-- Lets a reader in.
EXEC sp_addrolemember N'nightly_2_reader', N'Analysts';
GO

-- The identity is looked up in Entra ID by its name. An identity that was deleted and made anew
-- under the same name needs its user dropped first.
IF NOT EXISTS (SELECT 1 FROM [sys].[database_principals] AS p WHERE p.[name] = N'jane@example.org')
  CREATE USER [jane@example.org] FROM EXTERNAL PROVIDER;
GO

-- Lets a reader in.
EXEC sp_addrolemember N'nightly_2_reader', N'jane@example.org';
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
IF NOT EXISTS (SELECT 1 FROM [sys].[workload_management_workload_classifiers] AS k WHERE k.[name] = N'fhirsynapse_it''s [my] 100 % func')
  CREATE WORKLOAD CLASSIFIER [fhirsynapse_it's [my]] 100 % func] WITH (WORKLOAD_GROUP = 'fhirsynapse', MEMBERNAME = 'it''s [my] 100 % func');
GO

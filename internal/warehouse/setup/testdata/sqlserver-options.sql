-- Set-up of SQL Server 2019 and newer, and Azure SQL Database for fhirsynapse. What is there is
-- left alone, so that the script can be run again. It contains no secret.
--
--   loads:    it's [my] 100 % func, into the schema nightly_2
--   reads:    Analysts, jane@example.org, by the role nightly_2_reader
--
-- Read it, then run it as an administrator:
--   fhirsynapse sql setup --engine sqlserver --principal 'it'\''s [my] 100 % func' --schema nightly_2 --database 'data]base' --reader Analysts --reader jane@example.org --rebuild --move --part master | sqlcmd -G -b -S HOST -d master
--   fhirsynapse sql setup --engine sqlserver --principal 'it'\''s [my] 100 % func' --schema nightly_2 --database 'data]base' --reader Analysts --reader jane@example.org --rebuild --move --part database | sqlcmd -G -b -S HOST -d 'data]base'

-- ==== Part master, run in the database master ====

-- Stops a run in another database; sqlcmd needs -b for it.
IF DB_NAME() <> N'master'
  RAISERROR (N'This part is for the database master. Connect to it: sqlcmd -d master.', 16, 1);
GO

-- In Azure SQL Database a database has a price, so that Azure makes it: by template, portal or az
-- sql db create.
IF CAST(SERVERPROPERTY(N'EngineEdition') AS int) = 5 AND NOT EXISTS (SELECT 1 FROM [sys].[databases] AS d WHERE d.[name] = N'data]base')
  RAISERROR (N'Azure SQL Database has no database data]base here: make it in Azure.', 16, 1);
GO

-- SQL Server makes it here.
IF CAST(SERVERPROPERTY(N'EngineEdition') AS int) <> 5 AND NOT EXISTS (SELECT 1 FROM [sys].[databases] AS d WHERE d.[name] = N'data]base')
  EXEC (N'CREATE DATABASE [data]]base]');
GO

-- ==== Part database, run in the database data]base ====

-- Stops a run in another database; sqlcmd needs -b for it.
IF DB_NAME() <> N'data]base'
  RAISERROR (N'This part is for the database data]base. Connect to it: sqlcmd -d. For another one, give fhirsynapse sql setup its name by --database.', 16, 1);
GO

-- Readers see all of a commit or nothing of it. It is on already in Azure SQL Database. Nobody else
-- may be connected; with NO_WAIT the statement fails at once where somebody is.
IF NOT EXISTS (SELECT 1 FROM [sys].[databases] AS d WHERE d.[name] = N'data]base' AND d.[is_read_committed_snapshot_on] = 1)
  ALTER DATABASE CURRENT SET READ_COMMITTED_SNAPSHOT ON WITH NO_WAIT;
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

-- Creates the tables and their indexes, adds and widens columns, maintains indexes and statistics.
GRANT ALTER ON SCHEMA::[nightly_2] TO [it's [my]] 100 % func];
GO

-- Reads the ledger, the heads and the stages, and finds them in the catalog.
GRANT SELECT ON SCHEMA::[nightly_2_load] TO [it's [my]] 100 % func];
GO

-- Fills the stages by bulk copy, and from them the heads and the ledger.
GRANT INSERT ON SCHEMA::[nightly_2_load] TO [it's [my]] 100 % func];
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

-- load --rebuild builds tables in the schemas [_rebuild_nightly_2] and [_rebuild_nightly_2_load],
-- which it creates, owns and drops; those tables then take the place of the old ones.
GRANT CREATE SCHEMA TO [it's [my]] 100 % func];
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
ALTER ROLE [nightly_2_reader] ADD MEMBER [Analysts];
GO

-- The identity is looked up in Entra ID by its name. An identity that was deleted and made anew
-- under the same name needs its user dropped first.
IF NOT EXISTS (SELECT 1 FROM [sys].[database_principals] AS p WHERE p.[name] = N'jane@example.org')
  CREATE USER [jane@example.org] FROM EXTERNAL PROVIDER;
GO

-- Lets a reader in.
ALTER ROLE [nightly_2_reader] ADD MEMBER [jane@example.org];
GO

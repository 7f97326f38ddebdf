-- Set-up of SQL Server 2019 and newer, and Azure SQL Database for fhirsynapse. What is there is
-- left alone, so that the script can be run again. It contains no secret.
--
--   loads:    my-function, into the schema fhir
--   reads:    analyst, by the role fhir_reader
--
-- Read it, then run it as an administrator:
--   fhirsynapse sql setup --engine sqlserver --principal my-function --reader analyst --login --part master | sqlcmd -U ADMINISTRATOR -b -S HOST -d master
--   fhirsynapse sql setup --engine sqlserver --principal my-function --reader analyst --login --part database | sqlcmd -U ADMINISTRATOR -b -S HOST -d fhir

-- ==== Part master, run in the database master ====

-- Stops a run in another database; sqlcmd needs -b for it.
IF DB_NAME() <> N'master'
  RAISERROR (N'This part is for the database master. Connect to it: sqlcmd -d master.', 16, 1);
GO

-- In Azure SQL Database a database has a price, so that Azure makes it: by template, portal or az
-- sql db create.
IF CAST(SERVERPROPERTY(N'EngineEdition') AS int) = 5 AND NOT EXISTS (SELECT 1 FROM [sys].[databases] AS d WHERE d.[name] = N'fhir')
  RAISERROR (N'Azure SQL Database has no database fhir here: make it in Azure.', 16, 1);
GO

-- SQL Server makes it here.
IF CAST(SERVERPROPERTY(N'EngineEdition') AS int) <> 5 AND NOT EXISTS (SELECT 1 FROM [sys].[databases] AS d WHERE d.[name] = N'fhir')
  EXEC (N'CREATE DATABASE [fhir]');
GO

-- ==== Part database, run in the database fhir ====

-- Stops a run in another database; sqlcmd needs -b for it.
IF DB_NAME() <> N'fhir'
  RAISERROR (N'This part is for the database fhir. Connect to it: sqlcmd -d. For another one, give fhirsynapse sql setup its name by --database.', 16, 1);
GO

-- Readers see all of a commit or nothing of it. It is on already in Azure SQL Database. Nobody else
-- may be connected; with NO_WAIT the statement fails at once where somebody is.
IF NOT EXISTS (SELECT 1 FROM [sys].[databases] AS d WHERE d.[name] = N'fhir' AND d.[is_read_committed_snapshot_on] = 1)
  ALTER DATABASE CURRENT SET READ_COMMITTED_SNAPSHOT ON WITH NO_WAIT;
GO

-- The server has the login of this name; its password is set there, by CREATE LOGIN.
IF NOT EXISTS (SELECT 1 FROM [sys].[database_principals] AS p WHERE p.[name] = N'my-function')
  CREATE USER [my-function] FOR LOGIN [my-function];
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

-- Creates the tables and their indexes, adds and widens columns, maintains indexes and statistics.
GRANT ALTER ON SCHEMA::[fhir] TO [my-function];
GO

-- Reads the ledger, the heads and the stages, and finds them in the catalog.
GRANT SELECT ON SCHEMA::[fhir_load] TO [my-function];
GO

-- Fills the stages by bulk copy, and from them the heads and the ledger.
GRANT INSERT ON SCHEMA::[fhir_load] TO [my-function];
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

-- The role for people and programs that read. It has no member unless --reader names one.
IF NOT EXISTS (SELECT 1 FROM [sys].[database_principals] AS p WHERE p.[name] = N'fhir_reader')
  CREATE ROLE [fhir_reader] AUTHORIZATION [dbo];
GO

-- Reads the tables. What the loader keeps for itself is in another schema, [fhir_load].
GRANT SELECT ON SCHEMA::[fhir] TO [fhir_reader];
GO

-- The server has the login of this name; its password is set there, by CREATE LOGIN.
IF NOT EXISTS (SELECT 1 FROM [sys].[database_principals] AS p WHERE p.[name] = N'analyst')
  CREATE USER [analyst] FOR LOGIN [analyst];
GO

-- Lets a reader in.
ALTER ROLE [fhir_reader] ADD MEMBER [analyst];
GO

-- Set-up of a warehouse of Microsoft Fabric for fhirsynapse. What is there is left alone, so that
-- the script can be run again. It contains no secret.
--
--   loads:    my-function, into the schema fhir
--   reads:    nobody yet, by the role fhir_reader
--
-- Read it, then run it as an administrator:
--   fhirsynapse sql setup --engine fabric --principal my-function | sqlcmd -G -b -S NAME.datawarehouse.fabric.microsoft.com -d fhir
--
-- Needed besides, and no SQL:
--   The permission Read on the warehouse for my-function and for each reader (share the warehouse):
--   without it they cannot connect. Fabric makes their users with the first GRANT.
--   Storage Blob Data Reader on the staging container for my-function: COPY INTO reads as the
--   caller.

-- ==== Part database, run in the database fhir ====

-- Stops a run in another database; sqlcmd needs -b for it.
IF DB_NAME() <> 'fhir'
  RAISERROR ('This part is for the database fhir. Connect to it: sqlcmd -d. For another one, give fhirsynapse sql setup its name by --database.', 16, 1);
GO

-- FHIR ids that differ in case only are two resources. The collation of a warehouse is chosen when
-- it is made.
IF EXISTS (SELECT 1 FROM [sys].[databases] AS d WHERE d.[name] = DB_NAME() AND d.[collation_name] NOT LIKE '%[_]BIN%' AND d.[collation_name] NOT LIKE '%[_]CS[_]%')
  RAISERROR ('The collation of this warehouse does not tell upper case from lower case: make a warehouse with Latin1_General_100_BIN2_UTF8, the default.', 16, 1);
GO

-- The schema of the plan, for its tables alone. It is made here, so that the principal needs no
-- right to make schemas.
IF SCHEMA_ID('fhir') IS NULL
  EXEC ('CREATE SCHEMA [fhir] AUTHORIZATION [dbo]');
GO

-- The schema of what the loader keeps for itself: the ledger, the heads, and the stages while a
-- commit is under way. Readers have no right on it.
IF SCHEMA_ID('fhir_load') IS NULL
  EXEC ('CREATE SCHEMA [fhir_load] AUTHORIZATION [dbo]');
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

-- Creates the tables, adds the columns of a changed view.
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
IF NOT EXISTS (SELECT 1 FROM [sys].[database_principals] AS p WHERE p.[name] = 'fhir_reader')
  CREATE ROLE [fhir_reader] AUTHORIZATION [dbo];
GO

-- Reads the tables. What the loader keeps for itself is in another schema, [fhir_load].
GRANT SELECT ON SCHEMA::[fhir] TO [fhir_reader];
GO

-- Set-up of a warehouse of Microsoft Fabric for fhirsynapse. What is there is left alone, so that
-- the script can be run again. It contains no secret.
--
--   loads:    it's [my] 100 % func, into the schema nightly_2
--   reads:    Analysts, jane@example.org, by the role nightly_2_reader
--
-- Read it, then run it as an administrator:
--   fhirsynapse sql setup --engine fabric --principal 'it'\''s [my] 100 % func' --schema nightly_2 --database 'data]base' --reader Analysts --reader jane@example.org --move | sqlcmd -G -b -S NAME.datawarehouse.fabric.microsoft.com -d 'data]base'
--
-- Needed besides, and no SQL:
--   The permission Read on the warehouse for it's [my] 100 % func and for each reader (share the
--   warehouse): without it they cannot connect. Fabric makes their users with the first GRANT.
--   Storage Blob Data Reader on the staging container for it's [my] 100 % func: COPY INTO reads as
--   the caller.

-- ==== Part database, run in the database data]base ====

-- Stops a run in another database; sqlcmd needs -b for it.
IF DB_NAME() <> 'data]base'
  RAISERROR ('This part is for the database data]base. Connect to it: sqlcmd -d. For another one, give fhirsynapse sql setup its name by --database.', 16, 1);
GO

-- FHIR ids that differ in case only are two resources. The collation of a warehouse is chosen when
-- it is made.
IF EXISTS (SELECT 1 FROM [sys].[databases] AS d WHERE d.[name] = DB_NAME() AND d.[collation_name] NOT LIKE '%[_]BIN%' AND d.[collation_name] NOT LIKE '%[_]CS[_]%')
  RAISERROR ('The collation of this warehouse does not tell upper case from lower case: make a warehouse with Latin1_General_100_BIN2_UTF8, the default.', 16, 1);
GO

-- The schema of the plan, for its tables alone. It is made here, so that the principal needs no
-- right to make schemas.
IF SCHEMA_ID('nightly_2') IS NULL
  EXEC ('CREATE SCHEMA [nightly_2] AUTHORIZATION [dbo]');
GO

-- The schema of what the loader keeps for itself: the ledger, the heads, and the stages while a
-- commit is under way. Readers have no right on it.
IF SCHEMA_ID('nightly_2_load') IS NULL
  EXEC ('CREATE SCHEMA [nightly_2_load] AUTHORIZATION [dbo]');
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

-- Creates the tables, adds the columns of a changed view.
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
IF NOT EXISTS (SELECT 1 FROM [sys].[database_principals] AS p WHERE p.[name] = 'nightly_2_reader')
  CREATE ROLE [nightly_2_reader] AUTHORIZATION [dbo];
GO

-- Reads the tables. What the loader keeps for itself is in another schema, [nightly_2_load].
GRANT SELECT ON SCHEMA::[nightly_2] TO [nightly_2_reader];
GO

-- Lets a reader in, by itself: Fabric makes its user with this GRANT.
GRANT SELECT ON SCHEMA::[nightly_2] TO [Analysts];
GO

-- Lets a reader in, by itself: Fabric makes its user with this GRANT.
GRANT SELECT ON SCHEMA::[nightly_2] TO [jane@example.org];
GO

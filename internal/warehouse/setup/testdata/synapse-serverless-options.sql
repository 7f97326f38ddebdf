-- Set-up of the serverless SQL pool of Azure Synapse for fhirsynapse. What is there is left alone,
-- so that the script can be run again. It contains no secret.
--
--   loads:    it's [my] 100 % func, into the schema nightly_2
--   reads:    Analysts, jane@example.org, by the role nightly_2_reader
--
-- Read it, then run it as an administrator:
--   fhirsynapse sql setup --engine synapse-serverless --principal 'it'\''s [my] 100 % func' --schema nightly_2 --database 'data]base' --reader Analysts --reader jane@example.org --published https://account.dfs.core.windows.net/fhir-published --snapshots --part master | sqlcmd -G -b -S WORKSPACE-ondemand.sql.azuresynapse.net -d master
--   fhirsynapse sql setup --engine synapse-serverless --principal 'it'\''s [my] 100 % func' --schema nightly_2 --database 'data]base' --reader Analysts --reader jane@example.org --published https://account.dfs.core.windows.net/fhir-published --snapshots --part database | sqlcmd -G -b -S WORKSPACE-ondemand.sql.azuresynapse.net -d 'data]base'
--
-- Needed besides, and no SQL:
--   Storage Blob Data Contributor on the container of the published lines for the managed identity
--   of the workspace.

-- ==== Part master, run in the database master ====

-- Stops a run in another database; sqlcmd needs -b for it.
IF DB_NAME() <> N'master'
  RAISERROR (N'This part is for the database master. Connect to it: sqlcmd -d master.', 16, 1);
GO

-- A database of the serverless pool has no price of its own. The files are UTF-8, and with this
-- collation text is compared by bytes, as FHIR ids and codes are.
IF NOT EXISTS (SELECT 1 FROM [sys].[databases] AS d WHERE d.[name] = N'data]base')
  EXEC (N'CREATE DATABASE [data]]base] COLLATE Latin1_General_100_BIN2_UTF8');
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

-- The database keeps credentials under it. Without a password the pool protects it itself.
IF NOT EXISTS (SELECT 1 FROM [sys].[symmetric_keys] AS k WHERE k.[name] = N'##MS_DatabaseMasterKey##')
  CREATE MASTER KEY;
GO

-- Reads files by the managed identity of the workspace; it has no secret. Only who has CONTROL on
-- the database can make it, so that the principal cannot.
IF NOT EXISTS (SELECT 1 FROM [sys].[database_scoped_credentials] AS o WHERE o.[name] = N'fhirsynapse')
  CREATE DATABASE SCOPED CREDENTIAL [fhirsynapse] WITH IDENTITY = 'Managed Identity';
GO

-- A data source of this name at another place has views on it, so that it is not replaced.
IF EXISTS (SELECT 1 FROM [sys].[external_data_sources] AS o WHERE o.[name] = N'fhirsynapse' AND o.[location] NOT IN (N'https://account.dfs.core.windows.net/fhir-published', N'https://account.dfs.core.windows.net/fhir-published/'))
  RAISERROR (N'The data source fhirsynapse is at another place than https://account.dfs.core.windows.net/fhir-published: drop it, and the views that read from it.', 16, 1);
GO

-- The container of the published lines, which the views read.
IF NOT EXISTS (SELECT 1 FROM [sys].[external_data_sources] AS o WHERE o.[name] = N'fhirsynapse')
  CREATE EXTERNAL DATA SOURCE [fhirsynapse] WITH (LOCATION = 'https://account.dfs.core.windows.net/fhir-published', CREDENTIAL = [fhirsynapse]);
GO

-- Snapshots are Parquet files.
IF NOT EXISTS (SELECT 1 FROM [sys].[external_file_formats] AS o WHERE o.[name] = N'fhirsynapse')
  CREATE EXTERNAL FILE FORMAT [fhirsynapse] WITH (FORMAT_TYPE = PARQUET, DATA_COMPRESSION = 'org.apache.hadoop.io.compress.SnappyCodec');
GO

-- The views of a plan read the views _newest_TYPE.
GRANT SELECT ON SCHEMA::[nightly_2] TO [it's [my]] 100 % func];
GO

-- Each commit moves the views to what is published: CREATE OR ALTER VIEW.
GRANT ALTER ON SCHEMA::[nightly_2] TO [it's [my]] 100 % func];
GO

-- CREATE OR ALTER VIEW needs it besides ALTER on the schema; it gives no access to other schemas.
GRANT CREATE VIEW TO [it's [my]] 100 % func];
GO

-- Finds the master key, the credential, the data source and the file format in the catalog. It
-- shows names, not data.
GRANT VIEW DEFINITION TO [it's [my]] 100 % func];
GO

-- The views read files by the managed identity of the workspace.
GRANT REFERENCES ON DATABASE SCOPED CREDENTIAL::[fhirsynapse] TO [it's [my]] 100 % func];
GO

-- The views read files by OPENROWSET.
GRANT ADMINISTER DATABASE BULK OPERATIONS TO [it's [my]] 100 % func];
GO

-- A snapshot is written by CREATE EXTERNAL TABLE AS SELECT, and its table dropped at once.
GRANT CREATE TABLE TO [it's [my]] 100 % func];
GO

-- CREATE EXTERNAL TABLE needs it to name the file format.
GRANT ALTER ANY EXTERNAL FILE FORMAT TO [it's [my]] 100 % func];
GO

-- CREATE EXTERNAL TABLE needs it to name the data source. It is a wide right: its holder can make a
-- data source with any credential of this database. Keep no other credentials here.
GRANT ALTER ANY EXTERNAL DATA SOURCE TO [it's [my]] 100 % func];
GO

-- The role for people and programs that read. It has no member unless --reader names one.
IF NOT EXISTS (SELECT 1 FROM [sys].[database_principals] AS p WHERE p.[name] = N'nightly_2_reader')
  CREATE ROLE [nightly_2_reader] AUTHORIZATION [dbo];
GO

-- Reads the views. The schema also has views of the loader, whose names begin with _newest_: they
-- show whole resources.
GRANT SELECT ON SCHEMA::[nightly_2] TO [nightly_2_reader];
GO

-- The views read files by the managed identity of the workspace, and the pool checks this right of
-- whoever runs the query.
GRANT REFERENCES ON DATABASE SCOPED CREDENTIAL::[fhirsynapse] TO [nightly_2_reader];
GO

-- The views read files by OPENROWSET, and the pool checks this right too. Both together let a
-- reader query every file of the data source directly: all schemas, older versions and deleted
-- resources. Give the role to nobody who must not see them.
GRANT ADMINISTER DATABASE BULK OPERATIONS TO [nightly_2_reader];
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

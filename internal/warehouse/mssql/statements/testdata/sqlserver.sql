-- ledger there
SELECT c.[TABLE_SCHEMA]
FROM [INFORMATION_SCHEMA].[COLUMNS] AS c
WHERE (c.[TABLE_SCHEMA] = N'fhir' OR c.[TABLE_SCHEMA] = N'fhir_load') AND c.[TABLE_NAME] = N'_ledger' AND c.[COLUMN_NAME] = N'file_key';

-- catalog
SELECT c.[TABLE_SCHEMA], c.[TABLE_NAME], c.[COLUMN_NAME], c.[DATA_TYPE], c.[CHARACTER_MAXIMUM_LENGTH], c.[NUMERIC_PRECISION], c.[NUMERIC_SCALE], c.[IS_NULLABLE]
FROM [INFORMATION_SCHEMA].[COLUMNS] AS c
WHERE (c.[TABLE_SCHEMA] = N'fhir' OR c.[TABLE_SCHEMA] = N'fhir_load')
ORDER BY c.[TABLE_SCHEMA], c.[TABLE_NAME], c.[ORDINAL_POSITION];

-- row versions
SELECT d.[is_read_committed_snapshot_on] AS [is_on] FROM [sys].[databases] AS d WHERE d.[name] = DB_NAME();

-- schema
SELECT SCHEMA_ID(N'fhir') AS [id];

-- create schema
CREATE SCHEMA [fhir];

-- create schema
CREATE SCHEMA [fhir_load];

-- create table _ledger
CREATE TABLE [fhir_load].[_ledger] (
  [export] varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [file_key] varchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [path] nvarchar(1024) NOT NULL,
  [etag] nvarchar(256) NOT NULL,
  [type] varchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [lines] bigint NOT NULL,
  [blank] bigint NOT NULL,
  [quarantined] bigint NOT NULL,
  [filtered] bigint NOT NULL,
  [applied] bigint NOT NULL,
  [superseded] bigint NOT NULL,
  [deleted] bigint NOT NULL,
  [view_set] int NOT NULL,
  [committed_at] datetime2(3) NOT NULL,
  [clipped] bigint NULL,
  PRIMARY KEY ([export], [file_key])
);

-- create table _head_Patient
CREATE TABLE [fhir_load].[_head_Patient] (
  [_id] varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [_version] varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [_deleted] bit NOT NULL,
  [_view_set] int NOT NULL,
  PRIMARY KEY ([_id])
);

-- create table patient_name
CREATE TABLE [fhir].[patient_name] (
  [given] nvarchar(4000) NULL,
  [row_index] int NULL,
  [_id] varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [_version] varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [_last_updated] datetime2(3) NOT NULL,
  [_export] varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL
);

-- create index patient_name
CREATE CLUSTERED INDEX [cx_patient_name] ON [fhir].[patient_name] ([_id]);

-- create table patient
CREATE TABLE [fhir].[patient] (
  [id] nvarchar(4000) NULL,
  [active] bit NULL,
  [number] bigint NULL,
  [weight] decimal(38, 18) NULL,
  [price] decimal(9, 2) NULL,
  [born] date NULL,
  [seen] datetime2(3) NULL,
  [select] nvarchar(4000) NULL,
  [_id] varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [_version] varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [_last_updated] datetime2(3) NOT NULL,
  [_export] varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL
);

-- create index patient
CREATE CLUSTERED INDEX [cx_patient] ON [fhir].[patient] ([_id]);

-- stage file
CREATE TABLE [fhir_load].[_stage_2026112308_0a1b_1_file] (
  [_file] int NOT NULL,
  [blank] bigint NOT NULL,
  [clipped] bigint NOT NULL,
  [etag] nvarchar(256) NOT NULL,
  [file_key] varchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [filtered] bigint NOT NULL,
  [lines] bigint NOT NULL,
  [path] nvarchar(1024) NOT NULL,
  [quarantined] bigint NOT NULL
);

-- stage head
CREATE TABLE [fhir_load].[_stage_2026112308_0a1b_1_head] (
  [_deleted] bit NOT NULL,
  [_file] int NOT NULL,
  [_id] varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [_line] bigint NOT NULL,
  [_version] varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL
);

-- stage winner
CREATE TABLE [fhir_load].[_stage_2026112308_0a1b_1_winner] (
  [_id] varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [_version] varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [_deleted] bit NOT NULL,
  [_file] int NOT NULL,
  [_line] bigint NOT NULL,
  PRIMARY KEY ([_id])
);

-- stage view_patient
CREATE TABLE [fhir_load].[_stage_2026112308_0a1b_1_view_patient] (
  [_file] int NOT NULL,
  [_id] varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [_line] bigint NOT NULL,
  [active] bit NULL,
  [born] date NULL,
  [id] nvarchar(4000) NULL,
  [number] bigint NULL,
  [price] decimal(9, 2) NULL,
  [seen] datetime2(3) NULL,
  [select] nvarchar(4000) NULL,
  [weight] decimal(38, 18) NULL
);

-- stage view_patient_name
CREATE TABLE [fhir_load].[_stage_2026112308_0a1b_1_view_patient_name] (
  [_file] int NOT NULL,
  [_id] varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [_line] bigint NOT NULL,
  [given] nvarchar(4000) NULL,
  [row_index] int NULL
);

-- isolation
SET TRANSACTION ISOLATION LEVEL READ COMMITTED;

-- abort on error
SET XACT_ABORT ON;

-- begin
BEGIN TRANSACTION;

-- lock
DECLARE @result int
EXEC @result = sp_getapplock @Resource = N'fhirsynapse/fhir/Patient', @LockMode = 'Exclusive', @LockOwner = 'Transaction', @LockTimeout = 60000
SELECT @result AS [result];

-- drop known files
DELETE FROM [fhir_load].[_stage_2026112308_0a1b_1_file]
WHERE [file_key] IN (SELECT l.[file_key] FROM [fhir_load].[_ledger] AS l WHERE l.[export] = 'nightly-000012');

-- drop known lines
DELETE FROM [fhir_load].[_stage_2026112308_0a1b_1_head]
WHERE [_file] NOT IN (SELECT f.[_file] FROM [fhir_load].[_stage_2026112308_0a1b_1_file] AS f);

-- winners
INSERT INTO [fhir_load].[_stage_2026112308_0a1b_1_winner] ([_id], [_version], [_deleted], [_file], [_line])
SELECT s.[_id], s.[_version], s.[_deleted], s.[_file], s.[_line]
FROM (
  SELECT h.[_id], h.[_version], h.[_deleted], h.[_file], h.[_line],
    ROW_NUMBER() OVER (PARTITION BY h.[_id] ORDER BY h.[_version] DESC, h.[_file], h.[_line]) AS [place]
  FROM [fhir_load].[_stage_2026112308_0a1b_1_head] AS h
) AS s
LEFT JOIN [fhir_load].[_head_Patient] AS t ON t.[_id] = s.[_id]
WHERE s.[place] = 1
  AND (t.[_id] IS NULL OR s.[_version] > t.[_version] OR (s.[_version] = t.[_version] AND t.[_view_set] < 3));

-- delete patient
DELETE FROM [fhir].[patient]
WHERE [_id] IN (SELECT w.[_id] FROM [fhir_load].[_stage_2026112308_0a1b_1_winner] AS w);

-- insert patient
INSERT INTO [fhir].[patient] ([id], [active], [number], [weight], [price], [born], [seen], [select], [_id], [_version], [_last_updated], [_export])
SELECT v.[id], v.[active], v.[number], v.[weight], v.[price], v.[born], v.[seen], v.[select],
  w.[_id], w.[_version], CAST(LEFT(w.[_version], 23) AS datetime2(3)), 'nightly-000012'
FROM [fhir_load].[_stage_2026112308_0a1b_1_view_patient] AS v
JOIN [fhir_load].[_stage_2026112308_0a1b_1_winner] AS w ON w.[_id] = v.[_id] AND w.[_file] = v.[_file] AND w.[_line] = v.[_line]
WHERE w.[_deleted] = 0;

-- delete patient_name
DELETE FROM [fhir].[patient_name]
WHERE [_id] IN (SELECT w.[_id] FROM [fhir_load].[_stage_2026112308_0a1b_1_winner] AS w);

-- insert patient_name
INSERT INTO [fhir].[patient_name] ([given], [row_index], [_id], [_version], [_last_updated], [_export])
SELECT v.[given], v.[row_index],
  w.[_id], w.[_version], CAST(LEFT(w.[_version], 23) AS datetime2(3)), 'nightly-000012'
FROM [fhir_load].[_stage_2026112308_0a1b_1_view_patient_name] AS v
JOIN [fhir_load].[_stage_2026112308_0a1b_1_winner] AS w ON w.[_id] = v.[_id] AND w.[_file] = v.[_file] AND w.[_line] = v.[_line]
WHERE w.[_deleted] = 0;

-- delete heads
DELETE FROM [fhir_load].[_head_Patient]
WHERE [_id] IN (SELECT w.[_id] FROM [fhir_load].[_stage_2026112308_0a1b_1_winner] AS w);

-- insert heads
INSERT INTO [fhir_load].[_head_Patient] ([_id], [_version], [_deleted], [_view_set])
SELECT w.[_id], w.[_version], w.[_deleted], 3
FROM [fhir_load].[_stage_2026112308_0a1b_1_winner] AS w;

-- insert ledger
INSERT INTO [fhir_load].[_ledger] ([export], [file_key], [path], [etag], [type], [lines], [blank], [quarantined], [filtered], [applied], [superseded], [deleted], [view_set], [committed_at], [clipped])
SELECT 'nightly-000012', f.[file_key], f.[path], f.[etag], 'Patient', f.[lines], f.[blank], f.[quarantined], f.[filtered],
  ISNULL(w.[n], 0), ISNULL(s.[n], 0) - ISNULL(w.[n], 0), ISNULL(w.[deleted], 0), 3, CAST('2026-11-23T08:30:00.000' AS datetime2(3)), f.[clipped]
FROM [fhir_load].[_stage_2026112308_0a1b_1_file] AS f
LEFT JOIN (SELECT h.[_file], COUNT_BIG(*) AS [n] FROM [fhir_load].[_stage_2026112308_0a1b_1_head] AS h GROUP BY h.[_file]) AS s ON s.[_file] = f.[_file]
LEFT JOIN (
  SELECT v.[_file], COUNT_BIG(*) AS [n], SUM(CASE WHEN v.[_deleted] = 1 THEN 1 ELSE 0 END) AS [deleted]
  FROM [fhir_load].[_stage_2026112308_0a1b_1_winner] AS v GROUP BY v.[_file]
) AS w ON w.[_file] = f.[_file];

-- check
SELECT l.[path], l.[lines], l.[applied] + l.[superseded] + l.[filtered] + l.[quarantined] + l.[blank] AS [accounted]
FROM [fhir_load].[_ledger] AS l
JOIN [fhir_load].[_stage_2026112308_0a1b_1_file] AS f ON f.[file_key] = l.[file_key]
WHERE l.[export] = 'nightly-000012' AND (l.[superseded] < 0 OR l.[applied] + l.[superseded] + l.[filtered] + l.[quarantined] + l.[blank] <> l.[lines]);

-- commit
COMMIT TRANSACTION;

-- drop stage file
DROP TABLE [fhir_load].[_stage_2026112308_0a1b_1_file];

-- drop stage head
DROP TABLE [fhir_load].[_stage_2026112308_0a1b_1_head];

-- drop stage winner
DROP TABLE [fhir_load].[_stage_2026112308_0a1b_1_winner];

-- drop stage view_patient
DROP TABLE [fhir_load].[_stage_2026112308_0a1b_1_view_patient];

-- drop stage view_patient_name
DROP TABLE [fhir_load].[_stage_2026112308_0a1b_1_view_patient_name];

-- ledger
SELECT l.[path], l.[etag], l.[type], l.[lines], l.[applied], l.[superseded], l.[filtered], l.[quarantined], l.[blank], l.[deleted]
FROM [fhir_load].[_ledger] AS l
WHERE l.[export] = 'nightly-000012'
ORDER BY l.[committed_at], l.[path], l.[etag];


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
  [clipped] bigint NULL
)
WITH (HEAP, DISTRIBUTION = HASH([file_key]));

-- create table _head_Patient
CREATE TABLE [fhir_load].[_head_Patient] (
  [_id] varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [_version] varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [_deleted] bit NOT NULL,
  [_view_set] int NOT NULL
)
WITH (HEAP, DISTRIBUTION = HASH([_id]));

-- create table _lock_Patient
CREATE TABLE [fhir_load].[_lock_Patient] (
  [k] int NOT NULL,
  [attempt] varchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [replaced] bigint NULL
)
WITH (HEAP, DISTRIBUTION = ROUND_ROBIN);

-- create table patient_name
CREATE TABLE [fhir].[patient_name] (
  [given] nvarchar(4000) NULL,
  [row_index] int NULL,
  [_id] varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [_version] varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [_last_updated] datetime2(3) NOT NULL,
  [_export] varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL
)
WITH (HEAP, DISTRIBUTION = HASH([_id]));

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
)
WITH (HEAP, DISTRIBUTION = HASH([_id]));

-- lock row
INSERT INTO [fhir_load].[_lock_Patient] ([k], [attempt])
SELECT 1, ''
WHERE NOT EXISTS (SELECT 1 FROM [fhir_load].[_lock_Patient] AS l WHERE l.[k] = 1);

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
)
WITH (HEAP, DISTRIBUTION = ROUND_ROBIN);

-- stage head
CREATE TABLE [fhir_load].[_stage_2026112308_0a1b_1_head] (
  [_deleted] bit NOT NULL,
  [_file] int NOT NULL,
  [_id] varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [_line] bigint NOT NULL,
  [_version] varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL
)
WITH (HEAP, DISTRIBUTION = HASH([_id]));

-- stage winner
CREATE TABLE [fhir_load].[_stage_2026112308_0a1b_1_winner] (
  [_id] varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [_version] varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [_deleted] bit NOT NULL,
  [_file] int NOT NULL,
  [_line] bigint NOT NULL
)
WITH (HEAP, DISTRIBUTION = HASH([_id]));

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
)
WITH (HEAP, DISTRIBUTION = HASH([_id]));

-- stage view_patient_name
CREATE TABLE [fhir_load].[_stage_2026112308_0a1b_1_view_patient_name] (
  [_file] int NOT NULL,
  [_id] varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [_line] bigint NOT NULL,
  [given] nvarchar(4000) NULL,
  [row_index] int NULL
)
WITH (HEAP, DISTRIBUTION = HASH([_id]));

-- copy file
COPY INTO [fhir_load].[_stage_2026112308_0a1b_1_file]
FROM 'https://account.dfs.core.windows.net/staging/commit/x/file-0000.parquet'
WITH (FILE_TYPE = 'PARQUET', CREDENTIAL = (IDENTITY = 'Managed Identity'))
OPTION (LABEL = 'fhirsynapse:Patient:2026112308_0a1b_1:copy-file');

-- copy head
COPY INTO [fhir_load].[_stage_2026112308_0a1b_1_head]
FROM 'https://account.dfs.core.windows.net/staging/commit/x/head-0000.parquet',
  'https://account.dfs.core.windows.net/staging/commit/x/head-0001.parquet'
WITH (FILE_TYPE = 'PARQUET', CREDENTIAL = (IDENTITY = 'Managed Identity'))
OPTION (LABEL = 'fhirsynapse:Patient:2026112308_0a1b_1:copy-head');

-- copy view_patient_name
COPY INTO [fhir_load].[_stage_2026112308_0a1b_1_view_patient_name]
FROM 'https://account.dfs.core.windows.net/staging/commit/x/patient_name-0000.parquet',
  'https://account.dfs.core.windows.net/staging/commit/x/patient_name-0001.parquet'
WITH (FILE_TYPE = 'PARQUET', CREDENTIAL = (IDENTITY = 'Managed Identity'))
OPTION (LABEL = 'fhirsynapse:Patient:2026112308_0a1b_1:copy-view_patient_name');

-- count view_patient_name
SELECT COUNT_BIG(*) AS [n] FROM [fhir_load].[_stage_2026112308_0a1b_1_view_patient_name] AS s
OPTION (LABEL = 'fhirsynapse:Patient:2026112308_0a1b_1:count-view_patient_name');

-- copy view_patient
COPY INTO [fhir_load].[_stage_2026112308_0a1b_1_view_patient]
FROM 'https://account.dfs.core.windows.net/staging/commit/x/patient-0000.parquet',
  'https://account.dfs.core.windows.net/staging/commit/x/patient-0001.parquet'
WITH (FILE_TYPE = 'PARQUET', CREDENTIAL = (IDENTITY = 'Managed Identity'))
OPTION (LABEL = 'fhirsynapse:Patient:2026112308_0a1b_1:copy-view_patient');

-- count view_patient
SELECT COUNT_BIG(*) AS [n] FROM [fhir_load].[_stage_2026112308_0a1b_1_view_patient] AS s
OPTION (LABEL = 'fhirsynapse:Patient:2026112308_0a1b_1:count-view_patient');

-- stage large_patient
CREATE TABLE [fhir_load].[_stage_2026112308_0a1b_1_large_patient] (
  [doc] nvarchar(max) NULL
)
WITH (HEAP, DISTRIBUTION = ROUND_ROBIN);

-- copy large_patient
COPY INTO [fhir_load].[_stage_2026112308_0a1b_1_large_patient] ([doc] 1)
FROM 'https://account.dfs.core.windows.net/staging/commit/x/patient-0000.parquet'
WITH (FILE_TYPE = 'CSV', CREDENTIAL = (IDENTITY = 'Managed Identity'), FIELDTERMINATOR = '0x0b', FIELDQUOTE = '', ROWTERMINATOR = '0x0A', ENCODING = 'UTF8', MAXERRORS = 0)
OPTION (LABEL = 'fhirsynapse:Patient:2026112308_0a1b_1:copy-large_patient');

-- insert large patient
INSERT INTO [fhir_load].[_stage_2026112308_0a1b_1_view_patient] ([_file], [_id], [_line], [active], [born], [id], [number], [price], [seen], [select], [weight])
SELECT j.[_file], j.[_id], j.[_line], j.[active], j.[born], j.[id], j.[number], j.[price], j.[seen], j.[select], j.[weight]
FROM [fhir_load].[_stage_2026112308_0a1b_1_large_patient] AS d
CROSS APPLY OPENJSON(d.[doc]) WITH (
  [_file] int '$."_file"',
  [_id] varchar(128) '$."_id"',
  [_line] bigint '$."_line"',
  [active] bit '$."active"',
  [born] date '$."born"',
  [id] nvarchar(4000) '$."id"',
  [number] bigint '$."number"',
  [price] decimal(9, 2) '$."price"',
  [seen] datetime2(3) '$."seen"',
  [select] nvarchar(4000) '$."select"',
  [weight] decimal(38, 18) '$."weight"'
) AS j
OPTION (LABEL = 'fhirsynapse:Patient:2026112308_0a1b_1:insert-large-patient');

-- begin
BEGIN TRANSACTION;

-- lock
UPDATE [fhir_load].[_lock_Patient] SET [attempt] = '2026112308_0a1b_1' WHERE [k] = 1
OPTION (LABEL = 'fhirsynapse:Patient:2026112308_0a1b_1:lock');

-- drop known files
DELETE FROM [fhir_load].[_stage_2026112308_0a1b_1_file]
WHERE [file_key] IN (SELECT l.[file_key] FROM [fhir_load].[_ledger] AS l WHERE l.[export] = 'nightly-000012')
OPTION (LABEL = 'fhirsynapse:Patient:2026112308_0a1b_1:drop-known-files');

-- drop known lines
DELETE FROM [fhir_load].[_stage_2026112308_0a1b_1_head]
WHERE [_file] NOT IN (SELECT f.[_file] FROM [fhir_load].[_stage_2026112308_0a1b_1_file] AS f)
OPTION (LABEL = 'fhirsynapse:Patient:2026112308_0a1b_1:drop-known-lines');

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
  AND (t.[_id] IS NULL OR s.[_version] > t.[_version] OR (s.[_version] = t.[_version] AND t.[_view_set] < 3))
OPTION (LABEL = 'fhirsynapse:Patient:2026112308_0a1b_1:winners');

-- delete patient
DELETE FROM [fhir].[patient]
WHERE [_id] IN (SELECT w.[_id] FROM [fhir_load].[_stage_2026112308_0a1b_1_winner] AS w)
OPTION (LABEL = 'fhirsynapse:Patient:2026112308_0a1b_1:delete-patient');

-- insert patient
INSERT INTO [fhir].[patient] ([id], [active], [number], [weight], [price], [born], [seen], [select], [_id], [_version], [_last_updated], [_export])
SELECT v.[id], v.[active], v.[number], v.[weight], v.[price], v.[born], v.[seen], v.[select],
  w.[_id], w.[_version], CAST(LEFT(w.[_version], 23) AS datetime2(3)), 'nightly-000012'
FROM [fhir_load].[_stage_2026112308_0a1b_1_view_patient] AS v
JOIN [fhir_load].[_stage_2026112308_0a1b_1_winner] AS w ON w.[_id] = v.[_id] AND w.[_file] = v.[_file] AND w.[_line] = v.[_line]
WHERE w.[_deleted] = 0
OPTION (LABEL = 'fhirsynapse:Patient:2026112308_0a1b_1:insert-patient');

-- delete patient_name
DELETE FROM [fhir].[patient_name]
WHERE [_id] IN (SELECT w.[_id] FROM [fhir_load].[_stage_2026112308_0a1b_1_winner] AS w)
OPTION (LABEL = 'fhirsynapse:Patient:2026112308_0a1b_1:delete-patient_name');

-- insert patient_name
INSERT INTO [fhir].[patient_name] ([given], [row_index], [_id], [_version], [_last_updated], [_export])
SELECT v.[given], v.[row_index],
  w.[_id], w.[_version], CAST(LEFT(w.[_version], 23) AS datetime2(3)), 'nightly-000012'
FROM [fhir_load].[_stage_2026112308_0a1b_1_view_patient_name] AS v
JOIN [fhir_load].[_stage_2026112308_0a1b_1_winner] AS w ON w.[_id] = v.[_id] AND w.[_file] = v.[_file] AND w.[_line] = v.[_line]
WHERE w.[_deleted] = 0
OPTION (LABEL = 'fhirsynapse:Patient:2026112308_0a1b_1:insert-patient_name');

-- delete heads
DELETE FROM [fhir_load].[_head_Patient]
WHERE [_id] IN (SELECT w.[_id] FROM [fhir_load].[_stage_2026112308_0a1b_1_winner] AS w)
OPTION (LABEL = 'fhirsynapse:Patient:2026112308_0a1b_1:delete-heads');

-- insert heads
INSERT INTO [fhir_load].[_head_Patient] ([_id], [_version], [_deleted], [_view_set])
SELECT w.[_id], w.[_version], w.[_deleted], 3
FROM [fhir_load].[_stage_2026112308_0a1b_1_winner] AS w
OPTION (LABEL = 'fhirsynapse:Patient:2026112308_0a1b_1:insert-heads');

-- insert ledger
INSERT INTO [fhir_load].[_ledger] ([export], [file_key], [path], [etag], [type], [lines], [blank], [quarantined], [filtered], [applied], [superseded], [deleted], [view_set], [committed_at], [clipped])
SELECT 'nightly-000012', f.[file_key], f.[path], f.[etag], 'Patient', f.[lines], f.[blank], f.[quarantined], f.[filtered],
  ISNULL(w.[n], 0), ISNULL(s.[n], 0) - ISNULL(w.[n], 0), ISNULL(w.[deleted], 0), 3, CAST('2026-11-23T08:30:00.000' AS datetime2(3)), f.[clipped]
FROM [fhir_load].[_stage_2026112308_0a1b_1_file] AS f
LEFT JOIN (SELECT h.[_file], COUNT_BIG(*) AS [n] FROM [fhir_load].[_stage_2026112308_0a1b_1_head] AS h GROUP BY h.[_file]) AS s ON s.[_file] = f.[_file]
LEFT JOIN (
  SELECT v.[_file], COUNT_BIG(*) AS [n], SUM(CASE WHEN v.[_deleted] = 1 THEN 1 ELSE 0 END) AS [deleted]
  FROM [fhir_load].[_stage_2026112308_0a1b_1_winner] AS v GROUP BY v.[_file]
) AS w ON w.[_file] = f.[_file]
OPTION (LABEL = 'fhirsynapse:Patient:2026112308_0a1b_1:insert-ledger');

-- check
SELECT l.[path], l.[lines], l.[applied] + l.[superseded] + l.[filtered] + l.[quarantined] + l.[blank] AS [accounted]
FROM [fhir_load].[_ledger] AS l
JOIN [fhir_load].[_stage_2026112308_0a1b_1_file] AS f ON f.[file_key] = l.[file_key]
WHERE l.[export] = 'nightly-000012' AND (l.[superseded] < 0 OR l.[applied] + l.[superseded] + l.[filtered] + l.[quarantined] + l.[blank] <> l.[lines])
OPTION (LABEL = 'fhirsynapse:Patient:2026112308_0a1b_1:check');

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

-- drop stage large_patient
DROP TABLE [fhir_load].[_stage_2026112308_0a1b_1_large_patient];

-- drop stage view_patient_name
DROP TABLE [fhir_load].[_stage_2026112308_0a1b_1_view_patient_name];

-- drop stage large_patient_name
DROP TABLE [fhir_load].[_stage_2026112308_0a1b_1_large_patient_name];

-- statistics _ledger
CREATE STATISTICS [by_file_key] ON [fhir_load].[_ledger] ([file_key]);

-- statistics _head_Patient
CREATE STATISTICS [by_id] ON [fhir_load].[_head_Patient] ([_id]);

-- statistics patient_name
CREATE STATISTICS [by_id] ON [fhir].[patient_name] ([_id]);

-- statistics patient
CREATE STATISTICS [by_id] ON [fhir].[patient] ([_id]);

-- statistics patient
CREATE STATISTICS [by_seen] ON [fhir].[patient] ([seen]);

-- ledger
SELECT l.[path], l.[etag], l.[type], l.[lines], l.[applied], l.[superseded], l.[filtered], l.[quarantined], l.[blank], l.[deleted]
FROM [fhir_load].[_ledger] AS l
WHERE l.[export] = 'nightly-000012'
ORDER BY l.[committed_at], l.[path], l.[etag];


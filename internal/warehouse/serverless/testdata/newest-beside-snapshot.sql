SELECT q.[_id], q.[_version], TRY_CAST(LEFT(q.[_version], 23) AS datetime2(3)) AS [_last_updated], q.[_export], q.[doc]
FROM (
  SELECT r.[_id], r.[_version], r.[_deleted], r.[_export], r.[doc],
    ROW_NUMBER() OVER (PARTITION BY r.[_id] ORDER BY r.[_version] DESC, r.[_part]) AS [place]
  FROM (
    SELECT p.[_id], p.[_version], p.[_deleted], p.[_export], p.[doc], CAST(p.filepath(1) AS varchar(128)) COLLATE Latin1_General_100_BIN2_UTF8 AS [_part]
    FROM OPENROWSET(
      BULK 'fhir/Patient/part=*/*.lines', DATA_SOURCE = 'fhirsynapse', FORMAT = 'CSV', PARSER_VERSION = '1.0',
      FIELDTERMINATOR = '0x0b', FIELDQUOTE = '0x1f', ROWTERMINATOR = '0x0a'
    ) WITH (
      [_id] varchar(128) COLLATE Latin1_General_100_BIN2_UTF8 1, [_version] varchar(128) COLLATE Latin1_General_100_BIN2_UTF8 2, [_deleted] varchar(1) COLLATE Latin1_General_100_BIN2_UTF8 3, [_export] varchar(128) COLLATE Latin1_General_100_BIN2_UTF8 4, [doc] nvarchar(max) 5
    ) AS p
    WHERE CAST(p.filepath(1) AS varchar(128)) COLLATE Latin1_General_100_BIN2_UTF8 > '000002-0002' AND CAST(p.filepath(1) AS varchar(128)) COLLATE Latin1_General_100_BIN2_UTF8 <= '000003-0003'
    UNION ALL
    SELECT p.[_id], p.[_version], p.[_deleted], p.[_export], p.[doc], CAST(p.filepath(1) AS varchar(128)) COLLATE Latin1_General_100_BIN2_UTF8 AS [_part]
    FROM OPENROWSET(
      BULK 'fhir/Patient/part=*/*.large', DATA_SOURCE = 'fhirsynapse', FORMAT = 'CSV', PARSER_VERSION = '1.0',
      FIELDTERMINATOR = '0x0b', FIELDQUOTE = '0x1f', ROWTERMINATOR = '0x0a'
    ) WITH (
      [_id] varchar(128) COLLATE Latin1_General_100_BIN2_UTF8 1, [_version] varchar(128) COLLATE Latin1_General_100_BIN2_UTF8 2, [_deleted] varchar(1) COLLATE Latin1_General_100_BIN2_UTF8 3, [_export] varchar(128) COLLATE Latin1_General_100_BIN2_UTF8 4, [doc] nvarchar(max) 5
    ) AS p
    WHERE CAST(p.filepath(1) AS varchar(128)) COLLATE Latin1_General_100_BIN2_UTF8 <= '000003-0003'
    UNION ALL
    SELECT p.[_id], p.[_version], p.[_deleted], p.[_export], p.[doc], '' AS [_part]
    FROM OPENROWSET(
      BULK 'fhir/Patient/snapshot=000002-000201/data/*.parquet', DATA_SOURCE = 'fhirsynapse', FORMAT = 'PARQUET'
    ) WITH (
      [_id] varchar(128) COLLATE Latin1_General_100_BIN2_UTF8, [_version] varchar(128) COLLATE Latin1_General_100_BIN2_UTF8, [_deleted] varchar(1) COLLATE Latin1_General_100_BIN2_UTF8, [_export] varchar(128) COLLATE Latin1_General_100_BIN2_UTF8, [doc] nvarchar(max)
    ) AS p
  ) AS r
) AS q
WHERE q.[place] = 1 AND q.[_deleted] = '0'

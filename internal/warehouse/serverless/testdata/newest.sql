SELECT q.[_id], q.[_version], LEFT(q.[_version], 23) + 'Z' AS [_last_updated], q.[_export], q.[doc]
FROM (
  SELECT r.[_id], r.[_version], r.[_deleted], r.[_export], r.[doc],
    ROW_NUMBER() OVER (PARTITION BY r.[_id] ORDER BY r.[_version] DESC) AS [place]
  FROM OPENROWSET(
    BULK 'fhir/Patient/part=*/*.lines', DATA_SOURCE = 'fhirsynapse', FORMAT = 'CSV', PARSER_VERSION = '1.0',
    FIELDTERMINATOR = '0x0b', FIELDQUOTE = '0x1f', ROWTERMINATOR = '0x0a'
  ) WITH (
    [_id] varchar(64) COLLATE Latin1_General_100_BIN2 1, [_version] varchar(128) COLLATE Latin1_General_100_BIN2 2, [_deleted] varchar(1) 3, [_export] varchar(128) 4, [doc] nvarchar(max) 5
  ) AS r
  WHERE r.filepath(1) <= '000003-0003' AND r.filepath(1) NOT IN ('000002-0002')
) AS q
WHERE q.[place] = 1 AND q.[_deleted] = '0'

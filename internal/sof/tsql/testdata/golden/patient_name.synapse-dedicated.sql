CREATE TABLE [stage].[patient_name]
WITH (HEAP, DISTRIBUTION = HASH([_id])) AS
SELECT
  d.[_file],
  d.[_line],
  CAST(j1.[id] AS varchar(128)) COLLATE Latin1_General_100_BIN2 AS [_id],
  j1.[id] AS [patient_id],
  CAST(e1.[key] AS int) AS [row_index],
  j2.[use] AS [use],
  j2.[family] AS [family],
  l1.[v] AS [given],
  l2.[v] AS [prefix],
  l3.[v] AS [suffix],
  j2.[text] AS [text],
  j2.[period_start] AS [start_time],
  j2.[period_end] AS [end_time]
FROM [stage].[documents] AS d
CROSS APPLY OPENJSON(d.[doc]) WITH (
  [resourceType] nvarchar(max) '$.resourceType',
  [id] nvarchar(max) '$.id',
  [name] nvarchar(max) '$.name' AS JSON
) AS j1
CROSS APPLY OPENJSON(CASE WHEN LEFT(j1.[name], 1) = N'[' THEN j1.[name] ELSE N'[' + j1.[name] + N']' END) AS e1 -- name
CROSS APPLY OPENJSON(CASE WHEN e1.[type] = 5 THEN e1.[value] END) WITH (
  [use] nvarchar(max) '$.use',
  [family] nvarchar(max) '$.family',
  [given] nvarchar(max) '$.given' AS JSON,
  [prefix] nvarchar(max) '$.prefix' AS JSON,
  [suffix] nvarchar(max) '$.suffix' AS JSON,
  [text] nvarchar(max) '$.text',
  [period_start] nvarchar(max) '$.period.start',
  [period_end] nvarchar(max) '$.period.end'
) AS j2
OUTER APPLY ( -- given.join(' ')
  SELECT STRING_AGG(CAST(e2.[value] AS nvarchar(max)), N' ') WITHIN GROUP (ORDER BY CAST(e2.[key] AS int)) AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j2.[given], 1) = N'[' THEN j2.[given] ELSE N'[' + j2.[given] + N']' END) AS e2
  WHERE e2.[type] <> 0
) AS l1
OUTER APPLY ( -- prefix.join(' ')
  SELECT STRING_AGG(CAST(e3.[value] AS nvarchar(max)), N' ') WITHIN GROUP (ORDER BY CAST(e3.[key] AS int)) AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j2.[prefix], 1) = N'[' THEN j2.[prefix] ELSE N'[' + j2.[prefix] + N']' END) AS e3
  WHERE e3.[type] <> 0
) AS l2
OUTER APPLY ( -- suffix.join(' ')
  SELECT STRING_AGG(CAST(e4.[value] AS nvarchar(max)), N' ') WITHIN GROUP (ORDER BY CAST(e4.[key] AS int)) AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j2.[suffix], 1) = N'[' THEN j2.[suffix] ELSE N'[' + j2.[suffix] + N']' END) AS e4
  WHERE e4.[type] <> 0
) AS l3
WHERE CAST(j1.[resourceType] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'Patient.'
  AND e1.[type] <> 0

INSERT INTO [stage].[patient_name] ([_file], [_line], [_id], [patient_id], [row_index], [use], [family], [given], [prefix], [suffix], [text], [start_time], [end_time])
SELECT
  d.[_file],
  d.[_line],
  CAST(j1.[id] AS varchar(64)) AS [_id],
  j1.[id] AS [patient_id],
  CAST(e1.[key] AS int) AS [row_index],
  j2.[use] AS [use],
  j2.[family] AS [family],
  CAST(CASE WHEN x1.[n] > 0 THEN ISNULL(l1.[v], '') END AS varchar(max)) AS [given],
  CAST(CASE WHEN x2.[n] > 0 THEN ISNULL(l2.[v], '') END AS varchar(max)) AS [prefix],
  CAST(CASE WHEN x3.[n] > 0 THEN ISNULL(l3.[v], '') END AS varchar(max)) AS [suffix],
  j2.[text] AS [text],
  j2.[period_start] AS [start_time],
  j2.[period_end] AS [end_time]
FROM [stage].[documents] AS d
CROSS APPLY OPENJSON(d.[doc]) WITH (
  [resourceType] varchar(max) '$.resourceType',
  [id] varchar(max) '$.id',
  [name] varchar(max) '$.name' AS JSON
) AS j1
CROSS APPLY OPENJSON(CASE WHEN LEFT(j1.[name], 1) = '[' THEN j1.[name] ELSE '[' + j1.[name] + ']' END) AS e1 -- name
CROSS APPLY OPENJSON(CASE WHEN e1.[type] = 5 THEN e1.[value] END) WITH (
  [use] varchar(max) '$.use',
  [family] varchar(max) '$.family',
  [given] varchar(max) '$.given' AS JSON,
  [prefix] varchar(max) '$.prefix' AS JSON,
  [suffix] varchar(max) '$.suffix' AS JSON,
  [text] varchar(max) '$.text',
  [period_start] varchar(max) '$.period.start',
  [period_end] varchar(max) '$.period.end'
) AS j2
OUTER APPLY ( -- iif(given.exists(), given.join(' '))
  SELECT COUNT(*) AS [n]
  FROM OPENJSON(CASE WHEN LEFT(j2.[given], 1) = '[' THEN j2.[given] ELSE '[' + j2.[given] + ']' END) AS e2
  WHERE e2.[type] <> 0
) AS x1
OUTER APPLY ( -- iif(given.exists(), given.join(' '))
  SELECT STRING_AGG(CAST(e3.[value] AS varchar(max)), ' ') WITHIN GROUP (ORDER BY CAST(e3.[key] AS int)) AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j2.[given], 1) = '[' THEN j2.[given] ELSE '[' + j2.[given] + ']' END) AS e3
  WHERE e3.[type] <> 0
) AS l1
OUTER APPLY ( -- iif(prefix.exists(), prefix.join(' '))
  SELECT COUNT(*) AS [n]
  FROM OPENJSON(CASE WHEN LEFT(j2.[prefix], 1) = '[' THEN j2.[prefix] ELSE '[' + j2.[prefix] + ']' END) AS e4
  WHERE e4.[type] <> 0
) AS x2
OUTER APPLY ( -- iif(prefix.exists(), prefix.join(' '))
  SELECT STRING_AGG(CAST(e5.[value] AS varchar(max)), ' ') WITHIN GROUP (ORDER BY CAST(e5.[key] AS int)) AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j2.[prefix], 1) = '[' THEN j2.[prefix] ELSE '[' + j2.[prefix] + ']' END) AS e5
  WHERE e5.[type] <> 0
) AS l2
OUTER APPLY ( -- iif(suffix.exists(), suffix.join(' '))
  SELECT COUNT(*) AS [n]
  FROM OPENJSON(CASE WHEN LEFT(j2.[suffix], 1) = '[' THEN j2.[suffix] ELSE '[' + j2.[suffix] + ']' END) AS e6
  WHERE e6.[type] <> 0
) AS x3
OUTER APPLY ( -- iif(suffix.exists(), suffix.join(' '))
  SELECT STRING_AGG(CAST(e7.[value] AS varchar(max)), ' ') WITHIN GROUP (ORDER BY CAST(e7.[key] AS int)) AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j2.[suffix], 1) = '[' THEN j2.[suffix] ELSE '[' + j2.[suffix] + ']' END) AS e7
  WHERE e7.[type] <> 0
) AS l3
WHERE CAST(j1.[resourceType] AS varbinary(max)) = CAST('Patient' AS varbinary(max))
  AND e1.[type] <> 0

INSERT INTO [stage].[patient_name] ([_file], [_line], [_id], [patient_id], [row_index], [use], [family], [given], [prefix], [suffix], [text], [start_time], [end_time])
SELECT
  d.[_file],
  d.[_line],
  CAST(j1.[id] AS varchar(128)) AS [_id],
  j1.[id] AS [patient_id],
  CAST(e1.[key] AS int) AS [row_index],
  j3.[use] AS [use],
  j3.[family] AS [family],
  l1.[v] AS [given],
  l2.[v] AS [prefix],
  l3.[v] AS [suffix],
  j3.[text] AS [text],
  j3.[period_start] AS [start_time],
  j3.[period_end] AS [end_time]
FROM [stage].[documents] AS d
CROSS APPLY OPENJSON(d.[doc]) WITH (
  [resourceType] varchar(max) '$.resourceType',
  [id] varchar(max) '$.id'
) AS j1
CROSS APPLY (
  SELECT MAX(CASE WHEN o.[key] = 'name' AND o.[type] IN (4, 5) THEN o.[value] END) AS [name]
  FROM OPENJSON(d.[doc]) AS o
) AS j2
CROSS APPLY OPENJSON(CASE WHEN LEFT(j2.[name], 1) = '[' THEN j2.[name] ELSE '[' + j2.[name] + ']' END) AS e1 -- name
CROSS APPLY OPENJSON(CASE WHEN e1.[type] = 5 THEN e1.[value] END) WITH (
  [use] varchar(max) '$.use',
  [family] varchar(max) '$.family',
  [text] varchar(max) '$.text',
  [period_start] varchar(max) '$.period.start',
  [period_end] varchar(max) '$.period.end'
) AS j3
CROSS APPLY (
  SELECT
    MAX(CASE WHEN o.[key] = 'given' AND o.[type] IN (4, 5) THEN o.[value] END) AS [given],
    MAX(CASE WHEN o.[key] = 'prefix' AND o.[type] IN (4, 5) THEN o.[value] END) AS [prefix],
    MAX(CASE WHEN o.[key] = 'suffix' AND o.[type] IN (4, 5) THEN o.[value] END) AS [suffix]
  FROM OPENJSON(CASE WHEN e1.[type] = 5 THEN e1.[value] END) AS o
) AS j4
OUTER APPLY ( -- given.join(' ')
  SELECT STRING_AGG(CAST(e2.[value] AS varchar(max)), ' ') WITHIN GROUP (ORDER BY CAST(e2.[key] AS int)) AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j4.[given], 1) = '[' THEN j4.[given] ELSE '[' + j4.[given] + ']' END) AS e2
  WHERE e2.[type] <> 0
) AS l1
OUTER APPLY ( -- prefix.join(' ')
  SELECT STRING_AGG(CAST(e3.[value] AS varchar(max)), ' ') WITHIN GROUP (ORDER BY CAST(e3.[key] AS int)) AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j4.[prefix], 1) = '[' THEN j4.[prefix] ELSE '[' + j4.[prefix] + ']' END) AS e3
  WHERE e3.[type] <> 0
) AS l2
OUTER APPLY ( -- suffix.join(' ')
  SELECT STRING_AGG(CAST(e4.[value] AS varchar(max)), ' ') WITHIN GROUP (ORDER BY CAST(e4.[key] AS int)) AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j4.[suffix], 1) = '[' THEN j4.[suffix] ELSE '[' + j4.[suffix] + ']' END) AS e4
  WHERE e4.[type] <> 0
) AS l3
WHERE CAST(CAST(j1.[resourceType] AS varchar(max)) AS varbinary(max)) = CAST('Patient' AS varbinary(max))
  AND e1.[type] <> 0

INSERT INTO [stage].[patient_contact] ([_file], [_line], [_id], [patient_id], [row_index], [relationship], [relationship_system], [relationship_display], [relationship_text], [family], [given], [gender], [phone], [organization_id])
SELECT
  d.[_file],
  d.[_line],
  CAST(j1.[id] AS varchar(64)) AS [_id],
  j1.[id] AS [patient_id],
  CAST(e1.[key] AS int) AS [row_index],
  j5.[code] AS [relationship],
  j5.[system] AS [relationship_system],
  j5.[display] AS [relationship_display],
  j6.[text] AS [relationship_text],
  j7.[name_family] AS [family],
  CAST(CASE WHEN x1.[n] > 0 THEN l1.[v] END AS varchar(max)) AS [given],
  j7.[gender] AS [gender],
  f3.[v] AS [phone],
  CASE WHEN CAST(CAST(RIGHT(k1.[head], 13) AS varchar(max)) AS varbinary(max)) = CAST('/Organization' AS varbinary(max)) THEN k1.[id] END AS [organization_id]
FROM [stage].[documents] AS d
CROSS APPLY OPENJSON(d.[doc]) WITH (
  [resourceType] varchar(max) '$.resourceType',
  [id] varchar(max) '$.id'
) AS j1
CROSS APPLY (
  SELECT MAX(CASE WHEN o.[key] = 'contact' AND o.[type] IN (4, 5) THEN o.[value] END) AS [contact]
  FROM OPENJSON(d.[doc]) AS o
) AS j2
CROSS APPLY OPENJSON(CASE WHEN LEFT(j2.[contact], 1) = '[' THEN j2.[contact] ELSE '[' + j2.[contact] + ']' END) AS e1 -- contact
CROSS APPLY (
  SELECT
    MAX(CASE WHEN o.[key] = 'relationship' AND o.[type] IN (4, 5) THEN o.[value] END) AS [relationship],
    MAX(CASE WHEN o.[key] = 'name' AND o.[type] IN (4, 5) THEN o.[value] END) AS [name],
    MAX(CASE WHEN o.[key] = 'telecom' AND o.[type] IN (4, 5) THEN o.[value] END) AS [telecom]
  FROM OPENJSON(CASE WHEN e1.[type] = 5 THEN e1.[value] END) AS o
) AS j3
OUTER APPLY ( -- relationship.first().coding.first().code
  SELECT TOP (1) CASE WHEN e2.[type] = 5 THEN e2.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j3.[relationship], 1) = '[' THEN j3.[relationship] ELSE '[' + j3.[relationship] + ']' END) AS e2
  WHERE e2.[type] <> 0
  ORDER BY CAST(e2.[key] AS int)
) AS f1
CROSS APPLY (
  SELECT MAX(CASE WHEN o.[key] = 'coding' AND o.[type] IN (4, 5) THEN o.[value] END) AS [coding]
  FROM OPENJSON(f1.[v]) AS o
) AS j4
OUTER APPLY ( -- relationship.first().coding.first().code
  SELECT TOP (1) CASE WHEN e3.[type] = 5 THEN e3.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j4.[coding], 1) = '[' THEN j4.[coding] ELSE '[' + j4.[coding] + ']' END) AS e3
  WHERE e3.[type] <> 0
  ORDER BY CAST(e3.[key] AS int)
) AS f2
OUTER APPLY OPENJSON(f2.[v]) WITH (
  [code] varchar(max) '$.code',
  [system] varchar(max) '$.system',
  [display] varchar(max) '$.display'
) AS j5
OUTER APPLY OPENJSON(f1.[v]) WITH (
  [text] varchar(max) '$.text'
) AS j6
CROSS APPLY OPENJSON(CASE WHEN e1.[type] = 5 THEN e1.[value] END) WITH (
  [name_family] varchar(max) '$.name.family',
  [gender] varchar(max) '$.gender',
  [organization_reference] varchar(max) '$.organization.reference'
) AS j7
CROSS APPLY (
  SELECT JSON_QUERY(j3.[name], '$.given') AS [name_given]
) AS q1
OUTER APPLY ( -- iif(name.given.exists(), name.given.join(' '))
  SELECT COUNT(*) AS [n]
  FROM OPENJSON(CASE WHEN LEFT(q1.[name_given], 1) = '[' THEN q1.[name_given] ELSE '[' + q1.[name_given] + ']' END) AS e4
  WHERE e4.[type] <> 0
) AS x1
OUTER APPLY ( -- iif(name.given.exists(), name.given.join(' '))
  SELECT STRING_AGG(CAST(e5.[value] AS varchar(max)), ' ') WITHIN GROUP (ORDER BY CAST(e5.[key] AS int)) AS [v]
  FROM OPENJSON(CASE WHEN LEFT(q1.[name_given], 1) = '[' THEN q1.[name_given] ELSE '[' + q1.[name_given] + ']' END) AS e5
  WHERE e5.[type] <> 0
) AS l1
OUTER APPLY ( -- telecom.where(system = 'phone').value.first()
  SELECT TOP (1) j8.[value] AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j3.[telecom], 1) = '[' THEN j3.[telecom] ELSE '[' + j3.[telecom] + ']' END) AS e6
  CROSS APPLY OPENJSON(CASE WHEN e6.[type] = 5 THEN e6.[value] END) WITH (
    [system] varchar(max) '$.system',
    [value] varchar(max) '$.value'
  ) AS j8
  WHERE e6.[type] <> 0
    AND CAST(CAST(j8.[system] AS varchar(max)) AS varbinary(max)) = CAST('phone' AS varbinary(max))
    AND j8.[value] IS NOT NULL
  ORDER BY CAST(e6.[key] AS int)
) AS f3
OUTER APPLY (
  SELECT TOP (1)
    RIGHT(h1.[r], h2.[at] - 1) AS [id],
    '/' + LEFT(h1.[r], LEN(h1.[r]) - h2.[at]) AS [head]
  FROM (
    SELECT TOP (1) LEFT(j7.[organization_reference], CHARINDEX('/_history/', j7.[organization_reference] + '/_history/') - 1) AS [r]
  ) AS h1
  CROSS APPLY (
    SELECT TOP (1) CHARINDEX('/', REVERSE(h1.[r])) AS [at]
  ) AS h2
  WHERE h2.[at] > 1
    AND CHARINDEX('?', h1.[r]) = 0
    AND CHARINDEX('#', h1.[r]) = 0
    AND LEFT(h1.[r], 4) <> 'urn:'
) AS k1
WHERE CAST(CAST(j1.[resourceType] AS varchar(max)) AS varbinary(max)) = CAST('Patient' AS varbinary(max))
  AND e1.[type] <> 0

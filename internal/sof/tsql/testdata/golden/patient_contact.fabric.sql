INSERT INTO [stage].[patient_contact] ([_file], [_line], [_id], [patient_id], [row_index], [relationship], [relationship_system], [relationship_display], [relationship_text], [family], [given], [gender], [phone], [organization_id])
SELECT
  d.[_file],
  d.[_line],
  CAST(j1.[id] AS varchar(64)) AS [_id],
  j1.[id] AS [patient_id],
  CAST(e1.[key] AS int) AS [row_index],
  j4.[code] AS [relationship],
  j4.[system] AS [relationship_system],
  j4.[display] AS [relationship_display],
  j3.[text] AS [relationship_text],
  j2.[name_family] AS [family],
  CAST(CASE WHEN x1.[n] > 0 THEN ISNULL(l1.[v], '') END AS varchar(max)) AS [given],
  j2.[gender] AS [gender],
  f3.[v] AS [phone],
  CAST(CASE WHEN CAST(RIGHT(k2.[head], 13) AS varbinary(max)) = CAST('/Organization' AS varbinary(max)) THEN NULLIF(k2.[id], '') END AS varchar(max)) AS [organization_id]
FROM [stage].[documents] AS d
CROSS APPLY OPENJSON(d.[doc]) WITH (
  [resourceType] varchar(max) '$.resourceType',
  [id] varchar(max) '$.id',
  [contact] varchar(max) '$.contact' AS JSON
) AS j1
CROSS APPLY OPENJSON(CASE WHEN LEFT(j1.[contact], 1) = '[' THEN j1.[contact] ELSE '[' + j1.[contact] + ']' END) AS e1 -- contact
CROSS APPLY OPENJSON(CASE WHEN e1.[type] = 5 THEN e1.[value] END) WITH (
  [relationship] varchar(max) '$.relationship' AS JSON,
  [name_family] varchar(max) '$.name.family',
  [name_given] varchar(max) '$.name.given' AS JSON,
  [gender] varchar(max) '$.gender',
  [telecom] varchar(max) '$.telecom' AS JSON,
  [organization_reference] varchar(max) '$.organization.reference'
) AS j2
OUTER APPLY ( -- relationship.first().coding.first().code
  SELECT TOP (1) CASE WHEN e2.[type] = 5 THEN e2.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j2.[relationship], 1) = '[' THEN j2.[relationship] ELSE '[' + j2.[relationship] + ']' END) AS e2
  WHERE e2.[type] <> 0
  ORDER BY CAST(e2.[key] AS int)
) AS f1
OUTER APPLY OPENJSON(f1.[v]) WITH (
  [coding] varchar(max) '$.coding' AS JSON,
  [text] varchar(max) '$.text'
) AS j3
OUTER APPLY ( -- relationship.first().coding.first().code
  SELECT TOP (1) CASE WHEN e3.[type] = 5 THEN e3.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j3.[coding], 1) = '[' THEN j3.[coding] ELSE '[' + j3.[coding] + ']' END) AS e3
  WHERE e3.[type] <> 0
  ORDER BY CAST(e3.[key] AS int)
) AS f2
OUTER APPLY OPENJSON(f2.[v]) WITH (
  [code] varchar(max) '$.code',
  [system] varchar(max) '$.system',
  [display] varchar(max) '$.display'
) AS j4
OUTER APPLY ( -- iif(name.given.exists(), name.given.join(' '))
  SELECT COUNT(*) AS [n]
  FROM OPENJSON(CASE WHEN LEFT(j2.[name_given], 1) = '[' THEN j2.[name_given] ELSE '[' + j2.[name_given] + ']' END) AS e4
  WHERE e4.[type] <> 0
) AS x1
OUTER APPLY ( -- iif(name.given.exists(), name.given.join(' '))
  SELECT STRING_AGG(CAST(e5.[value] AS varchar(max)), ' ') WITHIN GROUP (ORDER BY CAST(e5.[key] AS int)) AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j2.[name_given], 1) = '[' THEN j2.[name_given] ELSE '[' + j2.[name_given] + ']' END) AS e5
  WHERE e5.[type] <> 0
) AS l1
OUTER APPLY ( -- telecom.where(system = 'phone').value.first()
  SELECT TOP (1) j5.[value] AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j2.[telecom], 1) = '[' THEN j2.[telecom] ELSE '[' + j2.[telecom] + ']' END) AS e6
  CROSS APPLY OPENJSON(CASE WHEN e6.[type] = 5 THEN e6.[value] END) WITH (
    [system] varchar(max) '$.system',
    [value] varchar(max) '$.value'
  ) AS j5
  WHERE e6.[type] <> 0
    AND CAST(j5.[system] AS varbinary(max)) = CAST('phone' AS varbinary(max))
    AND j5.[value] IS NOT NULL
  ORDER BY CAST(e6.[key] AS int)
) AS f3
CROSS APPLY (
  SELECT CASE WHEN CHARINDEX('/_history/', j2.[organization_reference]) > 0 THEN LEFT(j2.[organization_reference], CHARINDEX('/_history/', j2.[organization_reference]) - 1) ELSE j2.[organization_reference] END AS [r]
) AS k1
CROSS APPLY (
  SELECT
    CASE WHEN CHARINDEX('/', k1.[r]) > 0 AND CHARINDEX('?', k1.[r]) = 0 AND CHARINDEX('#', k1.[r]) = 0 AND LEFT(k1.[r], 4) <> 'urn:' THEN RIGHT(k1.[r], CHARINDEX('/', REVERSE(k1.[r])) - 1) END AS [id],
    CASE WHEN CHARINDEX('/', k1.[r]) > 0 AND CHARINDEX('?', k1.[r]) = 0 AND CHARINDEX('#', k1.[r]) = 0 AND LEFT(k1.[r], 4) <> 'urn:' THEN '/' + LEFT(k1.[r], LEN(k1.[r]) - CHARINDEX('/', REVERSE(k1.[r]))) END AS [head]
) AS k2
WHERE CAST(j1.[resourceType] AS varbinary(max)) = CAST('Patient' AS varbinary(max))
  AND e1.[type] <> 0

INSERT INTO [stage].[patient_contact] ([_file], [_line], [_id], [patient_id], [row_index], [relationship], [relationship_system], [relationship_display], [relationship_text], [family], [given], [gender], [phone], [organization_id])
SELECT
  d.[_file],
  d.[_line],
  CAST(j1.[id] AS varchar(128)) AS [_id],
  j1.[id] AS [patient_id],
  CAST(e1.[key] AS int) AS [row_index],
  COALESCE(j5.[relationship_0_coding_0_code], f2.[code]) AS [relationship],
  COALESCE(j5.[relationship_0_coding_0_system], f2.[system]) AS [relationship_system],
  COALESCE(j5.[relationship_0_coding_0_display], f2.[display]) AS [relationship_display],
  COALESCE(j5.[relationship_0_text], f1.[text]) AS [relationship_text],
  j5.[name_family] AS [family],
  l1.[v] AS [given],
  j5.[gender] AS [gender],
  f3.[v] AS [phone],
  CASE WHEN LEN(k1.[id]) > 0 AND CHARINDEX('/', k1.[id]) = 0 AND CHARINDEX('?', k1.[id]) = 0 AND CHARINDEX('#', k1.[id]) = 0 THEN k1.[id] END AS [organization_id]
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
  SELECT TOP (1)
    CASE WHEN e2.[type] = 5 THEN e2.[value] END AS [v],
    j4.[coding] AS [coding],
    j7.[text] AS [text]
  FROM OPENJSON(CASE WHEN LEFT(j3.[relationship], 2) = '[{' THEN NULL WHEN LEFT(j3.[relationship], 1) = '[' THEN j3.[relationship] ELSE '[' + j3.[relationship] + ']' END) AS e2
  CROSS APPLY (
    SELECT MAX(CASE WHEN o.[key] = 'coding' AND o.[type] IN (4, 5) THEN o.[value] END) AS [coding]
    FROM OPENJSON(CASE WHEN e2.[type] = 5 THEN e2.[value] END) AS o
  ) AS j4
  OUTER APPLY OPENJSON(CASE WHEN e2.[type] = 5 THEN e2.[value] END) WITH (
    [text] varchar(max) '$.text'
  ) AS j7
  WHERE LEFT(j3.[relationship], 2) <> '[{'
    AND e2.[type] <> 0
  ORDER BY CAST(e2.[key] AS int)
) AS f1
CROSS APPLY (
  SELECT JSON_QUERY(j3.[relationship], '$[0].coding') AS [relationship_0_coding]
) AS q1
OUTER APPLY ( -- relationship.first().coding.first().code
  SELECT TOP (1)
    CASE WHEN e3.[type] = 5 THEN e3.[value] END AS [v],
    j6.[code] AS [code],
    j6.[system] AS [system],
    j6.[display] AS [display]
  FROM OPENJSON(CASE WHEN LEFT(q1.[relationship_0_coding], 2) = '[{' THEN NULL WHEN LEFT(COALESCE(q1.[relationship_0_coding], f1.[coding]), 1) = '[' THEN COALESCE(q1.[relationship_0_coding], f1.[coding]) ELSE '[' + COALESCE(q1.[relationship_0_coding], f1.[coding]) + ']' END) AS e3
  OUTER APPLY OPENJSON(CASE WHEN e3.[type] = 5 THEN e3.[value] END) WITH (
    [code] varchar(max) '$.code',
    [system] varchar(max) '$.system',
    [display] varchar(max) '$.display'
  ) AS j6
  WHERE (LEFT(q1.[relationship_0_coding], 2) <> '[{' OR f1.[coding] IS NOT NULL AND q1.[relationship_0_coding] IS NULL)
    AND e3.[type] <> 0
  ORDER BY CAST(e3.[key] AS int)
) AS f2
CROSS APPLY OPENJSON(CASE WHEN e1.[type] = 5 THEN e1.[value] END) WITH (
  [relationship_0_coding_0_code] varchar(max) '$.relationship[0].coding[0].code',
  [relationship_0_coding_0_system] varchar(max) '$.relationship[0].coding[0].system',
  [relationship_0_coding_0_display] varchar(max) '$.relationship[0].coding[0].display',
  [relationship_0_text] varchar(max) '$.relationship[0].text',
  [name_family] varchar(max) '$.name.family',
  [gender] varchar(max) '$.gender',
  [organization_reference] varchar(max) '$.organization.reference'
) AS j5
CROSS APPLY (
  SELECT JSON_QUERY(j3.[name], '$.given') AS [name_given]
) AS q2
OUTER APPLY ( -- name.given.join(' ')
  SELECT STRING_AGG(CAST(e4.[value] AS varchar(max)), ' ') WITHIN GROUP (ORDER BY CAST(e4.[key] AS int)) AS [v]
  FROM OPENJSON(CASE WHEN LEFT(q2.[name_given], 1) = '[' THEN q2.[name_given] ELSE '[' + q2.[name_given] + ']' END) AS e4
  WHERE e4.[type] <> 0
) AS l1
OUTER APPLY ( -- telecom.where(system = 'phone').value.first()
  SELECT TOP (1) j8.[value] AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j3.[telecom], 1) = '[' THEN j3.[telecom] ELSE '[' + j3.[telecom] + ']' END) AS e5
  CROSS APPLY OPENJSON(CASE WHEN e5.[type] = 5 AND (CHARINDEX('phone', e5.[value]) > 0 OR CHARINDEX('\', e5.[value]) > 0) THEN e5.[value] END) WITH (
    [system] varchar(max) '$.system',
    [value] varchar(max) '$.value'
  ) AS j8
  WHERE e5.[type] <> 0
    AND CAST(CAST(j8.[system] AS varchar(max)) AS varbinary(max)) = CAST('phone' AS varbinary(max))
    AND j8.[value] IS NOT NULL
  ORDER BY CAST(e5.[key] AS int)
) AS f3
OUTER APPLY (
  SELECT TOP (1) LEFT(j5.[organization_reference], CHARINDEX('/_history/', j5.[organization_reference] + '/_history/') - 1) AS [r]
) AS h1
OUTER APPLY (
  SELECT TOP (1) CASE WHEN CAST(CAST(LEFT(h1.[r], 13) AS varchar(max)) AS varbinary(max)) = CAST('Organization/' AS varbinary(max)) THEN SUBSTRING(h1.[r], 14, 2147483647) WHEN CAST(CAST(LEFT(h1.[r], 14) AS varchar(max)) AS varbinary(max)) = CAST('/Organization/' AS varbinary(max)) THEN SUBSTRING(h1.[r], 15, 2147483647) END AS [id]
  FROM (
    SELECT 1 AS [one]
  ) AS one
  WHERE h1.[r] IS NOT NULL
) AS k1
WHERE CAST(CAST(j1.[resourceType] AS varchar(max)) AS varbinary(max)) = CAST('Patient' AS varbinary(max))
  AND e1.[type] <> 0

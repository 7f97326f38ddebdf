CREATE OR ALTER VIEW [dbo].[patient_contact] AS
SELECT
  CAST(j1.[id] AS varchar(128)) COLLATE Latin1_General_100_BIN2_UTF8 AS [patient_id],
  CAST(e1.[key] AS int) AS [row_index],
  CAST(COALESCE(j2.[relationship_0_coding_0_code], f2.[code]) AS nvarchar(max)) COLLATE Latin1_General_100_BIN2_UTF8 AS [relationship],
  CAST(COALESCE(j2.[relationship_0_coding_0_system], f2.[system]) AS nvarchar(max)) COLLATE Latin1_General_100_BIN2_UTF8 AS [relationship_system],
  COALESCE(j2.[relationship_0_coding_0_display], f2.[display]) AS [relationship_display],
  COALESCE(j2.[relationship_0_text], f1.[text]) AS [relationship_text],
  j2.[name_family] AS [family],
  l1.[v] AS [given],
  j2.[gender] COLLATE Latin1_General_100_BIN2_UTF8 AS [gender],
  f3.[v] AS [phone],
  CAST(CASE WHEN LEN(k1.[id]) > 0 AND CHARINDEX(N'/', k1.[id]) = 0 AND CHARINDEX(N'?', k1.[id]) = 0 AND CHARINDEX(N'#', k1.[id]) = 0 THEN k1.[id] END AS varchar(128)) COLLATE Latin1_General_100_BIN2_UTF8 AS [organization_id]
FROM [stage].[documents] AS d
CROSS APPLY OPENJSON(d.[doc]) WITH (
  [resourceType] nvarchar(max) '$.resourceType',
  [id] nvarchar(max) '$.id',
  [contact] nvarchar(max) '$.contact' AS JSON
) AS j1
CROSS APPLY OPENJSON(CASE WHEN LEFT(j1.[contact], 1) = N'[' THEN j1.[contact] ELSE N'[' + j1.[contact] + N']' END) AS e1 -- contact
CROSS APPLY OPENJSON(CASE WHEN e1.[type] = 5 THEN e1.[value] END) WITH (
  [relationship] nvarchar(max) '$.relationship' AS JSON,
  [relationship_0_coding] nvarchar(max) '$.relationship[0].coding' AS JSON,
  [relationship_0_coding_0_code] nvarchar(max) '$.relationship[0].coding[0].code',
  [relationship_0_coding_0_system] nvarchar(max) '$.relationship[0].coding[0].system',
  [relationship_0_coding_0_display] nvarchar(max) '$.relationship[0].coding[0].display',
  [relationship_0_text] nvarchar(max) '$.relationship[0].text',
  [name_family] nvarchar(max) '$.name.family',
  [name_given] nvarchar(max) '$.name.given' AS JSON,
  [gender] nvarchar(max) '$.gender',
  [telecom] nvarchar(max) '$.telecom' AS JSON,
  [organization_reference] nvarchar(max) '$.organization.reference'
) AS j2
OUTER APPLY ( -- relationship.first().coding.first().code
  SELECT TOP (1)
    CASE WHEN e2.[type] = 5 THEN e2.[value] END AS [v],
    j3.[coding] AS [coding],
    j3.[text] AS [text]
  FROM OPENJSON(CASE WHEN LEFT(j2.[relationship], 2) = N'[{' THEN NULL WHEN LEFT(j2.[relationship], 1) = N'[' THEN j2.[relationship] ELSE N'[' + j2.[relationship] + N']' END) AS e2
  OUTER APPLY OPENJSON(CASE WHEN e2.[type] = 5 THEN e2.[value] END) WITH (
    [coding] nvarchar(max) '$.coding' AS JSON,
    [text] nvarchar(max) '$.text'
  ) AS j3
  WHERE LEFT(j2.[relationship], 2) <> N'[{'
    AND e2.[type] <> 0
  ORDER BY CAST(e2.[key] AS int)
) AS f1
OUTER APPLY ( -- relationship.first().coding.first().code
  SELECT TOP (1)
    CASE WHEN e3.[type] = 5 THEN e3.[value] END AS [v],
    j4.[code] AS [code],
    j4.[system] AS [system],
    j4.[display] AS [display]
  FROM OPENJSON(CASE WHEN LEFT(j2.[relationship_0_coding], 2) = N'[{' THEN NULL WHEN LEFT(COALESCE(j2.[relationship_0_coding], f1.[coding]), 1) = N'[' THEN COALESCE(j2.[relationship_0_coding], f1.[coding]) ELSE N'[' + COALESCE(j2.[relationship_0_coding], f1.[coding]) + N']' END) AS e3
  OUTER APPLY OPENJSON(CASE WHEN e3.[type] = 5 THEN e3.[value] END) WITH (
    [code] nvarchar(max) '$.code',
    [system] nvarchar(max) '$.system',
    [display] nvarchar(max) '$.display'
  ) AS j4
  WHERE (LEFT(j2.[relationship_0_coding], 2) <> N'[{' OR f1.[coding] IS NOT NULL AND j2.[relationship_0_coding] IS NULL)
    AND e3.[type] <> 0
  ORDER BY CAST(e3.[key] AS int)
) AS f2
OUTER APPLY ( -- name.given.join(' ')
  SELECT STRING_AGG(CAST(e4.[value] AS nvarchar(max)), N' ') WITHIN GROUP (ORDER BY CAST(e4.[key] AS int)) AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j2.[name_given], 1) = N'[' THEN j2.[name_given] ELSE N'[' + j2.[name_given] + N']' END) AS e4
  WHERE e4.[type] <> 0
) AS l1
OUTER APPLY ( -- telecom.where(system = 'phone').value.first()
  SELECT TOP (1) j5.[value] AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j2.[telecom], 1) = N'[' THEN j2.[telecom] ELSE N'[' + j2.[telecom] + N']' END) AS e5
  CROSS APPLY OPENJSON(CASE WHEN e5.[type] = 5 AND (CHARINDEX(N'phone', e5.[value]) > 0 OR CHARINDEX(N'\', e5.[value]) > 0) THEN e5.[value] END) WITH (
    [system] nvarchar(max) '$.system',
    [value] nvarchar(max) '$.value'
  ) AS j5
  WHERE e5.[type] <> 0
    AND CAST(j5.[system] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'phone.'
    AND j5.[value] IS NOT NULL
  ORDER BY CAST(e5.[key] AS int)
) AS f3
OUTER APPLY (
  SELECT TOP (1) LEFT(j2.[organization_reference], CHARINDEX(N'/_history/', j2.[organization_reference] + N'/_history/') - 1) AS [r]
) AS h1
OUTER APPLY (
  SELECT TOP (1) CASE WHEN CAST(LEFT(h1.[r], 13) + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'Organization/.' THEN SUBSTRING(h1.[r], 14, 2147483647) WHEN CAST(LEFT(h1.[r], 14) + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'/Organization/.' THEN SUBSTRING(h1.[r], 15, 2147483647) END AS [id]
  FROM (
    SELECT 1 AS [one]
  ) AS one
  WHERE h1.[r] IS NOT NULL
) AS k1
WHERE CAST(j1.[resourceType] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'Patient.'
  AND e1.[type] <> 0

CREATE OR ALTER VIEW [dbo].[encounter_participant] AS
SELECT
  CAST(j1.[id] AS varchar(128)) COLLATE Latin1_General_100_BIN2_UTF8 AS [encounter_id],
  CAST(CASE WHEN LEN(k1.[id]) > 0 AND CHARINDEX(N'/', k1.[id]) = 0 AND CHARINDEX(N'?', k1.[id]) = 0 AND CHARINDEX(N'#', k1.[id]) = 0 THEN k1.[id] END AS varchar(128)) COLLATE Latin1_General_100_BIN2_UTF8 AS [patient_id],
  CAST(e1.[key] AS int) AS [row_index],
  CAST(COALESCE(j2.[type_0_coding_0_code], f2.[code]) AS nvarchar(max)) COLLATE Latin1_General_100_BIN2_UTF8 AS [type],
  CAST(COALESCE(j2.[type_0_coding_0_system], f2.[system]) AS nvarchar(max)) COLLATE Latin1_General_100_BIN2_UTF8 AS [type_system],
  COALESCE(j2.[type_0_coding_0_display], f2.[display]) AS [type_display],
  COALESCE(j2.[type_0_text], f1.[text]) AS [type_text],
  CAST(CASE WHEN LEN(k2.[id]) > 0 AND CHARINDEX(N'/', k2.[id]) = 0 AND CHARINDEX(N'?', k2.[id]) = 0 AND CHARINDEX(N'#', k2.[id]) = 0 THEN k2.[id] END AS varchar(128)) COLLATE Latin1_General_100_BIN2_UTF8 AS [practitioner_id],
  CAST(CASE WHEN LEN(k3.[id]) > 0 AND CHARINDEX(N'/', k3.[id]) = 0 AND CHARINDEX(N'?', k3.[id]) = 0 AND CHARINDEX(N'#', k3.[id]) = 0 THEN k3.[id] END AS varchar(128)) COLLATE Latin1_General_100_BIN2_UTF8 AS [practitioner_role_id],
  j2.[individual_display] AS [display],
  j2.[period_start] AS [start_time],
  j2.[period_end] AS [end_time]
FROM [stage].[documents] AS d
CROSS APPLY OPENJSON(d.[doc]) WITH (
  [resourceType] nvarchar(max) '$.resourceType',
  [participant] nvarchar(max) '$.participant' AS JSON,
  [id] nvarchar(max) '$.id',
  [subject_reference] nvarchar(max) '$.subject.reference'
) AS j1
OUTER APPLY (
  SELECT TOP (1) LEFT(j1.[subject_reference], CHARINDEX(N'/_history/', j1.[subject_reference] + N'/_history/') - 1) AS [r]
  FROM (
    SELECT 1 AS [one]
  ) AS one
  WHERE j1.[participant] IS NOT NULL
) AS h1
OUTER APPLY (
  SELECT TOP (1) CASE WHEN CAST(LEFT(h1.[r], 8) + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'Patient/.' THEN SUBSTRING(h1.[r], 9, 2147483647) WHEN CAST(LEFT(h1.[r], 9) + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'/Patient/.' THEN SUBSTRING(h1.[r], 10, 2147483647) END AS [id]
  FROM (
    SELECT 1 AS [one]
  ) AS one
  WHERE h1.[r] IS NOT NULL
) AS k1
CROSS APPLY OPENJSON(CASE WHEN LEFT(j1.[participant], 1) = N'[' THEN j1.[participant] ELSE N'[' + j1.[participant] + N']' END) AS e1 -- participant
CROSS APPLY OPENJSON(CASE WHEN e1.[type] = 5 THEN e1.[value] END) WITH (
  [type] nvarchar(max) '$.type' AS JSON,
  [type_0_coding] nvarchar(max) '$.type[0].coding' AS JSON,
  [type_0_coding_0_code] nvarchar(max) '$.type[0].coding[0].code',
  [type_0_coding_0_system] nvarchar(max) '$.type[0].coding[0].system',
  [type_0_coding_0_display] nvarchar(max) '$.type[0].coding[0].display',
  [type_0_text] nvarchar(max) '$.type[0].text',
  [individual_reference] nvarchar(max) '$.individual.reference',
  [individual_display] nvarchar(max) '$.individual.display',
  [period_start] nvarchar(max) '$.period.start',
  [period_end] nvarchar(max) '$.period.end'
) AS j2
OUTER APPLY ( -- type.first().coding.first().code
  SELECT TOP (1)
    CASE WHEN e2.[type] = 5 THEN e2.[value] END AS [v],
    j3.[coding] AS [coding],
    j3.[text] AS [text]
  FROM OPENJSON(CASE WHEN LEFT(j2.[type], 2) = N'[{' THEN NULL WHEN LEFT(j2.[type], 1) = N'[' THEN j2.[type] ELSE N'[' + j2.[type] + N']' END) AS e2
  OUTER APPLY OPENJSON(CASE WHEN e2.[type] = 5 THEN e2.[value] END) WITH (
    [coding] nvarchar(max) '$.coding' AS JSON,
    [text] nvarchar(max) '$.text'
  ) AS j3
  WHERE LEFT(j2.[type], 2) <> N'[{'
    AND e2.[type] <> 0
  ORDER BY CAST(e2.[key] AS int)
) AS f1
OUTER APPLY ( -- type.first().coding.first().code
  SELECT TOP (1)
    CASE WHEN e3.[type] = 5 THEN e3.[value] END AS [v],
    j4.[code] AS [code],
    j4.[system] AS [system],
    j4.[display] AS [display]
  FROM OPENJSON(CASE WHEN LEFT(j2.[type_0_coding], 2) = N'[{' THEN NULL WHEN LEFT(COALESCE(j2.[type_0_coding], f1.[coding]), 1) = N'[' THEN COALESCE(j2.[type_0_coding], f1.[coding]) ELSE N'[' + COALESCE(j2.[type_0_coding], f1.[coding]) + N']' END) AS e3
  OUTER APPLY OPENJSON(CASE WHEN e3.[type] = 5 THEN e3.[value] END) WITH (
    [code] nvarchar(max) '$.code',
    [system] nvarchar(max) '$.system',
    [display] nvarchar(max) '$.display'
  ) AS j4
  WHERE (LEFT(j2.[type_0_coding], 2) <> N'[{' OR f1.[coding] IS NOT NULL AND j2.[type_0_coding] IS NULL)
    AND e3.[type] <> 0
  ORDER BY CAST(e3.[key] AS int)
) AS f2
OUTER APPLY (
  SELECT TOP (1) LEFT(j2.[individual_reference], CHARINDEX(N'/_history/', j2.[individual_reference] + N'/_history/') - 1) AS [r]
) AS h2
OUTER APPLY (
  SELECT TOP (1) CASE WHEN CAST(LEFT(h2.[r], 13) + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'Practitioner/.' THEN SUBSTRING(h2.[r], 14, 2147483647) WHEN CAST(LEFT(h2.[r], 14) + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'/Practitioner/.' THEN SUBSTRING(h2.[r], 15, 2147483647) END AS [id]
  FROM (
    SELECT 1 AS [one]
  ) AS one
  WHERE h2.[r] IS NOT NULL
) AS k2
OUTER APPLY (
  SELECT TOP (1) CASE WHEN CAST(LEFT(h2.[r], 17) + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'PractitionerRole/.' THEN SUBSTRING(h2.[r], 18, 2147483647) WHEN CAST(LEFT(h2.[r], 18) + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'/PractitionerRole/.' THEN SUBSTRING(h2.[r], 19, 2147483647) END AS [id]
  FROM (
    SELECT 1 AS [one]
  ) AS one
  WHERE h2.[r] IS NOT NULL
) AS k3
WHERE CAST(j1.[resourceType] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'Encounter.'
  AND e1.[type] <> 0

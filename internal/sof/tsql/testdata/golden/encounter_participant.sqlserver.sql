SELECT
  j1.[id] AS [encounter_id],
  CASE WHEN CAST(k1.[type] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'Patient.' THEN k1.[id] END AS [patient_id],
  CAST(e1.[key] AS int) AS [row_index],
  COALESCE(j2.[type_0_coding_0_code], j4.[code]) AS [type],
  COALESCE(j2.[type_0_coding_0_system], j4.[system]) AS [type_system],
  COALESCE(j2.[type_0_coding_0_display], j4.[display]) AS [type_display],
  COALESCE(j2.[type_0_text], j3.[text]) AS [type_text],
  CASE WHEN CAST(k2.[type] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'Practitioner.' THEN k2.[id] END AS [practitioner_id],
  CASE WHEN CAST(k2.[type] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'PractitionerRole.' THEN k2.[id] END AS [practitioner_role_id],
  j2.[individual_display] AS [display],
  j2.[period_start] AS [start_time],
  j2.[period_end] AS [end_time]
FROM [stage].[documents] AS d
CROSS APPLY OPENJSON(d.[doc]) WITH (
  [resourceType] nvarchar(max) '$.resourceType',
  [id] nvarchar(max) '$.id',
  [subject_reference] nvarchar(max) '$.subject.reference',
  [participant] nvarchar(max) '$.participant' AS JSON
) AS j1
OUTER APPLY (
  SELECT TOP (1)
    LEFT(h2.[l], h3.[p] - 1) AS [type],
    SUBSTRING(h2.[l], h3.[p] + 1, LEN(h2.[l])) AS [id]
  FROM (
    SELECT TOP (1) LEFT(j1.[subject_reference], CHARINDEX(N'/_history/', j1.[subject_reference] + N'/_history/') - 1) AS [r]
  ) AS h1
  CROSS APPLY (
    SELECT TOP (1) CASE WHEN LEFT(h1.[r], 1) = N'/' THEN SUBSTRING(h1.[r], 2, LEN(h1.[r])) ELSE h1.[r] END AS [l]
  ) AS h2
  CROSS APPLY (
    SELECT TOP (1) CHARINDEX(N'/', h2.[l]) AS [p]
  ) AS h3
  WHERE j1.[subject_reference] IS NOT NULL
    AND h3.[p] > 1
    AND h3.[p] < LEN(h2.[l])
    AND CHARINDEX(N'/', SUBSTRING(h2.[l], h3.[p] + 1, LEN(h2.[l]))) = 0
    AND CHARINDEX(N'?', SUBSTRING(h2.[l], h3.[p] + 1, LEN(h2.[l]))) = 0
    AND CHARINDEX(N'#', SUBSTRING(h2.[l], h3.[p] + 1, LEN(h2.[l]))) = 0
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
  SELECT TOP (1) CASE WHEN e2.[type] = 5 THEN e2.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j2.[type], 2) = N'[{' THEN NULL WHEN LEFT(j2.[type], 1) = N'[' THEN j2.[type] ELSE N'[' + j2.[type] + N']' END) AS e2
  WHERE e2.[type] <> 0
  ORDER BY CAST(e2.[key] AS int)
) AS f1
OUTER APPLY OPENJSON(f1.[v]) WITH (
  [coding] nvarchar(max) '$.coding' AS JSON,
  [text] nvarchar(max) '$.text'
) AS j3
OUTER APPLY ( -- type.first().coding.first().code
  SELECT TOP (1) CASE WHEN e3.[type] = 5 THEN e3.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j2.[type_0_coding], 2) = N'[{' THEN NULL WHEN LEFT(COALESCE(j2.[type_0_coding], j3.[coding]), 1) = N'[' THEN COALESCE(j2.[type_0_coding], j3.[coding]) ELSE N'[' + COALESCE(j2.[type_0_coding], j3.[coding]) + N']' END) AS e3
  WHERE e3.[type] <> 0
  ORDER BY CAST(e3.[key] AS int)
) AS f2
OUTER APPLY OPENJSON(f2.[v]) WITH (
  [code] nvarchar(max) '$.code',
  [system] nvarchar(max) '$.system',
  [display] nvarchar(max) '$.display'
) AS j4
OUTER APPLY (
  SELECT TOP (1)
    LEFT(h5.[l], h6.[p] - 1) AS [type],
    SUBSTRING(h5.[l], h6.[p] + 1, LEN(h5.[l])) AS [id]
  FROM (
    SELECT TOP (1) LEFT(j2.[individual_reference], CHARINDEX(N'/_history/', j2.[individual_reference] + N'/_history/') - 1) AS [r]
  ) AS h4
  CROSS APPLY (
    SELECT TOP (1) CASE WHEN LEFT(h4.[r], 1) = N'/' THEN SUBSTRING(h4.[r], 2, LEN(h4.[r])) ELSE h4.[r] END AS [l]
  ) AS h5
  CROSS APPLY (
    SELECT TOP (1) CHARINDEX(N'/', h5.[l]) AS [p]
  ) AS h6
  WHERE j2.[individual_reference] IS NOT NULL
    AND h6.[p] > 1
    AND h6.[p] < LEN(h5.[l])
    AND CHARINDEX(N'/', SUBSTRING(h5.[l], h6.[p] + 1, LEN(h5.[l]))) = 0
    AND CHARINDEX(N'?', SUBSTRING(h5.[l], h6.[p] + 1, LEN(h5.[l]))) = 0
    AND CHARINDEX(N'#', SUBSTRING(h5.[l], h6.[p] + 1, LEN(h5.[l]))) = 0
) AS k2
WHERE CAST(j1.[resourceType] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'Encounter.'
  AND e1.[type] <> 0

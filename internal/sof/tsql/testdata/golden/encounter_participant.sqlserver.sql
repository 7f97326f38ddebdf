SELECT
  j1.[id] AS [encounter_id],
  CAST(CASE WHEN CAST(RIGHT(k2.[head], 8) + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'/Patient.' THEN NULLIF(k2.[id], N'') END AS nvarchar(max)) AS [patient_id],
  CAST(e1.[key] AS int) AS [row_index],
  j4.[code] AS [type],
  j4.[system] AS [type_system],
  j4.[display] AS [type_display],
  j3.[text] AS [type_text],
  CAST(CASE WHEN CAST(RIGHT(k4.[head], 13) + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'/Practitioner.' THEN NULLIF(k4.[id], N'') END AS nvarchar(max)) AS [practitioner_id],
  CAST(CASE WHEN CAST(RIGHT(k4.[head], 17) + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'/PractitionerRole.' THEN NULLIF(k4.[id], N'') END AS nvarchar(max)) AS [practitioner_role_id],
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
CROSS APPLY (
  SELECT CASE WHEN CHARINDEX(N'/_history/', j1.[subject_reference]) > 0 THEN LEFT(j1.[subject_reference], CHARINDEX(N'/_history/', j1.[subject_reference]) - 1) ELSE j1.[subject_reference] END AS [r]
) AS k1
CROSS APPLY (
  SELECT
    CASE WHEN CHARINDEX(N'/', k1.[r]) > 0 AND CHARINDEX(N'?', k1.[r]) = 0 AND CHARINDEX(N'#', k1.[r]) = 0 AND LEFT(k1.[r], 4) <> N'urn:' THEN RIGHT(k1.[r], CHARINDEX(N'/', REVERSE(k1.[r])) - 1) END AS [id],
    CASE WHEN CHARINDEX(N'/', k1.[r]) > 0 AND CHARINDEX(N'?', k1.[r]) = 0 AND CHARINDEX(N'#', k1.[r]) = 0 AND LEFT(k1.[r], 4) <> N'urn:' THEN N'/' + LEFT(k1.[r], LEN(k1.[r]) - CHARINDEX(N'/', REVERSE(k1.[r]))) END AS [head]
) AS k2
CROSS APPLY OPENJSON(CASE WHEN LEFT(j1.[participant], 1) = N'[' THEN j1.[participant] ELSE N'[' + j1.[participant] + N']' END) AS e1 -- participant
CROSS APPLY OPENJSON(CASE WHEN e1.[type] = 5 THEN e1.[value] END) WITH (
  [type] nvarchar(max) '$.type' AS JSON,
  [individual_reference] nvarchar(max) '$.individual.reference',
  [individual_display] nvarchar(max) '$.individual.display',
  [period_start] nvarchar(max) '$.period.start',
  [period_end] nvarchar(max) '$.period.end'
) AS j2
OUTER APPLY ( -- type.first().coding.first().code
  SELECT TOP (1) CASE WHEN e2.[type] = 5 THEN e2.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j2.[type], 1) = N'[' THEN j2.[type] ELSE N'[' + j2.[type] + N']' END) AS e2
  WHERE e2.[type] <> 0
  ORDER BY CAST(e2.[key] AS int)
) AS f1
OUTER APPLY OPENJSON(f1.[v]) WITH (
  [coding] nvarchar(max) '$.coding' AS JSON,
  [text] nvarchar(max) '$.text'
) AS j3
OUTER APPLY ( -- type.first().coding.first().code
  SELECT TOP (1) CASE WHEN e3.[type] = 5 THEN e3.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j3.[coding], 1) = N'[' THEN j3.[coding] ELSE N'[' + j3.[coding] + N']' END) AS e3
  WHERE e3.[type] <> 0
  ORDER BY CAST(e3.[key] AS int)
) AS f2
OUTER APPLY OPENJSON(f2.[v]) WITH (
  [code] nvarchar(max) '$.code',
  [system] nvarchar(max) '$.system',
  [display] nvarchar(max) '$.display'
) AS j4
CROSS APPLY (
  SELECT CASE WHEN CHARINDEX(N'/_history/', j2.[individual_reference]) > 0 THEN LEFT(j2.[individual_reference], CHARINDEX(N'/_history/', j2.[individual_reference]) - 1) ELSE j2.[individual_reference] END AS [r]
) AS k3
CROSS APPLY (
  SELECT
    CASE WHEN CHARINDEX(N'/', k3.[r]) > 0 AND CHARINDEX(N'?', k3.[r]) = 0 AND CHARINDEX(N'#', k3.[r]) = 0 AND LEFT(k3.[r], 4) <> N'urn:' THEN RIGHT(k3.[r], CHARINDEX(N'/', REVERSE(k3.[r])) - 1) END AS [id],
    CASE WHEN CHARINDEX(N'/', k3.[r]) > 0 AND CHARINDEX(N'?', k3.[r]) = 0 AND CHARINDEX(N'#', k3.[r]) = 0 AND LEFT(k3.[r], 4) <> N'urn:' THEN N'/' + LEFT(k3.[r], LEN(k3.[r]) - CHARINDEX(N'/', REVERSE(k3.[r]))) END AS [head]
) AS k4
WHERE CAST(j1.[resourceType] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'Encounter.'
  AND e1.[type] <> 0

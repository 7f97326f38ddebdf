CREATE TABLE [stage].[encounter_participant]
WITH (HEAP, DISTRIBUTION = HASH([_id])) AS
SELECT
  d.[_file],
  d.[_line],
  CAST(j1.[id] AS varchar(64)) COLLATE Latin1_General_100_BIN2 AS [_id],
  j1.[id] AS [encounter_id],
  CASE WHEN CAST(RIGHT(k1.[head], 8) + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'/Patient.' THEN k1.[id] END AS [patient_id],
  CAST(e1.[key] AS int) AS [row_index],
  j4.[code] AS [type],
  j4.[system] AS [type_system],
  j4.[display] AS [type_display],
  j3.[text] AS [type_text],
  CASE WHEN CAST(RIGHT(k2.[head], 13) + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'/Practitioner.' THEN k2.[id] END AS [practitioner_id],
  CASE WHEN CAST(RIGHT(k2.[head], 17) + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'/PractitionerRole.' THEN k2.[id] END AS [practitioner_role_id],
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
    RIGHT(h1.[r], h2.[at] - 1) AS [id],
    N'/' + LEFT(h1.[r], LEN(h1.[r]) - h2.[at]) AS [head]
  FROM (
    SELECT TOP (1) LEFT(j1.[subject_reference], CHARINDEX(N'/_history/', j1.[subject_reference] + N'/_history/') - 1) AS [r]
  ) AS h1
  CROSS APPLY (
    SELECT TOP (1) CHARINDEX(N'/', REVERSE(h1.[r])) AS [at]
  ) AS h2
  WHERE h2.[at] > 1
    AND CHARINDEX(N'?', h1.[r]) = 0
    AND CHARINDEX(N'#', h1.[r]) = 0
    AND LEFT(h1.[r], 4) <> N'urn:'
) AS k1
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
OUTER APPLY (
  SELECT TOP (1)
    RIGHT(h3.[r], h4.[at] - 1) AS [id],
    N'/' + LEFT(h3.[r], LEN(h3.[r]) - h4.[at]) AS [head]
  FROM (
    SELECT TOP (1) LEFT(j2.[individual_reference], CHARINDEX(N'/_history/', j2.[individual_reference] + N'/_history/') - 1) AS [r]
  ) AS h3
  CROSS APPLY (
    SELECT TOP (1) CHARINDEX(N'/', REVERSE(h3.[r])) AS [at]
  ) AS h4
  WHERE h4.[at] > 1
    AND CHARINDEX(N'?', h3.[r]) = 0
    AND CHARINDEX(N'#', h3.[r]) = 0
    AND LEFT(h3.[r], 4) <> N'urn:'
) AS k2
WHERE CAST(j1.[resourceType] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'Encounter.'
  AND e1.[type] <> 0

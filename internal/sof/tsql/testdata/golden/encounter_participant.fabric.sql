INSERT INTO [stage].[encounter_participant] ([_file], [_line], [_id], [encounter_id], [patient_id], [row_index], [type], [type_system], [type_display], [type_text], [practitioner_id], [practitioner_role_id], [display], [start_time], [end_time])
SELECT
  d.[_file],
  d.[_line],
  CAST(j1.[id] AS varchar(64)) AS [_id],
  j1.[id] AS [encounter_id],
  CASE WHEN CAST(CAST(k1.[type] AS varchar(max)) AS varbinary(max)) = CAST('Patient' AS varbinary(max)) THEN k1.[id] END AS [patient_id],
  CAST(e1.[key] AS int) AS [row_index],
  COALESCE(j5.[type_0_coding_0_code], j6.[code]) AS [type],
  COALESCE(j5.[type_0_coding_0_system], j6.[system]) AS [type_system],
  COALESCE(j5.[type_0_coding_0_display], j6.[display]) AS [type_display],
  COALESCE(j5.[type_0_text], j7.[text]) AS [type_text],
  CASE WHEN CAST(CAST(k2.[type] AS varchar(max)) AS varbinary(max)) = CAST('Practitioner' AS varbinary(max)) THEN k2.[id] END AS [practitioner_id],
  CASE WHEN CAST(CAST(k2.[type] AS varchar(max)) AS varbinary(max)) = CAST('PractitionerRole' AS varbinary(max)) THEN k2.[id] END AS [practitioner_role_id],
  j5.[individual_display] AS [display],
  j5.[period_start] AS [start_time],
  j5.[period_end] AS [end_time]
FROM [stage].[documents] AS d
CROSS APPLY OPENJSON(d.[doc]) WITH (
  [resourceType] varchar(max) '$.resourceType',
  [id] varchar(max) '$.id',
  [subject_reference] varchar(max) '$.subject.reference'
) AS j1
OUTER APPLY (
  SELECT TOP (1)
    LEFT(h2.[l], h3.[p] - 1) AS [type],
    SUBSTRING(h2.[l], h3.[p] + 1, LEN(h2.[l])) AS [id]
  FROM (
    SELECT TOP (1) LEFT(j1.[subject_reference], CHARINDEX('/_history/', j1.[subject_reference] + '/_history/') - 1) AS [r]
  ) AS h1
  CROSS APPLY (
    SELECT TOP (1) CASE WHEN LEFT(h1.[r], 1) = '/' THEN SUBSTRING(h1.[r], 2, LEN(h1.[r])) ELSE h1.[r] END AS [l]
  ) AS h2
  CROSS APPLY (
    SELECT TOP (1) CHARINDEX('/', h2.[l]) AS [p]
  ) AS h3
  WHERE j1.[subject_reference] IS NOT NULL
    AND h3.[p] > 1
    AND h3.[p] < LEN(h2.[l])
    AND CHARINDEX('/', SUBSTRING(h2.[l], h3.[p] + 1, LEN(h2.[l]))) = 0
    AND CHARINDEX('?', SUBSTRING(h2.[l], h3.[p] + 1, LEN(h2.[l]))) = 0
    AND CHARINDEX('#', SUBSTRING(h2.[l], h3.[p] + 1, LEN(h2.[l]))) = 0
) AS k1
CROSS APPLY (
  SELECT MAX(CASE WHEN o.[key] = 'participant' AND o.[type] IN (4, 5) THEN o.[value] END) AS [participant]
  FROM OPENJSON(d.[doc]) AS o
) AS j2
CROSS APPLY OPENJSON(CASE WHEN LEFT(j2.[participant], 1) = '[' THEN j2.[participant] ELSE '[' + j2.[participant] + ']' END) AS e1 -- participant
CROSS APPLY (
  SELECT MAX(CASE WHEN o.[key] = 'type' AND o.[type] IN (4, 5) THEN o.[value] END) AS [type]
  FROM OPENJSON(CASE WHEN e1.[type] = 5 THEN e1.[value] END) AS o
) AS j3
OUTER APPLY ( -- type.first().coding.first().code
  SELECT TOP (1) CASE WHEN e2.[type] = 5 THEN e2.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j3.[type], 2) = '[{' THEN NULL WHEN LEFT(j3.[type], 1) = '[' THEN j3.[type] ELSE '[' + j3.[type] + ']' END) AS e2
  WHERE e2.[type] <> 0
  ORDER BY CAST(e2.[key] AS int)
) AS f1
CROSS APPLY (
  SELECT JSON_QUERY(j3.[type], '$[0].coding') AS [type_0_coding]
) AS q1
CROSS APPLY (
  SELECT MAX(CASE WHEN o.[key] = 'coding' AND o.[type] IN (4, 5) THEN o.[value] END) AS [coding]
  FROM OPENJSON(f1.[v]) AS o
) AS j4
OUTER APPLY ( -- type.first().coding.first().code
  SELECT TOP (1) CASE WHEN e3.[type] = 5 THEN e3.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(q1.[type_0_coding], 2) = '[{' THEN NULL WHEN LEFT(COALESCE(q1.[type_0_coding], j4.[coding]), 1) = '[' THEN COALESCE(q1.[type_0_coding], j4.[coding]) ELSE '[' + COALESCE(q1.[type_0_coding], j4.[coding]) + ']' END) AS e3
  WHERE e3.[type] <> 0
  ORDER BY CAST(e3.[key] AS int)
) AS f2
CROSS APPLY OPENJSON(CASE WHEN e1.[type] = 5 THEN e1.[value] END) WITH (
  [type_0_coding_0_code] varchar(max) '$.type[0].coding[0].code',
  [type_0_coding_0_system] varchar(max) '$.type[0].coding[0].system',
  [type_0_coding_0_display] varchar(max) '$.type[0].coding[0].display',
  [type_0_text] varchar(max) '$.type[0].text',
  [individual_reference] varchar(max) '$.individual.reference',
  [individual_display] varchar(max) '$.individual.display',
  [period_start] varchar(max) '$.period.start',
  [period_end] varchar(max) '$.period.end'
) AS j5
OUTER APPLY OPENJSON(f2.[v]) WITH (
  [code] varchar(max) '$.code',
  [system] varchar(max) '$.system',
  [display] varchar(max) '$.display'
) AS j6
OUTER APPLY OPENJSON(f1.[v]) WITH (
  [text] varchar(max) '$.text'
) AS j7
OUTER APPLY (
  SELECT TOP (1)
    LEFT(h5.[l], h6.[p] - 1) AS [type],
    SUBSTRING(h5.[l], h6.[p] + 1, LEN(h5.[l])) AS [id]
  FROM (
    SELECT TOP (1) LEFT(j5.[individual_reference], CHARINDEX('/_history/', j5.[individual_reference] + '/_history/') - 1) AS [r]
  ) AS h4
  CROSS APPLY (
    SELECT TOP (1) CASE WHEN LEFT(h4.[r], 1) = '/' THEN SUBSTRING(h4.[r], 2, LEN(h4.[r])) ELSE h4.[r] END AS [l]
  ) AS h5
  CROSS APPLY (
    SELECT TOP (1) CHARINDEX('/', h5.[l]) AS [p]
  ) AS h6
  WHERE j5.[individual_reference] IS NOT NULL
    AND h6.[p] > 1
    AND h6.[p] < LEN(h5.[l])
    AND CHARINDEX('/', SUBSTRING(h5.[l], h6.[p] + 1, LEN(h5.[l]))) = 0
    AND CHARINDEX('?', SUBSTRING(h5.[l], h6.[p] + 1, LEN(h5.[l]))) = 0
    AND CHARINDEX('#', SUBSTRING(h5.[l], h6.[p] + 1, LEN(h5.[l]))) = 0
) AS k2
WHERE CAST(CAST(j1.[resourceType] AS varchar(max)) AS varbinary(max)) = CAST('Encounter' AS varbinary(max))
  AND e1.[type] <> 0

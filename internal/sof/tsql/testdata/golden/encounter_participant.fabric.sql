INSERT INTO [stage].[encounter_participant] ([_file], [_line], [_id], [encounter_id], [patient_id], [row_index], [type], [type_system], [type_display], [type_text], [practitioner_id], [practitioner_role_id], [display], [start_time], [end_time])
SELECT
  d.[_file],
  d.[_line],
  CAST(j1.[id] AS varchar(128)) AS [_id],
  j1.[id] AS [encounter_id],
  CASE WHEN LEN(k1.[id]) > 0 AND CHARINDEX('/', k1.[id]) = 0 AND CHARINDEX('?', k1.[id]) = 0 AND CHARINDEX('#', k1.[id]) = 0 THEN k1.[id] END AS [patient_id],
  CAST(e1.[key] AS int) AS [row_index],
  COALESCE(j5.[type_0_coding_0_code], f2.[code]) AS [type],
  COALESCE(j5.[type_0_coding_0_system], f2.[system]) AS [type_system],
  COALESCE(j5.[type_0_coding_0_display], f2.[display]) AS [type_display],
  COALESCE(j5.[type_0_text], f1.[text]) AS [type_text],
  CASE WHEN LEN(k2.[id]) > 0 AND CHARINDEX('/', k2.[id]) = 0 AND CHARINDEX('?', k2.[id]) = 0 AND CHARINDEX('#', k2.[id]) = 0 THEN k2.[id] END AS [practitioner_id],
  CASE WHEN LEN(k3.[id]) > 0 AND CHARINDEX('/', k3.[id]) = 0 AND CHARINDEX('?', k3.[id]) = 0 AND CHARINDEX('#', k3.[id]) = 0 THEN k3.[id] END AS [practitioner_role_id],
  j5.[individual_display] AS [display],
  j5.[period_start] AS [start_time],
  j5.[period_end] AS [end_time]
FROM [stage].[documents] AS d
CROSS APPLY OPENJSON(d.[doc]) WITH (
  [resourceType] varchar(max) '$.resourceType',
  [id] varchar(max) '$.id',
  [subject_reference] varchar(max) '$.subject.reference'
) AS j1
CROSS APPLY (
  SELECT MAX(CASE WHEN o.[key] = 'participant' AND o.[type] IN (4, 5) THEN o.[value] END) AS [participant]
  FROM OPENJSON(d.[doc]) AS o
) AS j2
OUTER APPLY (
  SELECT TOP (1) LEFT(j1.[subject_reference], CHARINDEX('/_history/', j1.[subject_reference] + '/_history/') - 1) AS [r]
  FROM (
    SELECT 1 AS [one]
  ) AS one
  WHERE j2.[participant] IS NOT NULL
) AS h1
OUTER APPLY (
  SELECT TOP (1) CASE WHEN CAST(CAST(LEFT(h1.[r], 8) AS varchar(max)) AS varbinary(max)) = CAST('Patient/' AS varbinary(max)) THEN SUBSTRING(h1.[r], 9, 2147483647) WHEN CAST(CAST(LEFT(h1.[r], 9) AS varchar(max)) AS varbinary(max)) = CAST('/Patient/' AS varbinary(max)) THEN SUBSTRING(h1.[r], 10, 2147483647) END AS [id]
  FROM (
    SELECT 1 AS [one]
  ) AS one
  WHERE h1.[r] IS NOT NULL
) AS k1
CROSS APPLY OPENJSON(CASE WHEN LEFT(j2.[participant], 1) = '[' THEN j2.[participant] ELSE '[' + j2.[participant] + ']' END) AS e1 -- participant
CROSS APPLY (
  SELECT MAX(CASE WHEN o.[key] = 'type' AND o.[type] IN (4, 5) THEN o.[value] END) AS [type]
  FROM OPENJSON(CASE WHEN e1.[type] = 5 THEN e1.[value] END) AS o
) AS j3
OUTER APPLY ( -- type.first().coding.first().code
  SELECT TOP (1)
    CASE WHEN e2.[type] = 5 THEN e2.[value] END AS [v],
    j4.[coding] AS [coding],
    j7.[text] AS [text]
  FROM OPENJSON(CASE WHEN LEFT(j3.[type], 2) = '[{' THEN NULL WHEN LEFT(j3.[type], 1) = '[' THEN j3.[type] ELSE '[' + j3.[type] + ']' END) AS e2
  CROSS APPLY (
    SELECT MAX(CASE WHEN o.[key] = 'coding' AND o.[type] IN (4, 5) THEN o.[value] END) AS [coding]
    FROM OPENJSON(CASE WHEN e2.[type] = 5 THEN e2.[value] END) AS o
  ) AS j4
  OUTER APPLY OPENJSON(CASE WHEN e2.[type] = 5 THEN e2.[value] END) WITH (
    [text] varchar(max) '$.text'
  ) AS j7
  WHERE LEFT(j3.[type], 2) <> '[{'
    AND e2.[type] <> 0
  ORDER BY CAST(e2.[key] AS int)
) AS f1
CROSS APPLY (
  SELECT JSON_QUERY(j3.[type], '$[0].coding') AS [type_0_coding]
) AS q1
OUTER APPLY ( -- type.first().coding.first().code
  SELECT TOP (1)
    CASE WHEN e3.[type] = 5 THEN e3.[value] END AS [v],
    j6.[code] AS [code],
    j6.[system] AS [system],
    j6.[display] AS [display]
  FROM OPENJSON(CASE WHEN LEFT(q1.[type_0_coding], 2) = '[{' THEN NULL WHEN LEFT(COALESCE(q1.[type_0_coding], f1.[coding]), 1) = '[' THEN COALESCE(q1.[type_0_coding], f1.[coding]) ELSE '[' + COALESCE(q1.[type_0_coding], f1.[coding]) + ']' END) AS e3
  OUTER APPLY OPENJSON(CASE WHEN e3.[type] = 5 THEN e3.[value] END) WITH (
    [code] varchar(max) '$.code',
    [system] varchar(max) '$.system',
    [display] varchar(max) '$.display'
  ) AS j6
  WHERE (LEFT(q1.[type_0_coding], 2) <> '[{' OR f1.[coding] IS NOT NULL AND q1.[type_0_coding] IS NULL)
    AND e3.[type] <> 0
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
OUTER APPLY (
  SELECT TOP (1) LEFT(j5.[individual_reference], CHARINDEX('/_history/', j5.[individual_reference] + '/_history/') - 1) AS [r]
) AS h2
OUTER APPLY (
  SELECT TOP (1) CASE WHEN CAST(CAST(LEFT(h2.[r], 13) AS varchar(max)) AS varbinary(max)) = CAST('Practitioner/' AS varbinary(max)) THEN SUBSTRING(h2.[r], 14, 2147483647) WHEN CAST(CAST(LEFT(h2.[r], 14) AS varchar(max)) AS varbinary(max)) = CAST('/Practitioner/' AS varbinary(max)) THEN SUBSTRING(h2.[r], 15, 2147483647) END AS [id]
  FROM (
    SELECT 1 AS [one]
  ) AS one
  WHERE h2.[r] IS NOT NULL
) AS k2
OUTER APPLY (
  SELECT TOP (1) CASE WHEN CAST(CAST(LEFT(h2.[r], 17) AS varchar(max)) AS varbinary(max)) = CAST('PractitionerRole/' AS varbinary(max)) THEN SUBSTRING(h2.[r], 18, 2147483647) WHEN CAST(CAST(LEFT(h2.[r], 18) AS varchar(max)) AS varbinary(max)) = CAST('/PractitionerRole/' AS varbinary(max)) THEN SUBSTRING(h2.[r], 19, 2147483647) END AS [id]
  FROM (
    SELECT 1 AS [one]
  ) AS one
  WHERE h2.[r] IS NOT NULL
) AS k3
WHERE CAST(CAST(j1.[resourceType] AS varchar(max)) AS varbinary(max)) = CAST('Encounter' AS varbinary(max))
  AND e1.[type] <> 0

INSERT INTO [stage].[encounter_participant] ([_file], [_line], [_id], [encounter_id], [patient_id], [row_index], [type], [type_system], [type_display], [type_text], [practitioner_id], [practitioner_role_id], [display], [start_time], [end_time])
SELECT
  d.[_file],
  d.[_line],
  CAST(j1.[id] AS varchar(64)) AS [_id],
  j1.[id] AS [encounter_id],
  CASE WHEN CAST(CAST(RIGHT(k1.[head], 8) AS varchar(max)) AS varbinary(max)) = CAST('/Patient' AS varbinary(max)) THEN k1.[id] END AS [patient_id],
  CAST(e1.[key] AS int) AS [row_index],
  j5.[code] AS [type],
  j5.[system] AS [type_system],
  j5.[display] AS [type_display],
  j6.[text] AS [type_text],
  CASE WHEN CAST(CAST(RIGHT(k2.[head], 13) AS varchar(max)) AS varbinary(max)) = CAST('/Practitioner' AS varbinary(max)) THEN k2.[id] END AS [practitioner_id],
  CASE WHEN CAST(CAST(RIGHT(k2.[head], 17) AS varchar(max)) AS varbinary(max)) = CAST('/PractitionerRole' AS varbinary(max)) THEN k2.[id] END AS [practitioner_role_id],
  j7.[individual_display] AS [display],
  j7.[period_start] AS [start_time],
  j7.[period_end] AS [end_time]
FROM [stage].[documents] AS d
CROSS APPLY OPENJSON(d.[doc]) WITH (
  [resourceType] varchar(max) '$.resourceType',
  [id] varchar(max) '$.id',
  [subject_reference] varchar(max) '$.subject.reference'
) AS j1
OUTER APPLY (
  SELECT TOP (1)
    RIGHT(h1.[r], h2.[at] - 1) AS [id],
    '/' + LEFT(h1.[r], LEN(h1.[r]) - h2.[at]) AS [head]
  FROM (
    SELECT TOP (1) LEFT(j1.[subject_reference], CHARINDEX('/_history/', j1.[subject_reference] + '/_history/') - 1) AS [r]
  ) AS h1
  CROSS APPLY (
    SELECT TOP (1) CHARINDEX('/', REVERSE(h1.[r])) AS [at]
  ) AS h2
  WHERE h2.[at] > 1
    AND CHARINDEX('?', h1.[r]) = 0
    AND CHARINDEX('#', h1.[r]) = 0
    AND LEFT(h1.[r], 4) <> 'urn:'
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
  FROM OPENJSON(CASE WHEN LEFT(j3.[type], 1) = '[' THEN j3.[type] ELSE '[' + j3.[type] + ']' END) AS e2
  WHERE e2.[type] <> 0
  ORDER BY CAST(e2.[key] AS int)
) AS f1
CROSS APPLY (
  SELECT MAX(CASE WHEN o.[key] = 'coding' AND o.[type] IN (4, 5) THEN o.[value] END) AS [coding]
  FROM OPENJSON(f1.[v]) AS o
) AS j4
OUTER APPLY ( -- type.first().coding.first().code
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
  [individual_reference] varchar(max) '$.individual.reference',
  [individual_display] varchar(max) '$.individual.display',
  [period_start] varchar(max) '$.period.start',
  [period_end] varchar(max) '$.period.end'
) AS j7
OUTER APPLY (
  SELECT TOP (1)
    RIGHT(h3.[r], h4.[at] - 1) AS [id],
    '/' + LEFT(h3.[r], LEN(h3.[r]) - h4.[at]) AS [head]
  FROM (
    SELECT TOP (1) LEFT(j7.[individual_reference], CHARINDEX('/_history/', j7.[individual_reference] + '/_history/') - 1) AS [r]
  ) AS h3
  CROSS APPLY (
    SELECT TOP (1) CHARINDEX('/', REVERSE(h3.[r])) AS [at]
  ) AS h4
  WHERE h4.[at] > 1
    AND CHARINDEX('?', h3.[r]) = 0
    AND CHARINDEX('#', h3.[r]) = 0
    AND LEFT(h3.[r], 4) <> 'urn:'
) AS k2
WHERE CAST(CAST(j1.[resourceType] AS varchar(max)) AS varbinary(max)) = CAST('Encounter' AS varbinary(max))
  AND e1.[type] <> 0

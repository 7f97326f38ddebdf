INSERT INTO [stage].[condition] ([_file], [_line], [_id], [id], [clinical_status], [verification_status], [category], [category_system], [category_display], [category_text], [code], [code_system], [code_display], [code_text], [severity], [severity_system], [severity_display], [severity_text], [body_site], [body_site_system], [body_site_display], [body_site_text], [patient_id], [encounter_id], [onset_time], [onset_time_utc], [onset_age], [onset_age_unit], [onset_start], [onset_end], [onset_text], [abatement_time], [abatement_time_utc], [abatement_age], [abatement_start], [abatement_end], [abatement_text], [recorded_date], [recorder_id], [asserter_id], [evidence_id])
SELECT
  d.[_file],
  d.[_line],
  CAST(j1.[id] AS varchar(64)) AS [_id],
  j1.[id] AS [id],
  j3.[code] AS [clinical_status],
  j4.[code] AS [verification_status],
  j6.[code] AS [category],
  j6.[system] AS [category_system],
  j6.[display] AS [category_display],
  j7.[text] AS [category_text],
  j8.[code] AS [code],
  j8.[system] AS [code_system],
  j8.[display] AS [code_display],
  j1.[code_text] AS [code_text],
  j9.[code] AS [severity],
  j9.[system] AS [severity_system],
  j9.[display] AS [severity_display],
  j1.[severity_text] AS [severity_text],
  j11.[code] AS [body_site],
  j11.[system] AS [body_site_system],
  j11.[display] AS [body_site_display],
  j12.[text] AS [body_site_text],
  CASE WHEN CAST(CAST(RIGHT(k1.[head], 8) AS varchar(max)) AS varbinary(max)) = CAST('/Patient' AS varbinary(max)) THEN k1.[id] END AS [patient_id],
  CASE WHEN CAST(CAST(RIGHT(k2.[head], 10) AS varchar(max)) AS varbinary(max)) = CAST('/Encounter' AS varbinary(max)) THEN k2.[id] END AS [encounter_id],
  j1.[onsetDateTime] AS [onset_time],
  CASE WHEN z1.[n] > 0 AND LEN(j1.[onsetDateTime]) >= 20 AND j1.[onsetDateTime] LIKE '____-__-__T__:__:__%' THEN CAST(SWITCHOFFSET(TRY_CAST(LEFT(j1.[onsetDateTime], 19) + LEFT(SUBSTRING(j1.[onsetDateTime], 20, LEN(j1.[onsetDateTime]) - 19 - z1.[n]), 4) + RIGHT(j1.[onsetDateTime], z1.[n]) AS datetimeoffset), '+00:00') AS datetime2(3)) END AS [onset_time_utc],
  CASE WHEN n1.[rare] = 1 THEN n1.[v] ELSE TRY_CAST(j1.[onsetAge_value] AS decimal(38, 18)) END AS [onset_age],
  j1.[onsetAge_unit] AS [onset_age_unit],
  j1.[onsetPeriod_start] AS [onset_start],
  j1.[onsetPeriod_end] AS [onset_end],
  j1.[onsetString] AS [onset_text],
  j1.[abatementDateTime] AS [abatement_time],
  CASE WHEN z2.[n] > 0 AND LEN(j1.[abatementDateTime]) >= 20 AND j1.[abatementDateTime] LIKE '____-__-__T__:__:__%' THEN CAST(SWITCHOFFSET(TRY_CAST(LEFT(j1.[abatementDateTime], 19) + LEFT(SUBSTRING(j1.[abatementDateTime], 20, LEN(j1.[abatementDateTime]) - 19 - z2.[n]), 4) + RIGHT(j1.[abatementDateTime], z2.[n]) AS datetimeoffset), '+00:00') AS datetime2(3)) END AS [abatement_time_utc],
  CASE WHEN n2.[rare] = 1 THEN n2.[v] ELSE TRY_CAST(j1.[abatementAge_value] AS decimal(38, 18)) END AS [abatement_age],
  j1.[abatementPeriod_start] AS [abatement_start],
  j1.[abatementPeriod_end] AS [abatement_end],
  j1.[abatementString] AS [abatement_text],
  j1.[recordedDate] AS [recorded_date],
  CASE WHEN CAST(CAST(RIGHT(k3.[head], 13) AS varchar(max)) AS varbinary(max)) = CAST('/Practitioner' AS varbinary(max)) THEN k3.[id] END AS [recorder_id],
  CASE WHEN CAST(CAST(RIGHT(k4.[head], 13) AS varchar(max)) AS varbinary(max)) = CAST('/Practitioner' AS varbinary(max)) THEN k4.[id] END AS [asserter_id],
  f9.[v] AS [evidence_id]
FROM [stage].[documents] AS d
CROSS APPLY OPENJSON(d.[doc]) WITH (
  [resourceType] varchar(max) '$.resourceType',
  [id] varchar(max) '$.id',
  [code_text] varchar(max) '$.code.text',
  [severity_text] varchar(max) '$.severity.text',
  [subject_reference] varchar(max) '$.subject.reference',
  [encounter_reference] varchar(max) '$.encounter.reference',
  [onsetDateTime] varchar(max) '$.onsetDateTime',
  [onsetAge_value] varchar(max) '$.onsetAge.value',
  [onsetAge_unit] varchar(max) '$.onsetAge.unit',
  [onsetPeriod_start] varchar(max) '$.onsetPeriod.start',
  [onsetPeriod_end] varchar(max) '$.onsetPeriod.end',
  [onsetString] varchar(max) '$.onsetString',
  [abatementDateTime] varchar(max) '$.abatementDateTime',
  [abatementAge_value] varchar(max) '$.abatementAge.value',
  [abatementPeriod_start] varchar(max) '$.abatementPeriod.start',
  [abatementPeriod_end] varchar(max) '$.abatementPeriod.end',
  [abatementString] varchar(max) '$.abatementString',
  [recordedDate] varchar(max) '$.recordedDate',
  [recorder_reference] varchar(max) '$.recorder.reference',
  [asserter_reference] varchar(max) '$.asserter.reference'
) AS j1
CROSS APPLY (
  SELECT
    MAX(CASE WHEN o.[key] = 'clinicalStatus' AND o.[type] IN (4, 5) THEN o.[value] END) AS [clinicalStatus],
    MAX(CASE WHEN o.[key] = 'verificationStatus' AND o.[type] IN (4, 5) THEN o.[value] END) AS [verificationStatus],
    MAX(CASE WHEN o.[key] = 'category' AND o.[type] IN (4, 5) THEN o.[value] END) AS [category],
    MAX(CASE WHEN o.[key] = 'code' AND o.[type] IN (4, 5) THEN o.[value] END) AS [code],
    MAX(CASE WHEN o.[key] = 'severity' AND o.[type] IN (4, 5) THEN o.[value] END) AS [severity],
    MAX(CASE WHEN o.[key] = 'bodySite' AND o.[type] IN (4, 5) THEN o.[value] END) AS [bodySite],
    MAX(CASE WHEN o.[key] = 'evidence' AND o.[type] IN (4, 5) THEN o.[value] END) AS [evidence]
  FROM OPENJSON(d.[doc]) AS o
) AS j2
CROSS APPLY (
  SELECT JSON_QUERY(j2.[clinicalStatus], '$.coding') AS [clinicalStatus_coding]
) AS q1
OUTER APPLY ( -- clinicalStatus.coding.first().code
  SELECT TOP (1) CASE WHEN e1.[type] = 5 THEN e1.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(q1.[clinicalStatus_coding], 1) = '[' THEN q1.[clinicalStatus_coding] ELSE '[' + q1.[clinicalStatus_coding] + ']' END) AS e1
  WHERE e1.[type] <> 0
  ORDER BY CAST(e1.[key] AS int)
) AS f1
OUTER APPLY OPENJSON(f1.[v]) WITH (
  [code] varchar(max) '$.code'
) AS j3
CROSS APPLY (
  SELECT JSON_QUERY(j2.[verificationStatus], '$.coding') AS [verificationStatus_coding]
) AS q2
OUTER APPLY ( -- verificationStatus.coding.first().code
  SELECT TOP (1) CASE WHEN e2.[type] = 5 THEN e2.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(q2.[verificationStatus_coding], 1) = '[' THEN q2.[verificationStatus_coding] ELSE '[' + q2.[verificationStatus_coding] + ']' END) AS e2
  WHERE e2.[type] <> 0
  ORDER BY CAST(e2.[key] AS int)
) AS f2
OUTER APPLY OPENJSON(f2.[v]) WITH (
  [code] varchar(max) '$.code'
) AS j4
OUTER APPLY ( -- category.first().coding.first().code
  SELECT TOP (1) CASE WHEN e3.[type] = 5 THEN e3.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j2.[category], 1) = '[' THEN j2.[category] ELSE '[' + j2.[category] + ']' END) AS e3
  WHERE e3.[type] <> 0
  ORDER BY CAST(e3.[key] AS int)
) AS f3
CROSS APPLY (
  SELECT MAX(CASE WHEN o.[key] = 'coding' AND o.[type] IN (4, 5) THEN o.[value] END) AS [coding]
  FROM OPENJSON(f3.[v]) AS o
) AS j5
OUTER APPLY ( -- category.first().coding.first().code
  SELECT TOP (1) CASE WHEN e4.[type] = 5 THEN e4.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j5.[coding], 1) = '[' THEN j5.[coding] ELSE '[' + j5.[coding] + ']' END) AS e4
  WHERE e4.[type] <> 0
  ORDER BY CAST(e4.[key] AS int)
) AS f4
OUTER APPLY OPENJSON(f4.[v]) WITH (
  [code] varchar(max) '$.code',
  [system] varchar(max) '$.system',
  [display] varchar(max) '$.display'
) AS j6
OUTER APPLY OPENJSON(f3.[v]) WITH (
  [text] varchar(max) '$.text'
) AS j7
CROSS APPLY (
  SELECT JSON_QUERY(j2.[code], '$.coding') AS [code_coding]
) AS q3
OUTER APPLY ( -- code.coding.first().code
  SELECT TOP (1) CASE WHEN e5.[type] = 5 THEN e5.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(q3.[code_coding], 1) = '[' THEN q3.[code_coding] ELSE '[' + q3.[code_coding] + ']' END) AS e5
  WHERE e5.[type] <> 0
  ORDER BY CAST(e5.[key] AS int)
) AS f5
OUTER APPLY OPENJSON(f5.[v]) WITH (
  [code] varchar(max) '$.code',
  [system] varchar(max) '$.system',
  [display] varchar(max) '$.display'
) AS j8
CROSS APPLY (
  SELECT JSON_QUERY(j2.[severity], '$.coding') AS [severity_coding]
) AS q4
OUTER APPLY ( -- severity.coding.first().code
  SELECT TOP (1) CASE WHEN e6.[type] = 5 THEN e6.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(q4.[severity_coding], 1) = '[' THEN q4.[severity_coding] ELSE '[' + q4.[severity_coding] + ']' END) AS e6
  WHERE e6.[type] <> 0
  ORDER BY CAST(e6.[key] AS int)
) AS f6
OUTER APPLY OPENJSON(f6.[v]) WITH (
  [code] varchar(max) '$.code',
  [system] varchar(max) '$.system',
  [display] varchar(max) '$.display'
) AS j9
OUTER APPLY ( -- bodySite.first().coding.first().code
  SELECT TOP (1) CASE WHEN e7.[type] = 5 THEN e7.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j2.[bodySite], 1) = '[' THEN j2.[bodySite] ELSE '[' + j2.[bodySite] + ']' END) AS e7
  WHERE e7.[type] <> 0
  ORDER BY CAST(e7.[key] AS int)
) AS f7
CROSS APPLY (
  SELECT MAX(CASE WHEN o.[key] = 'coding' AND o.[type] IN (4, 5) THEN o.[value] END) AS [coding]
  FROM OPENJSON(f7.[v]) AS o
) AS j10
OUTER APPLY ( -- bodySite.first().coding.first().code
  SELECT TOP (1) CASE WHEN e8.[type] = 5 THEN e8.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j10.[coding], 1) = '[' THEN j10.[coding] ELSE '[' + j10.[coding] + ']' END) AS e8
  WHERE e8.[type] <> 0
  ORDER BY CAST(e8.[key] AS int)
) AS f8
OUTER APPLY OPENJSON(f8.[v]) WITH (
  [code] varchar(max) '$.code',
  [system] varchar(max) '$.system',
  [display] varchar(max) '$.display'
) AS j11
OUTER APPLY OPENJSON(f7.[v]) WITH (
  [text] varchar(max) '$.text'
) AS j12
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
OUTER APPLY (
  SELECT TOP (1)
    RIGHT(h3.[r], h4.[at] - 1) AS [id],
    '/' + LEFT(h3.[r], LEN(h3.[r]) - h4.[at]) AS [head]
  FROM (
    SELECT TOP (1) LEFT(j1.[encounter_reference], CHARINDEX('/_history/', j1.[encounter_reference] + '/_history/') - 1) AS [r]
  ) AS h3
  CROSS APPLY (
    SELECT TOP (1) CHARINDEX('/', REVERSE(h3.[r])) AS [at]
  ) AS h4
  WHERE h4.[at] > 1
    AND CHARINDEX('?', h3.[r]) = 0
    AND CHARINDEX('#', h3.[r]) = 0
    AND LEFT(h3.[r], 4) <> 'urn:'
) AS k2
CROSS APPLY (
  SELECT CASE WHEN LEN(j1.[onsetDateTime]) <= 10 THEN NULL WHEN RIGHT(j1.[onsetDateTime], 1) = 'Z' THEN 1 WHEN LEN(j1.[onsetDateTime]) >= 19 AND SUBSTRING(j1.[onsetDateTime], LEN(j1.[onsetDateTime]) - 5, 1) IN ('+', '-') THEN 6 ELSE 0 END AS [n]
) AS z1
OUTER APPLY (
  SELECT TOP (1)
    1 AS [rare],
    CASE WHEN a7.[v] <> 0 OR REPLACE(a3.[d], '0', '') = '' THEN a7.[v] END AS [v]
  FROM (
    SELECT CHARINDEX('E', UPPER(j1.[onsetAge_value]) + 'E') AS [e]
  ) AS a1
  CROSS APPLY (
    SELECT
      REPLACE(LEFT(j1.[onsetAge_value], a1.[e] - 1), '-', '') AS [m],
      TRY_CAST(SUBSTRING(j1.[onsetAge_value], a1.[e] + 1, 100) AS int) AS [x]
  ) AS a2
  CROSS APPLY (
    SELECT
      REPLACE(a2.[m], '.', '') AS [d],
      CHARINDEX('.', a2.[m] + '.') - 1 + a2.[x] AS [p]
  ) AS a3
  CROSS APPLY (
    SELECT
      CASE WHEN a2.[x] BETWEEN -400 AND 400 THEN CASE WHEN a3.[p] < 1 THEN '0.' + REPLICATE('0', -a3.[p]) + a3.[d] WHEN a3.[p] < LEN(a3.[d]) THEN LEFT(a3.[d], a3.[p]) + '.' + SUBSTRING(a3.[d], a3.[p] + 1, LEN(a3.[d])) ELSE a3.[d] + REPLICATE('0', a3.[p] - LEN(a3.[d])) END WHEN REPLACE(a3.[d], '0', '') = '' THEN '0' END AS [t],
      CASE WHEN LEFT(j1.[onsetAge_value], 1) = '-' THEN '-' ELSE '' END AS [sign]
  ) AS a4
  CROSS APPLY (
    SELECT CHARINDEX('.', a4.[t] + '.') + 18 AS [q]
  ) AS a5
  CROSS APPLY (
    SELECT
      SUBSTRING(a4.[t], a5.[q] + 1, LEN(a4.[t])) AS [r],
      RIGHT(REPLACE(LEFT(a4.[t], a5.[q]), '.', ''), 1) AS [last]
  ) AS a6
  CROSS APPLY (
    SELECT TRY_CAST(a4.[sign] + LEFT(a4.[t], a5.[q] + CASE WHEN LEFT(a6.[r], 1) = '5' AND REPLACE(SUBSTRING(a6.[r], 2, LEN(a6.[r])), '0', '') = '' AND a6.[last] IN ('0', '2', '4', '6', '8') THEN 0 ELSE 1 END) AS decimal(38, 18)) AS [v]
  ) AS a7
  WHERE (LEN(j1.[onsetAge_value]) > 20 OR UPPER(j1.[onsetAge_value]) LIKE '%E%')
) AS n1
CROSS APPLY (
  SELECT CASE WHEN LEN(j1.[abatementDateTime]) <= 10 THEN NULL WHEN RIGHT(j1.[abatementDateTime], 1) = 'Z' THEN 1 WHEN LEN(j1.[abatementDateTime]) >= 19 AND SUBSTRING(j1.[abatementDateTime], LEN(j1.[abatementDateTime]) - 5, 1) IN ('+', '-') THEN 6 ELSE 0 END AS [n]
) AS z2
OUTER APPLY (
  SELECT TOP (1)
    1 AS [rare],
    CASE WHEN a14.[v] <> 0 OR REPLACE(a10.[d], '0', '') = '' THEN a14.[v] END AS [v]
  FROM (
    SELECT CHARINDEX('E', UPPER(j1.[abatementAge_value]) + 'E') AS [e]
  ) AS a8
  CROSS APPLY (
    SELECT
      REPLACE(LEFT(j1.[abatementAge_value], a8.[e] - 1), '-', '') AS [m],
      TRY_CAST(SUBSTRING(j1.[abatementAge_value], a8.[e] + 1, 100) AS int) AS [x]
  ) AS a9
  CROSS APPLY (
    SELECT
      REPLACE(a9.[m], '.', '') AS [d],
      CHARINDEX('.', a9.[m] + '.') - 1 + a9.[x] AS [p]
  ) AS a10
  CROSS APPLY (
    SELECT
      CASE WHEN a9.[x] BETWEEN -400 AND 400 THEN CASE WHEN a10.[p] < 1 THEN '0.' + REPLICATE('0', -a10.[p]) + a10.[d] WHEN a10.[p] < LEN(a10.[d]) THEN LEFT(a10.[d], a10.[p]) + '.' + SUBSTRING(a10.[d], a10.[p] + 1, LEN(a10.[d])) ELSE a10.[d] + REPLICATE('0', a10.[p] - LEN(a10.[d])) END WHEN REPLACE(a10.[d], '0', '') = '' THEN '0' END AS [t],
      CASE WHEN LEFT(j1.[abatementAge_value], 1) = '-' THEN '-' ELSE '' END AS [sign]
  ) AS a11
  CROSS APPLY (
    SELECT CHARINDEX('.', a11.[t] + '.') + 18 AS [q]
  ) AS a12
  CROSS APPLY (
    SELECT
      SUBSTRING(a11.[t], a12.[q] + 1, LEN(a11.[t])) AS [r],
      RIGHT(REPLACE(LEFT(a11.[t], a12.[q]), '.', ''), 1) AS [last]
  ) AS a13
  CROSS APPLY (
    SELECT TRY_CAST(a11.[sign] + LEFT(a11.[t], a12.[q] + CASE WHEN LEFT(a13.[r], 1) = '5' AND REPLACE(SUBSTRING(a13.[r], 2, LEN(a13.[r])), '0', '') = '' AND a13.[last] IN ('0', '2', '4', '6', '8') THEN 0 ELSE 1 END) AS decimal(38, 18)) AS [v]
  ) AS a14
  WHERE (LEN(j1.[abatementAge_value]) > 20 OR UPPER(j1.[abatementAge_value]) LIKE '%E%')
) AS n2
OUTER APPLY (
  SELECT TOP (1)
    RIGHT(h5.[r], h6.[at] - 1) AS [id],
    '/' + LEFT(h5.[r], LEN(h5.[r]) - h6.[at]) AS [head]
  FROM (
    SELECT TOP (1) LEFT(j1.[recorder_reference], CHARINDEX('/_history/', j1.[recorder_reference] + '/_history/') - 1) AS [r]
  ) AS h5
  CROSS APPLY (
    SELECT TOP (1) CHARINDEX('/', REVERSE(h5.[r])) AS [at]
  ) AS h6
  WHERE h6.[at] > 1
    AND CHARINDEX('?', h5.[r]) = 0
    AND CHARINDEX('#', h5.[r]) = 0
    AND LEFT(h5.[r], 4) <> 'urn:'
) AS k3
OUTER APPLY (
  SELECT TOP (1)
    RIGHT(h7.[r], h8.[at] - 1) AS [id],
    '/' + LEFT(h7.[r], LEN(h7.[r]) - h8.[at]) AS [head]
  FROM (
    SELECT TOP (1) LEFT(j1.[asserter_reference], CHARINDEX('/_history/', j1.[asserter_reference] + '/_history/') - 1) AS [r]
  ) AS h7
  CROSS APPLY (
    SELECT TOP (1) CHARINDEX('/', REVERSE(h7.[r])) AS [at]
  ) AS h8
  WHERE h8.[at] > 1
    AND CHARINDEX('?', h7.[r]) = 0
    AND CHARINDEX('#', h7.[r]) = 0
    AND LEFT(h7.[r], 4) <> 'urn:'
) AS k4
OUTER APPLY ( -- evidence.detail.getReferenceKey(Observation).first()
  SELECT TOP (1) CASE WHEN CAST(CAST(RIGHT(k5.[head], 12) AS varchar(max)) AS varbinary(max)) = CAST('/Observation' AS varbinary(max)) THEN k5.[id] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j2.[evidence], 1) = '[' THEN j2.[evidence] ELSE '[' + j2.[evidence] + ']' END) AS e9
  CROSS APPLY (
    SELECT MAX(CASE WHEN o.[key] = 'detail' AND o.[type] IN (4, 5) THEN o.[value] END) AS [detail]
    FROM OPENJSON(CASE WHEN e9.[type] = 5 THEN e9.[value] END) AS o
  ) AS j13
  CROSS APPLY OPENJSON(CASE WHEN LEFT(j13.[detail], 1) = '[' THEN j13.[detail] ELSE '[' + j13.[detail] + ']' END) AS e10
  CROSS APPLY OPENJSON(CASE WHEN e10.[type] = 5 THEN e10.[value] END) WITH (
    [reference] varchar(max) '$.reference'
  ) AS j14
  OUTER APPLY (
    SELECT TOP (1)
      RIGHT(h9.[r], h10.[at] - 1) AS [id],
      '/' + LEFT(h9.[r], LEN(h9.[r]) - h10.[at]) AS [head]
    FROM (
      SELECT TOP (1) LEFT(j14.[reference], CHARINDEX('/_history/', j14.[reference] + '/_history/') - 1) AS [r]
    ) AS h9
    CROSS APPLY (
      SELECT TOP (1) CHARINDEX('/', REVERSE(h9.[r])) AS [at]
    ) AS h10
    WHERE h10.[at] > 1
      AND CHARINDEX('?', h9.[r]) = 0
      AND CHARINDEX('#', h9.[r]) = 0
      AND LEFT(h9.[r], 4) <> 'urn:'
  ) AS k5
  WHERE e9.[type] <> 0
    AND e10.[type] <> 0
    AND CASE WHEN CAST(CAST(RIGHT(k5.[head], 12) AS varchar(max)) AS varbinary(max)) = CAST('/Observation' AS varbinary(max)) THEN k5.[id] END IS NOT NULL
  ORDER BY CAST(e9.[key] AS int), CAST(e10.[key] AS int)
) AS f9
WHERE CAST(CAST(j1.[resourceType] AS varchar(max)) AS varbinary(max)) = CAST('Condition' AS varbinary(max))

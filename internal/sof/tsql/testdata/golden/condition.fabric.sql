INSERT INTO [stage].[condition] ([_file], [_line], [_id], [id], [clinical_status], [verification_status], [category], [category_system], [category_display], [category_text], [code], [code_system], [code_display], [code_text], [severity], [severity_system], [severity_display], [severity_text], [body_site], [body_site_system], [body_site_display], [body_site_text], [patient_id], [encounter_id], [onset_time], [onset_time_utc], [onset_age], [onset_age_unit], [onset_start], [onset_end], [onset_text], [abatement_time], [abatement_time_utc], [abatement_age], [abatement_start], [abatement_end], [abatement_text], [recorded_date], [recorder_id], [asserter_id], [evidence_id])
SELECT
  d.[_file],
  d.[_line],
  CAST(j1.[id] AS varchar(128)) AS [_id],
  j1.[id] AS [id],
  COALESCE(j1.[clinicalStatus_coding_0_code], f1.[code]) AS [clinical_status],
  COALESCE(j1.[verificationStatus_coding_0_code], f2.[code]) AS [verification_status],
  COALESCE(j1.[category_0_coding_0_code], f4.[code]) AS [category],
  COALESCE(j1.[category_0_coding_0_system], f4.[system]) AS [category_system],
  COALESCE(j1.[category_0_coding_0_display], f4.[display]) AS [category_display],
  COALESCE(j1.[category_0_text], f3.[text]) AS [category_text],
  COALESCE(j1.[code_coding_0_code], f5.[code]) AS [code],
  COALESCE(j1.[code_coding_0_system], f5.[system]) AS [code_system],
  COALESCE(j1.[code_coding_0_display], f5.[display]) AS [code_display],
  j1.[code_text] AS [code_text],
  COALESCE(j1.[severity_coding_0_code], f6.[code]) AS [severity],
  COALESCE(j1.[severity_coding_0_system], f6.[system]) AS [severity_system],
  COALESCE(j1.[severity_coding_0_display], f6.[display]) AS [severity_display],
  j1.[severity_text] AS [severity_text],
  COALESCE(j1.[bodySite_0_coding_0_code], f8.[code]) AS [body_site],
  COALESCE(j1.[bodySite_0_coding_0_system], f8.[system]) AS [body_site_system],
  COALESCE(j1.[bodySite_0_coding_0_display], f8.[display]) AS [body_site_display],
  COALESCE(j1.[bodySite_0_text], f7.[text]) AS [body_site_text],
  CASE WHEN LEN(k1.[id]) > 0 AND CHARINDEX('/', k1.[id]) = 0 AND CHARINDEX('?', k1.[id]) = 0 AND CHARINDEX('#', k1.[id]) = 0 THEN k1.[id] END AS [patient_id],
  CASE WHEN LEN(k2.[id]) > 0 AND CHARINDEX('/', k2.[id]) = 0 AND CHARINDEX('?', k2.[id]) = 0 AND CHARINDEX('#', k2.[id]) = 0 THEN k2.[id] END AS [encounter_id],
  j1.[onsetDateTime] AS [onset_time],
  CASE WHEN z1.[n] > 0 AND LEN(z1.[t]) >= 20 AND z1.[t] LIKE '____-__-__T__:__:__%' THEN CASE WHEN SUBSTRING(z1.[t], 18, 2) <> '60' THEN CAST(SWITCHOFFSET(TRY_CAST(LEFT(z1.[t], 19) + LEFT(SUBSTRING(z1.[t], 20, LEN(z1.[t]) - 19 - z1.[n]), 4) + RIGHT(z1.[t], z1.[n]) AS datetimeoffset), '+00:00') AS datetime2(3)) WHEN LEFT(z1.[t], 10) <> '9999-12-31' THEN DATEADD(second, 1, CAST(SWITCHOFFSET(TRY_CAST(LEFT(z1.[t], 17) + '59' + LEFT(SUBSTRING(z1.[t], 20, LEN(z1.[t]) - 19 - z1.[n]), 4) + RIGHT(z1.[t], z1.[n]) AS datetimeoffset), '+00:00') AS datetime2(3))) END END AS [onset_time_utc],
  CASE WHEN n1.[rare] = 1 THEN n1.[v] ELSE TRY_CAST(j1.[onsetAge_value] AS decimal(38, 18)) END AS [onset_age],
  j1.[onsetAge_unit] AS [onset_age_unit],
  j1.[onsetPeriod_start] AS [onset_start],
  j1.[onsetPeriod_end] AS [onset_end],
  j1.[onsetString] AS [onset_text],
  j1.[abatementDateTime] AS [abatement_time],
  CASE WHEN z2.[n] > 0 AND LEN(z2.[t]) >= 20 AND z2.[t] LIKE '____-__-__T__:__:__%' THEN CASE WHEN SUBSTRING(z2.[t], 18, 2) <> '60' THEN CAST(SWITCHOFFSET(TRY_CAST(LEFT(z2.[t], 19) + LEFT(SUBSTRING(z2.[t], 20, LEN(z2.[t]) - 19 - z2.[n]), 4) + RIGHT(z2.[t], z2.[n]) AS datetimeoffset), '+00:00') AS datetime2(3)) WHEN LEFT(z2.[t], 10) <> '9999-12-31' THEN DATEADD(second, 1, CAST(SWITCHOFFSET(TRY_CAST(LEFT(z2.[t], 17) + '59' + LEFT(SUBSTRING(z2.[t], 20, LEN(z2.[t]) - 19 - z2.[n]), 4) + RIGHT(z2.[t], z2.[n]) AS datetimeoffset), '+00:00') AS datetime2(3))) END END AS [abatement_time_utc],
  CASE WHEN n2.[rare] = 1 THEN n2.[v] ELSE TRY_CAST(j1.[abatementAge_value] AS decimal(38, 18)) END AS [abatement_age],
  j1.[abatementPeriod_start] AS [abatement_start],
  j1.[abatementPeriod_end] AS [abatement_end],
  j1.[abatementString] AS [abatement_text],
  j1.[recordedDate] AS [recorded_date],
  CASE WHEN LEN(k3.[id]) > 0 AND CHARINDEX('/', k3.[id]) = 0 AND CHARINDEX('?', k3.[id]) = 0 AND CHARINDEX('#', k3.[id]) = 0 THEN k3.[id] END AS [recorder_id],
  CASE WHEN LEN(k4.[id]) > 0 AND CHARINDEX('/', k4.[id]) = 0 AND CHARINDEX('?', k4.[id]) = 0 AND CHARINDEX('#', k4.[id]) = 0 THEN k4.[id] END AS [asserter_id],
  f9.[v] AS [evidence_id]
FROM [stage].[documents] AS d
CROSS APPLY OPENJSON(d.[doc]) WITH (
  [resourceType] varchar(max) '$.resourceType',
  [id] varchar(max) '$.id',
  [clinicalStatus_coding_0_code] varchar(max) '$.clinicalStatus.coding[0].code',
  [verificationStatus_coding_0_code] varchar(max) '$.verificationStatus.coding[0].code',
  [category_0_coding_0_code] varchar(max) '$.category[0].coding[0].code',
  [category_0_coding_0_system] varchar(max) '$.category[0].coding[0].system',
  [category_0_coding_0_display] varchar(max) '$.category[0].coding[0].display',
  [category_0_text] varchar(max) '$.category[0].text',
  [code_coding_0_code] varchar(max) '$.code.coding[0].code',
  [code_coding_0_system] varchar(max) '$.code.coding[0].system',
  [code_coding_0_display] varchar(max) '$.code.coding[0].display',
  [code_text] varchar(max) '$.code.text',
  [severity_coding_0_code] varchar(max) '$.severity.coding[0].code',
  [severity_coding_0_system] varchar(max) '$.severity.coding[0].system',
  [severity_coding_0_display] varchar(max) '$.severity.coding[0].display',
  [severity_text] varchar(max) '$.severity.text',
  [bodySite_0_coding_0_code] varchar(max) '$.bodySite[0].coding[0].code',
  [bodySite_0_coding_0_system] varchar(max) '$.bodySite[0].coding[0].system',
  [bodySite_0_coding_0_display] varchar(max) '$.bodySite[0].coding[0].display',
  [bodySite_0_text] varchar(max) '$.bodySite[0].text',
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
  SELECT TOP (1)
    CASE WHEN e1.[type] = 5 THEN e1.[value] END AS [v],
    j3.[code] AS [code]
  FROM OPENJSON(CASE WHEN LEFT(q1.[clinicalStatus_coding], 2) = '[{' THEN NULL WHEN LEFT(q1.[clinicalStatus_coding], 1) = '[' THEN q1.[clinicalStatus_coding] ELSE '[' + q1.[clinicalStatus_coding] + ']' END) AS e1
  OUTER APPLY OPENJSON(CASE WHEN e1.[type] = 5 THEN e1.[value] END) WITH (
    [code] varchar(max) '$.code'
  ) AS j3
  WHERE LEFT(q1.[clinicalStatus_coding], 2) <> '[{'
    AND e1.[type] <> 0
  ORDER BY CAST(e1.[key] AS int)
) AS f1
CROSS APPLY (
  SELECT JSON_QUERY(j2.[verificationStatus], '$.coding') AS [verificationStatus_coding]
) AS q2
OUTER APPLY ( -- verificationStatus.coding.first().code
  SELECT TOP (1)
    CASE WHEN e2.[type] = 5 THEN e2.[value] END AS [v],
    j4.[code] AS [code]
  FROM OPENJSON(CASE WHEN LEFT(q2.[verificationStatus_coding], 2) = '[{' THEN NULL WHEN LEFT(q2.[verificationStatus_coding], 1) = '[' THEN q2.[verificationStatus_coding] ELSE '[' + q2.[verificationStatus_coding] + ']' END) AS e2
  OUTER APPLY OPENJSON(CASE WHEN e2.[type] = 5 THEN e2.[value] END) WITH (
    [code] varchar(max) '$.code'
  ) AS j4
  WHERE LEFT(q2.[verificationStatus_coding], 2) <> '[{'
    AND e2.[type] <> 0
  ORDER BY CAST(e2.[key] AS int)
) AS f2
OUTER APPLY ( -- category.first().coding.first().code
  SELECT TOP (1)
    CASE WHEN e3.[type] = 5 THEN e3.[value] END AS [v],
    j5.[coding] AS [coding],
    j7.[text] AS [text]
  FROM OPENJSON(CASE WHEN LEFT(j2.[category], 2) = '[{' THEN NULL WHEN LEFT(j2.[category], 1) = '[' THEN j2.[category] ELSE '[' + j2.[category] + ']' END) AS e3
  CROSS APPLY (
    SELECT MAX(CASE WHEN o.[key] = 'coding' AND o.[type] IN (4, 5) THEN o.[value] END) AS [coding]
    FROM OPENJSON(CASE WHEN e3.[type] = 5 THEN e3.[value] END) AS o
  ) AS j5
  OUTER APPLY OPENJSON(CASE WHEN e3.[type] = 5 THEN e3.[value] END) WITH (
    [text] varchar(max) '$.text'
  ) AS j7
  WHERE LEFT(j2.[category], 2) <> '[{'
    AND e3.[type] <> 0
  ORDER BY CAST(e3.[key] AS int)
) AS f3
CROSS APPLY (
  SELECT JSON_QUERY(j2.[category], '$[0].coding') AS [category_0_coding]
) AS q3
OUTER APPLY ( -- category.first().coding.first().code
  SELECT TOP (1)
    CASE WHEN e4.[type] = 5 THEN e4.[value] END AS [v],
    j6.[code] AS [code],
    j6.[system] AS [system],
    j6.[display] AS [display]
  FROM OPENJSON(CASE WHEN LEFT(q3.[category_0_coding], 2) = '[{' THEN NULL WHEN LEFT(COALESCE(q3.[category_0_coding], f3.[coding]), 1) = '[' THEN COALESCE(q3.[category_0_coding], f3.[coding]) ELSE '[' + COALESCE(q3.[category_0_coding], f3.[coding]) + ']' END) AS e4
  OUTER APPLY OPENJSON(CASE WHEN e4.[type] = 5 THEN e4.[value] END) WITH (
    [code] varchar(max) '$.code',
    [system] varchar(max) '$.system',
    [display] varchar(max) '$.display'
  ) AS j6
  WHERE (LEFT(q3.[category_0_coding], 2) <> '[{' OR f3.[coding] IS NOT NULL AND q3.[category_0_coding] IS NULL)
    AND e4.[type] <> 0
  ORDER BY CAST(e4.[key] AS int)
) AS f4
CROSS APPLY (
  SELECT JSON_QUERY(j2.[code], '$.coding') AS [code_coding]
) AS q4
OUTER APPLY ( -- code.coding.first().code
  SELECT TOP (1)
    CASE WHEN e5.[type] = 5 THEN e5.[value] END AS [v],
    j8.[code] AS [code],
    j8.[system] AS [system],
    j8.[display] AS [display]
  FROM OPENJSON(CASE WHEN LEFT(q4.[code_coding], 2) = '[{' THEN NULL WHEN LEFT(q4.[code_coding], 1) = '[' THEN q4.[code_coding] ELSE '[' + q4.[code_coding] + ']' END) AS e5
  OUTER APPLY OPENJSON(CASE WHEN e5.[type] = 5 THEN e5.[value] END) WITH (
    [code] varchar(max) '$.code',
    [system] varchar(max) '$.system',
    [display] varchar(max) '$.display'
  ) AS j8
  WHERE LEFT(q4.[code_coding], 2) <> '[{'
    AND e5.[type] <> 0
  ORDER BY CAST(e5.[key] AS int)
) AS f5
CROSS APPLY (
  SELECT JSON_QUERY(j2.[severity], '$.coding') AS [severity_coding]
) AS q5
OUTER APPLY ( -- severity.coding.first().code
  SELECT TOP (1)
    CASE WHEN e6.[type] = 5 THEN e6.[value] END AS [v],
    j9.[code] AS [code],
    j9.[system] AS [system],
    j9.[display] AS [display]
  FROM OPENJSON(CASE WHEN LEFT(q5.[severity_coding], 2) = '[{' THEN NULL WHEN LEFT(q5.[severity_coding], 1) = '[' THEN q5.[severity_coding] ELSE '[' + q5.[severity_coding] + ']' END) AS e6
  OUTER APPLY OPENJSON(CASE WHEN e6.[type] = 5 THEN e6.[value] END) WITH (
    [code] varchar(max) '$.code',
    [system] varchar(max) '$.system',
    [display] varchar(max) '$.display'
  ) AS j9
  WHERE LEFT(q5.[severity_coding], 2) <> '[{'
    AND e6.[type] <> 0
  ORDER BY CAST(e6.[key] AS int)
) AS f6
OUTER APPLY ( -- bodySite.first().coding.first().code
  SELECT TOP (1)
    CASE WHEN e7.[type] = 5 THEN e7.[value] END AS [v],
    j10.[coding] AS [coding],
    j12.[text] AS [text]
  FROM OPENJSON(CASE WHEN LEFT(j2.[bodySite], 2) = '[{' THEN NULL WHEN LEFT(j2.[bodySite], 1) = '[' THEN j2.[bodySite] ELSE '[' + j2.[bodySite] + ']' END) AS e7
  CROSS APPLY (
    SELECT MAX(CASE WHEN o.[key] = 'coding' AND o.[type] IN (4, 5) THEN o.[value] END) AS [coding]
    FROM OPENJSON(CASE WHEN e7.[type] = 5 THEN e7.[value] END) AS o
  ) AS j10
  OUTER APPLY OPENJSON(CASE WHEN e7.[type] = 5 THEN e7.[value] END) WITH (
    [text] varchar(max) '$.text'
  ) AS j12
  WHERE LEFT(j2.[bodySite], 2) <> '[{'
    AND e7.[type] <> 0
  ORDER BY CAST(e7.[key] AS int)
) AS f7
CROSS APPLY (
  SELECT JSON_QUERY(j2.[bodySite], '$[0].coding') AS [bodySite_0_coding]
) AS q6
OUTER APPLY ( -- bodySite.first().coding.first().code
  SELECT TOP (1)
    CASE WHEN e8.[type] = 5 THEN e8.[value] END AS [v],
    j11.[code] AS [code],
    j11.[system] AS [system],
    j11.[display] AS [display]
  FROM OPENJSON(CASE WHEN LEFT(q6.[bodySite_0_coding], 2) = '[{' THEN NULL WHEN LEFT(COALESCE(q6.[bodySite_0_coding], f7.[coding]), 1) = '[' THEN COALESCE(q6.[bodySite_0_coding], f7.[coding]) ELSE '[' + COALESCE(q6.[bodySite_0_coding], f7.[coding]) + ']' END) AS e8
  OUTER APPLY OPENJSON(CASE WHEN e8.[type] = 5 THEN e8.[value] END) WITH (
    [code] varchar(max) '$.code',
    [system] varchar(max) '$.system',
    [display] varchar(max) '$.display'
  ) AS j11
  WHERE (LEFT(q6.[bodySite_0_coding], 2) <> '[{' OR f7.[coding] IS NOT NULL AND q6.[bodySite_0_coding] IS NULL)
    AND e8.[type] <> 0
  ORDER BY CAST(e8.[key] AS int)
) AS f8
OUTER APPLY (
  SELECT TOP (1) LEFT(j1.[subject_reference], CHARINDEX('/_history/', j1.[subject_reference] + '/_history/') - 1) AS [r]
) AS h1
OUTER APPLY (
  SELECT TOP (1) CASE WHEN CAST(CAST(LEFT(h1.[r], 8) AS varchar(max)) AS varbinary(max)) = CAST('Patient/' AS varbinary(max)) THEN SUBSTRING(h1.[r], 9, 2147483647) WHEN CAST(CAST(LEFT(h1.[r], 9) AS varchar(max)) AS varbinary(max)) = CAST('/Patient/' AS varbinary(max)) THEN SUBSTRING(h1.[r], 10, 2147483647) END AS [id]
  FROM (
    SELECT 1 AS [one]
  ) AS one
  WHERE h1.[r] IS NOT NULL
) AS k1
OUTER APPLY (
  SELECT TOP (1) LEFT(j1.[encounter_reference], CHARINDEX('/_history/', j1.[encounter_reference] + '/_history/') - 1) AS [r]
) AS h2
OUTER APPLY (
  SELECT TOP (1) CASE WHEN CAST(CAST(LEFT(h2.[r], 10) AS varchar(max)) AS varbinary(max)) = CAST('Encounter/' AS varbinary(max)) THEN SUBSTRING(h2.[r], 11, 2147483647) WHEN CAST(CAST(LEFT(h2.[r], 11) AS varchar(max)) AS varbinary(max)) = CAST('/Encounter/' AS varbinary(max)) THEN SUBSTRING(h2.[r], 12, 2147483647) END AS [id]
  FROM (
    SELECT 1 AS [one]
  ) AS one
  WHERE h2.[r] IS NOT NULL
) AS k2
CROSS APPLY (
  SELECT TOP (1)
    j1.[onsetDateTime] AS [t],
    CASE WHEN LEN(j1.[onsetDateTime]) <= 10 THEN NULL WHEN RIGHT(j1.[onsetDateTime], 1) = 'Z' THEN 1 WHEN LEN(j1.[onsetDateTime]) >= 19 AND LEFT(RIGHT(j1.[onsetDateTime], 6), 1) IN ('+', '-') THEN 6 ELSE 0 END AS [n]
) AS z1
OUTER APPLY (
  SELECT TOP (1)
    1 AS [rare],
    CASE WHEN a7.[v] <> 0 OR REPLACE(a3.[d], '0', '') = '' THEN a7.[v] END AS [v]
  FROM (
    SELECT TOP (1) CHARINDEX('E', UPPER(j1.[onsetAge_value]) + 'E') AS [e]
  ) AS a1
  CROSS APPLY (
    SELECT TOP (1)
      REPLACE(LEFT(j1.[onsetAge_value], a1.[e] - 1), '-', '') AS [m],
      TRY_CAST(SUBSTRING(j1.[onsetAge_value], a1.[e] + 1, 100) AS int) AS [x]
  ) AS a2
  CROSS APPLY (
    SELECT TOP (1)
      REPLACE(a2.[m], '.', '') AS [d],
      CHARINDEX('.', a2.[m] + '.') - 1 + a2.[x] AS [p]
  ) AS a3
  CROSS APPLY (
    SELECT TOP (1)
      CASE WHEN a2.[x] BETWEEN -400 AND 400 THEN CASE WHEN a3.[p] < 1 THEN '0.' + REPLICATE('0', -a3.[p]) + a3.[d] WHEN a3.[p] < LEN(a3.[d]) THEN LEFT(a3.[d], a3.[p]) + '.' + SUBSTRING(a3.[d], a3.[p] + 1, LEN(a3.[d])) ELSE a3.[d] + REPLICATE('0', a3.[p] - LEN(a3.[d])) END WHEN REPLACE(a3.[d], '0', '') = '' THEN '0' END AS [t],
      CASE WHEN LEFT(j1.[onsetAge_value], 1) = '-' THEN '-' ELSE '' END AS [sign]
  ) AS a4
  CROSS APPLY (
    SELECT TOP (1) CHARINDEX('.', a4.[t] + '.') + 18 AS [q]
  ) AS a5
  CROSS APPLY (
    SELECT TOP (1)
      SUBSTRING(a4.[t], a5.[q] + 1, LEN(a4.[t])) AS [r],
      RIGHT(REPLACE(LEFT(a4.[t], a5.[q]), '.', ''), 1) AS [last]
  ) AS a6
  CROSS APPLY (
    SELECT TOP (1) TRY_CAST(a4.[sign] + LEFT(a4.[t], a5.[q] + CASE WHEN LEFT(a6.[r], 1) = '5' AND REPLACE(SUBSTRING(a6.[r], 2, LEN(a6.[r])), '0', '') = '' AND a6.[last] IN ('0', '2', '4', '6', '8') THEN 0 ELSE 1 END) AS decimal(38, 18)) AS [v]
  ) AS a7
  WHERE (LEN(j1.[onsetAge_value]) > 20 OR UPPER(j1.[onsetAge_value]) LIKE '%E%')
) AS n1
CROSS APPLY (
  SELECT TOP (1)
    j1.[abatementDateTime] AS [t],
    CASE WHEN LEN(j1.[abatementDateTime]) <= 10 THEN NULL WHEN RIGHT(j1.[abatementDateTime], 1) = 'Z' THEN 1 WHEN LEN(j1.[abatementDateTime]) >= 19 AND LEFT(RIGHT(j1.[abatementDateTime], 6), 1) IN ('+', '-') THEN 6 ELSE 0 END AS [n]
) AS z2
OUTER APPLY (
  SELECT TOP (1)
    1 AS [rare],
    CASE WHEN a14.[v] <> 0 OR REPLACE(a10.[d], '0', '') = '' THEN a14.[v] END AS [v]
  FROM (
    SELECT TOP (1) CHARINDEX('E', UPPER(j1.[abatementAge_value]) + 'E') AS [e]
  ) AS a8
  CROSS APPLY (
    SELECT TOP (1)
      REPLACE(LEFT(j1.[abatementAge_value], a8.[e] - 1), '-', '') AS [m],
      TRY_CAST(SUBSTRING(j1.[abatementAge_value], a8.[e] + 1, 100) AS int) AS [x]
  ) AS a9
  CROSS APPLY (
    SELECT TOP (1)
      REPLACE(a9.[m], '.', '') AS [d],
      CHARINDEX('.', a9.[m] + '.') - 1 + a9.[x] AS [p]
  ) AS a10
  CROSS APPLY (
    SELECT TOP (1)
      CASE WHEN a9.[x] BETWEEN -400 AND 400 THEN CASE WHEN a10.[p] < 1 THEN '0.' + REPLICATE('0', -a10.[p]) + a10.[d] WHEN a10.[p] < LEN(a10.[d]) THEN LEFT(a10.[d], a10.[p]) + '.' + SUBSTRING(a10.[d], a10.[p] + 1, LEN(a10.[d])) ELSE a10.[d] + REPLICATE('0', a10.[p] - LEN(a10.[d])) END WHEN REPLACE(a10.[d], '0', '') = '' THEN '0' END AS [t],
      CASE WHEN LEFT(j1.[abatementAge_value], 1) = '-' THEN '-' ELSE '' END AS [sign]
  ) AS a11
  CROSS APPLY (
    SELECT TOP (1) CHARINDEX('.', a11.[t] + '.') + 18 AS [q]
  ) AS a12
  CROSS APPLY (
    SELECT TOP (1)
      SUBSTRING(a11.[t], a12.[q] + 1, LEN(a11.[t])) AS [r],
      RIGHT(REPLACE(LEFT(a11.[t], a12.[q]), '.', ''), 1) AS [last]
  ) AS a13
  CROSS APPLY (
    SELECT TOP (1) TRY_CAST(a11.[sign] + LEFT(a11.[t], a12.[q] + CASE WHEN LEFT(a13.[r], 1) = '5' AND REPLACE(SUBSTRING(a13.[r], 2, LEN(a13.[r])), '0', '') = '' AND a13.[last] IN ('0', '2', '4', '6', '8') THEN 0 ELSE 1 END) AS decimal(38, 18)) AS [v]
  ) AS a14
  WHERE (LEN(j1.[abatementAge_value]) > 20 OR UPPER(j1.[abatementAge_value]) LIKE '%E%')
) AS n2
OUTER APPLY (
  SELECT TOP (1) LEFT(j1.[recorder_reference], CHARINDEX('/_history/', j1.[recorder_reference] + '/_history/') - 1) AS [r]
) AS h3
OUTER APPLY (
  SELECT TOP (1) CASE WHEN CAST(CAST(LEFT(h3.[r], 13) AS varchar(max)) AS varbinary(max)) = CAST('Practitioner/' AS varbinary(max)) THEN SUBSTRING(h3.[r], 14, 2147483647) WHEN CAST(CAST(LEFT(h3.[r], 14) AS varchar(max)) AS varbinary(max)) = CAST('/Practitioner/' AS varbinary(max)) THEN SUBSTRING(h3.[r], 15, 2147483647) END AS [id]
  FROM (
    SELECT 1 AS [one]
  ) AS one
  WHERE h3.[r] IS NOT NULL
) AS k3
OUTER APPLY (
  SELECT TOP (1) LEFT(j1.[asserter_reference], CHARINDEX('/_history/', j1.[asserter_reference] + '/_history/') - 1) AS [r]
) AS h4
OUTER APPLY (
  SELECT TOP (1) CASE WHEN CAST(CAST(LEFT(h4.[r], 13) AS varchar(max)) AS varbinary(max)) = CAST('Practitioner/' AS varbinary(max)) THEN SUBSTRING(h4.[r], 14, 2147483647) WHEN CAST(CAST(LEFT(h4.[r], 14) AS varchar(max)) AS varbinary(max)) = CAST('/Practitioner/' AS varbinary(max)) THEN SUBSTRING(h4.[r], 15, 2147483647) END AS [id]
  FROM (
    SELECT 1 AS [one]
  ) AS one
  WHERE h4.[r] IS NOT NULL
) AS k4
OUTER APPLY ( -- evidence.detail.getReferenceKey(Observation).first()
  SELECT TOP (1) CASE WHEN LEN(k5.[id]) > 0 AND CHARINDEX('/', k5.[id]) = 0 AND CHARINDEX('?', k5.[id]) = 0 AND CHARINDEX('#', k5.[id]) = 0 THEN k5.[id] END AS [v]
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
    SELECT TOP (1) LEFT(j14.[reference], CHARINDEX('/_history/', j14.[reference] + '/_history/') - 1) AS [r]
  ) AS h5
  OUTER APPLY (
    SELECT TOP (1) CASE WHEN CAST(CAST(LEFT(h5.[r], 12) AS varchar(max)) AS varbinary(max)) = CAST('Observation/' AS varbinary(max)) THEN SUBSTRING(h5.[r], 13, 2147483647) WHEN CAST(CAST(LEFT(h5.[r], 13) AS varchar(max)) AS varbinary(max)) = CAST('/Observation/' AS varbinary(max)) THEN SUBSTRING(h5.[r], 14, 2147483647) END AS [id]
    FROM (
      SELECT 1 AS [one]
    ) AS one
    WHERE h5.[r] IS NOT NULL
  ) AS k5
  WHERE e9.[type] <> 0
    AND e10.[type] <> 0
    AND CASE WHEN LEN(k5.[id]) > 0 AND CHARINDEX('/', k5.[id]) = 0 AND CHARINDEX('?', k5.[id]) = 0 AND CHARINDEX('#', k5.[id]) = 0 THEN k5.[id] END IS NOT NULL
  ORDER BY CAST(e9.[key] AS int), CAST(e10.[key] AS int)
) AS f9
WHERE CAST(CAST(j1.[resourceType] AS varchar(max)) AS varbinary(max)) = CAST('Condition' AS varbinary(max))

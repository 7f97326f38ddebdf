CREATE OR ALTER VIEW [dbo].[condition] AS
SELECT
  CAST(j1.[id] AS varchar(128)) COLLATE Latin1_General_100_BIN2_UTF8 AS [id],
  CAST(COALESCE(j1.[clinicalStatus_coding_0_code], f1.[code]) AS nvarchar(max)) COLLATE Latin1_General_100_BIN2_UTF8 AS [clinical_status],
  CAST(COALESCE(j1.[verificationStatus_coding_0_code], f2.[code]) AS nvarchar(max)) COLLATE Latin1_General_100_BIN2_UTF8 AS [verification_status],
  CAST(COALESCE(j1.[category_0_coding_0_code], f4.[code]) AS nvarchar(max)) COLLATE Latin1_General_100_BIN2_UTF8 AS [category],
  CAST(COALESCE(j1.[category_0_coding_0_system], f4.[system]) AS nvarchar(max)) COLLATE Latin1_General_100_BIN2_UTF8 AS [category_system],
  COALESCE(j1.[category_0_coding_0_display], f4.[display]) AS [category_display],
  COALESCE(j1.[category_0_text], f3.[text]) AS [category_text],
  CAST(COALESCE(j1.[code_coding_0_code], f5.[code]) AS nvarchar(max)) COLLATE Latin1_General_100_BIN2_UTF8 AS [code],
  CAST(COALESCE(j1.[code_coding_0_system], f5.[system]) AS nvarchar(max)) COLLATE Latin1_General_100_BIN2_UTF8 AS [code_system],
  COALESCE(j1.[code_coding_0_display], f5.[display]) AS [code_display],
  j1.[code_text] AS [code_text],
  CAST(COALESCE(j1.[severity_coding_0_code], f6.[code]) AS nvarchar(max)) COLLATE Latin1_General_100_BIN2_UTF8 AS [severity],
  CAST(COALESCE(j1.[severity_coding_0_system], f6.[system]) AS nvarchar(max)) COLLATE Latin1_General_100_BIN2_UTF8 AS [severity_system],
  COALESCE(j1.[severity_coding_0_display], f6.[display]) AS [severity_display],
  j1.[severity_text] AS [severity_text],
  CAST(COALESCE(j1.[bodySite_0_coding_0_code], f8.[code]) AS nvarchar(max)) COLLATE Latin1_General_100_BIN2_UTF8 AS [body_site],
  CAST(COALESCE(j1.[bodySite_0_coding_0_system], f8.[system]) AS nvarchar(max)) COLLATE Latin1_General_100_BIN2_UTF8 AS [body_site_system],
  COALESCE(j1.[bodySite_0_coding_0_display], f8.[display]) AS [body_site_display],
  COALESCE(j1.[bodySite_0_text], f7.[text]) AS [body_site_text],
  CAST(CASE WHEN LEN(k1.[id]) > 0 AND CHARINDEX(N'/', k1.[id]) = 0 AND CHARINDEX(N'?', k1.[id]) = 0 AND CHARINDEX(N'#', k1.[id]) = 0 THEN k1.[id] END AS varchar(128)) COLLATE Latin1_General_100_BIN2_UTF8 AS [patient_id],
  CAST(CASE WHEN LEN(k2.[id]) > 0 AND CHARINDEX(N'/', k2.[id]) = 0 AND CHARINDEX(N'?', k2.[id]) = 0 AND CHARINDEX(N'#', k2.[id]) = 0 THEN k2.[id] END AS varchar(128)) COLLATE Latin1_General_100_BIN2_UTF8 AS [encounter_id],
  j1.[onsetDateTime] AS [onset_time],
  CASE WHEN z1.[n] > 0 AND LEN(z1.[t]) >= 20 AND z1.[t] LIKE N'____-__-__T__:__:__%' THEN CASE WHEN SUBSTRING(z1.[t], 18, 2) <> N'60' THEN CAST(SWITCHOFFSET(TRY_CAST(LEFT(z1.[t], 19) + LEFT(SUBSTRING(z1.[t], 20, LEN(z1.[t]) - 19 - z1.[n]), 4) + RIGHT(z1.[t], z1.[n]) AS datetimeoffset), '+00:00') AS datetime2(3)) WHEN LEFT(z1.[t], 10) <> N'9999-12-31' THEN DATEADD(second, 1, CAST(SWITCHOFFSET(TRY_CAST(LEFT(z1.[t], 17) + N'59' + LEFT(SUBSTRING(z1.[t], 20, LEN(z1.[t]) - 19 - z1.[n]), 4) + RIGHT(z1.[t], z1.[n]) AS datetimeoffset), '+00:00') AS datetime2(3))) END END AS [onset_time_utc],
  CASE WHEN n1.[rare] = 1 THEN n1.[v] ELSE TRY_CAST(j1.[onsetAge_value] AS decimal(38, 18)) END AS [onset_age],
  j1.[onsetAge_unit] AS [onset_age_unit],
  j1.[onsetPeriod_start] AS [onset_start],
  j1.[onsetPeriod_end] AS [onset_end],
  j1.[onsetString] AS [onset_text],
  j1.[abatementDateTime] AS [abatement_time],
  CASE WHEN z2.[n] > 0 AND LEN(z2.[t]) >= 20 AND z2.[t] LIKE N'____-__-__T__:__:__%' THEN CASE WHEN SUBSTRING(z2.[t], 18, 2) <> N'60' THEN CAST(SWITCHOFFSET(TRY_CAST(LEFT(z2.[t], 19) + LEFT(SUBSTRING(z2.[t], 20, LEN(z2.[t]) - 19 - z2.[n]), 4) + RIGHT(z2.[t], z2.[n]) AS datetimeoffset), '+00:00') AS datetime2(3)) WHEN LEFT(z2.[t], 10) <> N'9999-12-31' THEN DATEADD(second, 1, CAST(SWITCHOFFSET(TRY_CAST(LEFT(z2.[t], 17) + N'59' + LEFT(SUBSTRING(z2.[t], 20, LEN(z2.[t]) - 19 - z2.[n]), 4) + RIGHT(z2.[t], z2.[n]) AS datetimeoffset), '+00:00') AS datetime2(3))) END END AS [abatement_time_utc],
  CASE WHEN n2.[rare] = 1 THEN n2.[v] ELSE TRY_CAST(j1.[abatementAge_value] AS decimal(38, 18)) END AS [abatement_age],
  j1.[abatementPeriod_start] AS [abatement_start],
  j1.[abatementPeriod_end] AS [abatement_end],
  j1.[abatementString] AS [abatement_text],
  j1.[recordedDate] AS [recorded_date],
  CAST(CASE WHEN LEN(k3.[id]) > 0 AND CHARINDEX(N'/', k3.[id]) = 0 AND CHARINDEX(N'?', k3.[id]) = 0 AND CHARINDEX(N'#', k3.[id]) = 0 THEN k3.[id] END AS varchar(128)) COLLATE Latin1_General_100_BIN2_UTF8 AS [recorder_id],
  CAST(CASE WHEN LEN(k4.[id]) > 0 AND CHARINDEX(N'/', k4.[id]) = 0 AND CHARINDEX(N'?', k4.[id]) = 0 AND CHARINDEX(N'#', k4.[id]) = 0 THEN k4.[id] END AS varchar(128)) COLLATE Latin1_General_100_BIN2_UTF8 AS [asserter_id],
  CAST(f9.[v] AS varchar(128)) COLLATE Latin1_General_100_BIN2_UTF8 AS [evidence_id]
FROM [stage].[documents] AS d
CROSS APPLY OPENJSON(d.[doc]) WITH (
  [resourceType] nvarchar(max) '$.resourceType',
  [id] nvarchar(max) '$.id',
  [clinicalStatus_coding] nvarchar(max) '$.clinicalStatus.coding' AS JSON,
  [clinicalStatus_coding_0_code] nvarchar(max) '$.clinicalStatus.coding[0].code',
  [verificationStatus_coding] nvarchar(max) '$.verificationStatus.coding' AS JSON,
  [verificationStatus_coding_0_code] nvarchar(max) '$.verificationStatus.coding[0].code',
  [category] nvarchar(max) '$.category' AS JSON,
  [category_0_coding] nvarchar(max) '$.category[0].coding' AS JSON,
  [category_0_coding_0_code] nvarchar(max) '$.category[0].coding[0].code',
  [category_0_coding_0_system] nvarchar(max) '$.category[0].coding[0].system',
  [category_0_coding_0_display] nvarchar(max) '$.category[0].coding[0].display',
  [category_0_text] nvarchar(max) '$.category[0].text',
  [code_coding] nvarchar(max) '$.code.coding' AS JSON,
  [code_coding_0_code] nvarchar(max) '$.code.coding[0].code',
  [code_coding_0_system] nvarchar(max) '$.code.coding[0].system',
  [code_coding_0_display] nvarchar(max) '$.code.coding[0].display',
  [code_text] nvarchar(max) '$.code.text',
  [severity_coding] nvarchar(max) '$.severity.coding' AS JSON,
  [severity_coding_0_code] nvarchar(max) '$.severity.coding[0].code',
  [severity_coding_0_system] nvarchar(max) '$.severity.coding[0].system',
  [severity_coding_0_display] nvarchar(max) '$.severity.coding[0].display',
  [severity_text] nvarchar(max) '$.severity.text',
  [bodySite] nvarchar(max) '$.bodySite' AS JSON,
  [bodySite_0_coding] nvarchar(max) '$.bodySite[0].coding' AS JSON,
  [bodySite_0_coding_0_code] nvarchar(max) '$.bodySite[0].coding[0].code',
  [bodySite_0_coding_0_system] nvarchar(max) '$.bodySite[0].coding[0].system',
  [bodySite_0_coding_0_display] nvarchar(max) '$.bodySite[0].coding[0].display',
  [bodySite_0_text] nvarchar(max) '$.bodySite[0].text',
  [subject_reference] nvarchar(max) '$.subject.reference',
  [encounter_reference] nvarchar(max) '$.encounter.reference',
  [onsetDateTime] nvarchar(max) '$.onsetDateTime',
  [onsetAge_value] nvarchar(max) '$.onsetAge.value',
  [onsetAge_unit] nvarchar(max) '$.onsetAge.unit',
  [onsetPeriod_start] nvarchar(max) '$.onsetPeriod.start',
  [onsetPeriod_end] nvarchar(max) '$.onsetPeriod.end',
  [onsetString] nvarchar(max) '$.onsetString',
  [abatementDateTime] nvarchar(max) '$.abatementDateTime',
  [abatementAge_value] nvarchar(max) '$.abatementAge.value',
  [abatementPeriod_start] nvarchar(max) '$.abatementPeriod.start',
  [abatementPeriod_end] nvarchar(max) '$.abatementPeriod.end',
  [abatementString] nvarchar(max) '$.abatementString',
  [recordedDate] nvarchar(max) '$.recordedDate',
  [recorder_reference] nvarchar(max) '$.recorder.reference',
  [asserter_reference] nvarchar(max) '$.asserter.reference',
  [evidence] nvarchar(max) '$.evidence' AS JSON
) AS j1
OUTER APPLY ( -- clinicalStatus.coding.first().code
  SELECT TOP (1)
    CASE WHEN e1.[type] = 5 THEN e1.[value] END AS [v],
    j2.[code] AS [code]
  FROM OPENJSON(CASE WHEN LEFT(j1.[clinicalStatus_coding], 2) = N'[{' THEN NULL WHEN LEFT(j1.[clinicalStatus_coding], 1) = N'[' THEN j1.[clinicalStatus_coding] ELSE N'[' + j1.[clinicalStatus_coding] + N']' END) AS e1
  OUTER APPLY OPENJSON(CASE WHEN e1.[type] = 5 THEN e1.[value] END) WITH (
    [code] nvarchar(max) '$.code'
  ) AS j2
  WHERE LEFT(j1.[clinicalStatus_coding], 2) <> N'[{'
    AND e1.[type] <> 0
  ORDER BY CAST(e1.[key] AS int)
) AS f1
OUTER APPLY ( -- verificationStatus.coding.first().code
  SELECT TOP (1)
    CASE WHEN e2.[type] = 5 THEN e2.[value] END AS [v],
    j3.[code] AS [code]
  FROM OPENJSON(CASE WHEN LEFT(j1.[verificationStatus_coding], 2) = N'[{' THEN NULL WHEN LEFT(j1.[verificationStatus_coding], 1) = N'[' THEN j1.[verificationStatus_coding] ELSE N'[' + j1.[verificationStatus_coding] + N']' END) AS e2
  OUTER APPLY OPENJSON(CASE WHEN e2.[type] = 5 THEN e2.[value] END) WITH (
    [code] nvarchar(max) '$.code'
  ) AS j3
  WHERE LEFT(j1.[verificationStatus_coding], 2) <> N'[{'
    AND e2.[type] <> 0
  ORDER BY CAST(e2.[key] AS int)
) AS f2
OUTER APPLY ( -- category.first().coding.first().code
  SELECT TOP (1)
    CASE WHEN e3.[type] = 5 THEN e3.[value] END AS [v],
    j4.[coding] AS [coding],
    j4.[text] AS [text]
  FROM OPENJSON(CASE WHEN LEFT(j1.[category], 2) = N'[{' THEN NULL WHEN LEFT(j1.[category], 1) = N'[' THEN j1.[category] ELSE N'[' + j1.[category] + N']' END) AS e3
  OUTER APPLY OPENJSON(CASE WHEN e3.[type] = 5 THEN e3.[value] END) WITH (
    [coding] nvarchar(max) '$.coding' AS JSON,
    [text] nvarchar(max) '$.text'
  ) AS j4
  WHERE LEFT(j1.[category], 2) <> N'[{'
    AND e3.[type] <> 0
  ORDER BY CAST(e3.[key] AS int)
) AS f3
OUTER APPLY ( -- category.first().coding.first().code
  SELECT TOP (1)
    CASE WHEN e4.[type] = 5 THEN e4.[value] END AS [v],
    j5.[code] AS [code],
    j5.[system] AS [system],
    j5.[display] AS [display]
  FROM OPENJSON(CASE WHEN LEFT(j1.[category_0_coding], 2) = N'[{' THEN NULL WHEN LEFT(COALESCE(j1.[category_0_coding], f3.[coding]), 1) = N'[' THEN COALESCE(j1.[category_0_coding], f3.[coding]) ELSE N'[' + COALESCE(j1.[category_0_coding], f3.[coding]) + N']' END) AS e4
  OUTER APPLY OPENJSON(CASE WHEN e4.[type] = 5 THEN e4.[value] END) WITH (
    [code] nvarchar(max) '$.code',
    [system] nvarchar(max) '$.system',
    [display] nvarchar(max) '$.display'
  ) AS j5
  WHERE (LEFT(j1.[category_0_coding], 2) <> N'[{' OR f3.[coding] IS NOT NULL AND j1.[category_0_coding] IS NULL)
    AND e4.[type] <> 0
  ORDER BY CAST(e4.[key] AS int)
) AS f4
OUTER APPLY ( -- code.coding.first().code
  SELECT TOP (1)
    CASE WHEN e5.[type] = 5 THEN e5.[value] END AS [v],
    j6.[code] AS [code],
    j6.[system] AS [system],
    j6.[display] AS [display]
  FROM OPENJSON(CASE WHEN LEFT(j1.[code_coding], 2) = N'[{' THEN NULL WHEN LEFT(j1.[code_coding], 1) = N'[' THEN j1.[code_coding] ELSE N'[' + j1.[code_coding] + N']' END) AS e5
  OUTER APPLY OPENJSON(CASE WHEN e5.[type] = 5 THEN e5.[value] END) WITH (
    [code] nvarchar(max) '$.code',
    [system] nvarchar(max) '$.system',
    [display] nvarchar(max) '$.display'
  ) AS j6
  WHERE LEFT(j1.[code_coding], 2) <> N'[{'
    AND e5.[type] <> 0
  ORDER BY CAST(e5.[key] AS int)
) AS f5
OUTER APPLY ( -- severity.coding.first().code
  SELECT TOP (1)
    CASE WHEN e6.[type] = 5 THEN e6.[value] END AS [v],
    j7.[code] AS [code],
    j7.[system] AS [system],
    j7.[display] AS [display]
  FROM OPENJSON(CASE WHEN LEFT(j1.[severity_coding], 2) = N'[{' THEN NULL WHEN LEFT(j1.[severity_coding], 1) = N'[' THEN j1.[severity_coding] ELSE N'[' + j1.[severity_coding] + N']' END) AS e6
  OUTER APPLY OPENJSON(CASE WHEN e6.[type] = 5 THEN e6.[value] END) WITH (
    [code] nvarchar(max) '$.code',
    [system] nvarchar(max) '$.system',
    [display] nvarchar(max) '$.display'
  ) AS j7
  WHERE LEFT(j1.[severity_coding], 2) <> N'[{'
    AND e6.[type] <> 0
  ORDER BY CAST(e6.[key] AS int)
) AS f6
OUTER APPLY ( -- bodySite.first().coding.first().code
  SELECT TOP (1)
    CASE WHEN e7.[type] = 5 THEN e7.[value] END AS [v],
    j8.[coding] AS [coding],
    j8.[text] AS [text]
  FROM OPENJSON(CASE WHEN LEFT(j1.[bodySite], 2) = N'[{' THEN NULL WHEN LEFT(j1.[bodySite], 1) = N'[' THEN j1.[bodySite] ELSE N'[' + j1.[bodySite] + N']' END) AS e7
  OUTER APPLY OPENJSON(CASE WHEN e7.[type] = 5 THEN e7.[value] END) WITH (
    [coding] nvarchar(max) '$.coding' AS JSON,
    [text] nvarchar(max) '$.text'
  ) AS j8
  WHERE LEFT(j1.[bodySite], 2) <> N'[{'
    AND e7.[type] <> 0
  ORDER BY CAST(e7.[key] AS int)
) AS f7
OUTER APPLY ( -- bodySite.first().coding.first().code
  SELECT TOP (1)
    CASE WHEN e8.[type] = 5 THEN e8.[value] END AS [v],
    j9.[code] AS [code],
    j9.[system] AS [system],
    j9.[display] AS [display]
  FROM OPENJSON(CASE WHEN LEFT(j1.[bodySite_0_coding], 2) = N'[{' THEN NULL WHEN LEFT(COALESCE(j1.[bodySite_0_coding], f7.[coding]), 1) = N'[' THEN COALESCE(j1.[bodySite_0_coding], f7.[coding]) ELSE N'[' + COALESCE(j1.[bodySite_0_coding], f7.[coding]) + N']' END) AS e8
  OUTER APPLY OPENJSON(CASE WHEN e8.[type] = 5 THEN e8.[value] END) WITH (
    [code] nvarchar(max) '$.code',
    [system] nvarchar(max) '$.system',
    [display] nvarchar(max) '$.display'
  ) AS j9
  WHERE (LEFT(j1.[bodySite_0_coding], 2) <> N'[{' OR f7.[coding] IS NOT NULL AND j1.[bodySite_0_coding] IS NULL)
    AND e8.[type] <> 0
  ORDER BY CAST(e8.[key] AS int)
) AS f8
OUTER APPLY (
  SELECT TOP (1) LEFT(j1.[subject_reference], CHARINDEX(N'/_history/', j1.[subject_reference] + N'/_history/') - 1) AS [r]
) AS h1
OUTER APPLY (
  SELECT TOP (1) CASE WHEN CAST(LEFT(h1.[r], 8) + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'Patient/.' THEN SUBSTRING(h1.[r], 9, 2147483647) WHEN CAST(LEFT(h1.[r], 9) + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'/Patient/.' THEN SUBSTRING(h1.[r], 10, 2147483647) END AS [id]
  FROM (
    SELECT 1 AS [one]
  ) AS one
  WHERE h1.[r] IS NOT NULL
) AS k1
OUTER APPLY (
  SELECT TOP (1) LEFT(j1.[encounter_reference], CHARINDEX(N'/_history/', j1.[encounter_reference] + N'/_history/') - 1) AS [r]
) AS h2
OUTER APPLY (
  SELECT TOP (1) CASE WHEN CAST(LEFT(h2.[r], 10) + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'Encounter/.' THEN SUBSTRING(h2.[r], 11, 2147483647) WHEN CAST(LEFT(h2.[r], 11) + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'/Encounter/.' THEN SUBSTRING(h2.[r], 12, 2147483647) END AS [id]
  FROM (
    SELECT 1 AS [one]
  ) AS one
  WHERE h2.[r] IS NOT NULL
) AS k2
CROSS APPLY (
  SELECT TOP (1)
    j1.[onsetDateTime] AS [t],
    CASE WHEN LEN(j1.[onsetDateTime]) <= 10 THEN NULL WHEN RIGHT(j1.[onsetDateTime], 1) = N'Z' THEN 1 WHEN LEN(j1.[onsetDateTime]) >= 19 AND LEFT(RIGHT(j1.[onsetDateTime], 6), 1) IN (N'+', N'-') THEN 6 ELSE 0 END AS [n]
) AS z1
OUTER APPLY (
  SELECT TOP (1)
    1 AS [rare],
    CASE WHEN a7.[v] <> 0 OR REPLACE(a3.[d], N'0', N'') = N'' THEN a7.[v] END AS [v]
  FROM (
    SELECT TOP (1) CHARINDEX(N'E', UPPER(j1.[onsetAge_value]) + N'E') AS [e]
  ) AS a1
  CROSS APPLY (
    SELECT TOP (1)
      REPLACE(LEFT(j1.[onsetAge_value], a1.[e] - 1), N'-', N'') AS [m],
      TRY_CAST(SUBSTRING(j1.[onsetAge_value], a1.[e] + 1, 100) AS int) AS [x]
  ) AS a2
  CROSS APPLY (
    SELECT TOP (1)
      REPLACE(a2.[m], N'.', N'') AS [d],
      CHARINDEX(N'.', a2.[m] + N'.') - 1 + a2.[x] AS [p]
  ) AS a3
  CROSS APPLY (
    SELECT TOP (1)
      CASE WHEN a2.[x] BETWEEN -400 AND 400 THEN CASE WHEN a3.[p] < 1 THEN N'0.' + REPLICATE(N'0', -a3.[p]) + a3.[d] WHEN a3.[p] < LEN(a3.[d]) THEN LEFT(a3.[d], a3.[p]) + N'.' + SUBSTRING(a3.[d], a3.[p] + 1, LEN(a3.[d])) ELSE a3.[d] + REPLICATE(N'0', a3.[p] - LEN(a3.[d])) END WHEN REPLACE(a3.[d], N'0', N'') = N'' THEN N'0' END AS [t],
      CASE WHEN LEFT(j1.[onsetAge_value], 1) = N'-' THEN N'-' ELSE N'' END AS [sign]
  ) AS a4
  CROSS APPLY (
    SELECT TOP (1) CHARINDEX(N'.', a4.[t] + N'.') + 18 AS [q]
  ) AS a5
  CROSS APPLY (
    SELECT TOP (1)
      SUBSTRING(a4.[t], a5.[q] + 1, LEN(a4.[t])) AS [r],
      RIGHT(REPLACE(LEFT(a4.[t], a5.[q]), N'.', N''), 1) AS [last]
  ) AS a6
  CROSS APPLY (
    SELECT TOP (1) TRY_CAST(a4.[sign] + LEFT(a4.[t], a5.[q] + CASE WHEN LEFT(a6.[r], 1) = N'5' AND REPLACE(SUBSTRING(a6.[r], 2, LEN(a6.[r])), N'0', N'') = N'' AND a6.[last] IN (N'0', N'2', N'4', N'6', N'8') THEN 0 ELSE 1 END) AS decimal(38, 18)) AS [v]
  ) AS a7
  WHERE (LEN(j1.[onsetAge_value]) > 20 OR UPPER(j1.[onsetAge_value]) LIKE N'%E%')
) AS n1
CROSS APPLY (
  SELECT TOP (1)
    j1.[abatementDateTime] AS [t],
    CASE WHEN LEN(j1.[abatementDateTime]) <= 10 THEN NULL WHEN RIGHT(j1.[abatementDateTime], 1) = N'Z' THEN 1 WHEN LEN(j1.[abatementDateTime]) >= 19 AND LEFT(RIGHT(j1.[abatementDateTime], 6), 1) IN (N'+', N'-') THEN 6 ELSE 0 END AS [n]
) AS z2
OUTER APPLY (
  SELECT TOP (1)
    1 AS [rare],
    CASE WHEN a14.[v] <> 0 OR REPLACE(a10.[d], N'0', N'') = N'' THEN a14.[v] END AS [v]
  FROM (
    SELECT TOP (1) CHARINDEX(N'E', UPPER(j1.[abatementAge_value]) + N'E') AS [e]
  ) AS a8
  CROSS APPLY (
    SELECT TOP (1)
      REPLACE(LEFT(j1.[abatementAge_value], a8.[e] - 1), N'-', N'') AS [m],
      TRY_CAST(SUBSTRING(j1.[abatementAge_value], a8.[e] + 1, 100) AS int) AS [x]
  ) AS a9
  CROSS APPLY (
    SELECT TOP (1)
      REPLACE(a9.[m], N'.', N'') AS [d],
      CHARINDEX(N'.', a9.[m] + N'.') - 1 + a9.[x] AS [p]
  ) AS a10
  CROSS APPLY (
    SELECT TOP (1)
      CASE WHEN a9.[x] BETWEEN -400 AND 400 THEN CASE WHEN a10.[p] < 1 THEN N'0.' + REPLICATE(N'0', -a10.[p]) + a10.[d] WHEN a10.[p] < LEN(a10.[d]) THEN LEFT(a10.[d], a10.[p]) + N'.' + SUBSTRING(a10.[d], a10.[p] + 1, LEN(a10.[d])) ELSE a10.[d] + REPLICATE(N'0', a10.[p] - LEN(a10.[d])) END WHEN REPLACE(a10.[d], N'0', N'') = N'' THEN N'0' END AS [t],
      CASE WHEN LEFT(j1.[abatementAge_value], 1) = N'-' THEN N'-' ELSE N'' END AS [sign]
  ) AS a11
  CROSS APPLY (
    SELECT TOP (1) CHARINDEX(N'.', a11.[t] + N'.') + 18 AS [q]
  ) AS a12
  CROSS APPLY (
    SELECT TOP (1)
      SUBSTRING(a11.[t], a12.[q] + 1, LEN(a11.[t])) AS [r],
      RIGHT(REPLACE(LEFT(a11.[t], a12.[q]), N'.', N''), 1) AS [last]
  ) AS a13
  CROSS APPLY (
    SELECT TOP (1) TRY_CAST(a11.[sign] + LEFT(a11.[t], a12.[q] + CASE WHEN LEFT(a13.[r], 1) = N'5' AND REPLACE(SUBSTRING(a13.[r], 2, LEN(a13.[r])), N'0', N'') = N'' AND a13.[last] IN (N'0', N'2', N'4', N'6', N'8') THEN 0 ELSE 1 END) AS decimal(38, 18)) AS [v]
  ) AS a14
  WHERE (LEN(j1.[abatementAge_value]) > 20 OR UPPER(j1.[abatementAge_value]) LIKE N'%E%')
) AS n2
OUTER APPLY (
  SELECT TOP (1) LEFT(j1.[recorder_reference], CHARINDEX(N'/_history/', j1.[recorder_reference] + N'/_history/') - 1) AS [r]
) AS h3
OUTER APPLY (
  SELECT TOP (1) CASE WHEN CAST(LEFT(h3.[r], 13) + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'Practitioner/.' THEN SUBSTRING(h3.[r], 14, 2147483647) WHEN CAST(LEFT(h3.[r], 14) + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'/Practitioner/.' THEN SUBSTRING(h3.[r], 15, 2147483647) END AS [id]
  FROM (
    SELECT 1 AS [one]
  ) AS one
  WHERE h3.[r] IS NOT NULL
) AS k3
OUTER APPLY (
  SELECT TOP (1) LEFT(j1.[asserter_reference], CHARINDEX(N'/_history/', j1.[asserter_reference] + N'/_history/') - 1) AS [r]
) AS h4
OUTER APPLY (
  SELECT TOP (1) CASE WHEN CAST(LEFT(h4.[r], 13) + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'Practitioner/.' THEN SUBSTRING(h4.[r], 14, 2147483647) WHEN CAST(LEFT(h4.[r], 14) + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'/Practitioner/.' THEN SUBSTRING(h4.[r], 15, 2147483647) END AS [id]
  FROM (
    SELECT 1 AS [one]
  ) AS one
  WHERE h4.[r] IS NOT NULL
) AS k4
OUTER APPLY ( -- evidence.detail.getReferenceKey(Observation).first()
  SELECT TOP (1) CASE WHEN LEN(k5.[id]) > 0 AND CHARINDEX(N'/', k5.[id]) = 0 AND CHARINDEX(N'?', k5.[id]) = 0 AND CHARINDEX(N'#', k5.[id]) = 0 THEN k5.[id] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j1.[evidence], 1) = N'[' THEN j1.[evidence] ELSE N'[' + j1.[evidence] + N']' END) AS e9
  CROSS APPLY OPENJSON(CASE WHEN e9.[type] = 5 THEN e9.[value] END) WITH (
    [detail] nvarchar(max) '$.detail' AS JSON
  ) AS j10
  CROSS APPLY OPENJSON(CASE WHEN LEFT(j10.[detail], 1) = N'[' THEN j10.[detail] ELSE N'[' + j10.[detail] + N']' END) AS e10
  CROSS APPLY OPENJSON(CASE WHEN e10.[type] = 5 THEN e10.[value] END) WITH (
    [reference] nvarchar(max) '$.reference'
  ) AS j11
  OUTER APPLY (
    SELECT TOP (1) LEFT(j11.[reference], CHARINDEX(N'/_history/', j11.[reference] + N'/_history/') - 1) AS [r]
  ) AS h5
  OUTER APPLY (
    SELECT TOP (1) CASE WHEN CAST(LEFT(h5.[r], 12) + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'Observation/.' THEN SUBSTRING(h5.[r], 13, 2147483647) WHEN CAST(LEFT(h5.[r], 13) + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'/Observation/.' THEN SUBSTRING(h5.[r], 14, 2147483647) END AS [id]
    FROM (
      SELECT 1 AS [one]
    ) AS one
    WHERE h5.[r] IS NOT NULL
  ) AS k5
  WHERE e9.[type] <> 0
    AND e10.[type] <> 0
    AND CASE WHEN LEN(k5.[id]) > 0 AND CHARINDEX(N'/', k5.[id]) = 0 AND CHARINDEX(N'?', k5.[id]) = 0 AND CHARINDEX(N'#', k5.[id]) = 0 THEN k5.[id] END IS NOT NULL
  ORDER BY CAST(e9.[key] AS int), CAST(e10.[key] AS int)
) AS f9
WHERE CAST(j1.[resourceType] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'Condition.'

SELECT
  j1.[id] AS [id],
  COALESCE(j1.[clinicalStatus_coding_0_code], j2.[code]) AS [clinical_status],
  COALESCE(j1.[verificationStatus_coding_0_code], j3.[code]) AS [verification_status],
  COALESCE(j1.[category_0_coding_0_code], j5.[code]) AS [category],
  COALESCE(j1.[category_0_coding_0_system], j5.[system]) AS [category_system],
  COALESCE(j1.[category_0_coding_0_display], j5.[display]) AS [category_display],
  COALESCE(j1.[category_0_text], j4.[text]) AS [category_text],
  COALESCE(j1.[code_coding_0_code], j6.[code]) AS [code],
  COALESCE(j1.[code_coding_0_system], j6.[system]) AS [code_system],
  COALESCE(j1.[code_coding_0_display], j6.[display]) AS [code_display],
  j1.[code_text] AS [code_text],
  COALESCE(j1.[severity_coding_0_code], j7.[code]) AS [severity],
  COALESCE(j1.[severity_coding_0_system], j7.[system]) AS [severity_system],
  COALESCE(j1.[severity_coding_0_display], j7.[display]) AS [severity_display],
  j1.[severity_text] AS [severity_text],
  COALESCE(j1.[bodySite_0_coding_0_code], j9.[code]) AS [body_site],
  COALESCE(j1.[bodySite_0_coding_0_system], j9.[system]) AS [body_site_system],
  COALESCE(j1.[bodySite_0_coding_0_display], j9.[display]) AS [body_site_display],
  COALESCE(j1.[bodySite_0_text], j8.[text]) AS [body_site_text],
  CASE WHEN CAST(k1.[type] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'Patient.' THEN k1.[id] END AS [patient_id],
  CASE WHEN CAST(k2.[type] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'Encounter.' THEN k2.[id] END AS [encounter_id],
  j1.[onsetDateTime] AS [onset_time],
  CASE WHEN z1.[n] > 0 AND LEN(j1.[onsetDateTime]) >= 20 AND j1.[onsetDateTime] LIKE N'____-__-__T__:__:__%' THEN CASE WHEN SUBSTRING(j1.[onsetDateTime], 18, 2) <> N'60' THEN CAST(SWITCHOFFSET(TRY_CAST(LEFT(j1.[onsetDateTime], 19) + LEFT(SUBSTRING(j1.[onsetDateTime], 20, LEN(j1.[onsetDateTime]) - 19 - z1.[n]), 4) + RIGHT(j1.[onsetDateTime], z1.[n]) AS datetimeoffset), '+00:00') AS datetime2(3)) WHEN LEFT(j1.[onsetDateTime], 10) <> N'9999-12-31' THEN DATEADD(second, 1, CAST(SWITCHOFFSET(TRY_CAST(LEFT(j1.[onsetDateTime], 17) + N'59' + LEFT(SUBSTRING(j1.[onsetDateTime], 20, LEN(j1.[onsetDateTime]) - 19 - z1.[n]), 4) + RIGHT(j1.[onsetDateTime], z1.[n]) AS datetimeoffset), '+00:00') AS datetime2(3))) END END AS [onset_time_utc],
  CASE WHEN n1.[rare] = 1 THEN n1.[v] ELSE TRY_CAST(j1.[onsetAge_value] AS decimal(38, 18)) END AS [onset_age],
  j1.[onsetAge_unit] AS [onset_age_unit],
  j1.[onsetPeriod_start] AS [onset_start],
  j1.[onsetPeriod_end] AS [onset_end],
  j1.[onsetString] AS [onset_text],
  j1.[abatementDateTime] AS [abatement_time],
  CASE WHEN z2.[n] > 0 AND LEN(j1.[abatementDateTime]) >= 20 AND j1.[abatementDateTime] LIKE N'____-__-__T__:__:__%' THEN CASE WHEN SUBSTRING(j1.[abatementDateTime], 18, 2) <> N'60' THEN CAST(SWITCHOFFSET(TRY_CAST(LEFT(j1.[abatementDateTime], 19) + LEFT(SUBSTRING(j1.[abatementDateTime], 20, LEN(j1.[abatementDateTime]) - 19 - z2.[n]), 4) + RIGHT(j1.[abatementDateTime], z2.[n]) AS datetimeoffset), '+00:00') AS datetime2(3)) WHEN LEFT(j1.[abatementDateTime], 10) <> N'9999-12-31' THEN DATEADD(second, 1, CAST(SWITCHOFFSET(TRY_CAST(LEFT(j1.[abatementDateTime], 17) + N'59' + LEFT(SUBSTRING(j1.[abatementDateTime], 20, LEN(j1.[abatementDateTime]) - 19 - z2.[n]), 4) + RIGHT(j1.[abatementDateTime], z2.[n]) AS datetimeoffset), '+00:00') AS datetime2(3))) END END AS [abatement_time_utc],
  CASE WHEN n2.[rare] = 1 THEN n2.[v] ELSE TRY_CAST(j1.[abatementAge_value] AS decimal(38, 18)) END AS [abatement_age],
  j1.[abatementPeriod_start] AS [abatement_start],
  j1.[abatementPeriod_end] AS [abatement_end],
  j1.[abatementString] AS [abatement_text],
  j1.[recordedDate] AS [recorded_date],
  CASE WHEN CAST(k3.[type] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'Practitioner.' THEN k3.[id] END AS [recorder_id],
  CASE WHEN CAST(k4.[type] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'Practitioner.' THEN k4.[id] END AS [asserter_id],
  f9.[v] AS [evidence_id]
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
  SELECT TOP (1) CASE WHEN e1.[type] = 5 THEN e1.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j1.[clinicalStatus_coding], 2) = N'[{' THEN NULL WHEN LEFT(j1.[clinicalStatus_coding], 1) = N'[' THEN j1.[clinicalStatus_coding] ELSE N'[' + j1.[clinicalStatus_coding] + N']' END) AS e1
  WHERE e1.[type] <> 0
  ORDER BY CAST(e1.[key] AS int)
) AS f1
OUTER APPLY OPENJSON(f1.[v]) WITH (
  [code] nvarchar(max) '$.code'
) AS j2
OUTER APPLY ( -- verificationStatus.coding.first().code
  SELECT TOP (1) CASE WHEN e2.[type] = 5 THEN e2.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j1.[verificationStatus_coding], 2) = N'[{' THEN NULL WHEN LEFT(j1.[verificationStatus_coding], 1) = N'[' THEN j1.[verificationStatus_coding] ELSE N'[' + j1.[verificationStatus_coding] + N']' END) AS e2
  WHERE e2.[type] <> 0
  ORDER BY CAST(e2.[key] AS int)
) AS f2
OUTER APPLY OPENJSON(f2.[v]) WITH (
  [code] nvarchar(max) '$.code'
) AS j3
OUTER APPLY ( -- category.first().coding.first().code
  SELECT TOP (1) CASE WHEN e3.[type] = 5 THEN e3.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j1.[category], 2) = N'[{' THEN NULL WHEN LEFT(j1.[category], 1) = N'[' THEN j1.[category] ELSE N'[' + j1.[category] + N']' END) AS e3
  WHERE e3.[type] <> 0
  ORDER BY CAST(e3.[key] AS int)
) AS f3
OUTER APPLY OPENJSON(f3.[v]) WITH (
  [coding] nvarchar(max) '$.coding' AS JSON,
  [text] nvarchar(max) '$.text'
) AS j4
OUTER APPLY ( -- category.first().coding.first().code
  SELECT TOP (1) CASE WHEN e4.[type] = 5 THEN e4.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j1.[category_0_coding], 2) = N'[{' THEN NULL WHEN LEFT(COALESCE(j1.[category_0_coding], j4.[coding]), 1) = N'[' THEN COALESCE(j1.[category_0_coding], j4.[coding]) ELSE N'[' + COALESCE(j1.[category_0_coding], j4.[coding]) + N']' END) AS e4
  WHERE e4.[type] <> 0
  ORDER BY CAST(e4.[key] AS int)
) AS f4
OUTER APPLY OPENJSON(f4.[v]) WITH (
  [code] nvarchar(max) '$.code',
  [system] nvarchar(max) '$.system',
  [display] nvarchar(max) '$.display'
) AS j5
OUTER APPLY ( -- code.coding.first().code
  SELECT TOP (1) CASE WHEN e5.[type] = 5 THEN e5.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j1.[code_coding], 2) = N'[{' THEN NULL WHEN LEFT(j1.[code_coding], 1) = N'[' THEN j1.[code_coding] ELSE N'[' + j1.[code_coding] + N']' END) AS e5
  WHERE e5.[type] <> 0
  ORDER BY CAST(e5.[key] AS int)
) AS f5
OUTER APPLY OPENJSON(f5.[v]) WITH (
  [code] nvarchar(max) '$.code',
  [system] nvarchar(max) '$.system',
  [display] nvarchar(max) '$.display'
) AS j6
OUTER APPLY ( -- severity.coding.first().code
  SELECT TOP (1) CASE WHEN e6.[type] = 5 THEN e6.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j1.[severity_coding], 2) = N'[{' THEN NULL WHEN LEFT(j1.[severity_coding], 1) = N'[' THEN j1.[severity_coding] ELSE N'[' + j1.[severity_coding] + N']' END) AS e6
  WHERE e6.[type] <> 0
  ORDER BY CAST(e6.[key] AS int)
) AS f6
OUTER APPLY OPENJSON(f6.[v]) WITH (
  [code] nvarchar(max) '$.code',
  [system] nvarchar(max) '$.system',
  [display] nvarchar(max) '$.display'
) AS j7
OUTER APPLY ( -- bodySite.first().coding.first().code
  SELECT TOP (1) CASE WHEN e7.[type] = 5 THEN e7.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j1.[bodySite], 2) = N'[{' THEN NULL WHEN LEFT(j1.[bodySite], 1) = N'[' THEN j1.[bodySite] ELSE N'[' + j1.[bodySite] + N']' END) AS e7
  WHERE e7.[type] <> 0
  ORDER BY CAST(e7.[key] AS int)
) AS f7
OUTER APPLY OPENJSON(f7.[v]) WITH (
  [coding] nvarchar(max) '$.coding' AS JSON,
  [text] nvarchar(max) '$.text'
) AS j8
OUTER APPLY ( -- bodySite.first().coding.first().code
  SELECT TOP (1) CASE WHEN e8.[type] = 5 THEN e8.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j1.[bodySite_0_coding], 2) = N'[{' THEN NULL WHEN LEFT(COALESCE(j1.[bodySite_0_coding], j8.[coding]), 1) = N'[' THEN COALESCE(j1.[bodySite_0_coding], j8.[coding]) ELSE N'[' + COALESCE(j1.[bodySite_0_coding], j8.[coding]) + N']' END) AS e8
  WHERE e8.[type] <> 0
  ORDER BY CAST(e8.[key] AS int)
) AS f8
OUTER APPLY OPENJSON(f8.[v]) WITH (
  [code] nvarchar(max) '$.code',
  [system] nvarchar(max) '$.system',
  [display] nvarchar(max) '$.display'
) AS j9
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
OUTER APPLY (
  SELECT TOP (1)
    LEFT(h5.[l], h6.[p] - 1) AS [type],
    SUBSTRING(h5.[l], h6.[p] + 1, LEN(h5.[l])) AS [id]
  FROM (
    SELECT TOP (1) LEFT(j1.[encounter_reference], CHARINDEX(N'/_history/', j1.[encounter_reference] + N'/_history/') - 1) AS [r]
  ) AS h4
  CROSS APPLY (
    SELECT TOP (1) CASE WHEN LEFT(h4.[r], 1) = N'/' THEN SUBSTRING(h4.[r], 2, LEN(h4.[r])) ELSE h4.[r] END AS [l]
  ) AS h5
  CROSS APPLY (
    SELECT TOP (1) CHARINDEX(N'/', h5.[l]) AS [p]
  ) AS h6
  WHERE j1.[encounter_reference] IS NOT NULL
    AND h6.[p] > 1
    AND h6.[p] < LEN(h5.[l])
    AND CHARINDEX(N'/', SUBSTRING(h5.[l], h6.[p] + 1, LEN(h5.[l]))) = 0
    AND CHARINDEX(N'?', SUBSTRING(h5.[l], h6.[p] + 1, LEN(h5.[l]))) = 0
    AND CHARINDEX(N'#', SUBSTRING(h5.[l], h6.[p] + 1, LEN(h5.[l]))) = 0
) AS k2
CROSS APPLY (
  SELECT TOP (1) CASE WHEN LEN(j1.[onsetDateTime]) <= 10 THEN NULL WHEN RIGHT(j1.[onsetDateTime], 1) = N'Z' THEN 1 WHEN LEN(j1.[onsetDateTime]) >= 19 AND SUBSTRING(j1.[onsetDateTime], LEN(j1.[onsetDateTime]) - 5, 1) IN (N'+', N'-') THEN 6 ELSE 0 END AS [n]
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
  SELECT TOP (1) CASE WHEN LEN(j1.[abatementDateTime]) <= 10 THEN NULL WHEN RIGHT(j1.[abatementDateTime], 1) = N'Z' THEN 1 WHEN LEN(j1.[abatementDateTime]) >= 19 AND SUBSTRING(j1.[abatementDateTime], LEN(j1.[abatementDateTime]) - 5, 1) IN (N'+', N'-') THEN 6 ELSE 0 END AS [n]
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
  SELECT TOP (1)
    LEFT(h8.[l], h9.[p] - 1) AS [type],
    SUBSTRING(h8.[l], h9.[p] + 1, LEN(h8.[l])) AS [id]
  FROM (
    SELECT TOP (1) LEFT(j1.[recorder_reference], CHARINDEX(N'/_history/', j1.[recorder_reference] + N'/_history/') - 1) AS [r]
  ) AS h7
  CROSS APPLY (
    SELECT TOP (1) CASE WHEN LEFT(h7.[r], 1) = N'/' THEN SUBSTRING(h7.[r], 2, LEN(h7.[r])) ELSE h7.[r] END AS [l]
  ) AS h8
  CROSS APPLY (
    SELECT TOP (1) CHARINDEX(N'/', h8.[l]) AS [p]
  ) AS h9
  WHERE j1.[recorder_reference] IS NOT NULL
    AND h9.[p] > 1
    AND h9.[p] < LEN(h8.[l])
    AND CHARINDEX(N'/', SUBSTRING(h8.[l], h9.[p] + 1, LEN(h8.[l]))) = 0
    AND CHARINDEX(N'?', SUBSTRING(h8.[l], h9.[p] + 1, LEN(h8.[l]))) = 0
    AND CHARINDEX(N'#', SUBSTRING(h8.[l], h9.[p] + 1, LEN(h8.[l]))) = 0
) AS k3
OUTER APPLY (
  SELECT TOP (1)
    LEFT(h11.[l], h12.[p] - 1) AS [type],
    SUBSTRING(h11.[l], h12.[p] + 1, LEN(h11.[l])) AS [id]
  FROM (
    SELECT TOP (1) LEFT(j1.[asserter_reference], CHARINDEX(N'/_history/', j1.[asserter_reference] + N'/_history/') - 1) AS [r]
  ) AS h10
  CROSS APPLY (
    SELECT TOP (1) CASE WHEN LEFT(h10.[r], 1) = N'/' THEN SUBSTRING(h10.[r], 2, LEN(h10.[r])) ELSE h10.[r] END AS [l]
  ) AS h11
  CROSS APPLY (
    SELECT TOP (1) CHARINDEX(N'/', h11.[l]) AS [p]
  ) AS h12
  WHERE j1.[asserter_reference] IS NOT NULL
    AND h12.[p] > 1
    AND h12.[p] < LEN(h11.[l])
    AND CHARINDEX(N'/', SUBSTRING(h11.[l], h12.[p] + 1, LEN(h11.[l]))) = 0
    AND CHARINDEX(N'?', SUBSTRING(h11.[l], h12.[p] + 1, LEN(h11.[l]))) = 0
    AND CHARINDEX(N'#', SUBSTRING(h11.[l], h12.[p] + 1, LEN(h11.[l]))) = 0
) AS k4
OUTER APPLY ( -- evidence.detail.getReferenceKey(Observation).first()
  SELECT TOP (1) CASE WHEN CAST(k5.[type] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'Observation.' THEN k5.[id] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j1.[evidence], 1) = N'[' THEN j1.[evidence] ELSE N'[' + j1.[evidence] + N']' END) AS e9
  CROSS APPLY OPENJSON(CASE WHEN e9.[type] = 5 THEN e9.[value] END) WITH (
    [detail] nvarchar(max) '$.detail' AS JSON
  ) AS j10
  CROSS APPLY OPENJSON(CASE WHEN LEFT(j10.[detail], 1) = N'[' THEN j10.[detail] ELSE N'[' + j10.[detail] + N']' END) AS e10
  CROSS APPLY OPENJSON(CASE WHEN e10.[type] = 5 THEN e10.[value] END) WITH (
    [reference] nvarchar(max) '$.reference'
  ) AS j11
  OUTER APPLY (
    SELECT TOP (1)
      LEFT(h14.[l], h15.[p] - 1) AS [type],
      SUBSTRING(h14.[l], h15.[p] + 1, LEN(h14.[l])) AS [id]
    FROM (
      SELECT TOP (1) LEFT(j11.[reference], CHARINDEX(N'/_history/', j11.[reference] + N'/_history/') - 1) AS [r]
    ) AS h13
    CROSS APPLY (
      SELECT TOP (1) CASE WHEN LEFT(h13.[r], 1) = N'/' THEN SUBSTRING(h13.[r], 2, LEN(h13.[r])) ELSE h13.[r] END AS [l]
    ) AS h14
    CROSS APPLY (
      SELECT TOP (1) CHARINDEX(N'/', h14.[l]) AS [p]
    ) AS h15
    WHERE j11.[reference] IS NOT NULL
      AND h15.[p] > 1
      AND h15.[p] < LEN(h14.[l])
      AND CHARINDEX(N'/', SUBSTRING(h14.[l], h15.[p] + 1, LEN(h14.[l]))) = 0
      AND CHARINDEX(N'?', SUBSTRING(h14.[l], h15.[p] + 1, LEN(h14.[l]))) = 0
      AND CHARINDEX(N'#', SUBSTRING(h14.[l], h15.[p] + 1, LEN(h14.[l]))) = 0
  ) AS k5
  WHERE e9.[type] <> 0
    AND e10.[type] <> 0
    AND CASE WHEN CAST(k5.[type] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'Observation.' THEN k5.[id] END IS NOT NULL
  ORDER BY CAST(e9.[key] AS int), CAST(e10.[key] AS int)
) AS f9
WHERE CAST(j1.[resourceType] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'Condition.'

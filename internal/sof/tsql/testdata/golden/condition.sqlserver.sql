SELECT
  j1.[id] AS [id],
  j2.[code] AS [clinical_status],
  j3.[code] AS [verification_status],
  j5.[code] AS [category],
  j5.[system] AS [category_system],
  j5.[display] AS [category_display],
  j4.[text] AS [category_text],
  j6.[code] AS [code],
  j6.[system] AS [code_system],
  j6.[display] AS [code_display],
  j1.[code_text] AS [code_text],
  j7.[code] AS [severity],
  j7.[system] AS [severity_system],
  j7.[display] AS [severity_display],
  j1.[severity_text] AS [severity_text],
  j9.[code] AS [body_site],
  j9.[system] AS [body_site_system],
  j9.[display] AS [body_site_display],
  j8.[text] AS [body_site_text],
  CASE WHEN CAST(RIGHT(k1.[head], 8) + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'/Patient.' THEN k1.[id] END AS [patient_id],
  CASE WHEN CAST(RIGHT(k2.[head], 10) + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'/Encounter.' THEN k2.[id] END AS [encounter_id],
  j1.[onsetDateTime] AS [onset_time],
  CASE WHEN z1.[n] > 0 AND LEN(j1.[onsetDateTime]) >= 20 AND j1.[onsetDateTime] LIKE N'____-__-__T__:__:__%' THEN CAST(SWITCHOFFSET(TRY_CAST(LEFT(j1.[onsetDateTime], 19) + LEFT(SUBSTRING(j1.[onsetDateTime], 20, LEN(j1.[onsetDateTime]) - 19 - z1.[n]), 4) + RIGHT(j1.[onsetDateTime], z1.[n]) AS datetimeoffset), '+00:00') AS datetime2(3)) END AS [onset_time_utc],
  CASE WHEN n1.[rare] = 1 THEN n1.[v] ELSE TRY_CAST(j1.[onsetAge_value] AS decimal(38, 18)) END AS [onset_age],
  j1.[onsetAge_unit] AS [onset_age_unit],
  j1.[onsetPeriod_start] AS [onset_start],
  j1.[onsetPeriod_end] AS [onset_end],
  j1.[onsetString] AS [onset_text],
  j1.[abatementDateTime] AS [abatement_time],
  CASE WHEN z2.[n] > 0 AND LEN(j1.[abatementDateTime]) >= 20 AND j1.[abatementDateTime] LIKE N'____-__-__T__:__:__%' THEN CAST(SWITCHOFFSET(TRY_CAST(LEFT(j1.[abatementDateTime], 19) + LEFT(SUBSTRING(j1.[abatementDateTime], 20, LEN(j1.[abatementDateTime]) - 19 - z2.[n]), 4) + RIGHT(j1.[abatementDateTime], z2.[n]) AS datetimeoffset), '+00:00') AS datetime2(3)) END AS [abatement_time_utc],
  CASE WHEN n2.[rare] = 1 THEN n2.[v] ELSE TRY_CAST(j1.[abatementAge_value] AS decimal(38, 18)) END AS [abatement_age],
  j1.[abatementPeriod_start] AS [abatement_start],
  j1.[abatementPeriod_end] AS [abatement_end],
  j1.[abatementString] AS [abatement_text],
  j1.[recordedDate] AS [recorded_date],
  CASE WHEN CAST(RIGHT(k3.[head], 13) + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'/Practitioner.' THEN k3.[id] END AS [recorder_id],
  CASE WHEN CAST(RIGHT(k4.[head], 13) + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'/Practitioner.' THEN k4.[id] END AS [asserter_id],
  f9.[v] AS [evidence_id]
FROM [stage].[documents] AS d
CROSS APPLY OPENJSON(d.[doc]) WITH (
  [resourceType] nvarchar(max) '$.resourceType',
  [id] nvarchar(max) '$.id',
  [clinicalStatus_coding] nvarchar(max) '$.clinicalStatus.coding' AS JSON,
  [verificationStatus_coding] nvarchar(max) '$.verificationStatus.coding' AS JSON,
  [category] nvarchar(max) '$.category' AS JSON,
  [code_coding] nvarchar(max) '$.code.coding' AS JSON,
  [code_text] nvarchar(max) '$.code.text',
  [severity_coding] nvarchar(max) '$.severity.coding' AS JSON,
  [severity_text] nvarchar(max) '$.severity.text',
  [bodySite] nvarchar(max) '$.bodySite' AS JSON,
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
  FROM OPENJSON(CASE WHEN LEFT(j1.[clinicalStatus_coding], 1) = N'[' THEN j1.[clinicalStatus_coding] ELSE N'[' + j1.[clinicalStatus_coding] + N']' END) AS e1
  WHERE e1.[type] <> 0
  ORDER BY CAST(e1.[key] AS int)
) AS f1
OUTER APPLY OPENJSON(f1.[v]) WITH (
  [code] nvarchar(max) '$.code'
) AS j2
OUTER APPLY ( -- verificationStatus.coding.first().code
  SELECT TOP (1) CASE WHEN e2.[type] = 5 THEN e2.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j1.[verificationStatus_coding], 1) = N'[' THEN j1.[verificationStatus_coding] ELSE N'[' + j1.[verificationStatus_coding] + N']' END) AS e2
  WHERE e2.[type] <> 0
  ORDER BY CAST(e2.[key] AS int)
) AS f2
OUTER APPLY OPENJSON(f2.[v]) WITH (
  [code] nvarchar(max) '$.code'
) AS j3
OUTER APPLY ( -- category.first().coding.first().code
  SELECT TOP (1) CASE WHEN e3.[type] = 5 THEN e3.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j1.[category], 1) = N'[' THEN j1.[category] ELSE N'[' + j1.[category] + N']' END) AS e3
  WHERE e3.[type] <> 0
  ORDER BY CAST(e3.[key] AS int)
) AS f3
OUTER APPLY OPENJSON(f3.[v]) WITH (
  [coding] nvarchar(max) '$.coding' AS JSON,
  [text] nvarchar(max) '$.text'
) AS j4
OUTER APPLY ( -- category.first().coding.first().code
  SELECT TOP (1) CASE WHEN e4.[type] = 5 THEN e4.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j4.[coding], 1) = N'[' THEN j4.[coding] ELSE N'[' + j4.[coding] + N']' END) AS e4
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
  FROM OPENJSON(CASE WHEN LEFT(j1.[code_coding], 1) = N'[' THEN j1.[code_coding] ELSE N'[' + j1.[code_coding] + N']' END) AS e5
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
  FROM OPENJSON(CASE WHEN LEFT(j1.[severity_coding], 1) = N'[' THEN j1.[severity_coding] ELSE N'[' + j1.[severity_coding] + N']' END) AS e6
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
  FROM OPENJSON(CASE WHEN LEFT(j1.[bodySite], 1) = N'[' THEN j1.[bodySite] ELSE N'[' + j1.[bodySite] + N']' END) AS e7
  WHERE e7.[type] <> 0
  ORDER BY CAST(e7.[key] AS int)
) AS f7
OUTER APPLY OPENJSON(f7.[v]) WITH (
  [coding] nvarchar(max) '$.coding' AS JSON,
  [text] nvarchar(max) '$.text'
) AS j8
OUTER APPLY ( -- bodySite.first().coding.first().code
  SELECT TOP (1) CASE WHEN e8.[type] = 5 THEN e8.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j8.[coding], 1) = N'[' THEN j8.[coding] ELSE N'[' + j8.[coding] + N']' END) AS e8
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
OUTER APPLY (
  SELECT TOP (1)
    RIGHT(h3.[r], h4.[at] - 1) AS [id],
    N'/' + LEFT(h3.[r], LEN(h3.[r]) - h4.[at]) AS [head]
  FROM (
    SELECT TOP (1) LEFT(j1.[encounter_reference], CHARINDEX(N'/_history/', j1.[encounter_reference] + N'/_history/') - 1) AS [r]
  ) AS h3
  CROSS APPLY (
    SELECT TOP (1) CHARINDEX(N'/', REVERSE(h3.[r])) AS [at]
  ) AS h4
  WHERE h4.[at] > 1
    AND CHARINDEX(N'?', h3.[r]) = 0
    AND CHARINDEX(N'#', h3.[r]) = 0
    AND LEFT(h3.[r], 4) <> N'urn:'
) AS k2
CROSS APPLY (
  SELECT CASE WHEN LEN(j1.[onsetDateTime]) <= 10 THEN NULL WHEN RIGHT(j1.[onsetDateTime], 1) = N'Z' THEN 1 WHEN LEN(j1.[onsetDateTime]) >= 19 AND SUBSTRING(j1.[onsetDateTime], LEN(j1.[onsetDateTime]) - 5, 1) IN (N'+', N'-') THEN 6 ELSE 0 END AS [n]
) AS z1
OUTER APPLY (
  SELECT TOP (1)
    1 AS [rare],
    CASE WHEN a7.[v] <> 0 OR REPLACE(a3.[d], N'0', N'') = N'' THEN a7.[v] END AS [v]
  FROM (
    SELECT CHARINDEX(N'E', UPPER(j1.[onsetAge_value]) + N'E') AS [e]
  ) AS a1
  CROSS APPLY (
    SELECT
      REPLACE(LEFT(j1.[onsetAge_value], a1.[e] - 1), N'-', N'') AS [m],
      TRY_CAST(SUBSTRING(j1.[onsetAge_value], a1.[e] + 1, 100) AS int) AS [x]
  ) AS a2
  CROSS APPLY (
    SELECT
      REPLACE(a2.[m], N'.', N'') AS [d],
      CHARINDEX(N'.', a2.[m] + N'.') - 1 + a2.[x] AS [p]
  ) AS a3
  CROSS APPLY (
    SELECT
      CASE WHEN a2.[x] BETWEEN -400 AND 400 THEN CASE WHEN a3.[p] < 1 THEN N'0.' + REPLICATE(N'0', -a3.[p]) + a3.[d] WHEN a3.[p] < LEN(a3.[d]) THEN LEFT(a3.[d], a3.[p]) + N'.' + SUBSTRING(a3.[d], a3.[p] + 1, LEN(a3.[d])) ELSE a3.[d] + REPLICATE(N'0', a3.[p] - LEN(a3.[d])) END WHEN REPLACE(a3.[d], N'0', N'') = N'' THEN N'0' END AS [t],
      CASE WHEN LEFT(j1.[onsetAge_value], 1) = N'-' THEN N'-' ELSE N'' END AS [sign]
  ) AS a4
  CROSS APPLY (
    SELECT CHARINDEX(N'.', a4.[t] + N'.') + 18 AS [q]
  ) AS a5
  CROSS APPLY (
    SELECT
      SUBSTRING(a4.[t], a5.[q] + 1, LEN(a4.[t])) AS [r],
      RIGHT(REPLACE(LEFT(a4.[t], a5.[q]), N'.', N''), 1) AS [last]
  ) AS a6
  CROSS APPLY (
    SELECT TRY_CAST(a4.[sign] + LEFT(a4.[t], a5.[q] + CASE WHEN LEFT(a6.[r], 1) = N'5' AND REPLACE(SUBSTRING(a6.[r], 2, LEN(a6.[r])), N'0', N'') = N'' AND a6.[last] IN (N'0', N'2', N'4', N'6', N'8') THEN 0 ELSE 1 END) AS decimal(38, 18)) AS [v]
  ) AS a7
  WHERE (LEN(j1.[onsetAge_value]) > 20 OR UPPER(j1.[onsetAge_value]) LIKE N'%E%')
) AS n1
CROSS APPLY (
  SELECT CASE WHEN LEN(j1.[abatementDateTime]) <= 10 THEN NULL WHEN RIGHT(j1.[abatementDateTime], 1) = N'Z' THEN 1 WHEN LEN(j1.[abatementDateTime]) >= 19 AND SUBSTRING(j1.[abatementDateTime], LEN(j1.[abatementDateTime]) - 5, 1) IN (N'+', N'-') THEN 6 ELSE 0 END AS [n]
) AS z2
OUTER APPLY (
  SELECT TOP (1)
    1 AS [rare],
    CASE WHEN a14.[v] <> 0 OR REPLACE(a10.[d], N'0', N'') = N'' THEN a14.[v] END AS [v]
  FROM (
    SELECT CHARINDEX(N'E', UPPER(j1.[abatementAge_value]) + N'E') AS [e]
  ) AS a8
  CROSS APPLY (
    SELECT
      REPLACE(LEFT(j1.[abatementAge_value], a8.[e] - 1), N'-', N'') AS [m],
      TRY_CAST(SUBSTRING(j1.[abatementAge_value], a8.[e] + 1, 100) AS int) AS [x]
  ) AS a9
  CROSS APPLY (
    SELECT
      REPLACE(a9.[m], N'.', N'') AS [d],
      CHARINDEX(N'.', a9.[m] + N'.') - 1 + a9.[x] AS [p]
  ) AS a10
  CROSS APPLY (
    SELECT
      CASE WHEN a9.[x] BETWEEN -400 AND 400 THEN CASE WHEN a10.[p] < 1 THEN N'0.' + REPLICATE(N'0', -a10.[p]) + a10.[d] WHEN a10.[p] < LEN(a10.[d]) THEN LEFT(a10.[d], a10.[p]) + N'.' + SUBSTRING(a10.[d], a10.[p] + 1, LEN(a10.[d])) ELSE a10.[d] + REPLICATE(N'0', a10.[p] - LEN(a10.[d])) END WHEN REPLACE(a10.[d], N'0', N'') = N'' THEN N'0' END AS [t],
      CASE WHEN LEFT(j1.[abatementAge_value], 1) = N'-' THEN N'-' ELSE N'' END AS [sign]
  ) AS a11
  CROSS APPLY (
    SELECT CHARINDEX(N'.', a11.[t] + N'.') + 18 AS [q]
  ) AS a12
  CROSS APPLY (
    SELECT
      SUBSTRING(a11.[t], a12.[q] + 1, LEN(a11.[t])) AS [r],
      RIGHT(REPLACE(LEFT(a11.[t], a12.[q]), N'.', N''), 1) AS [last]
  ) AS a13
  CROSS APPLY (
    SELECT TRY_CAST(a11.[sign] + LEFT(a11.[t], a12.[q] + CASE WHEN LEFT(a13.[r], 1) = N'5' AND REPLACE(SUBSTRING(a13.[r], 2, LEN(a13.[r])), N'0', N'') = N'' AND a13.[last] IN (N'0', N'2', N'4', N'6', N'8') THEN 0 ELSE 1 END) AS decimal(38, 18)) AS [v]
  ) AS a14
  WHERE (LEN(j1.[abatementAge_value]) > 20 OR UPPER(j1.[abatementAge_value]) LIKE N'%E%')
) AS n2
OUTER APPLY (
  SELECT TOP (1)
    RIGHT(h5.[r], h6.[at] - 1) AS [id],
    N'/' + LEFT(h5.[r], LEN(h5.[r]) - h6.[at]) AS [head]
  FROM (
    SELECT TOP (1) LEFT(j1.[recorder_reference], CHARINDEX(N'/_history/', j1.[recorder_reference] + N'/_history/') - 1) AS [r]
  ) AS h5
  CROSS APPLY (
    SELECT TOP (1) CHARINDEX(N'/', REVERSE(h5.[r])) AS [at]
  ) AS h6
  WHERE h6.[at] > 1
    AND CHARINDEX(N'?', h5.[r]) = 0
    AND CHARINDEX(N'#', h5.[r]) = 0
    AND LEFT(h5.[r], 4) <> N'urn:'
) AS k3
OUTER APPLY (
  SELECT TOP (1)
    RIGHT(h7.[r], h8.[at] - 1) AS [id],
    N'/' + LEFT(h7.[r], LEN(h7.[r]) - h8.[at]) AS [head]
  FROM (
    SELECT TOP (1) LEFT(j1.[asserter_reference], CHARINDEX(N'/_history/', j1.[asserter_reference] + N'/_history/') - 1) AS [r]
  ) AS h7
  CROSS APPLY (
    SELECT TOP (1) CHARINDEX(N'/', REVERSE(h7.[r])) AS [at]
  ) AS h8
  WHERE h8.[at] > 1
    AND CHARINDEX(N'?', h7.[r]) = 0
    AND CHARINDEX(N'#', h7.[r]) = 0
    AND LEFT(h7.[r], 4) <> N'urn:'
) AS k4
OUTER APPLY ( -- evidence.detail.getReferenceKey(Observation).first()
  SELECT TOP (1) CASE WHEN CAST(RIGHT(k5.[head], 12) + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'/Observation.' THEN k5.[id] END AS [v]
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
      RIGHT(h9.[r], h10.[at] - 1) AS [id],
      N'/' + LEFT(h9.[r], LEN(h9.[r]) - h10.[at]) AS [head]
    FROM (
      SELECT TOP (1) LEFT(j11.[reference], CHARINDEX(N'/_history/', j11.[reference] + N'/_history/') - 1) AS [r]
    ) AS h9
    CROSS APPLY (
      SELECT TOP (1) CHARINDEX(N'/', REVERSE(h9.[r])) AS [at]
    ) AS h10
    WHERE h10.[at] > 1
      AND CHARINDEX(N'?', h9.[r]) = 0
      AND CHARINDEX(N'#', h9.[r]) = 0
      AND LEFT(h9.[r], 4) <> N'urn:'
  ) AS k5
  WHERE e9.[type] <> 0
    AND e10.[type] <> 0
    AND CASE WHEN CAST(RIGHT(k5.[head], 12) + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'/Observation.' THEN k5.[id] END IS NOT NULL
  ORDER BY CAST(e9.[key] AS int), CAST(e10.[key] AS int)
) AS f9
WHERE CAST(j1.[resourceType] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'Condition.'

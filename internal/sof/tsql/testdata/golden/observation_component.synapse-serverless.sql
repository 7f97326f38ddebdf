CREATE OR ALTER VIEW [dbo].[observation_component] AS
SELECT
  CAST(j1.[id] AS varchar(128)) COLLATE Latin1_General_100_BIN2_UTF8 AS [observation_id],
  CAST(CASE WHEN LEN(k1.[id]) > 0 AND CHARINDEX(N'/', k1.[id]) = 0 AND CHARINDEX(N'?', k1.[id]) = 0 AND CHARINDEX(N'#', k1.[id]) = 0 THEN k1.[id] END AS varchar(128)) COLLATE Latin1_General_100_BIN2_UTF8 AS [patient_id],
  CAST(COALESCE(j1.[code_coding_0_code], f1.[code]) AS nvarchar(max)) COLLATE Latin1_General_100_BIN2_UTF8 AS [observation_code],
  j1.[effectiveDateTime] AS [effective_time],
  CASE WHEN z1.[n] > 0 AND LEN(z1.[t]) >= 20 AND z1.[t] LIKE N'____-__-__T__:__:__%' THEN CASE WHEN SUBSTRING(z1.[t], 18, 2) <> N'60' THEN CAST(SWITCHOFFSET(TRY_CAST(LEFT(z1.[t], 19) + LEFT(SUBSTRING(z1.[t], 20, LEN(z1.[t]) - 19 - z1.[n]), 4) + RIGHT(z1.[t], z1.[n]) AS datetimeoffset), '+00:00') AS datetime2(3)) WHEN LEFT(z1.[t], 10) <> N'9999-12-31' THEN DATEADD(second, 1, CAST(SWITCHOFFSET(TRY_CAST(LEFT(z1.[t], 17) + N'59' + LEFT(SUBSTRING(z1.[t], 20, LEN(z1.[t]) - 19 - z1.[n]), 4) + RIGHT(z1.[t], z1.[n]) AS datetimeoffset), '+00:00') AS datetime2(3))) END END AS [effective_time_utc],
  CAST(e2.[key] AS int) AS [row_index],
  CAST(COALESCE(j3.[code_coding_0_code], f2.[code]) AS nvarchar(max)) COLLATE Latin1_General_100_BIN2_UTF8 AS [code],
  CAST(COALESCE(j3.[code_coding_0_system], f2.[system]) AS nvarchar(max)) COLLATE Latin1_General_100_BIN2_UTF8 AS [code_system],
  COALESCE(j3.[code_coding_0_display], f2.[display]) AS [code_display],
  j3.[code_text] AS [code_text],
  CASE WHEN n1.[rare] = 1 THEN n1.[v] ELSE TRY_CAST(j3.[valueQuantity_value] AS decimal(38, 18)) END AS [value_number],
  j3.[valueQuantity_unit] AS [value_number_unit],
  j3.[valueQuantity_code] COLLATE Latin1_General_100_BIN2_UTF8 AS [value_number_unit_code],
  j3.[valueQuantity_comparator] COLLATE Latin1_General_100_BIN2_UTF8 AS [value_comparator],
  CAST(COALESCE(j3.[valueCodeableConcept_coding_0_code], f3.[code]) AS nvarchar(max)) COLLATE Latin1_General_100_BIN2_UTF8 AS [value_code],
  CAST(COALESCE(j3.[valueCodeableConcept_coding_0_system], f3.[system]) AS nvarchar(max)) COLLATE Latin1_General_100_BIN2_UTF8 AS [value_code_system],
  COALESCE(j3.[valueCodeableConcept_coding_0_display], f3.[display]) AS [value_code_display],
  j3.[valueCodeableConcept_text] AS [value_code_text],
  j3.[valueString] AS [value_string],
  CAST(CASE j3.[valueBoolean] WHEN N'true' THEN 1 WHEN N'false' THEN 0 END AS bit) AS [value_boolean],
  TRY_CAST(NULLIF(j3.[valueInteger], N'') AS int) AS [value_integer],
  j3.[valueDateTime] AS [value_time],
  j3.[valueTime] AS [value_time_of_day],
  j3.[valuePeriod_start] AS [value_start],
  j3.[valuePeriod_end] AS [value_end],
  CASE WHEN n2.[rare] = 1 THEN n2.[v] ELSE TRY_CAST(j3.[valueRange_low_value] AS decimal(38, 18)) END AS [value_low],
  CASE WHEN n3.[rare] = 1 THEN n3.[v] ELSE TRY_CAST(j3.[valueRange_high_value] AS decimal(38, 18)) END AS [value_high],
  CASE WHEN n4.[rare] = 1 THEN n4.[v] ELSE TRY_CAST(j3.[valueRatio_numerator_value] AS decimal(38, 18)) END AS [value_numerator],
  CASE WHEN n5.[rare] = 1 THEN n5.[v] ELSE TRY_CAST(j3.[valueRatio_denominator_value] AS decimal(38, 18)) END AS [value_denominator],
  CAST(COALESCE(j3.[dataAbsentReason_coding_0_code], f4.[code]) AS nvarchar(max)) COLLATE Latin1_General_100_BIN2_UTF8 AS [absent_reason],
  CAST(COALESCE(j3.[interpretation_0_coding_0_code], f6.[code]) AS nvarchar(max)) COLLATE Latin1_General_100_BIN2_UTF8 AS [interpretation],
  CAST(COALESCE(j3.[interpretation_0_coding_0_system], f6.[system]) AS nvarchar(max)) COLLATE Latin1_General_100_BIN2_UTF8 AS [interpretation_system],
  COALESCE(j3.[interpretation_0_coding_0_display], f6.[display]) AS [interpretation_display],
  COALESCE(j3.[interpretation_0_text], f5.[text]) AS [interpretation_text],
  CASE WHEN n6.[rare] = 1 THEN n6.[v] ELSE TRY_CAST(COALESCE(j3.[referenceRange_0_low_value], f7.[low_value]) AS decimal(38, 18)) END AS [reference_low],
  CASE WHEN n7.[rare] = 1 THEN n7.[v] ELSE TRY_CAST(COALESCE(j3.[referenceRange_0_high_value], f7.[high_value]) AS decimal(38, 18)) END AS [reference_high],
  j10.[unit] AS [reference_unit],
  COALESCE(j3.[referenceRange_0_text], f7.[text]) AS [reference_text]
FROM [stage].[documents] AS d
CROSS APPLY OPENJSON(d.[doc]) WITH (
  [resourceType] nvarchar(max) '$.resourceType',
  [component] nvarchar(max) '$.component' AS JSON,
  [id] nvarchar(max) '$.id',
  [subject_reference] nvarchar(max) '$.subject.reference',
  [code_coding] nvarchar(max) '$.code.coding' AS JSON,
  [code_coding_0_code] nvarchar(max) '$.code.coding[0].code',
  [effectiveDateTime] nvarchar(max) '$.effectiveDateTime'
) AS j1
OUTER APPLY (
  SELECT TOP (1) LEFT(j1.[subject_reference], CHARINDEX(N'/_history/', j1.[subject_reference] + N'/_history/') - 1) AS [r]
  FROM (
    SELECT 1 AS [one]
  ) AS one
  WHERE j1.[component] IS NOT NULL
) AS h1
OUTER APPLY (
  SELECT TOP (1) CASE WHEN CAST(LEFT(h1.[r], 8) + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'Patient/.' THEN SUBSTRING(h1.[r], 9, 2147483647) WHEN CAST(LEFT(h1.[r], 9) + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'/Patient/.' THEN SUBSTRING(h1.[r], 10, 2147483647) END AS [id]
  FROM (
    SELECT 1 AS [one]
  ) AS one
  WHERE h1.[r] IS NOT NULL
) AS k1
OUTER APPLY ( -- code.coding.first().code
  SELECT TOP (1)
    CASE WHEN e1.[type] = 5 THEN e1.[value] END AS [v],
    j2.[code] AS [code]
  FROM OPENJSON(CASE WHEN LEFT(j1.[code_coding], 2) = N'[{' THEN NULL WHEN LEFT(j1.[code_coding], 1) = N'[' THEN j1.[code_coding] ELSE N'[' + j1.[code_coding] + N']' END) AS e1
  OUTER APPLY OPENJSON(CASE WHEN e1.[type] = 5 THEN e1.[value] END) WITH (
    [code] nvarchar(max) '$.code'
  ) AS j2
  WHERE LEFT(j1.[code_coding], 2) <> N'[{'
    AND e1.[type] <> 0
  ORDER BY CAST(e1.[key] AS int)
) AS f1
CROSS APPLY (
  SELECT TOP (1)
    j1.[effectiveDateTime] AS [t],
    CASE WHEN LEN(j1.[effectiveDateTime]) <= 10 THEN NULL WHEN RIGHT(j1.[effectiveDateTime], 1) = N'Z' THEN 1 WHEN LEN(j1.[effectiveDateTime]) >= 19 AND LEFT(RIGHT(j1.[effectiveDateTime], 6), 1) IN (N'+', N'-') THEN 6 ELSE 0 END AS [n]
) AS z1
CROSS APPLY OPENJSON(CASE WHEN LEFT(j1.[component], 1) = N'[' THEN j1.[component] ELSE N'[' + j1.[component] + N']' END) AS e2 -- component
CROSS APPLY OPENJSON(CASE WHEN e2.[type] = 5 THEN e2.[value] END) WITH (
  [code_coding] nvarchar(max) '$.code.coding' AS JSON,
  [code_coding_0_code] nvarchar(max) '$.code.coding[0].code',
  [code_coding_0_system] nvarchar(max) '$.code.coding[0].system',
  [code_coding_0_display] nvarchar(max) '$.code.coding[0].display',
  [code_text] nvarchar(max) '$.code.text',
  [valueQuantity_value] nvarchar(max) '$.valueQuantity.value',
  [valueQuantity_unit] nvarchar(max) '$.valueQuantity.unit',
  [valueQuantity_code] nvarchar(max) '$.valueQuantity.code',
  [valueQuantity_comparator] nvarchar(max) '$.valueQuantity.comparator',
  [valueCodeableConcept_coding] nvarchar(max) '$.valueCodeableConcept.coding' AS JSON,
  [valueCodeableConcept_coding_0_code] nvarchar(max) '$.valueCodeableConcept.coding[0].code',
  [valueCodeableConcept_coding_0_system] nvarchar(max) '$.valueCodeableConcept.coding[0].system',
  [valueCodeableConcept_coding_0_display] nvarchar(max) '$.valueCodeableConcept.coding[0].display',
  [valueCodeableConcept_text] nvarchar(max) '$.valueCodeableConcept.text',
  [valueString] nvarchar(max) '$.valueString',
  [valueBoolean] nvarchar(max) '$.valueBoolean',
  [valueInteger] nvarchar(max) '$.valueInteger',
  [valueDateTime] nvarchar(max) '$.valueDateTime',
  [valueTime] nvarchar(max) '$.valueTime',
  [valuePeriod_start] nvarchar(max) '$.valuePeriod.start',
  [valuePeriod_end] nvarchar(max) '$.valuePeriod.end',
  [valueRange_low_value] nvarchar(max) '$.valueRange.low.value',
  [valueRange_high_value] nvarchar(max) '$.valueRange.high.value',
  [valueRatio_numerator_value] nvarchar(max) '$.valueRatio.numerator.value',
  [valueRatio_denominator_value] nvarchar(max) '$.valueRatio.denominator.value',
  [dataAbsentReason_coding] nvarchar(max) '$.dataAbsentReason.coding' AS JSON,
  [dataAbsentReason_coding_0_code] nvarchar(max) '$.dataAbsentReason.coding[0].code',
  [interpretation] nvarchar(max) '$.interpretation' AS JSON,
  [interpretation_0_coding] nvarchar(max) '$.interpretation[0].coding' AS JSON,
  [interpretation_0_coding_0_code] nvarchar(max) '$.interpretation[0].coding[0].code',
  [interpretation_0_coding_0_system] nvarchar(max) '$.interpretation[0].coding[0].system',
  [interpretation_0_coding_0_display] nvarchar(max) '$.interpretation[0].coding[0].display',
  [interpretation_0_text] nvarchar(max) '$.interpretation[0].text',
  [referenceRange] nvarchar(max) '$.referenceRange' AS JSON,
  [referenceRange_0_low_value] nvarchar(max) '$.referenceRange[0].low.value',
  [referenceRange_0_high_value] nvarchar(max) '$.referenceRange[0].high.value',
  [referenceRange_0_high] nvarchar(max) '$.referenceRange[0].high' AS JSON,
  [referenceRange_0_low] nvarchar(max) '$.referenceRange[0].low' AS JSON,
  [referenceRange_0_text] nvarchar(max) '$.referenceRange[0].text'
) AS j3
OUTER APPLY ( -- code.coding.first().code
  SELECT TOP (1)
    CASE WHEN e3.[type] = 5 THEN e3.[value] END AS [v],
    j4.[code] AS [code],
    j4.[system] AS [system],
    j4.[display] AS [display]
  FROM OPENJSON(CASE WHEN LEFT(j3.[code_coding], 2) = N'[{' THEN NULL WHEN LEFT(j3.[code_coding], 1) = N'[' THEN j3.[code_coding] ELSE N'[' + j3.[code_coding] + N']' END) AS e3
  OUTER APPLY OPENJSON(CASE WHEN e3.[type] = 5 THEN e3.[value] END) WITH (
    [code] nvarchar(max) '$.code',
    [system] nvarchar(max) '$.system',
    [display] nvarchar(max) '$.display'
  ) AS j4
  WHERE LEFT(j3.[code_coding], 2) <> N'[{'
    AND e3.[type] <> 0
  ORDER BY CAST(e3.[key] AS int)
) AS f2
OUTER APPLY (
  SELECT TOP (1)
    1 AS [rare],
    CASE WHEN a7.[v] <> 0 OR REPLACE(a3.[d], N'0', N'') = N'' THEN a7.[v] END AS [v]
  FROM (
    SELECT TOP (1) CHARINDEX(N'E', UPPER(j3.[valueQuantity_value]) + N'E') AS [e]
  ) AS a1
  CROSS APPLY (
    SELECT TOP (1)
      REPLACE(LEFT(j3.[valueQuantity_value], a1.[e] - 1), N'-', N'') AS [m],
      TRY_CAST(SUBSTRING(j3.[valueQuantity_value], a1.[e] + 1, 100) AS int) AS [x]
  ) AS a2
  CROSS APPLY (
    SELECT TOP (1)
      REPLACE(a2.[m], N'.', N'') AS [d],
      CHARINDEX(N'.', a2.[m] + N'.') - 1 + a2.[x] AS [p]
  ) AS a3
  CROSS APPLY (
    SELECT TOP (1)
      CASE WHEN a2.[x] BETWEEN -400 AND 400 THEN CASE WHEN a3.[p] < 1 THEN N'0.' + REPLICATE(N'0', -a3.[p]) + a3.[d] WHEN a3.[p] < LEN(a3.[d]) THEN LEFT(a3.[d], a3.[p]) + N'.' + SUBSTRING(a3.[d], a3.[p] + 1, LEN(a3.[d])) ELSE a3.[d] + REPLICATE(N'0', a3.[p] - LEN(a3.[d])) END WHEN REPLACE(a3.[d], N'0', N'') = N'' THEN N'0' END AS [t],
      CASE WHEN LEFT(j3.[valueQuantity_value], 1) = N'-' THEN N'-' ELSE N'' END AS [sign]
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
  WHERE (LEN(j3.[valueQuantity_value]) > 20 OR UPPER(j3.[valueQuantity_value]) LIKE N'%E%')
) AS n1
OUTER APPLY ( -- value.ofType(CodeableConcept).coding.first().code
  SELECT TOP (1)
    CASE WHEN e4.[type] = 5 THEN e4.[value] END AS [v],
    j5.[code] AS [code],
    j5.[system] AS [system],
    j5.[display] AS [display]
  FROM OPENJSON(CASE WHEN LEFT(j3.[valueCodeableConcept_coding], 2) = N'[{' THEN NULL WHEN LEFT(j3.[valueCodeableConcept_coding], 1) = N'[' THEN j3.[valueCodeableConcept_coding] ELSE N'[' + j3.[valueCodeableConcept_coding] + N']' END) AS e4
  OUTER APPLY OPENJSON(CASE WHEN e4.[type] = 5 THEN e4.[value] END) WITH (
    [code] nvarchar(max) '$.code',
    [system] nvarchar(max) '$.system',
    [display] nvarchar(max) '$.display'
  ) AS j5
  WHERE LEFT(j3.[valueCodeableConcept_coding], 2) <> N'[{'
    AND e4.[type] <> 0
  ORDER BY CAST(e4.[key] AS int)
) AS f3
OUTER APPLY (
  SELECT TOP (1)
    1 AS [rare],
    CASE WHEN a14.[v] <> 0 OR REPLACE(a10.[d], N'0', N'') = N'' THEN a14.[v] END AS [v]
  FROM (
    SELECT TOP (1) CHARINDEX(N'E', UPPER(j3.[valueRange_low_value]) + N'E') AS [e]
  ) AS a8
  CROSS APPLY (
    SELECT TOP (1)
      REPLACE(LEFT(j3.[valueRange_low_value], a8.[e] - 1), N'-', N'') AS [m],
      TRY_CAST(SUBSTRING(j3.[valueRange_low_value], a8.[e] + 1, 100) AS int) AS [x]
  ) AS a9
  CROSS APPLY (
    SELECT TOP (1)
      REPLACE(a9.[m], N'.', N'') AS [d],
      CHARINDEX(N'.', a9.[m] + N'.') - 1 + a9.[x] AS [p]
  ) AS a10
  CROSS APPLY (
    SELECT TOP (1)
      CASE WHEN a9.[x] BETWEEN -400 AND 400 THEN CASE WHEN a10.[p] < 1 THEN N'0.' + REPLICATE(N'0', -a10.[p]) + a10.[d] WHEN a10.[p] < LEN(a10.[d]) THEN LEFT(a10.[d], a10.[p]) + N'.' + SUBSTRING(a10.[d], a10.[p] + 1, LEN(a10.[d])) ELSE a10.[d] + REPLICATE(N'0', a10.[p] - LEN(a10.[d])) END WHEN REPLACE(a10.[d], N'0', N'') = N'' THEN N'0' END AS [t],
      CASE WHEN LEFT(j3.[valueRange_low_value], 1) = N'-' THEN N'-' ELSE N'' END AS [sign]
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
  WHERE (LEN(j3.[valueRange_low_value]) > 20 OR UPPER(j3.[valueRange_low_value]) LIKE N'%E%')
) AS n2
OUTER APPLY (
  SELECT TOP (1)
    1 AS [rare],
    CASE WHEN a21.[v] <> 0 OR REPLACE(a17.[d], N'0', N'') = N'' THEN a21.[v] END AS [v]
  FROM (
    SELECT TOP (1) CHARINDEX(N'E', UPPER(j3.[valueRange_high_value]) + N'E') AS [e]
  ) AS a15
  CROSS APPLY (
    SELECT TOP (1)
      REPLACE(LEFT(j3.[valueRange_high_value], a15.[e] - 1), N'-', N'') AS [m],
      TRY_CAST(SUBSTRING(j3.[valueRange_high_value], a15.[e] + 1, 100) AS int) AS [x]
  ) AS a16
  CROSS APPLY (
    SELECT TOP (1)
      REPLACE(a16.[m], N'.', N'') AS [d],
      CHARINDEX(N'.', a16.[m] + N'.') - 1 + a16.[x] AS [p]
  ) AS a17
  CROSS APPLY (
    SELECT TOP (1)
      CASE WHEN a16.[x] BETWEEN -400 AND 400 THEN CASE WHEN a17.[p] < 1 THEN N'0.' + REPLICATE(N'0', -a17.[p]) + a17.[d] WHEN a17.[p] < LEN(a17.[d]) THEN LEFT(a17.[d], a17.[p]) + N'.' + SUBSTRING(a17.[d], a17.[p] + 1, LEN(a17.[d])) ELSE a17.[d] + REPLICATE(N'0', a17.[p] - LEN(a17.[d])) END WHEN REPLACE(a17.[d], N'0', N'') = N'' THEN N'0' END AS [t],
      CASE WHEN LEFT(j3.[valueRange_high_value], 1) = N'-' THEN N'-' ELSE N'' END AS [sign]
  ) AS a18
  CROSS APPLY (
    SELECT TOP (1) CHARINDEX(N'.', a18.[t] + N'.') + 18 AS [q]
  ) AS a19
  CROSS APPLY (
    SELECT TOP (1)
      SUBSTRING(a18.[t], a19.[q] + 1, LEN(a18.[t])) AS [r],
      RIGHT(REPLACE(LEFT(a18.[t], a19.[q]), N'.', N''), 1) AS [last]
  ) AS a20
  CROSS APPLY (
    SELECT TOP (1) TRY_CAST(a18.[sign] + LEFT(a18.[t], a19.[q] + CASE WHEN LEFT(a20.[r], 1) = N'5' AND REPLACE(SUBSTRING(a20.[r], 2, LEN(a20.[r])), N'0', N'') = N'' AND a20.[last] IN (N'0', N'2', N'4', N'6', N'8') THEN 0 ELSE 1 END) AS decimal(38, 18)) AS [v]
  ) AS a21
  WHERE (LEN(j3.[valueRange_high_value]) > 20 OR UPPER(j3.[valueRange_high_value]) LIKE N'%E%')
) AS n3
OUTER APPLY (
  SELECT TOP (1)
    1 AS [rare],
    CASE WHEN a28.[v] <> 0 OR REPLACE(a24.[d], N'0', N'') = N'' THEN a28.[v] END AS [v]
  FROM (
    SELECT TOP (1) CHARINDEX(N'E', UPPER(j3.[valueRatio_numerator_value]) + N'E') AS [e]
  ) AS a22
  CROSS APPLY (
    SELECT TOP (1)
      REPLACE(LEFT(j3.[valueRatio_numerator_value], a22.[e] - 1), N'-', N'') AS [m],
      TRY_CAST(SUBSTRING(j3.[valueRatio_numerator_value], a22.[e] + 1, 100) AS int) AS [x]
  ) AS a23
  CROSS APPLY (
    SELECT TOP (1)
      REPLACE(a23.[m], N'.', N'') AS [d],
      CHARINDEX(N'.', a23.[m] + N'.') - 1 + a23.[x] AS [p]
  ) AS a24
  CROSS APPLY (
    SELECT TOP (1)
      CASE WHEN a23.[x] BETWEEN -400 AND 400 THEN CASE WHEN a24.[p] < 1 THEN N'0.' + REPLICATE(N'0', -a24.[p]) + a24.[d] WHEN a24.[p] < LEN(a24.[d]) THEN LEFT(a24.[d], a24.[p]) + N'.' + SUBSTRING(a24.[d], a24.[p] + 1, LEN(a24.[d])) ELSE a24.[d] + REPLICATE(N'0', a24.[p] - LEN(a24.[d])) END WHEN REPLACE(a24.[d], N'0', N'') = N'' THEN N'0' END AS [t],
      CASE WHEN LEFT(j3.[valueRatio_numerator_value], 1) = N'-' THEN N'-' ELSE N'' END AS [sign]
  ) AS a25
  CROSS APPLY (
    SELECT TOP (1) CHARINDEX(N'.', a25.[t] + N'.') + 18 AS [q]
  ) AS a26
  CROSS APPLY (
    SELECT TOP (1)
      SUBSTRING(a25.[t], a26.[q] + 1, LEN(a25.[t])) AS [r],
      RIGHT(REPLACE(LEFT(a25.[t], a26.[q]), N'.', N''), 1) AS [last]
  ) AS a27
  CROSS APPLY (
    SELECT TOP (1) TRY_CAST(a25.[sign] + LEFT(a25.[t], a26.[q] + CASE WHEN LEFT(a27.[r], 1) = N'5' AND REPLACE(SUBSTRING(a27.[r], 2, LEN(a27.[r])), N'0', N'') = N'' AND a27.[last] IN (N'0', N'2', N'4', N'6', N'8') THEN 0 ELSE 1 END) AS decimal(38, 18)) AS [v]
  ) AS a28
  WHERE (LEN(j3.[valueRatio_numerator_value]) > 20 OR UPPER(j3.[valueRatio_numerator_value]) LIKE N'%E%')
) AS n4
OUTER APPLY (
  SELECT TOP (1)
    1 AS [rare],
    CASE WHEN a35.[v] <> 0 OR REPLACE(a31.[d], N'0', N'') = N'' THEN a35.[v] END AS [v]
  FROM (
    SELECT TOP (1) CHARINDEX(N'E', UPPER(j3.[valueRatio_denominator_value]) + N'E') AS [e]
  ) AS a29
  CROSS APPLY (
    SELECT TOP (1)
      REPLACE(LEFT(j3.[valueRatio_denominator_value], a29.[e] - 1), N'-', N'') AS [m],
      TRY_CAST(SUBSTRING(j3.[valueRatio_denominator_value], a29.[e] + 1, 100) AS int) AS [x]
  ) AS a30
  CROSS APPLY (
    SELECT TOP (1)
      REPLACE(a30.[m], N'.', N'') AS [d],
      CHARINDEX(N'.', a30.[m] + N'.') - 1 + a30.[x] AS [p]
  ) AS a31
  CROSS APPLY (
    SELECT TOP (1)
      CASE WHEN a30.[x] BETWEEN -400 AND 400 THEN CASE WHEN a31.[p] < 1 THEN N'0.' + REPLICATE(N'0', -a31.[p]) + a31.[d] WHEN a31.[p] < LEN(a31.[d]) THEN LEFT(a31.[d], a31.[p]) + N'.' + SUBSTRING(a31.[d], a31.[p] + 1, LEN(a31.[d])) ELSE a31.[d] + REPLICATE(N'0', a31.[p] - LEN(a31.[d])) END WHEN REPLACE(a31.[d], N'0', N'') = N'' THEN N'0' END AS [t],
      CASE WHEN LEFT(j3.[valueRatio_denominator_value], 1) = N'-' THEN N'-' ELSE N'' END AS [sign]
  ) AS a32
  CROSS APPLY (
    SELECT TOP (1) CHARINDEX(N'.', a32.[t] + N'.') + 18 AS [q]
  ) AS a33
  CROSS APPLY (
    SELECT TOP (1)
      SUBSTRING(a32.[t], a33.[q] + 1, LEN(a32.[t])) AS [r],
      RIGHT(REPLACE(LEFT(a32.[t], a33.[q]), N'.', N''), 1) AS [last]
  ) AS a34
  CROSS APPLY (
    SELECT TOP (1) TRY_CAST(a32.[sign] + LEFT(a32.[t], a33.[q] + CASE WHEN LEFT(a34.[r], 1) = N'5' AND REPLACE(SUBSTRING(a34.[r], 2, LEN(a34.[r])), N'0', N'') = N'' AND a34.[last] IN (N'0', N'2', N'4', N'6', N'8') THEN 0 ELSE 1 END) AS decimal(38, 18)) AS [v]
  ) AS a35
  WHERE (LEN(j3.[valueRatio_denominator_value]) > 20 OR UPPER(j3.[valueRatio_denominator_value]) LIKE N'%E%')
) AS n5
OUTER APPLY ( -- dataAbsentReason.coding.first().code
  SELECT TOP (1)
    CASE WHEN e5.[type] = 5 THEN e5.[value] END AS [v],
    j6.[code] AS [code]
  FROM OPENJSON(CASE WHEN LEFT(j3.[dataAbsentReason_coding], 2) = N'[{' THEN NULL WHEN LEFT(j3.[dataAbsentReason_coding], 1) = N'[' THEN j3.[dataAbsentReason_coding] ELSE N'[' + j3.[dataAbsentReason_coding] + N']' END) AS e5
  OUTER APPLY OPENJSON(CASE WHEN e5.[type] = 5 THEN e5.[value] END) WITH (
    [code] nvarchar(max) '$.code'
  ) AS j6
  WHERE LEFT(j3.[dataAbsentReason_coding], 2) <> N'[{'
    AND e5.[type] <> 0
  ORDER BY CAST(e5.[key] AS int)
) AS f4
OUTER APPLY ( -- interpretation.first().coding.first().code
  SELECT TOP (1)
    CASE WHEN e6.[type] = 5 THEN e6.[value] END AS [v],
    j7.[coding] AS [coding],
    j7.[text] AS [text]
  FROM OPENJSON(CASE WHEN LEFT(j3.[interpretation], 2) = N'[{' THEN NULL WHEN LEFT(j3.[interpretation], 1) = N'[' THEN j3.[interpretation] ELSE N'[' + j3.[interpretation] + N']' END) AS e6
  OUTER APPLY OPENJSON(CASE WHEN e6.[type] = 5 THEN e6.[value] END) WITH (
    [coding] nvarchar(max) '$.coding' AS JSON,
    [text] nvarchar(max) '$.text'
  ) AS j7
  WHERE LEFT(j3.[interpretation], 2) <> N'[{'
    AND e6.[type] <> 0
  ORDER BY CAST(e6.[key] AS int)
) AS f5
OUTER APPLY ( -- interpretation.first().coding.first().code
  SELECT TOP (1)
    CASE WHEN e7.[type] = 5 THEN e7.[value] END AS [v],
    j8.[code] AS [code],
    j8.[system] AS [system],
    j8.[display] AS [display]
  FROM OPENJSON(CASE WHEN LEFT(j3.[interpretation_0_coding], 2) = N'[{' THEN NULL WHEN LEFT(COALESCE(j3.[interpretation_0_coding], f5.[coding]), 1) = N'[' THEN COALESCE(j3.[interpretation_0_coding], f5.[coding]) ELSE N'[' + COALESCE(j3.[interpretation_0_coding], f5.[coding]) + N']' END) AS e7
  OUTER APPLY OPENJSON(CASE WHEN e7.[type] = 5 THEN e7.[value] END) WITH (
    [code] nvarchar(max) '$.code',
    [system] nvarchar(max) '$.system',
    [display] nvarchar(max) '$.display'
  ) AS j8
  WHERE (LEFT(j3.[interpretation_0_coding], 2) <> N'[{' OR f5.[coding] IS NOT NULL AND j3.[interpretation_0_coding] IS NULL)
    AND e7.[type] <> 0
  ORDER BY CAST(e7.[key] AS int)
) AS f6
OUTER APPLY ( -- referenceRange.first().low.value
  SELECT TOP (1)
    CASE WHEN e8.[type] = 5 THEN e8.[value] END AS [v],
    j9.[low_value] AS [low_value],
    j9.[high_value] AS [high_value],
    j9.[high] AS [high],
    j9.[low] AS [low],
    j9.[text] AS [text]
  FROM OPENJSON(CASE WHEN LEFT(j3.[referenceRange], 2) = N'[{' THEN NULL WHEN LEFT(j3.[referenceRange], 1) = N'[' THEN j3.[referenceRange] ELSE N'[' + j3.[referenceRange] + N']' END) AS e8
  OUTER APPLY OPENJSON(CASE WHEN e8.[type] = 5 THEN e8.[value] END) WITH (
    [low_value] nvarchar(max) '$.low.value',
    [high_value] nvarchar(max) '$.high.value',
    [high] nvarchar(max) '$.high' AS JSON,
    [low] nvarchar(max) '$.low' AS JSON,
    [text] nvarchar(max) '$.text'
  ) AS j9
  WHERE LEFT(j3.[referenceRange], 2) <> N'[{'
    AND e8.[type] <> 0
  ORDER BY CAST(e8.[key] AS int)
) AS f7
OUTER APPLY (
  SELECT TOP (1)
    1 AS [rare],
    CASE WHEN a42.[v] <> 0 OR REPLACE(a38.[d], N'0', N'') = N'' THEN a42.[v] END AS [v]
  FROM (
    SELECT TOP (1) CHARINDEX(N'E', UPPER(COALESCE(j3.[referenceRange_0_low_value], f7.[low_value])) + N'E') AS [e]
  ) AS a36
  CROSS APPLY (
    SELECT TOP (1)
      REPLACE(LEFT(COALESCE(j3.[referenceRange_0_low_value], f7.[low_value]), a36.[e] - 1), N'-', N'') AS [m],
      TRY_CAST(SUBSTRING(COALESCE(j3.[referenceRange_0_low_value], f7.[low_value]), a36.[e] + 1, 100) AS int) AS [x]
  ) AS a37
  CROSS APPLY (
    SELECT TOP (1)
      REPLACE(a37.[m], N'.', N'') AS [d],
      CHARINDEX(N'.', a37.[m] + N'.') - 1 + a37.[x] AS [p]
  ) AS a38
  CROSS APPLY (
    SELECT TOP (1)
      CASE WHEN a37.[x] BETWEEN -400 AND 400 THEN CASE WHEN a38.[p] < 1 THEN N'0.' + REPLICATE(N'0', -a38.[p]) + a38.[d] WHEN a38.[p] < LEN(a38.[d]) THEN LEFT(a38.[d], a38.[p]) + N'.' + SUBSTRING(a38.[d], a38.[p] + 1, LEN(a38.[d])) ELSE a38.[d] + REPLICATE(N'0', a38.[p] - LEN(a38.[d])) END WHEN REPLACE(a38.[d], N'0', N'') = N'' THEN N'0' END AS [t],
      CASE WHEN LEFT(COALESCE(j3.[referenceRange_0_low_value], f7.[low_value]), 1) = N'-' THEN N'-' ELSE N'' END AS [sign]
  ) AS a39
  CROSS APPLY (
    SELECT TOP (1) CHARINDEX(N'.', a39.[t] + N'.') + 18 AS [q]
  ) AS a40
  CROSS APPLY (
    SELECT TOP (1)
      SUBSTRING(a39.[t], a40.[q] + 1, LEN(a39.[t])) AS [r],
      RIGHT(REPLACE(LEFT(a39.[t], a40.[q]), N'.', N''), 1) AS [last]
  ) AS a41
  CROSS APPLY (
    SELECT TOP (1) TRY_CAST(a39.[sign] + LEFT(a39.[t], a40.[q] + CASE WHEN LEFT(a41.[r], 1) = N'5' AND REPLACE(SUBSTRING(a41.[r], 2, LEN(a41.[r])), N'0', N'') = N'' AND a41.[last] IN (N'0', N'2', N'4', N'6', N'8') THEN 0 ELSE 1 END) AS decimal(38, 18)) AS [v]
  ) AS a42
  WHERE (LEN(COALESCE(j3.[referenceRange_0_low_value], f7.[low_value])) > 20 OR UPPER(COALESCE(j3.[referenceRange_0_low_value], f7.[low_value])) LIKE N'%E%')
) AS n6
OUTER APPLY (
  SELECT TOP (1)
    1 AS [rare],
    CASE WHEN a49.[v] <> 0 OR REPLACE(a45.[d], N'0', N'') = N'' THEN a49.[v] END AS [v]
  FROM (
    SELECT TOP (1) CHARINDEX(N'E', UPPER(COALESCE(j3.[referenceRange_0_high_value], f7.[high_value])) + N'E') AS [e]
  ) AS a43
  CROSS APPLY (
    SELECT TOP (1)
      REPLACE(LEFT(COALESCE(j3.[referenceRange_0_high_value], f7.[high_value]), a43.[e] - 1), N'-', N'') AS [m],
      TRY_CAST(SUBSTRING(COALESCE(j3.[referenceRange_0_high_value], f7.[high_value]), a43.[e] + 1, 100) AS int) AS [x]
  ) AS a44
  CROSS APPLY (
    SELECT TOP (1)
      REPLACE(a44.[m], N'.', N'') AS [d],
      CHARINDEX(N'.', a44.[m] + N'.') - 1 + a44.[x] AS [p]
  ) AS a45
  CROSS APPLY (
    SELECT TOP (1)
      CASE WHEN a44.[x] BETWEEN -400 AND 400 THEN CASE WHEN a45.[p] < 1 THEN N'0.' + REPLICATE(N'0', -a45.[p]) + a45.[d] WHEN a45.[p] < LEN(a45.[d]) THEN LEFT(a45.[d], a45.[p]) + N'.' + SUBSTRING(a45.[d], a45.[p] + 1, LEN(a45.[d])) ELSE a45.[d] + REPLICATE(N'0', a45.[p] - LEN(a45.[d])) END WHEN REPLACE(a45.[d], N'0', N'') = N'' THEN N'0' END AS [t],
      CASE WHEN LEFT(COALESCE(j3.[referenceRange_0_high_value], f7.[high_value]), 1) = N'-' THEN N'-' ELSE N'' END AS [sign]
  ) AS a46
  CROSS APPLY (
    SELECT TOP (1) CHARINDEX(N'.', a46.[t] + N'.') + 18 AS [q]
  ) AS a47
  CROSS APPLY (
    SELECT TOP (1)
      SUBSTRING(a46.[t], a47.[q] + 1, LEN(a46.[t])) AS [r],
      RIGHT(REPLACE(LEFT(a46.[t], a47.[q]), N'.', N''), 1) AS [last]
  ) AS a48
  CROSS APPLY (
    SELECT TOP (1) TRY_CAST(a46.[sign] + LEFT(a46.[t], a47.[q] + CASE WHEN LEFT(a48.[r], 1) = N'5' AND REPLACE(SUBSTRING(a48.[r], 2, LEN(a48.[r])), N'0', N'') = N'' AND a48.[last] IN (N'0', N'2', N'4', N'6', N'8') THEN 0 ELSE 1 END) AS decimal(38, 18)) AS [v]
  ) AS a49
  WHERE (LEN(COALESCE(j3.[referenceRange_0_high_value], f7.[high_value])) > 20 OR UPPER(COALESCE(j3.[referenceRange_0_high_value], f7.[high_value])) LIKE N'%E%')
) AS n7
OUTER APPLY OPENJSON(CASE WHEN (j3.[referenceRange_0_high] IS NOT NULL OR f7.[high] IS NOT NULL) THEN COALESCE(j3.[referenceRange_0_high], f7.[high]) ELSE COALESCE(j3.[referenceRange_0_low], f7.[low]) END) WITH ( -- iif(referenceRange.first().high.exists(), referenceRange.first().high, referenceRange.first().low).u...
  [unit] nvarchar(max) '$.unit'
) AS j10
WHERE CAST(j1.[resourceType] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'Observation.'
  AND e2.[type] <> 0

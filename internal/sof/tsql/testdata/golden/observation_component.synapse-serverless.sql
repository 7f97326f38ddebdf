CREATE OR ALTER VIEW [dbo].[observation_component] AS
SELECT
  j1.[id] AS [observation_id],
  CASE WHEN CAST(RIGHT(k1.[head], 8) + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'/Patient.' THEN k1.[id] END AS [patient_id],
  j2.[code] AS [observation_code],
  j1.[effectiveDateTime] AS [effective_time],
  CASE WHEN z1.[n] > 0 AND LEN(j1.[effectiveDateTime]) >= 20 AND j1.[effectiveDateTime] LIKE N'____-__-__T__:__:__%' THEN CAST(SWITCHOFFSET(TRY_CAST(LEFT(j1.[effectiveDateTime], 19) + LEFT(SUBSTRING(j1.[effectiveDateTime], 20, LEN(j1.[effectiveDateTime]) - 19 - z1.[n]), 4) + RIGHT(j1.[effectiveDateTime], z1.[n]) AS datetimeoffset), '+00:00') AS datetime2(3)) END AS [effective_time_utc],
  CAST(e2.[key] AS int) AS [row_index],
  j4.[code] AS [code],
  j4.[system] AS [code_system],
  j4.[display] AS [code_display],
  j3.[code_text] AS [code_text],
  CASE WHEN n1.[rare] = 1 THEN n1.[v] ELSE TRY_CAST(j3.[valueQuantity_value] AS decimal(38, 18)) END AS [value_number],
  j3.[valueQuantity_unit] AS [value_number_unit],
  j3.[valueQuantity_code] AS [value_number_unit_code],
  j3.[valueQuantity_comparator] AS [value_comparator],
  j5.[code] AS [value_code],
  j5.[system] AS [value_code_system],
  j5.[display] AS [value_code_display],
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
  j6.[code] AS [absent_reason],
  j8.[code] AS [interpretation],
  j8.[system] AS [interpretation_system],
  j8.[display] AS [interpretation_display],
  j7.[text] AS [interpretation_text],
  CASE WHEN n6.[rare] = 1 THEN n6.[v] ELSE TRY_CAST(j9.[low_value] AS decimal(38, 18)) END AS [reference_low],
  CASE WHEN n7.[rare] = 1 THEN n7.[v] ELSE TRY_CAST(j9.[high_value] AS decimal(38, 18)) END AS [reference_high],
  j10.[unit] AS [reference_unit],
  j9.[text] AS [reference_text]
FROM [stage].[documents] AS d
CROSS APPLY OPENJSON(d.[doc]) WITH (
  [resourceType] nvarchar(max) '$.resourceType',
  [id] nvarchar(max) '$.id',
  [subject_reference] nvarchar(max) '$.subject.reference',
  [code_coding] nvarchar(max) '$.code.coding' AS JSON,
  [effectiveDateTime] nvarchar(max) '$.effectiveDateTime',
  [component] nvarchar(max) '$.component' AS JSON
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
OUTER APPLY ( -- code.coding.first().code
  SELECT TOP (1) CASE WHEN e1.[type] = 5 THEN e1.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j1.[code_coding], 1) = N'[' THEN j1.[code_coding] ELSE N'[' + j1.[code_coding] + N']' END) AS e1
  WHERE e1.[type] <> 0
  ORDER BY CAST(e1.[key] AS int)
) AS f1
OUTER APPLY OPENJSON(f1.[v]) WITH (
  [code] nvarchar(max) '$.code'
) AS j2
CROSS APPLY (
  SELECT CASE WHEN LEN(j1.[effectiveDateTime]) <= 10 THEN NULL WHEN RIGHT(j1.[effectiveDateTime], 1) = N'Z' THEN 1 WHEN LEN(j1.[effectiveDateTime]) >= 19 AND SUBSTRING(j1.[effectiveDateTime], LEN(j1.[effectiveDateTime]) - 5, 1) IN (N'+', N'-') THEN 6 ELSE 0 END AS [n]
) AS z1
CROSS APPLY OPENJSON(CASE WHEN LEFT(j1.[component], 1) = N'[' THEN j1.[component] ELSE N'[' + j1.[component] + N']' END) AS e2 -- component
CROSS APPLY OPENJSON(CASE WHEN e2.[type] = 5 THEN e2.[value] END) WITH (
  [code_coding] nvarchar(max) '$.code.coding' AS JSON,
  [code_text] nvarchar(max) '$.code.text',
  [valueQuantity_value] nvarchar(max) '$.valueQuantity.value',
  [valueQuantity_unit] nvarchar(max) '$.valueQuantity.unit',
  [valueQuantity_code] nvarchar(max) '$.valueQuantity.code',
  [valueQuantity_comparator] nvarchar(max) '$.valueQuantity.comparator',
  [valueCodeableConcept_coding] nvarchar(max) '$.valueCodeableConcept.coding' AS JSON,
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
  [interpretation] nvarchar(max) '$.interpretation' AS JSON,
  [referenceRange] nvarchar(max) '$.referenceRange' AS JSON
) AS j3
OUTER APPLY ( -- code.coding.first().code
  SELECT TOP (1) CASE WHEN e3.[type] = 5 THEN e3.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j3.[code_coding], 1) = N'[' THEN j3.[code_coding] ELSE N'[' + j3.[code_coding] + N']' END) AS e3
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
    1 AS [rare],
    CASE WHEN a7.[v] <> 0 OR REPLACE(a3.[d], N'0', N'') = N'' THEN a7.[v] END AS [v]
  FROM (
    SELECT CHARINDEX(N'E', UPPER(j3.[valueQuantity_value]) + N'E') AS [e]
  ) AS a1
  CROSS APPLY (
    SELECT
      REPLACE(LEFT(j3.[valueQuantity_value], a1.[e] - 1), N'-', N'') AS [m],
      TRY_CAST(SUBSTRING(j3.[valueQuantity_value], a1.[e] + 1, 100) AS int) AS [x]
  ) AS a2
  CROSS APPLY (
    SELECT
      REPLACE(a2.[m], N'.', N'') AS [d],
      CHARINDEX(N'.', a2.[m] + N'.') - 1 + a2.[x] AS [p]
  ) AS a3
  CROSS APPLY (
    SELECT
      CASE WHEN a2.[x] BETWEEN -400 AND 400 THEN CASE WHEN a3.[p] < 1 THEN N'0.' + REPLICATE(N'0', -a3.[p]) + a3.[d] WHEN a3.[p] < LEN(a3.[d]) THEN LEFT(a3.[d], a3.[p]) + N'.' + SUBSTRING(a3.[d], a3.[p] + 1, LEN(a3.[d])) ELSE a3.[d] + REPLICATE(N'0', a3.[p] - LEN(a3.[d])) END WHEN REPLACE(a3.[d], N'0', N'') = N'' THEN N'0' END AS [t],
      CASE WHEN LEFT(j3.[valueQuantity_value], 1) = N'-' THEN N'-' ELSE N'' END AS [sign]
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
  WHERE (LEN(j3.[valueQuantity_value]) > 20 OR UPPER(j3.[valueQuantity_value]) LIKE N'%E%')
) AS n1
OUTER APPLY ( -- value.ofType(CodeableConcept).coding.first().code
  SELECT TOP (1) CASE WHEN e4.[type] = 5 THEN e4.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j3.[valueCodeableConcept_coding], 1) = N'[' THEN j3.[valueCodeableConcept_coding] ELSE N'[' + j3.[valueCodeableConcept_coding] + N']' END) AS e4
  WHERE e4.[type] <> 0
  ORDER BY CAST(e4.[key] AS int)
) AS f3
OUTER APPLY OPENJSON(f3.[v]) WITH (
  [code] nvarchar(max) '$.code',
  [system] nvarchar(max) '$.system',
  [display] nvarchar(max) '$.display'
) AS j5
OUTER APPLY (
  SELECT TOP (1)
    1 AS [rare],
    CASE WHEN a14.[v] <> 0 OR REPLACE(a10.[d], N'0', N'') = N'' THEN a14.[v] END AS [v]
  FROM (
    SELECT CHARINDEX(N'E', UPPER(j3.[valueRange_low_value]) + N'E') AS [e]
  ) AS a8
  CROSS APPLY (
    SELECT
      REPLACE(LEFT(j3.[valueRange_low_value], a8.[e] - 1), N'-', N'') AS [m],
      TRY_CAST(SUBSTRING(j3.[valueRange_low_value], a8.[e] + 1, 100) AS int) AS [x]
  ) AS a9
  CROSS APPLY (
    SELECT
      REPLACE(a9.[m], N'.', N'') AS [d],
      CHARINDEX(N'.', a9.[m] + N'.') - 1 + a9.[x] AS [p]
  ) AS a10
  CROSS APPLY (
    SELECT
      CASE WHEN a9.[x] BETWEEN -400 AND 400 THEN CASE WHEN a10.[p] < 1 THEN N'0.' + REPLICATE(N'0', -a10.[p]) + a10.[d] WHEN a10.[p] < LEN(a10.[d]) THEN LEFT(a10.[d], a10.[p]) + N'.' + SUBSTRING(a10.[d], a10.[p] + 1, LEN(a10.[d])) ELSE a10.[d] + REPLICATE(N'0', a10.[p] - LEN(a10.[d])) END WHEN REPLACE(a10.[d], N'0', N'') = N'' THEN N'0' END AS [t],
      CASE WHEN LEFT(j3.[valueRange_low_value], 1) = N'-' THEN N'-' ELSE N'' END AS [sign]
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
  WHERE (LEN(j3.[valueRange_low_value]) > 20 OR UPPER(j3.[valueRange_low_value]) LIKE N'%E%')
) AS n2
OUTER APPLY (
  SELECT TOP (1)
    1 AS [rare],
    CASE WHEN a21.[v] <> 0 OR REPLACE(a17.[d], N'0', N'') = N'' THEN a21.[v] END AS [v]
  FROM (
    SELECT CHARINDEX(N'E', UPPER(j3.[valueRange_high_value]) + N'E') AS [e]
  ) AS a15
  CROSS APPLY (
    SELECT
      REPLACE(LEFT(j3.[valueRange_high_value], a15.[e] - 1), N'-', N'') AS [m],
      TRY_CAST(SUBSTRING(j3.[valueRange_high_value], a15.[e] + 1, 100) AS int) AS [x]
  ) AS a16
  CROSS APPLY (
    SELECT
      REPLACE(a16.[m], N'.', N'') AS [d],
      CHARINDEX(N'.', a16.[m] + N'.') - 1 + a16.[x] AS [p]
  ) AS a17
  CROSS APPLY (
    SELECT
      CASE WHEN a16.[x] BETWEEN -400 AND 400 THEN CASE WHEN a17.[p] < 1 THEN N'0.' + REPLICATE(N'0', -a17.[p]) + a17.[d] WHEN a17.[p] < LEN(a17.[d]) THEN LEFT(a17.[d], a17.[p]) + N'.' + SUBSTRING(a17.[d], a17.[p] + 1, LEN(a17.[d])) ELSE a17.[d] + REPLICATE(N'0', a17.[p] - LEN(a17.[d])) END WHEN REPLACE(a17.[d], N'0', N'') = N'' THEN N'0' END AS [t],
      CASE WHEN LEFT(j3.[valueRange_high_value], 1) = N'-' THEN N'-' ELSE N'' END AS [sign]
  ) AS a18
  CROSS APPLY (
    SELECT CHARINDEX(N'.', a18.[t] + N'.') + 18 AS [q]
  ) AS a19
  CROSS APPLY (
    SELECT
      SUBSTRING(a18.[t], a19.[q] + 1, LEN(a18.[t])) AS [r],
      RIGHT(REPLACE(LEFT(a18.[t], a19.[q]), N'.', N''), 1) AS [last]
  ) AS a20
  CROSS APPLY (
    SELECT TRY_CAST(a18.[sign] + LEFT(a18.[t], a19.[q] + CASE WHEN LEFT(a20.[r], 1) = N'5' AND REPLACE(SUBSTRING(a20.[r], 2, LEN(a20.[r])), N'0', N'') = N'' AND a20.[last] IN (N'0', N'2', N'4', N'6', N'8') THEN 0 ELSE 1 END) AS decimal(38, 18)) AS [v]
  ) AS a21
  WHERE (LEN(j3.[valueRange_high_value]) > 20 OR UPPER(j3.[valueRange_high_value]) LIKE N'%E%')
) AS n3
OUTER APPLY (
  SELECT TOP (1)
    1 AS [rare],
    CASE WHEN a28.[v] <> 0 OR REPLACE(a24.[d], N'0', N'') = N'' THEN a28.[v] END AS [v]
  FROM (
    SELECT CHARINDEX(N'E', UPPER(j3.[valueRatio_numerator_value]) + N'E') AS [e]
  ) AS a22
  CROSS APPLY (
    SELECT
      REPLACE(LEFT(j3.[valueRatio_numerator_value], a22.[e] - 1), N'-', N'') AS [m],
      TRY_CAST(SUBSTRING(j3.[valueRatio_numerator_value], a22.[e] + 1, 100) AS int) AS [x]
  ) AS a23
  CROSS APPLY (
    SELECT
      REPLACE(a23.[m], N'.', N'') AS [d],
      CHARINDEX(N'.', a23.[m] + N'.') - 1 + a23.[x] AS [p]
  ) AS a24
  CROSS APPLY (
    SELECT
      CASE WHEN a23.[x] BETWEEN -400 AND 400 THEN CASE WHEN a24.[p] < 1 THEN N'0.' + REPLICATE(N'0', -a24.[p]) + a24.[d] WHEN a24.[p] < LEN(a24.[d]) THEN LEFT(a24.[d], a24.[p]) + N'.' + SUBSTRING(a24.[d], a24.[p] + 1, LEN(a24.[d])) ELSE a24.[d] + REPLICATE(N'0', a24.[p] - LEN(a24.[d])) END WHEN REPLACE(a24.[d], N'0', N'') = N'' THEN N'0' END AS [t],
      CASE WHEN LEFT(j3.[valueRatio_numerator_value], 1) = N'-' THEN N'-' ELSE N'' END AS [sign]
  ) AS a25
  CROSS APPLY (
    SELECT CHARINDEX(N'.', a25.[t] + N'.') + 18 AS [q]
  ) AS a26
  CROSS APPLY (
    SELECT
      SUBSTRING(a25.[t], a26.[q] + 1, LEN(a25.[t])) AS [r],
      RIGHT(REPLACE(LEFT(a25.[t], a26.[q]), N'.', N''), 1) AS [last]
  ) AS a27
  CROSS APPLY (
    SELECT TRY_CAST(a25.[sign] + LEFT(a25.[t], a26.[q] + CASE WHEN LEFT(a27.[r], 1) = N'5' AND REPLACE(SUBSTRING(a27.[r], 2, LEN(a27.[r])), N'0', N'') = N'' AND a27.[last] IN (N'0', N'2', N'4', N'6', N'8') THEN 0 ELSE 1 END) AS decimal(38, 18)) AS [v]
  ) AS a28
  WHERE (LEN(j3.[valueRatio_numerator_value]) > 20 OR UPPER(j3.[valueRatio_numerator_value]) LIKE N'%E%')
) AS n4
OUTER APPLY (
  SELECT TOP (1)
    1 AS [rare],
    CASE WHEN a35.[v] <> 0 OR REPLACE(a31.[d], N'0', N'') = N'' THEN a35.[v] END AS [v]
  FROM (
    SELECT CHARINDEX(N'E', UPPER(j3.[valueRatio_denominator_value]) + N'E') AS [e]
  ) AS a29
  CROSS APPLY (
    SELECT
      REPLACE(LEFT(j3.[valueRatio_denominator_value], a29.[e] - 1), N'-', N'') AS [m],
      TRY_CAST(SUBSTRING(j3.[valueRatio_denominator_value], a29.[e] + 1, 100) AS int) AS [x]
  ) AS a30
  CROSS APPLY (
    SELECT
      REPLACE(a30.[m], N'.', N'') AS [d],
      CHARINDEX(N'.', a30.[m] + N'.') - 1 + a30.[x] AS [p]
  ) AS a31
  CROSS APPLY (
    SELECT
      CASE WHEN a30.[x] BETWEEN -400 AND 400 THEN CASE WHEN a31.[p] < 1 THEN N'0.' + REPLICATE(N'0', -a31.[p]) + a31.[d] WHEN a31.[p] < LEN(a31.[d]) THEN LEFT(a31.[d], a31.[p]) + N'.' + SUBSTRING(a31.[d], a31.[p] + 1, LEN(a31.[d])) ELSE a31.[d] + REPLICATE(N'0', a31.[p] - LEN(a31.[d])) END WHEN REPLACE(a31.[d], N'0', N'') = N'' THEN N'0' END AS [t],
      CASE WHEN LEFT(j3.[valueRatio_denominator_value], 1) = N'-' THEN N'-' ELSE N'' END AS [sign]
  ) AS a32
  CROSS APPLY (
    SELECT CHARINDEX(N'.', a32.[t] + N'.') + 18 AS [q]
  ) AS a33
  CROSS APPLY (
    SELECT
      SUBSTRING(a32.[t], a33.[q] + 1, LEN(a32.[t])) AS [r],
      RIGHT(REPLACE(LEFT(a32.[t], a33.[q]), N'.', N''), 1) AS [last]
  ) AS a34
  CROSS APPLY (
    SELECT TRY_CAST(a32.[sign] + LEFT(a32.[t], a33.[q] + CASE WHEN LEFT(a34.[r], 1) = N'5' AND REPLACE(SUBSTRING(a34.[r], 2, LEN(a34.[r])), N'0', N'') = N'' AND a34.[last] IN (N'0', N'2', N'4', N'6', N'8') THEN 0 ELSE 1 END) AS decimal(38, 18)) AS [v]
  ) AS a35
  WHERE (LEN(j3.[valueRatio_denominator_value]) > 20 OR UPPER(j3.[valueRatio_denominator_value]) LIKE N'%E%')
) AS n5
OUTER APPLY ( -- dataAbsentReason.coding.first().code
  SELECT TOP (1) CASE WHEN e5.[type] = 5 THEN e5.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j3.[dataAbsentReason_coding], 1) = N'[' THEN j3.[dataAbsentReason_coding] ELSE N'[' + j3.[dataAbsentReason_coding] + N']' END) AS e5
  WHERE e5.[type] <> 0
  ORDER BY CAST(e5.[key] AS int)
) AS f4
OUTER APPLY OPENJSON(f4.[v]) WITH (
  [code] nvarchar(max) '$.code'
) AS j6
OUTER APPLY ( -- interpretation.first().coding.first().code
  SELECT TOP (1) CASE WHEN e6.[type] = 5 THEN e6.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j3.[interpretation], 1) = N'[' THEN j3.[interpretation] ELSE N'[' + j3.[interpretation] + N']' END) AS e6
  WHERE e6.[type] <> 0
  ORDER BY CAST(e6.[key] AS int)
) AS f5
OUTER APPLY OPENJSON(f5.[v]) WITH (
  [coding] nvarchar(max) '$.coding' AS JSON,
  [text] nvarchar(max) '$.text'
) AS j7
OUTER APPLY ( -- interpretation.first().coding.first().code
  SELECT TOP (1) CASE WHEN e7.[type] = 5 THEN e7.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j7.[coding], 1) = N'[' THEN j7.[coding] ELSE N'[' + j7.[coding] + N']' END) AS e7
  WHERE e7.[type] <> 0
  ORDER BY CAST(e7.[key] AS int)
) AS f6
OUTER APPLY OPENJSON(f6.[v]) WITH (
  [code] nvarchar(max) '$.code',
  [system] nvarchar(max) '$.system',
  [display] nvarchar(max) '$.display'
) AS j8
OUTER APPLY ( -- referenceRange.first().low.value
  SELECT TOP (1) CASE WHEN e8.[type] = 5 THEN e8.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j3.[referenceRange], 1) = N'[' THEN j3.[referenceRange] ELSE N'[' + j3.[referenceRange] + N']' END) AS e8
  WHERE e8.[type] <> 0
  ORDER BY CAST(e8.[key] AS int)
) AS f7
OUTER APPLY OPENJSON(f7.[v]) WITH (
  [low_value] nvarchar(max) '$.low.value',
  [high_value] nvarchar(max) '$.high.value',
  [high] nvarchar(max) '$.high' AS JSON,
  [low] nvarchar(max) '$.low' AS JSON,
  [text] nvarchar(max) '$.text'
) AS j9
OUTER APPLY (
  SELECT TOP (1)
    1 AS [rare],
    CASE WHEN a42.[v] <> 0 OR REPLACE(a38.[d], N'0', N'') = N'' THEN a42.[v] END AS [v]
  FROM (
    SELECT CHARINDEX(N'E', UPPER(j9.[low_value]) + N'E') AS [e]
  ) AS a36
  CROSS APPLY (
    SELECT
      REPLACE(LEFT(j9.[low_value], a36.[e] - 1), N'-', N'') AS [m],
      TRY_CAST(SUBSTRING(j9.[low_value], a36.[e] + 1, 100) AS int) AS [x]
  ) AS a37
  CROSS APPLY (
    SELECT
      REPLACE(a37.[m], N'.', N'') AS [d],
      CHARINDEX(N'.', a37.[m] + N'.') - 1 + a37.[x] AS [p]
  ) AS a38
  CROSS APPLY (
    SELECT
      CASE WHEN a37.[x] BETWEEN -400 AND 400 THEN CASE WHEN a38.[p] < 1 THEN N'0.' + REPLICATE(N'0', -a38.[p]) + a38.[d] WHEN a38.[p] < LEN(a38.[d]) THEN LEFT(a38.[d], a38.[p]) + N'.' + SUBSTRING(a38.[d], a38.[p] + 1, LEN(a38.[d])) ELSE a38.[d] + REPLICATE(N'0', a38.[p] - LEN(a38.[d])) END WHEN REPLACE(a38.[d], N'0', N'') = N'' THEN N'0' END AS [t],
      CASE WHEN LEFT(j9.[low_value], 1) = N'-' THEN N'-' ELSE N'' END AS [sign]
  ) AS a39
  CROSS APPLY (
    SELECT CHARINDEX(N'.', a39.[t] + N'.') + 18 AS [q]
  ) AS a40
  CROSS APPLY (
    SELECT
      SUBSTRING(a39.[t], a40.[q] + 1, LEN(a39.[t])) AS [r],
      RIGHT(REPLACE(LEFT(a39.[t], a40.[q]), N'.', N''), 1) AS [last]
  ) AS a41
  CROSS APPLY (
    SELECT TRY_CAST(a39.[sign] + LEFT(a39.[t], a40.[q] + CASE WHEN LEFT(a41.[r], 1) = N'5' AND REPLACE(SUBSTRING(a41.[r], 2, LEN(a41.[r])), N'0', N'') = N'' AND a41.[last] IN (N'0', N'2', N'4', N'6', N'8') THEN 0 ELSE 1 END) AS decimal(38, 18)) AS [v]
  ) AS a42
  WHERE (LEN(j9.[low_value]) > 20 OR UPPER(j9.[low_value]) LIKE N'%E%')
) AS n6
OUTER APPLY (
  SELECT TOP (1)
    1 AS [rare],
    CASE WHEN a49.[v] <> 0 OR REPLACE(a45.[d], N'0', N'') = N'' THEN a49.[v] END AS [v]
  FROM (
    SELECT CHARINDEX(N'E', UPPER(j9.[high_value]) + N'E') AS [e]
  ) AS a43
  CROSS APPLY (
    SELECT
      REPLACE(LEFT(j9.[high_value], a43.[e] - 1), N'-', N'') AS [m],
      TRY_CAST(SUBSTRING(j9.[high_value], a43.[e] + 1, 100) AS int) AS [x]
  ) AS a44
  CROSS APPLY (
    SELECT
      REPLACE(a44.[m], N'.', N'') AS [d],
      CHARINDEX(N'.', a44.[m] + N'.') - 1 + a44.[x] AS [p]
  ) AS a45
  CROSS APPLY (
    SELECT
      CASE WHEN a44.[x] BETWEEN -400 AND 400 THEN CASE WHEN a45.[p] < 1 THEN N'0.' + REPLICATE(N'0', -a45.[p]) + a45.[d] WHEN a45.[p] < LEN(a45.[d]) THEN LEFT(a45.[d], a45.[p]) + N'.' + SUBSTRING(a45.[d], a45.[p] + 1, LEN(a45.[d])) ELSE a45.[d] + REPLICATE(N'0', a45.[p] - LEN(a45.[d])) END WHEN REPLACE(a45.[d], N'0', N'') = N'' THEN N'0' END AS [t],
      CASE WHEN LEFT(j9.[high_value], 1) = N'-' THEN N'-' ELSE N'' END AS [sign]
  ) AS a46
  CROSS APPLY (
    SELECT CHARINDEX(N'.', a46.[t] + N'.') + 18 AS [q]
  ) AS a47
  CROSS APPLY (
    SELECT
      SUBSTRING(a46.[t], a47.[q] + 1, LEN(a46.[t])) AS [r],
      RIGHT(REPLACE(LEFT(a46.[t], a47.[q]), N'.', N''), 1) AS [last]
  ) AS a48
  CROSS APPLY (
    SELECT TRY_CAST(a46.[sign] + LEFT(a46.[t], a47.[q] + CASE WHEN LEFT(a48.[r], 1) = N'5' AND REPLACE(SUBSTRING(a48.[r], 2, LEN(a48.[r])), N'0', N'') = N'' AND a48.[last] IN (N'0', N'2', N'4', N'6', N'8') THEN 0 ELSE 1 END) AS decimal(38, 18)) AS [v]
  ) AS a49
  WHERE (LEN(j9.[high_value]) > 20 OR UPPER(j9.[high_value]) LIKE N'%E%')
) AS n7
OUTER APPLY OPENJSON(CASE WHEN j9.[high] IS NOT NULL THEN j9.[high] ELSE j9.[low] END) WITH ( -- iif(referenceRange.first().high.exists(), referenceRange.first().high, referenceRange.first().low).u...
  [unit] nvarchar(max) '$.unit'
) AS j10
WHERE CAST(j1.[resourceType] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'Observation.'
  AND e2.[type] <> 0

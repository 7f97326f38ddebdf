SELECT
  j1.[id] AS [observation_id],
  CAST(CASE WHEN CAST(RIGHT(k2.[head], 8) + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'/Patient.' THEN NULLIF(k2.[id], N'') END AS nvarchar(max)) AS [patient_id],
  j2.[code] AS [observation_code],
  j1.[effectiveDateTime] AS [effective_time],
  CASE WHEN z1.[n] > 0 AND LEN(j1.[effectiveDateTime]) >= 20 AND j1.[effectiveDateTime] LIKE N'____-__-__T__:__:__%' THEN CAST(SWITCHOFFSET(TRY_CAST(LEFT(j1.[effectiveDateTime], 19) + LEFT(SUBSTRING(j1.[effectiveDateTime], 20, LEN(j1.[effectiveDateTime]) - 19 - z1.[n]), 4) + RIGHT(j1.[effectiveDateTime], z1.[n]) AS datetimeoffset), '+00:00') AS datetime2(3)) END AS [effective_time_utc],
  CAST(e2.[key] AS int) AS [row_index],
  j4.[code] AS [code],
  j4.[system] AS [code_system],
  j4.[display] AS [code_display],
  j3.[code_text] AS [code_text],
  TRY_CAST(j3.[valueQuantity_value] AS decimal(38, 18)) AS [value_number],
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
  TRY_CAST(j3.[valueRange_low_value] AS decimal(38, 18)) AS [value_low],
  TRY_CAST(j3.[valueRange_high_value] AS decimal(38, 18)) AS [value_high],
  TRY_CAST(j3.[valueRatio_numerator_value] AS decimal(38, 18)) AS [value_numerator],
  TRY_CAST(j3.[valueRatio_denominator_value] AS decimal(38, 18)) AS [value_denominator],
  j6.[code] AS [absent_reason],
  j8.[code] AS [interpretation],
  j8.[system] AS [interpretation_system],
  j8.[display] AS [interpretation_display],
  j7.[text] AS [interpretation_text],
  TRY_CAST(j9.[low_value] AS decimal(38, 18)) AS [reference_low],
  TRY_CAST(j9.[high_value] AS decimal(38, 18)) AS [reference_high],
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
CROSS APPLY (
  SELECT CASE WHEN CHARINDEX(N'/_history/', j1.[subject_reference]) > 0 THEN LEFT(j1.[subject_reference], CHARINDEX(N'/_history/', j1.[subject_reference]) - 1) ELSE j1.[subject_reference] END AS [r]
) AS k1
CROSS APPLY (
  SELECT
    CASE WHEN CHARINDEX(N'/', k1.[r]) > 0 AND CHARINDEX(N'?', k1.[r]) = 0 AND CHARINDEX(N'#', k1.[r]) = 0 AND LEFT(k1.[r], 4) <> N'urn:' THEN RIGHT(k1.[r], CHARINDEX(N'/', REVERSE(k1.[r])) - 1) END AS [id],
    CASE WHEN CHARINDEX(N'/', k1.[r]) > 0 AND CHARINDEX(N'?', k1.[r]) = 0 AND CHARINDEX(N'#', k1.[r]) = 0 AND LEFT(k1.[r], 4) <> N'urn:' THEN N'/' + LEFT(k1.[r], LEN(k1.[r]) - CHARINDEX(N'/', REVERSE(k1.[r]))) END AS [head]
) AS k2
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
OUTER APPLY OPENJSON(CASE WHEN j9.[high] IS NOT NULL THEN j9.[high] ELSE j9.[low] END) WITH ( -- iif(referenceRange.first().high.exists(), referenceRange.first().high, referenceRange.first().low).u...
  [unit] nvarchar(max) '$.unit'
) AS j10
WHERE CAST(j1.[resourceType] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'Observation.'
  AND e2.[type] <> 0

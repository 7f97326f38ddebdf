INSERT INTO [stage].[observation_component] ([_file], [_line], [_id], [observation_id], [patient_id], [observation_code], [effective_time], [effective_time_utc], [row_index], [code], [code_system], [code_display], [code_text], [value_number], [value_number_unit], [value_number_unit_code], [value_comparator], [value_code], [value_code_system], [value_code_display], [value_code_text], [value_string], [value_boolean], [value_integer], [value_time], [value_time_of_day], [value_start], [value_end], [value_low], [value_high], [value_numerator], [value_denominator], [absent_reason], [interpretation], [interpretation_system], [interpretation_display], [interpretation_text], [reference_low], [reference_high], [reference_unit], [reference_text])
SELECT
  d.[_file],
  d.[_line],
  CAST(j1.[id] AS varchar(128)) AS [_id],
  j1.[id] AS [observation_id],
  CASE WHEN LEN(k1.[id]) > 0 AND CHARINDEX('/', k1.[id]) = 0 AND CHARINDEX('?', k1.[id]) = 0 AND CHARINDEX('#', k1.[id]) = 0 THEN k1.[id] END AS [patient_id],
  COALESCE(j1.[code_coding_0_code], f1.[code]) AS [observation_code],
  j1.[effectiveDateTime] AS [effective_time],
  CASE WHEN z1.[n] > 0 AND LEN(z1.[t]) >= 20 AND z1.[t] LIKE '____-__-__T__:__:__%' THEN CASE WHEN SUBSTRING(z1.[t], 18, 2) <> '60' THEN CAST(SWITCHOFFSET(TRY_CAST(LEFT(z1.[t], 19) + LEFT(SUBSTRING(z1.[t], 20, LEN(z1.[t]) - 19 - z1.[n]), 4) + RIGHT(z1.[t], z1.[n]) AS datetimeoffset), '+00:00') AS datetime2(3)) WHEN LEFT(z1.[t], 10) <> '9999-12-31' THEN DATEADD(second, 1, CAST(SWITCHOFFSET(TRY_CAST(LEFT(z1.[t], 17) + '59' + LEFT(SUBSTRING(z1.[t], 20, LEN(z1.[t]) - 19 - z1.[n]), 4) + RIGHT(z1.[t], z1.[n]) AS datetimeoffset), '+00:00') AS datetime2(3))) END END AS [effective_time_utc],
  CAST(e2.[key] AS int) AS [row_index],
  COALESCE(j5.[code_coding_0_code], f2.[code]) AS [code],
  COALESCE(j5.[code_coding_0_system], f2.[system]) AS [code_system],
  COALESCE(j5.[code_coding_0_display], f2.[display]) AS [code_display],
  j5.[code_text] AS [code_text],
  CASE WHEN n1.[rare] = 1 THEN n1.[v] ELSE TRY_CAST(j5.[valueQuantity_value] AS decimal(38, 18)) END AS [value_number],
  j5.[valueQuantity_unit] AS [value_number_unit],
  j5.[valueQuantity_code] AS [value_number_unit_code],
  j5.[valueQuantity_comparator] AS [value_comparator],
  COALESCE(j5.[valueCodeableConcept_coding_0_code], f3.[code]) AS [value_code],
  COALESCE(j5.[valueCodeableConcept_coding_0_system], f3.[system]) AS [value_code_system],
  COALESCE(j5.[valueCodeableConcept_coding_0_display], f3.[display]) AS [value_code_display],
  j5.[valueCodeableConcept_text] AS [value_code_text],
  j5.[valueString] AS [value_string],
  CAST(CASE j5.[valueBoolean] WHEN 'true' THEN 1 WHEN 'false' THEN 0 END AS bit) AS [value_boolean],
  TRY_CAST(NULLIF(j5.[valueInteger], '') AS int) AS [value_integer],
  j5.[valueDateTime] AS [value_time],
  j5.[valueTime] AS [value_time_of_day],
  j5.[valuePeriod_start] AS [value_start],
  j5.[valuePeriod_end] AS [value_end],
  CASE WHEN n2.[rare] = 1 THEN n2.[v] ELSE TRY_CAST(j5.[valueRange_low_value] AS decimal(38, 18)) END AS [value_low],
  CASE WHEN n3.[rare] = 1 THEN n3.[v] ELSE TRY_CAST(j5.[valueRange_high_value] AS decimal(38, 18)) END AS [value_high],
  CASE WHEN n4.[rare] = 1 THEN n4.[v] ELSE TRY_CAST(j5.[valueRatio_numerator_value] AS decimal(38, 18)) END AS [value_numerator],
  CASE WHEN n5.[rare] = 1 THEN n5.[v] ELSE TRY_CAST(j5.[valueRatio_denominator_value] AS decimal(38, 18)) END AS [value_denominator],
  COALESCE(j5.[dataAbsentReason_coding_0_code], f4.[code]) AS [absent_reason],
  COALESCE(j5.[interpretation_0_coding_0_code], f6.[code]) AS [interpretation],
  COALESCE(j5.[interpretation_0_coding_0_system], f6.[system]) AS [interpretation_system],
  COALESCE(j5.[interpretation_0_coding_0_display], f6.[display]) AS [interpretation_display],
  COALESCE(j5.[interpretation_0_text], f5.[text]) AS [interpretation_text],
  CASE WHEN n6.[rare] = 1 THEN n6.[v] ELSE TRY_CAST(COALESCE(j5.[referenceRange_0_low_value], f7.[low_value]) AS decimal(38, 18)) END AS [reference_low],
  CASE WHEN n7.[rare] = 1 THEN n7.[v] ELSE TRY_CAST(COALESCE(j5.[referenceRange_0_high_value], f7.[high_value]) AS decimal(38, 18)) END AS [reference_high],
  j14.[unit] AS [reference_unit],
  COALESCE(j5.[referenceRange_0_text], f7.[text]) AS [reference_text]
FROM [stage].[documents] AS d
CROSS APPLY OPENJSON(d.[doc]) WITH (
  [resourceType] varchar(max) '$.resourceType',
  [id] varchar(max) '$.id',
  [subject_reference] varchar(max) '$.subject.reference',
  [code_coding_0_code] varchar(max) '$.code.coding[0].code',
  [effectiveDateTime] varchar(max) '$.effectiveDateTime'
) AS j1
CROSS APPLY (
  SELECT
    MAX(CASE WHEN o.[key] = 'component' AND o.[type] IN (4, 5) THEN o.[value] END) AS [component],
    MAX(CASE WHEN o.[key] = 'code' AND o.[type] IN (4, 5) THEN o.[value] END) AS [code]
  FROM OPENJSON(d.[doc]) AS o
) AS j2
OUTER APPLY (
  SELECT TOP (1) LEFT(j1.[subject_reference], CHARINDEX('/_history/', j1.[subject_reference] + '/_history/') - 1) AS [r]
  FROM (
    SELECT 1 AS [one]
  ) AS one
  WHERE j2.[component] IS NOT NULL
) AS h1
OUTER APPLY (
  SELECT TOP (1) CASE WHEN CAST(CAST(LEFT(h1.[r], 8) AS varchar(max)) AS varbinary(max)) = CAST('Patient/' AS varbinary(max)) THEN SUBSTRING(h1.[r], 9, 2147483647) WHEN CAST(CAST(LEFT(h1.[r], 9) AS varchar(max)) AS varbinary(max)) = CAST('/Patient/' AS varbinary(max)) THEN SUBSTRING(h1.[r], 10, 2147483647) END AS [id]
  FROM (
    SELECT 1 AS [one]
  ) AS one
  WHERE h1.[r] IS NOT NULL
) AS k1
CROSS APPLY (
  SELECT JSON_QUERY(j2.[code], '$.coding') AS [code_coding]
) AS q1
OUTER APPLY ( -- code.coding.first().code
  SELECT TOP (1)
    CASE WHEN e1.[type] = 5 THEN e1.[value] END AS [v],
    j3.[code] AS [code]
  FROM OPENJSON(CASE WHEN LEFT(q1.[code_coding], 2) = '[{' THEN NULL WHEN LEFT(q1.[code_coding], 1) = '[' THEN q1.[code_coding] ELSE '[' + q1.[code_coding] + ']' END) AS e1
  OUTER APPLY OPENJSON(CASE WHEN e1.[type] = 5 THEN e1.[value] END) WITH (
    [code] varchar(max) '$.code'
  ) AS j3
  WHERE LEFT(q1.[code_coding], 2) <> '[{'
    AND e1.[type] <> 0
  ORDER BY CAST(e1.[key] AS int)
) AS f1
CROSS APPLY (
  SELECT TOP (1)
    j1.[effectiveDateTime] AS [t],
    CASE WHEN LEN(j1.[effectiveDateTime]) <= 10 THEN NULL WHEN RIGHT(j1.[effectiveDateTime], 1) = 'Z' THEN 1 WHEN LEN(j1.[effectiveDateTime]) >= 19 AND LEFT(RIGHT(j1.[effectiveDateTime], 6), 1) IN ('+', '-') THEN 6 ELSE 0 END AS [n]
) AS z1
CROSS APPLY OPENJSON(CASE WHEN LEFT(j2.[component], 1) = '[' THEN j2.[component] ELSE '[' + j2.[component] + ']' END) AS e2 -- component
CROSS APPLY (
  SELECT
    MAX(CASE WHEN o.[key] = 'code' AND o.[type] IN (4, 5) THEN o.[value] END) AS [code],
    MAX(CASE WHEN o.[key] = 'valueCodeableConcept' AND o.[type] IN (4, 5) THEN o.[value] END) AS [valueCodeableConcept],
    MAX(CASE WHEN o.[key] = 'dataAbsentReason' AND o.[type] IN (4, 5) THEN o.[value] END) AS [dataAbsentReason],
    MAX(CASE WHEN o.[key] = 'interpretation' AND o.[type] IN (4, 5) THEN o.[value] END) AS [interpretation],
    MAX(CASE WHEN o.[key] = 'referenceRange' AND o.[type] IN (4, 5) THEN o.[value] END) AS [referenceRange]
  FROM OPENJSON(CASE WHEN e2.[type] = 5 THEN e2.[value] END) AS o
) AS j4
CROSS APPLY (
  SELECT JSON_QUERY(j4.[code], '$.coding') AS [code_coding]
) AS q2
OUTER APPLY ( -- code.coding.first().code
  SELECT TOP (1)
    CASE WHEN e3.[type] = 5 THEN e3.[value] END AS [v],
    j6.[code] AS [code],
    j6.[system] AS [system],
    j6.[display] AS [display]
  FROM OPENJSON(CASE WHEN LEFT(q2.[code_coding], 2) = '[{' THEN NULL WHEN LEFT(q2.[code_coding], 1) = '[' THEN q2.[code_coding] ELSE '[' + q2.[code_coding] + ']' END) AS e3
  OUTER APPLY OPENJSON(CASE WHEN e3.[type] = 5 THEN e3.[value] END) WITH (
    [code] varchar(max) '$.code',
    [system] varchar(max) '$.system',
    [display] varchar(max) '$.display'
  ) AS j6
  WHERE LEFT(q2.[code_coding], 2) <> '[{'
    AND e3.[type] <> 0
  ORDER BY CAST(e3.[key] AS int)
) AS f2
CROSS APPLY OPENJSON(CASE WHEN e2.[type] = 5 THEN e2.[value] END) WITH (
  [code_coding_0_code] varchar(max) '$.code.coding[0].code',
  [code_coding_0_system] varchar(max) '$.code.coding[0].system',
  [code_coding_0_display] varchar(max) '$.code.coding[0].display',
  [code_text] varchar(max) '$.code.text',
  [valueQuantity_value] varchar(max) '$.valueQuantity.value',
  [valueQuantity_unit] varchar(max) '$.valueQuantity.unit',
  [valueQuantity_code] varchar(max) '$.valueQuantity.code',
  [valueQuantity_comparator] varchar(max) '$.valueQuantity.comparator',
  [valueCodeableConcept_coding_0_code] varchar(max) '$.valueCodeableConcept.coding[0].code',
  [valueCodeableConcept_coding_0_system] varchar(max) '$.valueCodeableConcept.coding[0].system',
  [valueCodeableConcept_coding_0_display] varchar(max) '$.valueCodeableConcept.coding[0].display',
  [valueCodeableConcept_text] varchar(max) '$.valueCodeableConcept.text',
  [valueString] varchar(max) '$.valueString',
  [valueBoolean] varchar(max) '$.valueBoolean',
  [valueInteger] varchar(max) '$.valueInteger',
  [valueDateTime] varchar(max) '$.valueDateTime',
  [valueTime] varchar(max) '$.valueTime',
  [valuePeriod_start] varchar(max) '$.valuePeriod.start',
  [valuePeriod_end] varchar(max) '$.valuePeriod.end',
  [valueRange_low_value] varchar(max) '$.valueRange.low.value',
  [valueRange_high_value] varchar(max) '$.valueRange.high.value',
  [valueRatio_numerator_value] varchar(max) '$.valueRatio.numerator.value',
  [valueRatio_denominator_value] varchar(max) '$.valueRatio.denominator.value',
  [dataAbsentReason_coding_0_code] varchar(max) '$.dataAbsentReason.coding[0].code',
  [interpretation_0_coding_0_code] varchar(max) '$.interpretation[0].coding[0].code',
  [interpretation_0_coding_0_system] varchar(max) '$.interpretation[0].coding[0].system',
  [interpretation_0_coding_0_display] varchar(max) '$.interpretation[0].coding[0].display',
  [interpretation_0_text] varchar(max) '$.interpretation[0].text',
  [referenceRange_0_low_value] varchar(max) '$.referenceRange[0].low.value',
  [referenceRange_0_high_value] varchar(max) '$.referenceRange[0].high.value',
  [referenceRange_0_text] varchar(max) '$.referenceRange[0].text'
) AS j5
OUTER APPLY (
  SELECT TOP (1)
    1 AS [rare],
    CASE WHEN a7.[v] <> 0 OR REPLACE(a3.[d], '0', '') = '' THEN a7.[v] END AS [v]
  FROM (
    SELECT TOP (1) CHARINDEX('E', UPPER(j5.[valueQuantity_value]) + 'E') AS [e]
  ) AS a1
  CROSS APPLY (
    SELECT TOP (1)
      REPLACE(LEFT(j5.[valueQuantity_value], a1.[e] - 1), '-', '') AS [m],
      TRY_CAST(SUBSTRING(j5.[valueQuantity_value], a1.[e] + 1, 100) AS int) AS [x]
  ) AS a2
  CROSS APPLY (
    SELECT TOP (1)
      REPLACE(a2.[m], '.', '') AS [d],
      CHARINDEX('.', a2.[m] + '.') - 1 + a2.[x] AS [p]
  ) AS a3
  CROSS APPLY (
    SELECT TOP (1)
      CASE WHEN a2.[x] BETWEEN -400 AND 400 THEN CASE WHEN a3.[p] < 1 THEN '0.' + REPLICATE('0', -a3.[p]) + a3.[d] WHEN a3.[p] < LEN(a3.[d]) THEN LEFT(a3.[d], a3.[p]) + '.' + SUBSTRING(a3.[d], a3.[p] + 1, LEN(a3.[d])) ELSE a3.[d] + REPLICATE('0', a3.[p] - LEN(a3.[d])) END WHEN REPLACE(a3.[d], '0', '') = '' THEN '0' END AS [t],
      CASE WHEN LEFT(j5.[valueQuantity_value], 1) = '-' THEN '-' ELSE '' END AS [sign]
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
  WHERE (LEN(j5.[valueQuantity_value]) > 20 OR UPPER(j5.[valueQuantity_value]) LIKE '%E%')
) AS n1
CROSS APPLY (
  SELECT JSON_QUERY(j4.[valueCodeableConcept], '$.coding') AS [valueCodeableConcept_coding]
) AS q3
OUTER APPLY ( -- value.ofType(CodeableConcept).coding.first().code
  SELECT TOP (1)
    CASE WHEN e4.[type] = 5 THEN e4.[value] END AS [v],
    j7.[code] AS [code],
    j7.[system] AS [system],
    j7.[display] AS [display]
  FROM OPENJSON(CASE WHEN LEFT(q3.[valueCodeableConcept_coding], 2) = '[{' THEN NULL WHEN LEFT(q3.[valueCodeableConcept_coding], 1) = '[' THEN q3.[valueCodeableConcept_coding] ELSE '[' + q3.[valueCodeableConcept_coding] + ']' END) AS e4
  OUTER APPLY OPENJSON(CASE WHEN e4.[type] = 5 THEN e4.[value] END) WITH (
    [code] varchar(max) '$.code',
    [system] varchar(max) '$.system',
    [display] varchar(max) '$.display'
  ) AS j7
  WHERE LEFT(q3.[valueCodeableConcept_coding], 2) <> '[{'
    AND e4.[type] <> 0
  ORDER BY CAST(e4.[key] AS int)
) AS f3
OUTER APPLY (
  SELECT TOP (1)
    1 AS [rare],
    CASE WHEN a14.[v] <> 0 OR REPLACE(a10.[d], '0', '') = '' THEN a14.[v] END AS [v]
  FROM (
    SELECT TOP (1) CHARINDEX('E', UPPER(j5.[valueRange_low_value]) + 'E') AS [e]
  ) AS a8
  CROSS APPLY (
    SELECT TOP (1)
      REPLACE(LEFT(j5.[valueRange_low_value], a8.[e] - 1), '-', '') AS [m],
      TRY_CAST(SUBSTRING(j5.[valueRange_low_value], a8.[e] + 1, 100) AS int) AS [x]
  ) AS a9
  CROSS APPLY (
    SELECT TOP (1)
      REPLACE(a9.[m], '.', '') AS [d],
      CHARINDEX('.', a9.[m] + '.') - 1 + a9.[x] AS [p]
  ) AS a10
  CROSS APPLY (
    SELECT TOP (1)
      CASE WHEN a9.[x] BETWEEN -400 AND 400 THEN CASE WHEN a10.[p] < 1 THEN '0.' + REPLICATE('0', -a10.[p]) + a10.[d] WHEN a10.[p] < LEN(a10.[d]) THEN LEFT(a10.[d], a10.[p]) + '.' + SUBSTRING(a10.[d], a10.[p] + 1, LEN(a10.[d])) ELSE a10.[d] + REPLICATE('0', a10.[p] - LEN(a10.[d])) END WHEN REPLACE(a10.[d], '0', '') = '' THEN '0' END AS [t],
      CASE WHEN LEFT(j5.[valueRange_low_value], 1) = '-' THEN '-' ELSE '' END AS [sign]
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
  WHERE (LEN(j5.[valueRange_low_value]) > 20 OR UPPER(j5.[valueRange_low_value]) LIKE '%E%')
) AS n2
OUTER APPLY (
  SELECT TOP (1)
    1 AS [rare],
    CASE WHEN a21.[v] <> 0 OR REPLACE(a17.[d], '0', '') = '' THEN a21.[v] END AS [v]
  FROM (
    SELECT TOP (1) CHARINDEX('E', UPPER(j5.[valueRange_high_value]) + 'E') AS [e]
  ) AS a15
  CROSS APPLY (
    SELECT TOP (1)
      REPLACE(LEFT(j5.[valueRange_high_value], a15.[e] - 1), '-', '') AS [m],
      TRY_CAST(SUBSTRING(j5.[valueRange_high_value], a15.[e] + 1, 100) AS int) AS [x]
  ) AS a16
  CROSS APPLY (
    SELECT TOP (1)
      REPLACE(a16.[m], '.', '') AS [d],
      CHARINDEX('.', a16.[m] + '.') - 1 + a16.[x] AS [p]
  ) AS a17
  CROSS APPLY (
    SELECT TOP (1)
      CASE WHEN a16.[x] BETWEEN -400 AND 400 THEN CASE WHEN a17.[p] < 1 THEN '0.' + REPLICATE('0', -a17.[p]) + a17.[d] WHEN a17.[p] < LEN(a17.[d]) THEN LEFT(a17.[d], a17.[p]) + '.' + SUBSTRING(a17.[d], a17.[p] + 1, LEN(a17.[d])) ELSE a17.[d] + REPLICATE('0', a17.[p] - LEN(a17.[d])) END WHEN REPLACE(a17.[d], '0', '') = '' THEN '0' END AS [t],
      CASE WHEN LEFT(j5.[valueRange_high_value], 1) = '-' THEN '-' ELSE '' END AS [sign]
  ) AS a18
  CROSS APPLY (
    SELECT TOP (1) CHARINDEX('.', a18.[t] + '.') + 18 AS [q]
  ) AS a19
  CROSS APPLY (
    SELECT TOP (1)
      SUBSTRING(a18.[t], a19.[q] + 1, LEN(a18.[t])) AS [r],
      RIGHT(REPLACE(LEFT(a18.[t], a19.[q]), '.', ''), 1) AS [last]
  ) AS a20
  CROSS APPLY (
    SELECT TOP (1) TRY_CAST(a18.[sign] + LEFT(a18.[t], a19.[q] + CASE WHEN LEFT(a20.[r], 1) = '5' AND REPLACE(SUBSTRING(a20.[r], 2, LEN(a20.[r])), '0', '') = '' AND a20.[last] IN ('0', '2', '4', '6', '8') THEN 0 ELSE 1 END) AS decimal(38, 18)) AS [v]
  ) AS a21
  WHERE (LEN(j5.[valueRange_high_value]) > 20 OR UPPER(j5.[valueRange_high_value]) LIKE '%E%')
) AS n3
OUTER APPLY (
  SELECT TOP (1)
    1 AS [rare],
    CASE WHEN a28.[v] <> 0 OR REPLACE(a24.[d], '0', '') = '' THEN a28.[v] END AS [v]
  FROM (
    SELECT TOP (1) CHARINDEX('E', UPPER(j5.[valueRatio_numerator_value]) + 'E') AS [e]
  ) AS a22
  CROSS APPLY (
    SELECT TOP (1)
      REPLACE(LEFT(j5.[valueRatio_numerator_value], a22.[e] - 1), '-', '') AS [m],
      TRY_CAST(SUBSTRING(j5.[valueRatio_numerator_value], a22.[e] + 1, 100) AS int) AS [x]
  ) AS a23
  CROSS APPLY (
    SELECT TOP (1)
      REPLACE(a23.[m], '.', '') AS [d],
      CHARINDEX('.', a23.[m] + '.') - 1 + a23.[x] AS [p]
  ) AS a24
  CROSS APPLY (
    SELECT TOP (1)
      CASE WHEN a23.[x] BETWEEN -400 AND 400 THEN CASE WHEN a24.[p] < 1 THEN '0.' + REPLICATE('0', -a24.[p]) + a24.[d] WHEN a24.[p] < LEN(a24.[d]) THEN LEFT(a24.[d], a24.[p]) + '.' + SUBSTRING(a24.[d], a24.[p] + 1, LEN(a24.[d])) ELSE a24.[d] + REPLICATE('0', a24.[p] - LEN(a24.[d])) END WHEN REPLACE(a24.[d], '0', '') = '' THEN '0' END AS [t],
      CASE WHEN LEFT(j5.[valueRatio_numerator_value], 1) = '-' THEN '-' ELSE '' END AS [sign]
  ) AS a25
  CROSS APPLY (
    SELECT TOP (1) CHARINDEX('.', a25.[t] + '.') + 18 AS [q]
  ) AS a26
  CROSS APPLY (
    SELECT TOP (1)
      SUBSTRING(a25.[t], a26.[q] + 1, LEN(a25.[t])) AS [r],
      RIGHT(REPLACE(LEFT(a25.[t], a26.[q]), '.', ''), 1) AS [last]
  ) AS a27
  CROSS APPLY (
    SELECT TOP (1) TRY_CAST(a25.[sign] + LEFT(a25.[t], a26.[q] + CASE WHEN LEFT(a27.[r], 1) = '5' AND REPLACE(SUBSTRING(a27.[r], 2, LEN(a27.[r])), '0', '') = '' AND a27.[last] IN ('0', '2', '4', '6', '8') THEN 0 ELSE 1 END) AS decimal(38, 18)) AS [v]
  ) AS a28
  WHERE (LEN(j5.[valueRatio_numerator_value]) > 20 OR UPPER(j5.[valueRatio_numerator_value]) LIKE '%E%')
) AS n4
OUTER APPLY (
  SELECT TOP (1)
    1 AS [rare],
    CASE WHEN a35.[v] <> 0 OR REPLACE(a31.[d], '0', '') = '' THEN a35.[v] END AS [v]
  FROM (
    SELECT TOP (1) CHARINDEX('E', UPPER(j5.[valueRatio_denominator_value]) + 'E') AS [e]
  ) AS a29
  CROSS APPLY (
    SELECT TOP (1)
      REPLACE(LEFT(j5.[valueRatio_denominator_value], a29.[e] - 1), '-', '') AS [m],
      TRY_CAST(SUBSTRING(j5.[valueRatio_denominator_value], a29.[e] + 1, 100) AS int) AS [x]
  ) AS a30
  CROSS APPLY (
    SELECT TOP (1)
      REPLACE(a30.[m], '.', '') AS [d],
      CHARINDEX('.', a30.[m] + '.') - 1 + a30.[x] AS [p]
  ) AS a31
  CROSS APPLY (
    SELECT TOP (1)
      CASE WHEN a30.[x] BETWEEN -400 AND 400 THEN CASE WHEN a31.[p] < 1 THEN '0.' + REPLICATE('0', -a31.[p]) + a31.[d] WHEN a31.[p] < LEN(a31.[d]) THEN LEFT(a31.[d], a31.[p]) + '.' + SUBSTRING(a31.[d], a31.[p] + 1, LEN(a31.[d])) ELSE a31.[d] + REPLICATE('0', a31.[p] - LEN(a31.[d])) END WHEN REPLACE(a31.[d], '0', '') = '' THEN '0' END AS [t],
      CASE WHEN LEFT(j5.[valueRatio_denominator_value], 1) = '-' THEN '-' ELSE '' END AS [sign]
  ) AS a32
  CROSS APPLY (
    SELECT TOP (1) CHARINDEX('.', a32.[t] + '.') + 18 AS [q]
  ) AS a33
  CROSS APPLY (
    SELECT TOP (1)
      SUBSTRING(a32.[t], a33.[q] + 1, LEN(a32.[t])) AS [r],
      RIGHT(REPLACE(LEFT(a32.[t], a33.[q]), '.', ''), 1) AS [last]
  ) AS a34
  CROSS APPLY (
    SELECT TOP (1) TRY_CAST(a32.[sign] + LEFT(a32.[t], a33.[q] + CASE WHEN LEFT(a34.[r], 1) = '5' AND REPLACE(SUBSTRING(a34.[r], 2, LEN(a34.[r])), '0', '') = '' AND a34.[last] IN ('0', '2', '4', '6', '8') THEN 0 ELSE 1 END) AS decimal(38, 18)) AS [v]
  ) AS a35
  WHERE (LEN(j5.[valueRatio_denominator_value]) > 20 OR UPPER(j5.[valueRatio_denominator_value]) LIKE '%E%')
) AS n5
CROSS APPLY (
  SELECT JSON_QUERY(j4.[dataAbsentReason], '$.coding') AS [dataAbsentReason_coding]
) AS q4
OUTER APPLY ( -- dataAbsentReason.coding.first().code
  SELECT TOP (1)
    CASE WHEN e5.[type] = 5 THEN e5.[value] END AS [v],
    j8.[code] AS [code]
  FROM OPENJSON(CASE WHEN LEFT(q4.[dataAbsentReason_coding], 2) = '[{' THEN NULL WHEN LEFT(q4.[dataAbsentReason_coding], 1) = '[' THEN q4.[dataAbsentReason_coding] ELSE '[' + q4.[dataAbsentReason_coding] + ']' END) AS e5
  OUTER APPLY OPENJSON(CASE WHEN e5.[type] = 5 THEN e5.[value] END) WITH (
    [code] varchar(max) '$.code'
  ) AS j8
  WHERE LEFT(q4.[dataAbsentReason_coding], 2) <> '[{'
    AND e5.[type] <> 0
  ORDER BY CAST(e5.[key] AS int)
) AS f4
OUTER APPLY ( -- interpretation.first().coding.first().code
  SELECT TOP (1)
    CASE WHEN e6.[type] = 5 THEN e6.[value] END AS [v],
    j9.[coding] AS [coding],
    j11.[text] AS [text]
  FROM OPENJSON(CASE WHEN LEFT(j4.[interpretation], 2) = '[{' THEN NULL WHEN LEFT(j4.[interpretation], 1) = '[' THEN j4.[interpretation] ELSE '[' + j4.[interpretation] + ']' END) AS e6
  CROSS APPLY (
    SELECT MAX(CASE WHEN o.[key] = 'coding' AND o.[type] IN (4, 5) THEN o.[value] END) AS [coding]
    FROM OPENJSON(CASE WHEN e6.[type] = 5 THEN e6.[value] END) AS o
  ) AS j9
  OUTER APPLY OPENJSON(CASE WHEN e6.[type] = 5 THEN e6.[value] END) WITH (
    [text] varchar(max) '$.text'
  ) AS j11
  WHERE LEFT(j4.[interpretation], 2) <> '[{'
    AND e6.[type] <> 0
  ORDER BY CAST(e6.[key] AS int)
) AS f5
CROSS APPLY (
  SELECT JSON_QUERY(j4.[interpretation], '$[0].coding') AS [interpretation_0_coding]
) AS q5
OUTER APPLY ( -- interpretation.first().coding.first().code
  SELECT TOP (1)
    CASE WHEN e7.[type] = 5 THEN e7.[value] END AS [v],
    j10.[code] AS [code],
    j10.[system] AS [system],
    j10.[display] AS [display]
  FROM OPENJSON(CASE WHEN LEFT(q5.[interpretation_0_coding], 2) = '[{' THEN NULL WHEN LEFT(COALESCE(q5.[interpretation_0_coding], f5.[coding]), 1) = '[' THEN COALESCE(q5.[interpretation_0_coding], f5.[coding]) ELSE '[' + COALESCE(q5.[interpretation_0_coding], f5.[coding]) + ']' END) AS e7
  OUTER APPLY OPENJSON(CASE WHEN e7.[type] = 5 THEN e7.[value] END) WITH (
    [code] varchar(max) '$.code',
    [system] varchar(max) '$.system',
    [display] varchar(max) '$.display'
  ) AS j10
  WHERE (LEFT(q5.[interpretation_0_coding], 2) <> '[{' OR f5.[coding] IS NOT NULL AND q5.[interpretation_0_coding] IS NULL)
    AND e7.[type] <> 0
  ORDER BY CAST(e7.[key] AS int)
) AS f6
OUTER APPLY ( -- referenceRange.first().low.value
  SELECT TOP (1)
    CASE WHEN e8.[type] = 5 THEN e8.[value] END AS [v],
    j12.[low_value] AS [low_value],
    j12.[high_value] AS [high_value],
    j13.[high] AS [high],
    j13.[low] AS [low],
    j12.[text] AS [text]
  FROM OPENJSON(CASE WHEN LEFT(j4.[referenceRange], 2) = '[{' THEN NULL WHEN LEFT(j4.[referenceRange], 1) = '[' THEN j4.[referenceRange] ELSE '[' + j4.[referenceRange] + ']' END) AS e8
  OUTER APPLY OPENJSON(CASE WHEN e8.[type] = 5 THEN e8.[value] END) WITH (
    [low_value] varchar(max) '$.low.value',
    [high_value] varchar(max) '$.high.value',
    [text] varchar(max) '$.text'
  ) AS j12
  CROSS APPLY (
    SELECT
      MAX(CASE WHEN o.[key] = 'high' AND o.[type] IN (4, 5) THEN o.[value] END) AS [high],
      MAX(CASE WHEN o.[key] = 'low' AND o.[type] IN (4, 5) THEN o.[value] END) AS [low]
    FROM OPENJSON(CASE WHEN e8.[type] = 5 THEN e8.[value] END) AS o
  ) AS j13
  WHERE LEFT(j4.[referenceRange], 2) <> '[{'
    AND e8.[type] <> 0
  ORDER BY CAST(e8.[key] AS int)
) AS f7
OUTER APPLY (
  SELECT TOP (1)
    1 AS [rare],
    CASE WHEN a42.[v] <> 0 OR REPLACE(a38.[d], '0', '') = '' THEN a42.[v] END AS [v]
  FROM (
    SELECT TOP (1) CHARINDEX('E', UPPER(COALESCE(j5.[referenceRange_0_low_value], f7.[low_value])) + 'E') AS [e]
  ) AS a36
  CROSS APPLY (
    SELECT TOP (1)
      REPLACE(LEFT(COALESCE(j5.[referenceRange_0_low_value], f7.[low_value]), a36.[e] - 1), '-', '') AS [m],
      TRY_CAST(SUBSTRING(COALESCE(j5.[referenceRange_0_low_value], f7.[low_value]), a36.[e] + 1, 100) AS int) AS [x]
  ) AS a37
  CROSS APPLY (
    SELECT TOP (1)
      REPLACE(a37.[m], '.', '') AS [d],
      CHARINDEX('.', a37.[m] + '.') - 1 + a37.[x] AS [p]
  ) AS a38
  CROSS APPLY (
    SELECT TOP (1)
      CASE WHEN a37.[x] BETWEEN -400 AND 400 THEN CASE WHEN a38.[p] < 1 THEN '0.' + REPLICATE('0', -a38.[p]) + a38.[d] WHEN a38.[p] < LEN(a38.[d]) THEN LEFT(a38.[d], a38.[p]) + '.' + SUBSTRING(a38.[d], a38.[p] + 1, LEN(a38.[d])) ELSE a38.[d] + REPLICATE('0', a38.[p] - LEN(a38.[d])) END WHEN REPLACE(a38.[d], '0', '') = '' THEN '0' END AS [t],
      CASE WHEN LEFT(COALESCE(j5.[referenceRange_0_low_value], f7.[low_value]), 1) = '-' THEN '-' ELSE '' END AS [sign]
  ) AS a39
  CROSS APPLY (
    SELECT TOP (1) CHARINDEX('.', a39.[t] + '.') + 18 AS [q]
  ) AS a40
  CROSS APPLY (
    SELECT TOP (1)
      SUBSTRING(a39.[t], a40.[q] + 1, LEN(a39.[t])) AS [r],
      RIGHT(REPLACE(LEFT(a39.[t], a40.[q]), '.', ''), 1) AS [last]
  ) AS a41
  CROSS APPLY (
    SELECT TOP (1) TRY_CAST(a39.[sign] + LEFT(a39.[t], a40.[q] + CASE WHEN LEFT(a41.[r], 1) = '5' AND REPLACE(SUBSTRING(a41.[r], 2, LEN(a41.[r])), '0', '') = '' AND a41.[last] IN ('0', '2', '4', '6', '8') THEN 0 ELSE 1 END) AS decimal(38, 18)) AS [v]
  ) AS a42
  WHERE (LEN(COALESCE(j5.[referenceRange_0_low_value], f7.[low_value])) > 20 OR UPPER(COALESCE(j5.[referenceRange_0_low_value], f7.[low_value])) LIKE '%E%')
) AS n6
OUTER APPLY (
  SELECT TOP (1)
    1 AS [rare],
    CASE WHEN a49.[v] <> 0 OR REPLACE(a45.[d], '0', '') = '' THEN a49.[v] END AS [v]
  FROM (
    SELECT TOP (1) CHARINDEX('E', UPPER(COALESCE(j5.[referenceRange_0_high_value], f7.[high_value])) + 'E') AS [e]
  ) AS a43
  CROSS APPLY (
    SELECT TOP (1)
      REPLACE(LEFT(COALESCE(j5.[referenceRange_0_high_value], f7.[high_value]), a43.[e] - 1), '-', '') AS [m],
      TRY_CAST(SUBSTRING(COALESCE(j5.[referenceRange_0_high_value], f7.[high_value]), a43.[e] + 1, 100) AS int) AS [x]
  ) AS a44
  CROSS APPLY (
    SELECT TOP (1)
      REPLACE(a44.[m], '.', '') AS [d],
      CHARINDEX('.', a44.[m] + '.') - 1 + a44.[x] AS [p]
  ) AS a45
  CROSS APPLY (
    SELECT TOP (1)
      CASE WHEN a44.[x] BETWEEN -400 AND 400 THEN CASE WHEN a45.[p] < 1 THEN '0.' + REPLICATE('0', -a45.[p]) + a45.[d] WHEN a45.[p] < LEN(a45.[d]) THEN LEFT(a45.[d], a45.[p]) + '.' + SUBSTRING(a45.[d], a45.[p] + 1, LEN(a45.[d])) ELSE a45.[d] + REPLICATE('0', a45.[p] - LEN(a45.[d])) END WHEN REPLACE(a45.[d], '0', '') = '' THEN '0' END AS [t],
      CASE WHEN LEFT(COALESCE(j5.[referenceRange_0_high_value], f7.[high_value]), 1) = '-' THEN '-' ELSE '' END AS [sign]
  ) AS a46
  CROSS APPLY (
    SELECT TOP (1) CHARINDEX('.', a46.[t] + '.') + 18 AS [q]
  ) AS a47
  CROSS APPLY (
    SELECT TOP (1)
      SUBSTRING(a46.[t], a47.[q] + 1, LEN(a46.[t])) AS [r],
      RIGHT(REPLACE(LEFT(a46.[t], a47.[q]), '.', ''), 1) AS [last]
  ) AS a48
  CROSS APPLY (
    SELECT TOP (1) TRY_CAST(a46.[sign] + LEFT(a46.[t], a47.[q] + CASE WHEN LEFT(a48.[r], 1) = '5' AND REPLACE(SUBSTRING(a48.[r], 2, LEN(a48.[r])), '0', '') = '' AND a48.[last] IN ('0', '2', '4', '6', '8') THEN 0 ELSE 1 END) AS decimal(38, 18)) AS [v]
  ) AS a49
  WHERE (LEN(COALESCE(j5.[referenceRange_0_high_value], f7.[high_value])) > 20 OR UPPER(COALESCE(j5.[referenceRange_0_high_value], f7.[high_value])) LIKE '%E%')
) AS n7
CROSS APPLY (
  SELECT JSON_QUERY(j4.[referenceRange], '$[0].high') AS [referenceRange_0_high]
) AS q6
CROSS APPLY (
  SELECT JSON_QUERY(j4.[referenceRange], '$[0].low') AS [referenceRange_0_low]
) AS q7
OUTER APPLY OPENJSON(CASE WHEN (q6.[referenceRange_0_high] IS NOT NULL OR f7.[high] IS NOT NULL) THEN COALESCE(q6.[referenceRange_0_high], f7.[high]) ELSE COALESCE(q7.[referenceRange_0_low], f7.[low]) END) WITH ( -- iif(referenceRange.first().high.exists(), referenceRange.first().high, referenceRange.first().low).u...
  [unit] varchar(max) '$.unit'
) AS j14
WHERE CAST(CAST(j1.[resourceType] AS varchar(max)) AS varbinary(max)) = CAST('Observation' AS varbinary(max))
  AND e2.[type] <> 0

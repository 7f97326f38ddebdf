INSERT INTO [stage].[observation] ([_file], [_line], [_id], [id], [status], [category], [category_system], [category_display], [category_text], [code], [code_system], [code_display], [code_text], [patient_id], [encounter_id], [effective_time], [effective_time_utc], [effective_start], [effective_end], [effective_instant], [issued], [issued_utc], [value_number], [value_number_unit], [value_number_unit_code], [value_comparator], [value_code], [value_code_system], [value_code_display], [value_code_text], [value_string], [value_boolean], [value_integer], [value_time], [value_time_of_day], [value_start], [value_end], [value_low], [value_high], [value_numerator], [value_denominator], [absent_reason], [interpretation], [interpretation_system], [interpretation_display], [interpretation_text], [reference_low], [reference_high], [reference_unit], [reference_text], [body_site], [body_site_system], [body_site_display], [body_site_text], [method], [method_system], [method_display], [method_text], [practitioner_id], [organization_id], [device_id], [specimen_id], [based_on_id], [part_of_id], [derived_from_id])
SELECT
  d.[_file],
  d.[_line],
  CAST(j1.[id] AS varchar(64)) AS [_id],
  j1.[id] AS [id],
  j1.[status] AS [status],
  j4.[code] AS [category],
  j4.[system] AS [category_system],
  j4.[display] AS [category_display],
  j5.[text] AS [category_text],
  j6.[code] AS [code],
  j6.[system] AS [code_system],
  j6.[display] AS [code_display],
  j1.[code_text] AS [code_text],
  CASE WHEN CAST(CAST(RIGHT(k1.[head], 8) AS varchar(max)) AS varbinary(max)) = CAST('/Patient' AS varbinary(max)) THEN k1.[id] END AS [patient_id],
  CASE WHEN CAST(CAST(RIGHT(k2.[head], 10) AS varchar(max)) AS varbinary(max)) = CAST('/Encounter' AS varbinary(max)) THEN k2.[id] END AS [encounter_id],
  j1.[effectiveDateTime] AS [effective_time],
  CASE WHEN z1.[n] > 0 AND LEN(j1.[effectiveDateTime]) >= 20 AND j1.[effectiveDateTime] LIKE '____-__-__T__:__:__%' THEN CAST(SWITCHOFFSET(TRY_CAST(LEFT(j1.[effectiveDateTime], 19) + LEFT(SUBSTRING(j1.[effectiveDateTime], 20, LEN(j1.[effectiveDateTime]) - 19 - z1.[n]), 4) + RIGHT(j1.[effectiveDateTime], z1.[n]) AS datetimeoffset), '+00:00') AS datetime2(3)) END AS [effective_time_utc],
  j1.[effectivePeriod_start] AS [effective_start],
  j1.[effectivePeriod_end] AS [effective_end],
  j1.[effectiveInstant] AS [effective_instant],
  j1.[issued] AS [issued],
  CASE WHEN z2.[n] > 0 AND LEN(j1.[issued]) >= 20 AND j1.[issued] LIKE '____-__-__T__:__:__%' THEN CAST(SWITCHOFFSET(TRY_CAST(LEFT(j1.[issued], 19) + LEFT(SUBSTRING(j1.[issued], 20, LEN(j1.[issued]) - 19 - z2.[n]), 4) + RIGHT(j1.[issued], z2.[n]) AS datetimeoffset), '+00:00') AS datetime2(3)) END AS [issued_utc],
  CASE WHEN n1.[rare] = 1 THEN n1.[v] ELSE TRY_CAST(j1.[valueQuantity_value] AS decimal(38, 18)) END AS [value_number],
  j1.[valueQuantity_unit] AS [value_number_unit],
  j1.[valueQuantity_code] AS [value_number_unit_code],
  j1.[valueQuantity_comparator] AS [value_comparator],
  j7.[code] AS [value_code],
  j7.[system] AS [value_code_system],
  j7.[display] AS [value_code_display],
  j1.[valueCodeableConcept_text] AS [value_code_text],
  j1.[valueString] AS [value_string],
  CAST(CASE j1.[valueBoolean] WHEN 'true' THEN 1 WHEN 'false' THEN 0 END AS bit) AS [value_boolean],
  TRY_CAST(NULLIF(j1.[valueInteger], '') AS int) AS [value_integer],
  j1.[valueDateTime] AS [value_time],
  j1.[valueTime] AS [value_time_of_day],
  j1.[valuePeriod_start] AS [value_start],
  j1.[valuePeriod_end] AS [value_end],
  CASE WHEN n2.[rare] = 1 THEN n2.[v] ELSE TRY_CAST(j1.[valueRange_low_value] AS decimal(38, 18)) END AS [value_low],
  CASE WHEN n3.[rare] = 1 THEN n3.[v] ELSE TRY_CAST(j1.[valueRange_high_value] AS decimal(38, 18)) END AS [value_high],
  CASE WHEN n4.[rare] = 1 THEN n4.[v] ELSE TRY_CAST(j1.[valueRatio_numerator_value] AS decimal(38, 18)) END AS [value_numerator],
  CASE WHEN n5.[rare] = 1 THEN n5.[v] ELSE TRY_CAST(j1.[valueRatio_denominator_value] AS decimal(38, 18)) END AS [value_denominator],
  j8.[code] AS [absent_reason],
  j10.[code] AS [interpretation],
  j10.[system] AS [interpretation_system],
  j10.[display] AS [interpretation_display],
  j11.[text] AS [interpretation_text],
  CASE WHEN n6.[rare] = 1 THEN n6.[v] ELSE TRY_CAST(j12.[low_value] AS decimal(38, 18)) END AS [reference_low],
  CASE WHEN n7.[rare] = 1 THEN n7.[v] ELSE TRY_CAST(j12.[high_value] AS decimal(38, 18)) END AS [reference_high],
  j14.[unit] AS [reference_unit],
  j12.[text] AS [reference_text],
  j15.[code] AS [body_site],
  j15.[system] AS [body_site_system],
  j15.[display] AS [body_site_display],
  j1.[bodySite_text] AS [body_site_text],
  j16.[code] AS [method],
  j16.[system] AS [method_system],
  j16.[display] AS [method_display],
  j1.[method_text] AS [method_text],
  f11.[v] AS [practitioner_id],
  f12.[v] AS [organization_id],
  CASE WHEN CAST(CAST(RIGHT(k5.[head], 7) AS varchar(max)) AS varbinary(max)) = CAST('/Device' AS varbinary(max)) THEN k5.[id] END AS [device_id],
  CASE WHEN CAST(CAST(RIGHT(k6.[head], 9) AS varchar(max)) AS varbinary(max)) = CAST('/Specimen' AS varbinary(max)) THEN k6.[id] END AS [specimen_id],
  f13.[v] AS [based_on_id],
  f14.[v] AS [part_of_id],
  f15.[v] AS [derived_from_id]
FROM [stage].[documents] AS d
CROSS APPLY OPENJSON(d.[doc]) WITH (
  [resourceType] varchar(max) '$.resourceType',
  [id] varchar(max) '$.id',
  [status] varchar(max) '$.status',
  [code_text] varchar(max) '$.code.text',
  [subject_reference] varchar(max) '$.subject.reference',
  [encounter_reference] varchar(max) '$.encounter.reference',
  [effectiveDateTime] varchar(max) '$.effectiveDateTime',
  [effectivePeriod_start] varchar(max) '$.effectivePeriod.start',
  [effectivePeriod_end] varchar(max) '$.effectivePeriod.end',
  [effectiveInstant] varchar(max) '$.effectiveInstant',
  [issued] varchar(max) '$.issued',
  [valueQuantity_value] varchar(max) '$.valueQuantity.value',
  [valueQuantity_unit] varchar(max) '$.valueQuantity.unit',
  [valueQuantity_code] varchar(max) '$.valueQuantity.code',
  [valueQuantity_comparator] varchar(max) '$.valueQuantity.comparator',
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
  [bodySite_text] varchar(max) '$.bodySite.text',
  [method_text] varchar(max) '$.method.text',
  [device_reference] varchar(max) '$.device.reference',
  [specimen_reference] varchar(max) '$.specimen.reference'
) AS j1
CROSS APPLY (
  SELECT
    MAX(CASE WHEN o.[key] = 'category' AND o.[type] IN (4, 5) THEN o.[value] END) AS [category],
    MAX(CASE WHEN o.[key] = 'code' AND o.[type] IN (4, 5) THEN o.[value] END) AS [code],
    MAX(CASE WHEN o.[key] = 'valueCodeableConcept' AND o.[type] IN (4, 5) THEN o.[value] END) AS [valueCodeableConcept],
    MAX(CASE WHEN o.[key] = 'dataAbsentReason' AND o.[type] IN (4, 5) THEN o.[value] END) AS [dataAbsentReason],
    MAX(CASE WHEN o.[key] = 'interpretation' AND o.[type] IN (4, 5) THEN o.[value] END) AS [interpretation],
    MAX(CASE WHEN o.[key] = 'referenceRange' AND o.[type] IN (4, 5) THEN o.[value] END) AS [referenceRange],
    MAX(CASE WHEN o.[key] = 'bodySite' AND o.[type] IN (4, 5) THEN o.[value] END) AS [bodySite],
    MAX(CASE WHEN o.[key] = 'method' AND o.[type] IN (4, 5) THEN o.[value] END) AS [method],
    MAX(CASE WHEN o.[key] = 'performer' AND o.[type] IN (4, 5) THEN o.[value] END) AS [performer],
    MAX(CASE WHEN o.[key] = 'basedOn' AND o.[type] IN (4, 5) THEN o.[value] END) AS [basedOn],
    MAX(CASE WHEN o.[key] = 'partOf' AND o.[type] IN (4, 5) THEN o.[value] END) AS [partOf],
    MAX(CASE WHEN o.[key] = 'derivedFrom' AND o.[type] IN (4, 5) THEN o.[value] END) AS [derivedFrom]
  FROM OPENJSON(d.[doc]) AS o
) AS j2
OUTER APPLY ( -- category.first().coding.first().code
  SELECT TOP (1) CASE WHEN e1.[type] = 5 THEN e1.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j2.[category], 1) = '[' THEN j2.[category] ELSE '[' + j2.[category] + ']' END) AS e1
  WHERE e1.[type] <> 0
  ORDER BY CAST(e1.[key] AS int)
) AS f1
CROSS APPLY (
  SELECT MAX(CASE WHEN o.[key] = 'coding' AND o.[type] IN (4, 5) THEN o.[value] END) AS [coding]
  FROM OPENJSON(f1.[v]) AS o
) AS j3
OUTER APPLY ( -- category.first().coding.first().code
  SELECT TOP (1) CASE WHEN e2.[type] = 5 THEN e2.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j3.[coding], 1) = '[' THEN j3.[coding] ELSE '[' + j3.[coding] + ']' END) AS e2
  WHERE e2.[type] <> 0
  ORDER BY CAST(e2.[key] AS int)
) AS f2
OUTER APPLY OPENJSON(f2.[v]) WITH (
  [code] varchar(max) '$.code',
  [system] varchar(max) '$.system',
  [display] varchar(max) '$.display'
) AS j4
OUTER APPLY OPENJSON(f1.[v]) WITH (
  [text] varchar(max) '$.text'
) AS j5
CROSS APPLY (
  SELECT JSON_QUERY(j2.[code], '$.coding') AS [code_coding]
) AS q1
OUTER APPLY ( -- code.coding.first().code
  SELECT TOP (1) CASE WHEN e3.[type] = 5 THEN e3.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(q1.[code_coding], 1) = '[' THEN q1.[code_coding] ELSE '[' + q1.[code_coding] + ']' END) AS e3
  WHERE e3.[type] <> 0
  ORDER BY CAST(e3.[key] AS int)
) AS f3
OUTER APPLY OPENJSON(f3.[v]) WITH (
  [code] varchar(max) '$.code',
  [system] varchar(max) '$.system',
  [display] varchar(max) '$.display'
) AS j6
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
  SELECT CASE WHEN LEN(j1.[effectiveDateTime]) <= 10 THEN NULL WHEN RIGHT(j1.[effectiveDateTime], 1) = 'Z' THEN 1 WHEN LEN(j1.[effectiveDateTime]) >= 19 AND SUBSTRING(j1.[effectiveDateTime], LEN(j1.[effectiveDateTime]) - 5, 1) IN ('+', '-') THEN 6 ELSE 0 END AS [n]
) AS z1
CROSS APPLY (
  SELECT CASE WHEN LEN(j1.[issued]) <= 10 THEN NULL WHEN RIGHT(j1.[issued], 1) = 'Z' THEN 1 WHEN LEN(j1.[issued]) >= 19 AND SUBSTRING(j1.[issued], LEN(j1.[issued]) - 5, 1) IN ('+', '-') THEN 6 ELSE 0 END AS [n]
) AS z2
OUTER APPLY (
  SELECT TOP (1)
    1 AS [rare],
    CASE WHEN a7.[v] <> 0 OR REPLACE(a3.[d], '0', '') = '' THEN a7.[v] END AS [v]
  FROM (
    SELECT CHARINDEX('E', UPPER(j1.[valueQuantity_value]) + 'E') AS [e]
  ) AS a1
  CROSS APPLY (
    SELECT
      REPLACE(LEFT(j1.[valueQuantity_value], a1.[e] - 1), '-', '') AS [m],
      TRY_CAST(SUBSTRING(j1.[valueQuantity_value], a1.[e] + 1, 100) AS int) AS [x]
  ) AS a2
  CROSS APPLY (
    SELECT
      REPLACE(a2.[m], '.', '') AS [d],
      CHARINDEX('.', a2.[m] + '.') - 1 + a2.[x] AS [p]
  ) AS a3
  CROSS APPLY (
    SELECT
      CASE WHEN a2.[x] BETWEEN -400 AND 400 THEN CASE WHEN a3.[p] < 1 THEN '0.' + REPLICATE('0', -a3.[p]) + a3.[d] WHEN a3.[p] < LEN(a3.[d]) THEN LEFT(a3.[d], a3.[p]) + '.' + SUBSTRING(a3.[d], a3.[p] + 1, LEN(a3.[d])) ELSE a3.[d] + REPLICATE('0', a3.[p] - LEN(a3.[d])) END WHEN REPLACE(a3.[d], '0', '') = '' THEN '0' END AS [t],
      CASE WHEN LEFT(j1.[valueQuantity_value], 1) = '-' THEN '-' ELSE '' END AS [sign]
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
  WHERE (LEN(j1.[valueQuantity_value]) > 20 OR UPPER(j1.[valueQuantity_value]) LIKE '%E%')
) AS n1
CROSS APPLY (
  SELECT JSON_QUERY(j2.[valueCodeableConcept], '$.coding') AS [valueCodeableConcept_coding]
) AS q2
OUTER APPLY ( -- value.ofType(CodeableConcept).coding.first().code
  SELECT TOP (1) CASE WHEN e4.[type] = 5 THEN e4.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(q2.[valueCodeableConcept_coding], 1) = '[' THEN q2.[valueCodeableConcept_coding] ELSE '[' + q2.[valueCodeableConcept_coding] + ']' END) AS e4
  WHERE e4.[type] <> 0
  ORDER BY CAST(e4.[key] AS int)
) AS f4
OUTER APPLY OPENJSON(f4.[v]) WITH (
  [code] varchar(max) '$.code',
  [system] varchar(max) '$.system',
  [display] varchar(max) '$.display'
) AS j7
OUTER APPLY (
  SELECT TOP (1)
    1 AS [rare],
    CASE WHEN a14.[v] <> 0 OR REPLACE(a10.[d], '0', '') = '' THEN a14.[v] END AS [v]
  FROM (
    SELECT CHARINDEX('E', UPPER(j1.[valueRange_low_value]) + 'E') AS [e]
  ) AS a8
  CROSS APPLY (
    SELECT
      REPLACE(LEFT(j1.[valueRange_low_value], a8.[e] - 1), '-', '') AS [m],
      TRY_CAST(SUBSTRING(j1.[valueRange_low_value], a8.[e] + 1, 100) AS int) AS [x]
  ) AS a9
  CROSS APPLY (
    SELECT
      REPLACE(a9.[m], '.', '') AS [d],
      CHARINDEX('.', a9.[m] + '.') - 1 + a9.[x] AS [p]
  ) AS a10
  CROSS APPLY (
    SELECT
      CASE WHEN a9.[x] BETWEEN -400 AND 400 THEN CASE WHEN a10.[p] < 1 THEN '0.' + REPLICATE('0', -a10.[p]) + a10.[d] WHEN a10.[p] < LEN(a10.[d]) THEN LEFT(a10.[d], a10.[p]) + '.' + SUBSTRING(a10.[d], a10.[p] + 1, LEN(a10.[d])) ELSE a10.[d] + REPLICATE('0', a10.[p] - LEN(a10.[d])) END WHEN REPLACE(a10.[d], '0', '') = '' THEN '0' END AS [t],
      CASE WHEN LEFT(j1.[valueRange_low_value], 1) = '-' THEN '-' ELSE '' END AS [sign]
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
  WHERE (LEN(j1.[valueRange_low_value]) > 20 OR UPPER(j1.[valueRange_low_value]) LIKE '%E%')
) AS n2
OUTER APPLY (
  SELECT TOP (1)
    1 AS [rare],
    CASE WHEN a21.[v] <> 0 OR REPLACE(a17.[d], '0', '') = '' THEN a21.[v] END AS [v]
  FROM (
    SELECT CHARINDEX('E', UPPER(j1.[valueRange_high_value]) + 'E') AS [e]
  ) AS a15
  CROSS APPLY (
    SELECT
      REPLACE(LEFT(j1.[valueRange_high_value], a15.[e] - 1), '-', '') AS [m],
      TRY_CAST(SUBSTRING(j1.[valueRange_high_value], a15.[e] + 1, 100) AS int) AS [x]
  ) AS a16
  CROSS APPLY (
    SELECT
      REPLACE(a16.[m], '.', '') AS [d],
      CHARINDEX('.', a16.[m] + '.') - 1 + a16.[x] AS [p]
  ) AS a17
  CROSS APPLY (
    SELECT
      CASE WHEN a16.[x] BETWEEN -400 AND 400 THEN CASE WHEN a17.[p] < 1 THEN '0.' + REPLICATE('0', -a17.[p]) + a17.[d] WHEN a17.[p] < LEN(a17.[d]) THEN LEFT(a17.[d], a17.[p]) + '.' + SUBSTRING(a17.[d], a17.[p] + 1, LEN(a17.[d])) ELSE a17.[d] + REPLICATE('0', a17.[p] - LEN(a17.[d])) END WHEN REPLACE(a17.[d], '0', '') = '' THEN '0' END AS [t],
      CASE WHEN LEFT(j1.[valueRange_high_value], 1) = '-' THEN '-' ELSE '' END AS [sign]
  ) AS a18
  CROSS APPLY (
    SELECT CHARINDEX('.', a18.[t] + '.') + 18 AS [q]
  ) AS a19
  CROSS APPLY (
    SELECT
      SUBSTRING(a18.[t], a19.[q] + 1, LEN(a18.[t])) AS [r],
      RIGHT(REPLACE(LEFT(a18.[t], a19.[q]), '.', ''), 1) AS [last]
  ) AS a20
  CROSS APPLY (
    SELECT TRY_CAST(a18.[sign] + LEFT(a18.[t], a19.[q] + CASE WHEN LEFT(a20.[r], 1) = '5' AND REPLACE(SUBSTRING(a20.[r], 2, LEN(a20.[r])), '0', '') = '' AND a20.[last] IN ('0', '2', '4', '6', '8') THEN 0 ELSE 1 END) AS decimal(38, 18)) AS [v]
  ) AS a21
  WHERE (LEN(j1.[valueRange_high_value]) > 20 OR UPPER(j1.[valueRange_high_value]) LIKE '%E%')
) AS n3
OUTER APPLY (
  SELECT TOP (1)
    1 AS [rare],
    CASE WHEN a28.[v] <> 0 OR REPLACE(a24.[d], '0', '') = '' THEN a28.[v] END AS [v]
  FROM (
    SELECT CHARINDEX('E', UPPER(j1.[valueRatio_numerator_value]) + 'E') AS [e]
  ) AS a22
  CROSS APPLY (
    SELECT
      REPLACE(LEFT(j1.[valueRatio_numerator_value], a22.[e] - 1), '-', '') AS [m],
      TRY_CAST(SUBSTRING(j1.[valueRatio_numerator_value], a22.[e] + 1, 100) AS int) AS [x]
  ) AS a23
  CROSS APPLY (
    SELECT
      REPLACE(a23.[m], '.', '') AS [d],
      CHARINDEX('.', a23.[m] + '.') - 1 + a23.[x] AS [p]
  ) AS a24
  CROSS APPLY (
    SELECT
      CASE WHEN a23.[x] BETWEEN -400 AND 400 THEN CASE WHEN a24.[p] < 1 THEN '0.' + REPLICATE('0', -a24.[p]) + a24.[d] WHEN a24.[p] < LEN(a24.[d]) THEN LEFT(a24.[d], a24.[p]) + '.' + SUBSTRING(a24.[d], a24.[p] + 1, LEN(a24.[d])) ELSE a24.[d] + REPLICATE('0', a24.[p] - LEN(a24.[d])) END WHEN REPLACE(a24.[d], '0', '') = '' THEN '0' END AS [t],
      CASE WHEN LEFT(j1.[valueRatio_numerator_value], 1) = '-' THEN '-' ELSE '' END AS [sign]
  ) AS a25
  CROSS APPLY (
    SELECT CHARINDEX('.', a25.[t] + '.') + 18 AS [q]
  ) AS a26
  CROSS APPLY (
    SELECT
      SUBSTRING(a25.[t], a26.[q] + 1, LEN(a25.[t])) AS [r],
      RIGHT(REPLACE(LEFT(a25.[t], a26.[q]), '.', ''), 1) AS [last]
  ) AS a27
  CROSS APPLY (
    SELECT TRY_CAST(a25.[sign] + LEFT(a25.[t], a26.[q] + CASE WHEN LEFT(a27.[r], 1) = '5' AND REPLACE(SUBSTRING(a27.[r], 2, LEN(a27.[r])), '0', '') = '' AND a27.[last] IN ('0', '2', '4', '6', '8') THEN 0 ELSE 1 END) AS decimal(38, 18)) AS [v]
  ) AS a28
  WHERE (LEN(j1.[valueRatio_numerator_value]) > 20 OR UPPER(j1.[valueRatio_numerator_value]) LIKE '%E%')
) AS n4
OUTER APPLY (
  SELECT TOP (1)
    1 AS [rare],
    CASE WHEN a35.[v] <> 0 OR REPLACE(a31.[d], '0', '') = '' THEN a35.[v] END AS [v]
  FROM (
    SELECT CHARINDEX('E', UPPER(j1.[valueRatio_denominator_value]) + 'E') AS [e]
  ) AS a29
  CROSS APPLY (
    SELECT
      REPLACE(LEFT(j1.[valueRatio_denominator_value], a29.[e] - 1), '-', '') AS [m],
      TRY_CAST(SUBSTRING(j1.[valueRatio_denominator_value], a29.[e] + 1, 100) AS int) AS [x]
  ) AS a30
  CROSS APPLY (
    SELECT
      REPLACE(a30.[m], '.', '') AS [d],
      CHARINDEX('.', a30.[m] + '.') - 1 + a30.[x] AS [p]
  ) AS a31
  CROSS APPLY (
    SELECT
      CASE WHEN a30.[x] BETWEEN -400 AND 400 THEN CASE WHEN a31.[p] < 1 THEN '0.' + REPLICATE('0', -a31.[p]) + a31.[d] WHEN a31.[p] < LEN(a31.[d]) THEN LEFT(a31.[d], a31.[p]) + '.' + SUBSTRING(a31.[d], a31.[p] + 1, LEN(a31.[d])) ELSE a31.[d] + REPLICATE('0', a31.[p] - LEN(a31.[d])) END WHEN REPLACE(a31.[d], '0', '') = '' THEN '0' END AS [t],
      CASE WHEN LEFT(j1.[valueRatio_denominator_value], 1) = '-' THEN '-' ELSE '' END AS [sign]
  ) AS a32
  CROSS APPLY (
    SELECT CHARINDEX('.', a32.[t] + '.') + 18 AS [q]
  ) AS a33
  CROSS APPLY (
    SELECT
      SUBSTRING(a32.[t], a33.[q] + 1, LEN(a32.[t])) AS [r],
      RIGHT(REPLACE(LEFT(a32.[t], a33.[q]), '.', ''), 1) AS [last]
  ) AS a34
  CROSS APPLY (
    SELECT TRY_CAST(a32.[sign] + LEFT(a32.[t], a33.[q] + CASE WHEN LEFT(a34.[r], 1) = '5' AND REPLACE(SUBSTRING(a34.[r], 2, LEN(a34.[r])), '0', '') = '' AND a34.[last] IN ('0', '2', '4', '6', '8') THEN 0 ELSE 1 END) AS decimal(38, 18)) AS [v]
  ) AS a35
  WHERE (LEN(j1.[valueRatio_denominator_value]) > 20 OR UPPER(j1.[valueRatio_denominator_value]) LIKE '%E%')
) AS n5
CROSS APPLY (
  SELECT JSON_QUERY(j2.[dataAbsentReason], '$.coding') AS [dataAbsentReason_coding]
) AS q3
OUTER APPLY ( -- dataAbsentReason.coding.first().code
  SELECT TOP (1) CASE WHEN e5.[type] = 5 THEN e5.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(q3.[dataAbsentReason_coding], 1) = '[' THEN q3.[dataAbsentReason_coding] ELSE '[' + q3.[dataAbsentReason_coding] + ']' END) AS e5
  WHERE e5.[type] <> 0
  ORDER BY CAST(e5.[key] AS int)
) AS f5
OUTER APPLY OPENJSON(f5.[v]) WITH (
  [code] varchar(max) '$.code'
) AS j8
OUTER APPLY ( -- interpretation.first().coding.first().code
  SELECT TOP (1) CASE WHEN e6.[type] = 5 THEN e6.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j2.[interpretation], 1) = '[' THEN j2.[interpretation] ELSE '[' + j2.[interpretation] + ']' END) AS e6
  WHERE e6.[type] <> 0
  ORDER BY CAST(e6.[key] AS int)
) AS f6
CROSS APPLY (
  SELECT MAX(CASE WHEN o.[key] = 'coding' AND o.[type] IN (4, 5) THEN o.[value] END) AS [coding]
  FROM OPENJSON(f6.[v]) AS o
) AS j9
OUTER APPLY ( -- interpretation.first().coding.first().code
  SELECT TOP (1) CASE WHEN e7.[type] = 5 THEN e7.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j9.[coding], 1) = '[' THEN j9.[coding] ELSE '[' + j9.[coding] + ']' END) AS e7
  WHERE e7.[type] <> 0
  ORDER BY CAST(e7.[key] AS int)
) AS f7
OUTER APPLY OPENJSON(f7.[v]) WITH (
  [code] varchar(max) '$.code',
  [system] varchar(max) '$.system',
  [display] varchar(max) '$.display'
) AS j10
OUTER APPLY OPENJSON(f6.[v]) WITH (
  [text] varchar(max) '$.text'
) AS j11
OUTER APPLY ( -- referenceRange.first().low.value
  SELECT TOP (1) CASE WHEN e8.[type] = 5 THEN e8.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j2.[referenceRange], 1) = '[' THEN j2.[referenceRange] ELSE '[' + j2.[referenceRange] + ']' END) AS e8
  WHERE e8.[type] <> 0
  ORDER BY CAST(e8.[key] AS int)
) AS f8
OUTER APPLY OPENJSON(f8.[v]) WITH (
  [low_value] varchar(max) '$.low.value',
  [high_value] varchar(max) '$.high.value',
  [text] varchar(max) '$.text'
) AS j12
OUTER APPLY (
  SELECT TOP (1)
    1 AS [rare],
    CASE WHEN a42.[v] <> 0 OR REPLACE(a38.[d], '0', '') = '' THEN a42.[v] END AS [v]
  FROM (
    SELECT CHARINDEX('E', UPPER(j12.[low_value]) + 'E') AS [e]
  ) AS a36
  CROSS APPLY (
    SELECT
      REPLACE(LEFT(j12.[low_value], a36.[e] - 1), '-', '') AS [m],
      TRY_CAST(SUBSTRING(j12.[low_value], a36.[e] + 1, 100) AS int) AS [x]
  ) AS a37
  CROSS APPLY (
    SELECT
      REPLACE(a37.[m], '.', '') AS [d],
      CHARINDEX('.', a37.[m] + '.') - 1 + a37.[x] AS [p]
  ) AS a38
  CROSS APPLY (
    SELECT
      CASE WHEN a37.[x] BETWEEN -400 AND 400 THEN CASE WHEN a38.[p] < 1 THEN '0.' + REPLICATE('0', -a38.[p]) + a38.[d] WHEN a38.[p] < LEN(a38.[d]) THEN LEFT(a38.[d], a38.[p]) + '.' + SUBSTRING(a38.[d], a38.[p] + 1, LEN(a38.[d])) ELSE a38.[d] + REPLICATE('0', a38.[p] - LEN(a38.[d])) END WHEN REPLACE(a38.[d], '0', '') = '' THEN '0' END AS [t],
      CASE WHEN LEFT(j12.[low_value], 1) = '-' THEN '-' ELSE '' END AS [sign]
  ) AS a39
  CROSS APPLY (
    SELECT CHARINDEX('.', a39.[t] + '.') + 18 AS [q]
  ) AS a40
  CROSS APPLY (
    SELECT
      SUBSTRING(a39.[t], a40.[q] + 1, LEN(a39.[t])) AS [r],
      RIGHT(REPLACE(LEFT(a39.[t], a40.[q]), '.', ''), 1) AS [last]
  ) AS a41
  CROSS APPLY (
    SELECT TRY_CAST(a39.[sign] + LEFT(a39.[t], a40.[q] + CASE WHEN LEFT(a41.[r], 1) = '5' AND REPLACE(SUBSTRING(a41.[r], 2, LEN(a41.[r])), '0', '') = '' AND a41.[last] IN ('0', '2', '4', '6', '8') THEN 0 ELSE 1 END) AS decimal(38, 18)) AS [v]
  ) AS a42
  WHERE (LEN(j12.[low_value]) > 20 OR UPPER(j12.[low_value]) LIKE '%E%')
) AS n6
OUTER APPLY (
  SELECT TOP (1)
    1 AS [rare],
    CASE WHEN a49.[v] <> 0 OR REPLACE(a45.[d], '0', '') = '' THEN a49.[v] END AS [v]
  FROM (
    SELECT CHARINDEX('E', UPPER(j12.[high_value]) + 'E') AS [e]
  ) AS a43
  CROSS APPLY (
    SELECT
      REPLACE(LEFT(j12.[high_value], a43.[e] - 1), '-', '') AS [m],
      TRY_CAST(SUBSTRING(j12.[high_value], a43.[e] + 1, 100) AS int) AS [x]
  ) AS a44
  CROSS APPLY (
    SELECT
      REPLACE(a44.[m], '.', '') AS [d],
      CHARINDEX('.', a44.[m] + '.') - 1 + a44.[x] AS [p]
  ) AS a45
  CROSS APPLY (
    SELECT
      CASE WHEN a44.[x] BETWEEN -400 AND 400 THEN CASE WHEN a45.[p] < 1 THEN '0.' + REPLICATE('0', -a45.[p]) + a45.[d] WHEN a45.[p] < LEN(a45.[d]) THEN LEFT(a45.[d], a45.[p]) + '.' + SUBSTRING(a45.[d], a45.[p] + 1, LEN(a45.[d])) ELSE a45.[d] + REPLICATE('0', a45.[p] - LEN(a45.[d])) END WHEN REPLACE(a45.[d], '0', '') = '' THEN '0' END AS [t],
      CASE WHEN LEFT(j12.[high_value], 1) = '-' THEN '-' ELSE '' END AS [sign]
  ) AS a46
  CROSS APPLY (
    SELECT CHARINDEX('.', a46.[t] + '.') + 18 AS [q]
  ) AS a47
  CROSS APPLY (
    SELECT
      SUBSTRING(a46.[t], a47.[q] + 1, LEN(a46.[t])) AS [r],
      RIGHT(REPLACE(LEFT(a46.[t], a47.[q]), '.', ''), 1) AS [last]
  ) AS a48
  CROSS APPLY (
    SELECT TRY_CAST(a46.[sign] + LEFT(a46.[t], a47.[q] + CASE WHEN LEFT(a48.[r], 1) = '5' AND REPLACE(SUBSTRING(a48.[r], 2, LEN(a48.[r])), '0', '') = '' AND a48.[last] IN ('0', '2', '4', '6', '8') THEN 0 ELSE 1 END) AS decimal(38, 18)) AS [v]
  ) AS a49
  WHERE (LEN(j12.[high_value]) > 20 OR UPPER(j12.[high_value]) LIKE '%E%')
) AS n7
CROSS APPLY (
  SELECT
    MAX(CASE WHEN o.[key] = 'high' AND o.[type] IN (4, 5) THEN o.[value] END) AS [high],
    MAX(CASE WHEN o.[key] = 'low' AND o.[type] IN (4, 5) THEN o.[value] END) AS [low]
  FROM OPENJSON(f8.[v]) AS o
) AS j13
OUTER APPLY OPENJSON(CASE WHEN j13.[high] IS NOT NULL THEN j13.[high] ELSE j13.[low] END) WITH ( -- iif(referenceRange.first().high.exists(), referenceRange.first().high, referenceRange.first().low).u...
  [unit] varchar(max) '$.unit'
) AS j14
CROSS APPLY (
  SELECT JSON_QUERY(j2.[bodySite], '$.coding') AS [bodySite_coding]
) AS q4
OUTER APPLY ( -- bodySite.coding.first().code
  SELECT TOP (1) CASE WHEN e9.[type] = 5 THEN e9.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(q4.[bodySite_coding], 1) = '[' THEN q4.[bodySite_coding] ELSE '[' + q4.[bodySite_coding] + ']' END) AS e9
  WHERE e9.[type] <> 0
  ORDER BY CAST(e9.[key] AS int)
) AS f9
OUTER APPLY OPENJSON(f9.[v]) WITH (
  [code] varchar(max) '$.code',
  [system] varchar(max) '$.system',
  [display] varchar(max) '$.display'
) AS j15
CROSS APPLY (
  SELECT JSON_QUERY(j2.[method], '$.coding') AS [method_coding]
) AS q5
OUTER APPLY ( -- method.coding.first().code
  SELECT TOP (1) CASE WHEN e10.[type] = 5 THEN e10.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(q5.[method_coding], 1) = '[' THEN q5.[method_coding] ELSE '[' + q5.[method_coding] + ']' END) AS e10
  WHERE e10.[type] <> 0
  ORDER BY CAST(e10.[key] AS int)
) AS f10
OUTER APPLY OPENJSON(f10.[v]) WITH (
  [code] varchar(max) '$.code',
  [system] varchar(max) '$.system',
  [display] varchar(max) '$.display'
) AS j16
OUTER APPLY ( -- performer.getReferenceKey(Practitioner).first()
  SELECT TOP (1) CASE WHEN CAST(CAST(RIGHT(k3.[head], 13) AS varchar(max)) AS varbinary(max)) = CAST('/Practitioner' AS varbinary(max)) THEN k3.[id] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j2.[performer], 1) = '[' THEN j2.[performer] ELSE '[' + j2.[performer] + ']' END) AS e11
  CROSS APPLY OPENJSON(CASE WHEN e11.[type] = 5 THEN e11.[value] END) WITH (
    [reference] varchar(max) '$.reference'
  ) AS j17
  OUTER APPLY (
    SELECT TOP (1)
      RIGHT(h5.[r], h6.[at] - 1) AS [id],
      '/' + LEFT(h5.[r], LEN(h5.[r]) - h6.[at]) AS [head]
    FROM (
      SELECT TOP (1) LEFT(j17.[reference], CHARINDEX('/_history/', j17.[reference] + '/_history/') - 1) AS [r]
    ) AS h5
    CROSS APPLY (
      SELECT TOP (1) CHARINDEX('/', REVERSE(h5.[r])) AS [at]
    ) AS h6
    WHERE h6.[at] > 1
      AND CHARINDEX('?', h5.[r]) = 0
      AND CHARINDEX('#', h5.[r]) = 0
      AND LEFT(h5.[r], 4) <> 'urn:'
  ) AS k3
  WHERE e11.[type] <> 0
    AND CASE WHEN CAST(CAST(RIGHT(k3.[head], 13) AS varchar(max)) AS varbinary(max)) = CAST('/Practitioner' AS varbinary(max)) THEN k3.[id] END IS NOT NULL
  ORDER BY CAST(e11.[key] AS int)
) AS f11
OUTER APPLY ( -- performer.getReferenceKey(Organization).first()
  SELECT TOP (1) CASE WHEN CAST(CAST(RIGHT(k4.[head], 13) AS varchar(max)) AS varbinary(max)) = CAST('/Organization' AS varbinary(max)) THEN k4.[id] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j2.[performer], 1) = '[' THEN j2.[performer] ELSE '[' + j2.[performer] + ']' END) AS e12
  CROSS APPLY OPENJSON(CASE WHEN e12.[type] = 5 THEN e12.[value] END) WITH (
    [reference] varchar(max) '$.reference'
  ) AS j18
  OUTER APPLY (
    SELECT TOP (1)
      RIGHT(h7.[r], h8.[at] - 1) AS [id],
      '/' + LEFT(h7.[r], LEN(h7.[r]) - h8.[at]) AS [head]
    FROM (
      SELECT TOP (1) LEFT(j18.[reference], CHARINDEX('/_history/', j18.[reference] + '/_history/') - 1) AS [r]
    ) AS h7
    CROSS APPLY (
      SELECT TOP (1) CHARINDEX('/', REVERSE(h7.[r])) AS [at]
    ) AS h8
    WHERE h8.[at] > 1
      AND CHARINDEX('?', h7.[r]) = 0
      AND CHARINDEX('#', h7.[r]) = 0
      AND LEFT(h7.[r], 4) <> 'urn:'
  ) AS k4
  WHERE e12.[type] <> 0
    AND CASE WHEN CAST(CAST(RIGHT(k4.[head], 13) AS varchar(max)) AS varbinary(max)) = CAST('/Organization' AS varbinary(max)) THEN k4.[id] END IS NOT NULL
  ORDER BY CAST(e12.[key] AS int)
) AS f12
OUTER APPLY (
  SELECT TOP (1)
    RIGHT(h9.[r], h10.[at] - 1) AS [id],
    '/' + LEFT(h9.[r], LEN(h9.[r]) - h10.[at]) AS [head]
  FROM (
    SELECT TOP (1) LEFT(j1.[device_reference], CHARINDEX('/_history/', j1.[device_reference] + '/_history/') - 1) AS [r]
  ) AS h9
  CROSS APPLY (
    SELECT TOP (1) CHARINDEX('/', REVERSE(h9.[r])) AS [at]
  ) AS h10
  WHERE h10.[at] > 1
    AND CHARINDEX('?', h9.[r]) = 0
    AND CHARINDEX('#', h9.[r]) = 0
    AND LEFT(h9.[r], 4) <> 'urn:'
) AS k5
OUTER APPLY (
  SELECT TOP (1)
    RIGHT(h11.[r], h12.[at] - 1) AS [id],
    '/' + LEFT(h11.[r], LEN(h11.[r]) - h12.[at]) AS [head]
  FROM (
    SELECT TOP (1) LEFT(j1.[specimen_reference], CHARINDEX('/_history/', j1.[specimen_reference] + '/_history/') - 1) AS [r]
  ) AS h11
  CROSS APPLY (
    SELECT TOP (1) CHARINDEX('/', REVERSE(h11.[r])) AS [at]
  ) AS h12
  WHERE h12.[at] > 1
    AND CHARINDEX('?', h11.[r]) = 0
    AND CHARINDEX('#', h11.[r]) = 0
    AND LEFT(h11.[r], 4) <> 'urn:'
) AS k6
OUTER APPLY ( -- basedOn.getReferenceKey(ServiceRequest).first()
  SELECT TOP (1) CASE WHEN CAST(CAST(RIGHT(k7.[head], 15) AS varchar(max)) AS varbinary(max)) = CAST('/ServiceRequest' AS varbinary(max)) THEN k7.[id] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j2.[basedOn], 1) = '[' THEN j2.[basedOn] ELSE '[' + j2.[basedOn] + ']' END) AS e13
  CROSS APPLY OPENJSON(CASE WHEN e13.[type] = 5 THEN e13.[value] END) WITH (
    [reference] varchar(max) '$.reference'
  ) AS j19
  OUTER APPLY (
    SELECT TOP (1)
      RIGHT(h13.[r], h14.[at] - 1) AS [id],
      '/' + LEFT(h13.[r], LEN(h13.[r]) - h14.[at]) AS [head]
    FROM (
      SELECT TOP (1) LEFT(j19.[reference], CHARINDEX('/_history/', j19.[reference] + '/_history/') - 1) AS [r]
    ) AS h13
    CROSS APPLY (
      SELECT TOP (1) CHARINDEX('/', REVERSE(h13.[r])) AS [at]
    ) AS h14
    WHERE h14.[at] > 1
      AND CHARINDEX('?', h13.[r]) = 0
      AND CHARINDEX('#', h13.[r]) = 0
      AND LEFT(h13.[r], 4) <> 'urn:'
  ) AS k7
  WHERE e13.[type] <> 0
    AND CASE WHEN CAST(CAST(RIGHT(k7.[head], 15) AS varchar(max)) AS varbinary(max)) = CAST('/ServiceRequest' AS varbinary(max)) THEN k7.[id] END IS NOT NULL
  ORDER BY CAST(e13.[key] AS int)
) AS f13
OUTER APPLY ( -- partOf.getReferenceKey(Procedure).first()
  SELECT TOP (1) CASE WHEN CAST(CAST(RIGHT(k8.[head], 10) AS varchar(max)) AS varbinary(max)) = CAST('/Procedure' AS varbinary(max)) THEN k8.[id] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j2.[partOf], 1) = '[' THEN j2.[partOf] ELSE '[' + j2.[partOf] + ']' END) AS e14
  CROSS APPLY OPENJSON(CASE WHEN e14.[type] = 5 THEN e14.[value] END) WITH (
    [reference] varchar(max) '$.reference'
  ) AS j20
  OUTER APPLY (
    SELECT TOP (1)
      RIGHT(h15.[r], h16.[at] - 1) AS [id],
      '/' + LEFT(h15.[r], LEN(h15.[r]) - h16.[at]) AS [head]
    FROM (
      SELECT TOP (1) LEFT(j20.[reference], CHARINDEX('/_history/', j20.[reference] + '/_history/') - 1) AS [r]
    ) AS h15
    CROSS APPLY (
      SELECT TOP (1) CHARINDEX('/', REVERSE(h15.[r])) AS [at]
    ) AS h16
    WHERE h16.[at] > 1
      AND CHARINDEX('?', h15.[r]) = 0
      AND CHARINDEX('#', h15.[r]) = 0
      AND LEFT(h15.[r], 4) <> 'urn:'
  ) AS k8
  WHERE e14.[type] <> 0
    AND CASE WHEN CAST(CAST(RIGHT(k8.[head], 10) AS varchar(max)) AS varbinary(max)) = CAST('/Procedure' AS varbinary(max)) THEN k8.[id] END IS NOT NULL
  ORDER BY CAST(e14.[key] AS int)
) AS f14
OUTER APPLY ( -- derivedFrom.getReferenceKey(Observation).first()
  SELECT TOP (1) CASE WHEN CAST(CAST(RIGHT(k9.[head], 12) AS varchar(max)) AS varbinary(max)) = CAST('/Observation' AS varbinary(max)) THEN k9.[id] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j2.[derivedFrom], 1) = '[' THEN j2.[derivedFrom] ELSE '[' + j2.[derivedFrom] + ']' END) AS e15
  CROSS APPLY OPENJSON(CASE WHEN e15.[type] = 5 THEN e15.[value] END) WITH (
    [reference] varchar(max) '$.reference'
  ) AS j21
  OUTER APPLY (
    SELECT TOP (1)
      RIGHT(h17.[r], h18.[at] - 1) AS [id],
      '/' + LEFT(h17.[r], LEN(h17.[r]) - h18.[at]) AS [head]
    FROM (
      SELECT TOP (1) LEFT(j21.[reference], CHARINDEX('/_history/', j21.[reference] + '/_history/') - 1) AS [r]
    ) AS h17
    CROSS APPLY (
      SELECT TOP (1) CHARINDEX('/', REVERSE(h17.[r])) AS [at]
    ) AS h18
    WHERE h18.[at] > 1
      AND CHARINDEX('?', h17.[r]) = 0
      AND CHARINDEX('#', h17.[r]) = 0
      AND LEFT(h17.[r], 4) <> 'urn:'
  ) AS k9
  WHERE e15.[type] <> 0
    AND CASE WHEN CAST(CAST(RIGHT(k9.[head], 12) AS varchar(max)) AS varbinary(max)) = CAST('/Observation' AS varbinary(max)) THEN k9.[id] END IS NOT NULL
  ORDER BY CAST(e15.[key] AS int)
) AS f15
WHERE CAST(CAST(j1.[resourceType] AS varchar(max)) AS varbinary(max)) = CAST('Observation' AS varbinary(max))

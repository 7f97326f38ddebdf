INSERT INTO [stage].[numbers] ([_file], [_line], [_id], [id], [value], [low], [spread], [middle], [rounded], [high], [components])
SELECT
  d.[_file],
  d.[_line],
  CAST(j1.[id] AS varchar(128)) AS [_id],
  j1.[id] AS [id],
  CASE WHEN n1.[rare] = 1 THEN n1.[v] ELSE TRY_CAST(j1.[valueQuantity_value] AS decimal(38, 18)) END AS [value],
  TRY_CAST(TRY_CAST(ISNULL(n2.[v], j1.[valueQuantity_value]) AS decimal(37, 17)) - TRY_CAST('0.' + REPLICATE('0', CASE WHEN CHARINDEX('.', ISNULL(n2.[v], j1.[valueQuantity_value])) = 0 THEN 0 ELSE LEN(ISNULL(n2.[v], j1.[valueQuantity_value])) - CHARINDEX('.', ISNULL(n2.[v], j1.[valueQuantity_value])) END) + '5' AS decimal(37, 17)) AS decimal(38, 18)) AS [low],
  TRY_CAST(TRY_CAST(ISNULL(n3.[v], j1.[valueRange_high_value]) AS decimal(37, 17)) - TRY_CAST(ISNULL(n4.[v], j1.[valueRange_low_value]) AS decimal(37, 17)) AS decimal(38, 18)) AS [spread],
  TRY_CAST(CAST(TRY_CAST(ISNULL(n3.[v], j1.[valueRange_high_value]) AS decimal(37, 17)) + TRY_CAST(ISNULL(n4.[v], j1.[valueRange_low_value]) AS decimal(37, 17)) AS decimal(22, 10)) / NULLIF(2, 0) AS decimal(38, 18)) AS [middle],
  TRY_CAST(ROUND(TRY_CAST(ISNULL(n2.[v], j1.[valueQuantity_value]) AS decimal(37, 17)), 1) AS decimal(38, 18)) AS [rounded],
  CAST(CASE WHEN CASE WHEN n5.[rare] = 1 THEN n5.[v] ELSE TRY_CAST(j1.[valueQuantity_value] AS decimal(38, 18)) END > 10.5 THEN 1 WHEN NOT (CASE WHEN n5.[rare] = 1 THEN n5.[v] ELSE TRY_CAST(j1.[valueQuantity_value] AS decimal(38, 18)) END > 10.5) THEN 0 END AS bit) AS [high],
  CAST(CAST(x1.[n] AS decimal(18, 0)) + 1 AS int) AS [components]
FROM [stage].[documents] AS d
CROSS APPLY OPENJSON(d.[doc]) WITH (
  [resourceType] varchar(max) '$.resourceType',
  [id] varchar(max) '$.id',
  [valueQuantity_value] varchar(max) '$.valueQuantity.value',
  [valueRange_high_value] varchar(max) '$.valueRange.high.value',
  [valueRange_low_value] varchar(max) '$.valueRange.low.value'
) AS j1
OUTER APPLY (
  SELECT TOP (1)
    1 AS [rare],
    CASE WHEN a7.[v] <> 0 OR REPLACE(a3.[d], '0', '') = '' THEN a7.[v] END AS [v]
  FROM (
    SELECT TOP (1) CHARINDEX('E', UPPER(j1.[valueQuantity_value]) + 'E') AS [e]
  ) AS a1
  CROSS APPLY (
    SELECT TOP (1)
      REPLACE(LEFT(j1.[valueQuantity_value], a1.[e] - 1), '-', '') AS [m],
      TRY_CAST(SUBSTRING(j1.[valueQuantity_value], a1.[e] + 1, 100) AS int) AS [x]
  ) AS a2
  CROSS APPLY (
    SELECT TOP (1)
      REPLACE(a2.[m], '.', '') AS [d],
      CHARINDEX('.', a2.[m] + '.') - 1 + a2.[x] AS [p]
  ) AS a3
  CROSS APPLY (
    SELECT TOP (1)
      CASE WHEN a2.[x] BETWEEN -400 AND 400 THEN CASE WHEN a3.[p] < 1 THEN '0.' + REPLICATE('0', -a3.[p]) + a3.[d] WHEN a3.[p] < LEN(a3.[d]) THEN LEFT(a3.[d], a3.[p]) + '.' + SUBSTRING(a3.[d], a3.[p] + 1, LEN(a3.[d])) ELSE a3.[d] + REPLICATE('0', a3.[p] - LEN(a3.[d])) END WHEN REPLACE(a3.[d], '0', '') = '' THEN '0' END AS [t],
      CASE WHEN LEFT(j1.[valueQuantity_value], 1) = '-' THEN '-' ELSE '' END AS [sign]
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
  WHERE (LEN(j1.[valueQuantity_value]) > 20 OR UPPER(j1.[valueQuantity_value]) LIKE '%E%')
) AS n1
OUTER APPLY (
  SELECT TOP (1)
    1 AS [rare],
    a11.[sign] + a11.[t] AS [v]
  FROM (
    SELECT TOP (1) CHARINDEX('E', UPPER(j1.[valueQuantity_value]) + 'E') AS [e]
  ) AS a8
  CROSS APPLY (
    SELECT TOP (1)
      REPLACE(LEFT(j1.[valueQuantity_value], a8.[e] - 1), '-', '') AS [m],
      TRY_CAST(SUBSTRING(j1.[valueQuantity_value], a8.[e] + 1, 100) AS int) AS [x]
  ) AS a9
  CROSS APPLY (
    SELECT TOP (1)
      REPLACE(a9.[m], '.', '') AS [d],
      CHARINDEX('.', a9.[m] + '.') - 1 + a9.[x] AS [p]
  ) AS a10
  CROSS APPLY (
    SELECT TOP (1)
      CASE WHEN a9.[x] BETWEEN -400 AND 400 THEN CASE WHEN a10.[p] < 1 THEN '0.' + REPLICATE('0', -a10.[p]) + a10.[d] WHEN a10.[p] < LEN(a10.[d]) THEN LEFT(a10.[d], a10.[p]) + '.' + SUBSTRING(a10.[d], a10.[p] + 1, LEN(a10.[d])) ELSE a10.[d] + REPLICATE('0', a10.[p] - LEN(a10.[d])) END WHEN REPLACE(a10.[d], '0', '') = '' THEN '0' END AS [t],
      CASE WHEN LEFT(j1.[valueQuantity_value], 1) = '-' THEN '-' ELSE '' END AS [sign]
  ) AS a11
  WHERE UPPER(j1.[valueQuantity_value]) LIKE '%E%'
) AS n2
OUTER APPLY (
  SELECT TOP (1)
    1 AS [rare],
    a15.[sign] + a15.[t] AS [v]
  FROM (
    SELECT TOP (1) CHARINDEX('E', UPPER(j1.[valueRange_high_value]) + 'E') AS [e]
  ) AS a12
  CROSS APPLY (
    SELECT TOP (1)
      REPLACE(LEFT(j1.[valueRange_high_value], a12.[e] - 1), '-', '') AS [m],
      TRY_CAST(SUBSTRING(j1.[valueRange_high_value], a12.[e] + 1, 100) AS int) AS [x]
  ) AS a13
  CROSS APPLY (
    SELECT TOP (1)
      REPLACE(a13.[m], '.', '') AS [d],
      CHARINDEX('.', a13.[m] + '.') - 1 + a13.[x] AS [p]
  ) AS a14
  CROSS APPLY (
    SELECT TOP (1)
      CASE WHEN a13.[x] BETWEEN -400 AND 400 THEN CASE WHEN a14.[p] < 1 THEN '0.' + REPLICATE('0', -a14.[p]) + a14.[d] WHEN a14.[p] < LEN(a14.[d]) THEN LEFT(a14.[d], a14.[p]) + '.' + SUBSTRING(a14.[d], a14.[p] + 1, LEN(a14.[d])) ELSE a14.[d] + REPLICATE('0', a14.[p] - LEN(a14.[d])) END WHEN REPLACE(a14.[d], '0', '') = '' THEN '0' END AS [t],
      CASE WHEN LEFT(j1.[valueRange_high_value], 1) = '-' THEN '-' ELSE '' END AS [sign]
  ) AS a15
  WHERE UPPER(j1.[valueRange_high_value]) LIKE '%E%'
) AS n3
OUTER APPLY (
  SELECT TOP (1)
    1 AS [rare],
    a19.[sign] + a19.[t] AS [v]
  FROM (
    SELECT TOP (1) CHARINDEX('E', UPPER(j1.[valueRange_low_value]) + 'E') AS [e]
  ) AS a16
  CROSS APPLY (
    SELECT TOP (1)
      REPLACE(LEFT(j1.[valueRange_low_value], a16.[e] - 1), '-', '') AS [m],
      TRY_CAST(SUBSTRING(j1.[valueRange_low_value], a16.[e] + 1, 100) AS int) AS [x]
  ) AS a17
  CROSS APPLY (
    SELECT TOP (1)
      REPLACE(a17.[m], '.', '') AS [d],
      CHARINDEX('.', a17.[m] + '.') - 1 + a17.[x] AS [p]
  ) AS a18
  CROSS APPLY (
    SELECT TOP (1)
      CASE WHEN a17.[x] BETWEEN -400 AND 400 THEN CASE WHEN a18.[p] < 1 THEN '0.' + REPLICATE('0', -a18.[p]) + a18.[d] WHEN a18.[p] < LEN(a18.[d]) THEN LEFT(a18.[d], a18.[p]) + '.' + SUBSTRING(a18.[d], a18.[p] + 1, LEN(a18.[d])) ELSE a18.[d] + REPLICATE('0', a18.[p] - LEN(a18.[d])) END WHEN REPLACE(a18.[d], '0', '') = '' THEN '0' END AS [t],
      CASE WHEN LEFT(j1.[valueRange_low_value], 1) = '-' THEN '-' ELSE '' END AS [sign]
  ) AS a19
  WHERE UPPER(j1.[valueRange_low_value]) LIKE '%E%'
) AS n4
OUTER APPLY (
  SELECT TOP (1)
    1 AS [rare],
    COALESCE(TRY_CAST(a23.[sign] + LEFT(a23.[t], a24.[q]) + CASE WHEN REPLACE(SUBSTRING(a25.[r], 2, LEN(a25.[r])), '0', '') = '' THEN LEFT(a25.[r], 1) ELSE '5' END AS decimal(38, 18)), CASE WHEN a23.[t] IS NULL THEN NULL WHEN a23.[sign] = '-' THEN -99999999999999999999.999999999999999999 ELSE 99999999999999999999.999999999999999999 END) AS [v]
  FROM (
    SELECT TOP (1) CHARINDEX('E', UPPER(j1.[valueQuantity_value]) + 'E') AS [e]
  ) AS a20
  CROSS APPLY (
    SELECT TOP (1)
      REPLACE(LEFT(j1.[valueQuantity_value], a20.[e] - 1), '-', '') AS [m],
      TRY_CAST(SUBSTRING(j1.[valueQuantity_value], a20.[e] + 1, 100) AS int) AS [x]
  ) AS a21
  CROSS APPLY (
    SELECT TOP (1)
      REPLACE(a21.[m], '.', '') AS [d],
      CHARINDEX('.', a21.[m] + '.') - 1 + a21.[x] AS [p]
  ) AS a22
  CROSS APPLY (
    SELECT TOP (1)
      CASE WHEN a21.[x] BETWEEN -400 AND 400 THEN CASE WHEN a22.[p] < 1 THEN '0.' + REPLICATE('0', -a22.[p]) + a22.[d] WHEN a22.[p] < LEN(a22.[d]) THEN LEFT(a22.[d], a22.[p]) + '.' + SUBSTRING(a22.[d], a22.[p] + 1, LEN(a22.[d])) ELSE a22.[d] + REPLICATE('0', a22.[p] - LEN(a22.[d])) END WHEN REPLACE(a22.[d], '0', '') = '' THEN '0' END AS [t],
      CASE WHEN LEFT(j1.[valueQuantity_value], 1) = '-' THEN '-' ELSE '' END AS [sign]
  ) AS a23
  CROSS APPLY (
    SELECT TOP (1) CHARINDEX('.', a23.[t] + '.') + 17 AS [q]
  ) AS a24
  CROSS APPLY (
    SELECT TOP (1) SUBSTRING(a23.[t], a24.[q] + 1, LEN(a23.[t])) AS [r]
  ) AS a25
  WHERE (LEN(j1.[valueQuantity_value]) > 20 OR UPPER(j1.[valueQuantity_value]) LIKE '%E%')
) AS n5
CROSS APPLY (
  SELECT MAX(CASE WHEN o.[key] = 'component' AND o.[type] IN (4, 5) THEN o.[value] END) AS [component]
  FROM OPENJSON(d.[doc]) AS o
) AS j2
OUTER APPLY ( -- component.count() + 1
  SELECT COUNT(*) AS [n]
  FROM OPENJSON(CASE WHEN LEFT(j2.[component], 1) = '[' THEN j2.[component] ELSE '[' + j2.[component] + ']' END) AS e1
  WHERE e1.[type] <> 0
) AS x1
WHERE CAST(CAST(j1.[resourceType] AS varchar(max)) AS varbinary(max)) = CAST('Observation' AS varbinary(max))

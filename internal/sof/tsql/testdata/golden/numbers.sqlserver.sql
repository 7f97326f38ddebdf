SELECT
  j1.[id] AS [id],
  TRY_CAST(j1.[valueQuantity_value] AS decimal(38, 18)) AS [value],
  TRY_CAST(TRY_CAST(j1.[valueQuantity_value] AS decimal(37, 17)) - TRY_CAST(N'0.' + REPLICATE(N'0', CASE WHEN CHARINDEX(N'.', j1.[valueQuantity_value]) = 0 THEN 0 ELSE LEN(j1.[valueQuantity_value]) - CHARINDEX(N'.', j1.[valueQuantity_value]) END) + N'5' AS decimal(37, 17)) AS decimal(38, 18)) AS [low],
  TRY_CAST(TRY_CAST(j1.[valueRange_high_value] AS decimal(37, 17)) - TRY_CAST(j1.[valueRange_low_value] AS decimal(37, 17)) AS decimal(38, 18)) AS [spread],
  TRY_CAST(CAST(TRY_CAST(j1.[valueRange_high_value] AS decimal(37, 17)) + TRY_CAST(j1.[valueRange_low_value] AS decimal(37, 17)) AS decimal(22, 10)) / NULLIF(2, 0) AS decimal(38, 18)) AS [middle],
  TRY_CAST(ROUND(TRY_CAST(j1.[valueQuantity_value] AS decimal(37, 17)), 1) AS decimal(38, 18)) AS [rounded],
  CAST(CASE WHEN TRY_CAST(j1.[valueQuantity_value] AS decimal(38, 18)) > 10.5 THEN 1 WHEN NOT (TRY_CAST(j1.[valueQuantity_value] AS decimal(38, 18)) > 10.5) THEN 0 END AS bit) AS [high],
  CAST(CAST(x1.[n] AS decimal(18, 0)) + 1 AS int) AS [components]
FROM [stage].[documents] AS d
CROSS APPLY OPENJSON(d.[doc]) WITH (
  [resourceType] nvarchar(max) '$.resourceType',
  [id] nvarchar(max) '$.id',
  [valueQuantity_value] nvarchar(max) '$.valueQuantity.value',
  [valueRange_high_value] nvarchar(max) '$.valueRange.high.value',
  [valueRange_low_value] nvarchar(max) '$.valueRange.low.value',
  [component] nvarchar(max) '$.component' AS JSON
) AS j1
OUTER APPLY ( -- component.count() + 1
  SELECT COUNT(*) AS [n]
  FROM OPENJSON(CASE WHEN LEFT(j1.[component], 1) = N'[' THEN j1.[component] ELSE N'[' + j1.[component] + N']' END) AS e1
  WHERE e1.[type] <> 0
) AS x1
WHERE CAST(j1.[resourceType] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'Observation.'

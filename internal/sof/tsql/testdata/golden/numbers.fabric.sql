INSERT INTO [stage].[numbers] ([_file], [_line], [_id], [id], [value], [low], [spread], [middle], [rounded], [high], [components])
SELECT
  d.[_file],
  d.[_line],
  CAST(j1.[id] AS varchar(64)) AS [_id],
  j1.[id] AS [id],
  TRY_CAST(j1.[valueQuantity_value] AS decimal(38, 18)) AS [value],
  TRY_CAST(TRY_CAST(j1.[valueQuantity_value] AS decimal(37, 17)) - TRY_CAST('0.' + REPLICATE('0', CASE WHEN CHARINDEX('.', j1.[valueQuantity_value]) = 0 THEN 0 ELSE LEN(j1.[valueQuantity_value]) - CHARINDEX('.', j1.[valueQuantity_value]) END) + '5' AS decimal(37, 17)) AS decimal(38, 18)) AS [low],
  TRY_CAST(TRY_CAST(j1.[valueRange_high_value] AS decimal(37, 17)) - TRY_CAST(j1.[valueRange_low_value] AS decimal(37, 17)) AS decimal(38, 18)) AS [spread],
  TRY_CAST(CAST(TRY_CAST(j1.[valueRange_high_value] AS decimal(37, 17)) + TRY_CAST(j1.[valueRange_low_value] AS decimal(37, 17)) AS decimal(22, 10)) / NULLIF(2, 0) AS decimal(38, 18)) AS [middle],
  TRY_CAST(ROUND(TRY_CAST(j1.[valueQuantity_value] AS decimal(37, 17)), 1) AS decimal(38, 18)) AS [rounded],
  CAST(CASE WHEN TRY_CAST(j1.[valueQuantity_value] AS decimal(38, 18)) > 10.5 THEN 1 WHEN NOT (TRY_CAST(j1.[valueQuantity_value] AS decimal(38, 18)) > 10.5) THEN 0 END AS bit) AS [high],
  CAST(CAST(x1.[n] AS decimal(18, 0)) + 1 AS int) AS [components]
FROM [stage].[documents] AS d
CROSS APPLY OPENJSON(d.[doc]) WITH (
  [resourceType] varchar(max) '$.resourceType',
  [id] varchar(max) '$.id',
  [valueQuantity_value] varchar(max) '$.valueQuantity.value',
  [valueRange_high_value] varchar(max) '$.valueRange.high.value',
  [valueRange_low_value] varchar(max) '$.valueRange.low.value'
) AS j1
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

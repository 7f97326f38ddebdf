CREATE TABLE [stage].[moments]
WITH (HEAP, DISTRIBUTION = HASH([_id])) AS
SELECT
  d.[_file],
  d.[_line],
  CAST(j1.[id] AS varchar(128)) COLLATE Latin1_General_100_BIN2 AS [_id],
  j1.[id] AS [id],
  j1.[effectiveDateTime] AS [time],
  CASE WHEN j1.[effectiveDateTime] LIKE N'____-__-__' OR j1.[effectiveDateTime] LIKE N'____-__-__T%' THEN TRY_CAST(LEFT(j1.[effectiveDateTime], 10) AS date) END AS [day],
  CASE WHEN z1.[n] > 0 AND LEN(z1.[t]) >= 20 AND z1.[t] LIKE N'____-__-__T__:__:__%' THEN CASE WHEN SUBSTRING(z1.[t], 18, 2) <> N'60' THEN CAST(SWITCHOFFSET(TRY_CAST(LEFT(z1.[t], 19) + LEFT(SUBSTRING(z1.[t], 20, LEN(z1.[t]) - 19 - z1.[n]), 4) + RIGHT(z1.[t], z1.[n]) AS datetimeoffset), '+00:00') AS datetime2(3)) WHEN LEFT(z1.[t], 10) <> N'9999-12-31' THEN DATEADD(second, 1, CAST(SWITCHOFFSET(TRY_CAST(LEFT(z1.[t], 17) + N'59' + LEFT(SUBSTRING(z1.[t], 20, LEN(z1.[t]) - 19 - z1.[n]), 4) + RIGHT(z1.[t], z1.[n]) AS datetimeoffset), '+00:00') AS datetime2(3))) END END AS [time_utc],
  CAST(CASE WHEN z1.[n] IS NULL THEN CASE LEN(z1.[t]) WHEN 4 THEN z1.[t] + N'-01-01' WHEN 7 THEN z1.[t] + N'-01' ELSE LEFT(z1.[t], 10) END + N'T00:00:00.000+14:00' ELSE LEFT(z1.[t], 11) + CASE LEN(t1.[clock]) WHEN 2 THEN t1.[clock] + N':00:00.000' WHEN 5 THEN t1.[clock] + N':00.000' WHEN 8 THEN t1.[clock] + N'.000' ELSE LEFT(t1.[clock] + N'000', 12) END + t1.[zone] END AS nvarchar(max)) AS [first],
  CAST(CASE WHEN z1.[n] IS NULL THEN CASE LEN(z1.[t]) WHEN 4 THEN z1.[t] + N'-12-31' WHEN 7 THEN z1.[t] + CASE WHEN RIGHT(z1.[t], 2) IN (N'04', N'06', N'09', N'11') THEN N'-30' WHEN RIGHT(z1.[t], 2) <> N'02' THEN N'-31' WHEN TRY_CAST(LEFT(z1.[t], 4) AS int) % 4 = 0 AND (TRY_CAST(LEFT(z1.[t], 4) AS int) % 100 <> 0 OR TRY_CAST(LEFT(z1.[t], 4) AS int) % 400 = 0) THEN N'-29' ELSE N'-28' END ELSE LEFT(z1.[t], 10) END + N'T23:59:59.999-12:00' ELSE LEFT(z1.[t], 11) + CASE LEN(t2.[clock]) WHEN 2 THEN t2.[clock] + N':59:59.999' WHEN 5 THEN t2.[clock] + N':59.999' WHEN 8 THEN t2.[clock] + N'.999' ELSE LEFT(t2.[clock] + N'999', 12) END + t2.[zone] END AS nvarchar(max)) AS [last],
  CAST(CASE WHEN (o1.[o] >= 0 AND o2.[o] < 0) THEN 1 WHEN NOT ((o1.[o] >= 0 AND o2.[o] < 0)) THEN 0 END AS bit) AS [in_2020],
  CAST(CASE WHEN NOT (j1.[effectivePeriod_end] IS NOT NULL) THEN 1 ELSE 0 END AS bit) AS [open]
FROM [stage].[documents] AS d
CROSS APPLY OPENJSON(d.[doc]) WITH (
  [resourceType] nvarchar(max) '$.resourceType',
  [id] nvarchar(max) '$.id',
  [effectiveDateTime] nvarchar(max) '$.effectiveDateTime',
  [effectivePeriod_end] nvarchar(max) '$.effectivePeriod.end'
) AS j1
CROSS APPLY (
  SELECT TOP (1)
    j1.[effectiveDateTime] AS [t],
    CASE WHEN LEN(j1.[effectiveDateTime]) <= 10 THEN NULL WHEN RIGHT(j1.[effectiveDateTime], 1) = N'Z' THEN 1 WHEN LEN(j1.[effectiveDateTime]) >= 19 AND LEFT(RIGHT(j1.[effectiveDateTime], 6), 1) IN (N'+', N'-') THEN 6 ELSE 0 END AS [n]
  FROM (
    SELECT 1 AS [one]
  ) AS one
) AS z1
CROSS APPLY (
  SELECT
    SUBSTRING(z1.[t], 12, LEN(z1.[t]) - 11 - z1.[n]) AS [clock],
    CASE WHEN z1.[n] = 0 THEN N'+14:00' WHEN z1.[n] = 1 OR RIGHT(z1.[t], 5) = N'00:00' THEN N'Z' ELSE RIGHT(z1.[t], 6) END AS [zone]
  FROM (
    SELECT 1 AS [one]
  ) AS one
) AS t1
CROSS APPLY (
  SELECT
    SUBSTRING(z1.[t], 12, LEN(z1.[t]) - 11 - z1.[n]) AS [clock],
    CASE WHEN z1.[n] = 0 THEN N'-12:00' WHEN z1.[n] = 1 OR RIGHT(z1.[t], 5) = N'00:00' THEN N'Z' ELSE RIGHT(z1.[t], 6) END AS [zone]
  FROM (
    SELECT 1 AS [one]
  ) AS one
) AS t2
CROSS APPLY (
  SELECT
    LEFT(z1.[t], LEN(z1.[t]) - ISNULL(z1.[n], 0)) AS [local],
    CASE WHEN z1.[n] = 6 THEN (CASE WHEN SUBSTRING(z1.[t], LEN(z1.[t]) - 5, 1) = N'-' THEN -1 ELSE 1 END) * (60 * TRY_CAST(LEFT(RIGHT(z1.[t], 5), 2) AS int) + TRY_CAST(RIGHT(z1.[t], 2) AS int)) ELSE 0 END AS [east]
  FROM (
    SELECT 1 AS [one]
  ) AS one
) AS t3
CROSS APPLY (
  SELECT TOP (1)
    CASE WHEN z1.[n] IS NULL THEN z1.[t] WHEN t3.[east] = 0 OR LEFT(t3.[local], 4) IN (N'0001', N'9999') THEN LEFT(t3.[local], 16) + CASE WHEN LEN(t3.[local]) > 16 THEN SUBSTRING(t3.[local], 17, 3) + N'.' + LEFT(SUBSTRING(t3.[local], 21, 9) + N'000000000', 9) ELSE N'' END ELSE REPLACE(LEFT(CONVERT(nvarchar(40), DATEADD(minute, -t3.[east], TRY_CAST(LEFT(t3.[local], 16) + N':00' AS datetime2(0))), 126), 16), N' ', N'T') + CASE WHEN LEN(t3.[local]) > 16 THEN SUBSTRING(t3.[local], 17, 3) + N'.' + LEFT(SUBSTRING(t3.[local], 21, 9) + N'000000000', 9) ELSE N'' END END AS [t],
    CASE WHEN z1.[n] > 0 THEN 1 WHEN z1.[n] = 0 THEN 0 END AS [z]
  FROM (
    SELECT 1 AS [one]
  ) AS one
) AS m1
CROSS APPLY (
  SELECT TOP (1) CASE WHEN CAST(LEFT(m1.[t], 4) AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 < LEFT(N'2020', LEN(m1.[t])) THEN -1 WHEN CAST(LEFT(m1.[t], 4) AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 > LEFT(N'2020', LEN(m1.[t])) THEN 1 WHEN LEN(m1.[t]) = 4 THEN 0 END AS [o]
  FROM (
    SELECT 1 AS [one]
  ) AS one
) AS o1
CROSS APPLY (
  SELECT TOP (1) CASE WHEN m1.[z] <> 1 THEN NULL WHEN CAST(LEFT(m1.[t], 29) AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 < LEFT(N'2021-01-01T00:00:00.000000000', LEN(m1.[t])) THEN -1 WHEN CAST(LEFT(m1.[t], 29) AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 > LEFT(N'2021-01-01T00:00:00.000000000', LEN(m1.[t])) THEN 1 WHEN LEN(m1.[t]) = 29 THEN 0 END AS [o]
  FROM (
    SELECT 1 AS [one]
  ) AS one
) AS o2
WHERE CAST(j1.[resourceType] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'Observation.'

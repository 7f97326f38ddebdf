CREATE OR ALTER VIEW [dbo].[lists] AS
SELECT
  CAST(j1.[id] AS varchar(128)) COLLATE Latin1_General_100_BIN2_UTF8 AS [id],
  N'[' + ISNULL(l1.[v], N'') + N']' AS [given],
  l2.[v] AS [systems],
  f1.[v] AS [last_family],
  j7.[family] AS [second_name],
  x1.[n] AS [names],
  CAST(CASE WHEN x2.[n] = 0 THEN 1 ELSE 0 END AS bit) AS [only_phone],
  CASE WHEN x3.[n] > 1 AND g1.[wanted] = 1 THEN CAST(CAST(CONCAT(N'view lists, column phone: more than one item: ', x3.[n]) AS int) AS nvarchar(max)) ELSE x3.[v] END AS [phone],
  CAST(CASE WHEN (CAST(j1.[gender] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'male.' OR CAST(j1.[gender] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'female.') THEN j1.[gender] ELSE N'other' END AS nvarchar(max)) AS [kind],
  CAST(CASE WHEN b1.[v] <> b2.[v] THEN 1 WHEN NOT (b1.[v] <> b2.[v]) THEN 0 END AS bit) AS [either],
  j1.[maritalStatus] AS [marital]
FROM [stage].[documents] AS d
CROSS APPLY OPENJSON(d.[doc]) WITH (
  [resourceType] nvarchar(max) '$.resourceType',
  [active] nvarchar(max) '$.active',
  [id] nvarchar(max) '$.id',
  [name] nvarchar(max) '$.name' AS JSON,
  [telecom] nvarchar(max) '$.telecom' AS JSON,
  [contact] nvarchar(max) '$.contact' AS JSON,
  [gender] nvarchar(max) '$.gender',
  [deceasedBoolean] nvarchar(max) '$.deceasedBoolean',
  [maritalStatus] nvarchar(max) '$.maritalStatus' AS JSON
) AS j1
OUTER APPLY ( -- name.where(use = %use).given
  SELECT STRING_AGG(CAST(N'"' + REPLACE(REPLACE(REPLACE(REPLACE(REPLACE(e2.[value], N'\', N'\\'), N'"', N'\"'), NCHAR(10), N'\n'), NCHAR(13), N'\r'), NCHAR(9), N'\t') + N'"' AS nvarchar(max)), N',') WITHIN GROUP (ORDER BY CAST(e1.[key] AS int), CAST(e2.[key] AS int)) AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j1.[name], 1) = N'[' THEN j1.[name] ELSE N'[' + j1.[name] + N']' END) AS e1
  CROSS APPLY OPENJSON(CASE WHEN e1.[type] = 5 AND (CHARINDEX(N'official', e1.[value]) > 0 OR CHARINDEX(N'\', e1.[value]) > 0) THEN e1.[value] END) WITH (
    [use] nvarchar(max) '$.use',
    [given] nvarchar(max) '$.given' AS JSON
  ) AS j2
  CROSS APPLY OPENJSON(CASE WHEN LEFT(j2.[given], 1) = N'[' THEN j2.[given] ELSE N'[' + j2.[given] + N']' END) AS e2
  WHERE e1.[type] <> 0
    AND CAST(j2.[use] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'official.'
    AND e2.[type] <> 0
) AS l1
OUTER APPLY ( -- (telecom.system | contact.telecom.system).join(',')
  SELECT STRING_AGG(CAST(e7.[v] AS nvarchar(max)), N',') WITHIN GROUP (ORDER BY e7.[i]) AS [v]
  FROM ( -- (telecom.system | contact.telecom.system).join(',')
    SELECT
      e3.[v] AS [v],
      CAST(ROW_NUMBER() OVER (ORDER BY e3.[side], e3.[i]) - 1 AS int) AS [i],
      ROW_NUMBER() OVER (PARTITION BY CAST(e3.[v] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 ORDER BY e3.[side], e3.[i]) AS [same]
    FROM ( -- (telecom.system | contact.telecom.system).join(',')
      SELECT
        j3.[system] AS [v],
        CAST(ROW_NUMBER() OVER (ORDER BY CAST(e4.[key] AS int)) - 1 AS int) AS [i],
        0 AS [side]
      FROM OPENJSON(CASE WHEN LEFT(j1.[telecom], 1) = N'[' THEN j1.[telecom] ELSE N'[' + j1.[telecom] + N']' END) AS e4
      CROSS APPLY OPENJSON(CASE WHEN e4.[type] = 5 THEN e4.[value] END) WITH (
        [system] nvarchar(max) '$.system'
      ) AS j3
      WHERE e4.[type] <> 0
        AND j3.[system] IS NOT NULL
      UNION ALL
      SELECT
        j5.[system] AS [v],
        CAST(ROW_NUMBER() OVER (ORDER BY CAST(e5.[key] AS int), CAST(e6.[key] AS int)) - 1 AS int) AS [i],
        1 AS [side]
      FROM OPENJSON(CASE WHEN LEFT(j1.[contact], 1) = N'[' THEN j1.[contact] ELSE N'[' + j1.[contact] + N']' END) AS e5
      CROSS APPLY OPENJSON(CASE WHEN e5.[type] = 5 THEN e5.[value] END) WITH (
        [telecom] nvarchar(max) '$.telecom' AS JSON
      ) AS j4
      CROSS APPLY OPENJSON(CASE WHEN LEFT(j4.[telecom], 1) = N'[' THEN j4.[telecom] ELSE N'[' + j4.[telecom] + N']' END) AS e6
      CROSS APPLY OPENJSON(CASE WHEN e6.[type] = 5 THEN e6.[value] END) WITH (
        [system] nvarchar(max) '$.system'
      ) AS j5
      WHERE e5.[type] <> 0
        AND e6.[type] <> 0
        AND j5.[system] IS NOT NULL
    ) AS e3
  ) AS e7
  WHERE e7.[same] = 1
) AS l2
OUTER APPLY ( -- name.family.last()
  SELECT TOP (1) j6.[family] AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j1.[name], 1) = N'[' THEN j1.[name] ELSE N'[' + j1.[name] + N']' END) AS e8
  CROSS APPLY OPENJSON(CASE WHEN e8.[type] = 5 THEN e8.[value] END) WITH (
    [family] nvarchar(max) '$.family'
  ) AS j6
  WHERE e8.[type] <> 0
    AND j6.[family] IS NOT NULL
  ORDER BY CAST(e8.[key] AS int) DESC
) AS f1
OUTER APPLY ( -- name[1].family
  SELECT e10.[v] AS [v]
  FROM ( -- name[1].family
    SELECT
      CASE WHEN e9.[type] = 5 THEN e9.[value] END AS [v],
      CAST(ROW_NUMBER() OVER (ORDER BY CAST(e9.[key] AS int)) - 1 AS int) AS [i]
    FROM OPENJSON(CASE WHEN LEFT(j1.[name], 1) = N'[' THEN j1.[name] ELSE N'[' + j1.[name] + N']' END) AS e9
    WHERE e9.[type] <> 0
  ) AS e10
  WHERE e10.[i] = 1
) AS f2
OUTER APPLY OPENJSON(f2.[v]) WITH (
  [family] nvarchar(max) '$.family'
) AS j7
OUTER APPLY ( -- name.count()
  SELECT COUNT(*) AS [n]
  FROM OPENJSON(CASE WHEN LEFT(j1.[name], 1) = N'[' THEN j1.[name] ELSE N'[' + j1.[name] + N']' END) AS e11
  WHERE e11.[type] <> 0
) AS x1
OUTER APPLY ( -- telecom.all(system = 'phone')
  SELECT COUNT(*) - COUNT(p1.[v]) AS [n]
  FROM OPENJSON(CASE WHEN LEFT(j1.[telecom], 1) = N'[' THEN j1.[telecom] ELSE N'[' + j1.[telecom] + N']' END) AS e12
  CROSS APPLY OPENJSON(CASE WHEN e12.[type] = 5 THEN e12.[value] END) WITH (
    [system] nvarchar(max) '$.system'
  ) AS j8
  CROSS APPLY (
    SELECT CASE WHEN CAST(j8.[system] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'phone.' THEN 1 END AS [v]
  ) AS p1
  WHERE e12.[type] <> 0
) AS x2
OUTER APPLY ( -- telecom.where(system = 'phone' and value.startsWith('+')).value
  SELECT
    MIN(j9.[value]) AS [v],
    COUNT(*) AS [n]
  FROM OPENJSON(CASE WHEN LEFT(j1.[telecom], 1) = N'[' THEN j1.[telecom] ELSE N'[' + j1.[telecom] + N']' END) AS e13
  CROSS APPLY OPENJSON(CASE WHEN e13.[type] = 5 AND (CHARINDEX(N'phone', e13.[value]) > 0 OR CHARINDEX(N'\', e13.[value]) > 0) THEN e13.[value] END) WITH (
    [system] nvarchar(max) '$.system',
    [value] nvarchar(max) '$.value'
  ) AS j9
  WHERE e13.[type] <> 0
    AND (CAST(j9.[system] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'phone.' AND CAST(LEFT(j9.[value], 1) + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'+.')
    AND j9.[value] IS NOT NULL
) AS x3
CROSS APPLY (
  SELECT CASE WHEN (CAST(j1.[resourceType] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'Patient.' AND NOT (NOT (j1.[active] = N'true'))) THEN 1 ELSE 0 END AS [wanted]
) AS g1
CROSS APPLY (
  SELECT TOP (1) CASE WHEN j1.[active] = N'true' THEN 1 WHEN NOT (j1.[active] = N'true') THEN 0 END AS [v]
) AS b1
CROSS APPLY (
  SELECT TOP (1) CASE WHEN j1.[deceasedBoolean] = N'true' THEN 1 WHEN NOT (j1.[deceasedBoolean] = N'true') THEN 0 END AS [v]
) AS b2
WHERE CAST(j1.[resourceType] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'Patient.'
  AND NOT (NOT (j1.[active] = N'true'))

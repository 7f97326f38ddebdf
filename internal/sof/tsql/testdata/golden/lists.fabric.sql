INSERT INTO [stage].[lists] ([_file], [_line], [_id], [id], [given], [systems], [last_family], [second_name], [names], [only_phone], [phone], [kind], [either], [marital])
SELECT
  d.[_file],
  d.[_line],
  CAST(j1.[id] AS varchar(128)) AS [_id],
  j1.[id] AS [id],
  CAST('[' + ISNULL(l1.[v], '') + ']' AS varchar(max)) AS [given],
  l2.[v] AS [systems],
  f1.[v] AS [last_family],
  j9.[family] AS [second_name],
  x1.[n] AS [names],
  CAST(CASE WHEN x2.[n] = 0 THEN 1 ELSE 0 END AS bit) AS [only_phone],
  CASE WHEN x3.[n] > 1 AND g1.[wanted] = 1 THEN CAST(CAST(CONCAT('view lists, column phone: more than one item: ', x3.[n]) AS int) AS varchar(max)) ELSE x3.[v] END AS [phone],
  CAST(CASE WHEN (CAST(CAST(j1.[gender] AS varchar(max)) AS varbinary(max)) = CAST('male' AS varbinary(max)) OR CAST(CAST(j1.[gender] AS varchar(max)) AS varbinary(max)) = CAST('female' AS varbinary(max))) THEN j1.[gender] ELSE 'other' END AS varchar(max)) AS [kind],
  CAST(CASE WHEN b1.[v] <> b2.[v] THEN 1 WHEN NOT (b1.[v] <> b2.[v]) THEN 0 END AS bit) AS [either],
  CAST(j2.[maritalStatus] AS varchar(max)) AS [marital]
FROM [stage].[documents] AS d
CROSS APPLY OPENJSON(d.[doc]) WITH (
  [resourceType] varchar(max) '$.resourceType',
  [id] varchar(max) '$.id',
  [active] varchar(max) '$.active',
  [gender] varchar(max) '$.gender',
  [deceasedBoolean] varchar(max) '$.deceasedBoolean'
) AS j1
CROSS APPLY (
  SELECT
    MAX(CASE WHEN o.[key] = 'name' AND o.[type] IN (4, 5) THEN o.[value] END) AS [name],
    MAX(CASE WHEN o.[key] = 'telecom' AND o.[type] IN (4, 5) THEN o.[value] END) AS [telecom],
    MAX(CASE WHEN o.[key] = 'contact' AND o.[type] IN (4, 5) THEN o.[value] END) AS [contact],
    MAX(CASE WHEN o.[key] = 'maritalStatus' AND o.[type] IN (4, 5) THEN o.[value] END) AS [maritalStatus]
  FROM OPENJSON(d.[doc]) AS o
) AS j2
OUTER APPLY ( -- name.where(use = %use).given
  SELECT STRING_AGG(CAST('"' + REPLACE(REPLACE(REPLACE(REPLACE(REPLACE(e2.[value], '\', '\\'), '"', '\"'), CHAR(10), '\n'), CHAR(13), '\r'), CHAR(9), '\t') + '"' AS varchar(max)), ',') WITHIN GROUP (ORDER BY CAST(e1.[key] AS int), CAST(e2.[key] AS int)) AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j2.[name], 1) = '[' THEN j2.[name] ELSE '[' + j2.[name] + ']' END) AS e1
  CROSS APPLY OPENJSON(CASE WHEN e1.[type] = 5 AND (CHARINDEX('official', e1.[value]) > 0 OR CHARINDEX('\', e1.[value]) > 0) THEN e1.[value] END) WITH (
    [use] varchar(max) '$.use'
  ) AS j3
  CROSS APPLY (
    SELECT MAX(CASE WHEN o.[key] = 'given' AND o.[type] IN (4, 5) THEN o.[value] END) AS [given]
    FROM OPENJSON(CASE WHEN e1.[type] = 5 AND (CHARINDEX('official', e1.[value]) > 0 OR CHARINDEX('\', e1.[value]) > 0) THEN e1.[value] END) AS o
  ) AS j4
  CROSS APPLY OPENJSON(CASE WHEN LEFT(j4.[given], 1) = '[' THEN j4.[given] ELSE '[' + j4.[given] + ']' END) AS e2
  WHERE e1.[type] <> 0
    AND CAST(CAST(j3.[use] AS varchar(max)) AS varbinary(max)) = CAST('official' AS varbinary(max))
    AND e2.[type] <> 0
) AS l1
OUTER APPLY ( -- (telecom.system | contact.telecom.system).join(',')
  SELECT STRING_AGG(CAST(e7.[v] AS varchar(max)), ',') WITHIN GROUP (ORDER BY e7.[i]) AS [v]
  FROM ( -- (telecom.system | contact.telecom.system).join(',')
    SELECT
      e3.[v] AS [v],
      CAST(ROW_NUMBER() OVER (ORDER BY e3.[side], e3.[i]) - 1 AS int) AS [i],
      ROW_NUMBER() OVER (PARTITION BY CAST(CAST(e3.[v] AS varchar(max)) AS varbinary(max)) ORDER BY e3.[side], e3.[i]) AS [same]
    FROM ( -- (telecom.system | contact.telecom.system).join(',')
      SELECT
        j5.[system] AS [v],
        CAST(ROW_NUMBER() OVER (ORDER BY CAST(e4.[key] AS int)) - 1 AS int) AS [i],
        0 AS [side]
      FROM OPENJSON(CASE WHEN LEFT(j2.[telecom], 1) = '[' THEN j2.[telecom] ELSE '[' + j2.[telecom] + ']' END) AS e4
      CROSS APPLY OPENJSON(CASE WHEN e4.[type] = 5 THEN e4.[value] END) WITH (
        [system] varchar(max) '$.system'
      ) AS j5
      WHERE e4.[type] <> 0
        AND j5.[system] IS NOT NULL
      UNION ALL
      SELECT
        j7.[system] AS [v],
        CAST(ROW_NUMBER() OVER (ORDER BY CAST(e5.[key] AS int), CAST(e6.[key] AS int)) - 1 AS int) AS [i],
        1 AS [side]
      FROM OPENJSON(CASE WHEN LEFT(j2.[contact], 1) = '[' THEN j2.[contact] ELSE '[' + j2.[contact] + ']' END) AS e5
      CROSS APPLY (
        SELECT MAX(CASE WHEN o.[key] = 'telecom' AND o.[type] IN (4, 5) THEN o.[value] END) AS [telecom]
        FROM OPENJSON(CASE WHEN e5.[type] = 5 THEN e5.[value] END) AS o
      ) AS j6
      CROSS APPLY OPENJSON(CASE WHEN LEFT(j6.[telecom], 1) = '[' THEN j6.[telecom] ELSE '[' + j6.[telecom] + ']' END) AS e6
      CROSS APPLY OPENJSON(CASE WHEN e6.[type] = 5 THEN e6.[value] END) WITH (
        [system] varchar(max) '$.system'
      ) AS j7
      WHERE e5.[type] <> 0
        AND e6.[type] <> 0
        AND j7.[system] IS NOT NULL
    ) AS e3
  ) AS e7
  WHERE e7.[same] = 1
) AS l2
OUTER APPLY ( -- name.family.last()
  SELECT TOP (1) j8.[family] AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j2.[name], 1) = '[' THEN j2.[name] ELSE '[' + j2.[name] + ']' END) AS e8
  CROSS APPLY OPENJSON(CASE WHEN e8.[type] = 5 THEN e8.[value] END) WITH (
    [family] varchar(max) '$.family'
  ) AS j8
  WHERE e8.[type] <> 0
    AND j8.[family] IS NOT NULL
  ORDER BY CAST(e8.[key] AS int) DESC
) AS f1
OUTER APPLY ( -- name[1].family
  SELECT e10.[v] AS [v]
  FROM ( -- name[1].family
    SELECT
      CASE WHEN e9.[type] = 5 THEN e9.[value] END AS [v],
      CAST(ROW_NUMBER() OVER (ORDER BY CAST(e9.[key] AS int)) - 1 AS int) AS [i]
    FROM OPENJSON(CASE WHEN LEFT(j2.[name], 1) = '[' THEN j2.[name] ELSE '[' + j2.[name] + ']' END) AS e9
    WHERE e9.[type] <> 0
  ) AS e10
  WHERE e10.[i] = 1
) AS f2
OUTER APPLY OPENJSON(f2.[v]) WITH (
  [family] varchar(max) '$.family'
) AS j9
OUTER APPLY ( -- name.count()
  SELECT COUNT(*) AS [n]
  FROM OPENJSON(CASE WHEN LEFT(j2.[name], 1) = '[' THEN j2.[name] ELSE '[' + j2.[name] + ']' END) AS e11
  WHERE e11.[type] <> 0
) AS x1
OUTER APPLY ( -- telecom.all(system = 'phone')
  SELECT COUNT(*) - COUNT(p1.[v]) AS [n]
  FROM OPENJSON(CASE WHEN LEFT(j2.[telecom], 1) = '[' THEN j2.[telecom] ELSE '[' + j2.[telecom] + ']' END) AS e12
  CROSS APPLY OPENJSON(CASE WHEN e12.[type] = 5 THEN e12.[value] END) WITH (
    [system] varchar(max) '$.system'
  ) AS j10
  CROSS APPLY (
    SELECT CASE WHEN CAST(CAST(j10.[system] AS varchar(max)) AS varbinary(max)) = CAST('phone' AS varbinary(max)) THEN 1 END AS [v]
  ) AS p1
  WHERE e12.[type] <> 0
) AS x2
OUTER APPLY ( -- telecom.where(system = 'phone' and value.startsWith('+')).value
  SELECT
    MIN(j11.[value]) AS [v],
    COUNT(*) AS [n]
  FROM OPENJSON(CASE WHEN LEFT(j2.[telecom], 1) = '[' THEN j2.[telecom] ELSE '[' + j2.[telecom] + ']' END) AS e13
  CROSS APPLY OPENJSON(CASE WHEN e13.[type] = 5 AND (CHARINDEX('phone', e13.[value]) > 0 OR CHARINDEX('\', e13.[value]) > 0) THEN e13.[value] END) WITH (
    [system] varchar(max) '$.system',
    [value] varchar(max) '$.value'
  ) AS j11
  WHERE e13.[type] <> 0
    AND (CAST(CAST(j11.[system] AS varchar(max)) AS varbinary(max)) = CAST('phone' AS varbinary(max)) AND CAST(CAST(LEFT(j11.[value], 1) AS varchar(max)) AS varbinary(max)) = CAST('+' AS varbinary(max)))
    AND j11.[value] IS NOT NULL
) AS x3
CROSS APPLY (
  SELECT CASE WHEN (CAST(CAST(j1.[resourceType] AS varchar(max)) AS varbinary(max)) = CAST('Patient' AS varbinary(max)) AND NOT (NOT (j1.[active] = 'true'))) THEN 1 ELSE 0 END AS [wanted]
) AS g1
CROSS APPLY (
  SELECT TOP (1) CASE WHEN j1.[active] = 'true' THEN 1 WHEN NOT (j1.[active] = 'true') THEN 0 END AS [v]
) AS b1
CROSS APPLY (
  SELECT TOP (1) CASE WHEN j1.[deceasedBoolean] = 'true' THEN 1 WHEN NOT (j1.[deceasedBoolean] = 'true') THEN 0 END AS [v]
) AS b2
WHERE CAST(CAST(j1.[resourceType] AS varchar(max)) AS varbinary(max)) = CAST('Patient' AS varbinary(max))
  AND NOT (NOT (j1.[active] = 'true'))

INSERT INTO [stage].[unions] ([_file], [_line], [_id], [id], [row_index], [source], [value], [contact_index], [contact_given])
SELECT
  d.[_file],
  d.[_line],
  CAST(j1.[id] AS varchar(128)) AS [_id],
  j1.[id] AS [id],
  u2.[row_index] AS [row_index],
  u2.[source] AS [source],
  u2.[value] AS [value],
  u3.[contact_index] AS [contact_index],
  u3.[contact_given] AS [contact_given]
FROM [stage].[documents] AS d
CROSS APPLY OPENJSON(d.[doc]) WITH (
  [resourceType] varchar(max) '$.resourceType',
  [id] varchar(max) '$.id'
) AS j1
CROSS APPLY (
  SELECT
    MAX(CASE WHEN o.[key] = 'telecom' AND o.[type] IN (4, 5) THEN o.[value] END) AS [telecom],
    MAX(CASE WHEN o.[key] = 'contact' AND o.[type] IN (4, 5) THEN o.[value] END) AS [contact]
  FROM OPENJSON(d.[doc]) AS o
) AS j2
CROSS APPLY (
  SELECT
    e2.[i] AS [row_index],
    CAST('own' AS varchar(max)) AS [source],
    j4.[value] AS [value]
  FROM ( -- telecom.where(use = 'home')
    SELECT
      CASE WHEN e1.[type] = 5 THEN e1.[value] END AS [v],
      CAST(ROW_NUMBER() OVER (ORDER BY CAST(e1.[key] AS int)) - 1 AS int) AS [i]
    FROM OPENJSON(CASE WHEN LEFT(j2.[telecom], 1) = '[' THEN j2.[telecom] ELSE '[' + j2.[telecom] + ']' END) AS e1
    CROSS APPLY OPENJSON(CASE WHEN e1.[type] = 5 AND (CHARINDEX('home', e1.[value]) > 0 OR CHARINDEX('\', e1.[value]) > 0) THEN e1.[value] END) WITH (
      [use] varchar(max) '$.use'
    ) AS j3
    WHERE e1.[type] <> 0
      AND CAST(CAST(j3.[use] AS varchar(max)) AS varbinary(max)) = CAST('home' AS varbinary(max))
  ) AS e2
  OUTER APPLY OPENJSON(e2.[v]) WITH (
    [value] varchar(max) '$.value'
  ) AS j4
  UNION ALL
  SELECT
    ISNULL(u1.[row_index], 0) AS [row_index],
    u1.[source] AS [source],
    u1.[value] AS [value]
  FROM (
    SELECT 1 AS [one]
  ) AS one
  OUTER APPLY ( -- contact.telecom
    SELECT
      e5.[i] AS [row_index],
      CAST('contact' AS varchar(max)) AS [source],
      j6.[value] AS [value]
    FROM ( -- contact.telecom
      SELECT
        CASE WHEN e4.[type] = 5 THEN e4.[value] END AS [v],
        CAST(ROW_NUMBER() OVER (ORDER BY CAST(e3.[key] AS int), CAST(e4.[key] AS int)) - 1 AS int) AS [i]
      FROM OPENJSON(CASE WHEN LEFT(j2.[contact], 1) = '[' THEN j2.[contact] ELSE '[' + j2.[contact] + ']' END) AS e3
      CROSS APPLY (
        SELECT MAX(CASE WHEN o.[key] = 'telecom' AND o.[type] IN (4, 5) THEN o.[value] END) AS [telecom]
        FROM OPENJSON(CASE WHEN e3.[type] = 5 THEN e3.[value] END) AS o
      ) AS j5
      CROSS APPLY OPENJSON(CASE WHEN LEFT(j5.[telecom], 1) = '[' THEN j5.[telecom] ELSE '[' + j5.[telecom] + ']' END) AS e4
      WHERE e3.[type] <> 0
        AND e4.[type] <> 0
    ) AS e5
    OUTER APPLY OPENJSON(e5.[v]) WITH (
      [value] varchar(max) '$.value'
    ) AS j6
  ) AS u1
) AS u2
CROSS APPLY ( -- contact
  SELECT
    CAST(e6.[key] AS int) AS [contact_index],
    CAST(e7.[value] AS varchar(max)) AS [contact_given]
  FROM OPENJSON(CASE WHEN LEFT(j2.[contact], 1) = '[' THEN j2.[contact] ELSE '[' + j2.[contact] + ']' END) AS e6
  CROSS APPLY (
    SELECT MAX(CASE WHEN o.[key] = 'name' AND o.[type] IN (4, 5) THEN o.[value] END) AS [name]
    FROM OPENJSON(CASE WHEN e6.[type] = 5 THEN e6.[value] END) AS o
  ) AS j7
  CROSS APPLY (
    SELECT JSON_QUERY(j7.[name], '$.given') AS [name_given]
  ) AS q1
  CROSS APPLY OPENJSON(CASE WHEN LEFT(q1.[name_given], 1) = '[' THEN q1.[name_given] ELSE '[' + q1.[name_given] + ']' END) AS e7 -- name.given
  WHERE e6.[type] <> 0
    AND e7.[type] <> 0
  UNION ALL
  SELECT
    CAST(0 AS int) AS [contact_index],
    CAST(NULL AS varchar(max)) AS [contact_given]
  FROM (
    SELECT COUNT(*) AS [n]
    FROM OPENJSON(CASE WHEN LEFT(j2.[contact], 1) = '[' THEN j2.[contact] ELSE '[' + j2.[contact] + ']' END) AS e8
    WHERE e8.[type] <> 0
  ) AS n1
  WHERE n1.[n] = 0
) AS u3
WHERE CAST(CAST(j1.[resourceType] AS varchar(max)) AS varbinary(max)) = CAST('Patient' AS varbinary(max))

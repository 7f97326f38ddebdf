CREATE OR ALTER VIEW [dbo].[unions] AS
SELECT
  CAST(j1.[id] AS varchar(128)) COLLATE Latin1_General_100_BIN2_UTF8 AS [id],
  u2.[row_index] AS [row_index],
  u2.[source] AS [source],
  u2.[value] AS [value],
  u3.[contact_index] AS [contact_index],
  u3.[contact_given] AS [contact_given]
FROM [stage].[documents] AS d
CROSS APPLY OPENJSON(d.[doc]) WITH (
  [resourceType] nvarchar(max) '$.resourceType',
  [id] nvarchar(max) '$.id',
  [telecom] nvarchar(max) '$.telecom' AS JSON,
  [contact] nvarchar(max) '$.contact' AS JSON
) AS j1
CROSS APPLY (
  SELECT
    e2.[i] AS [row_index],
    CAST(N'own' AS nvarchar(max)) AS [source],
    j3.[value] AS [value]
  FROM ( -- telecom.where(use = 'home')
    SELECT
      CASE WHEN e1.[type] = 5 THEN e1.[value] END AS [v],
      CAST(ROW_NUMBER() OVER (ORDER BY CAST(e1.[key] AS int)) - 1 AS int) AS [i]
    FROM OPENJSON(CASE WHEN LEFT(j1.[telecom], 1) = N'[' THEN j1.[telecom] ELSE N'[' + j1.[telecom] + N']' END) AS e1
    CROSS APPLY OPENJSON(CASE WHEN e1.[type] = 5 AND (CHARINDEX(N'home', e1.[value]) > 0 OR CHARINDEX(N'\', e1.[value]) > 0) THEN e1.[value] END) WITH (
      [use] nvarchar(max) '$.use'
    ) AS j2
    WHERE e1.[type] <> 0
      AND CAST(j2.[use] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'home.'
  ) AS e2
  OUTER APPLY OPENJSON(e2.[v]) WITH (
    [value] nvarchar(max) '$.value'
  ) AS j3
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
      CAST(N'contact' AS nvarchar(max)) AS [source],
      j5.[value] AS [value]
    FROM ( -- contact.telecom
      SELECT
        CASE WHEN e4.[type] = 5 THEN e4.[value] END AS [v],
        CAST(ROW_NUMBER() OVER (ORDER BY CAST(e3.[key] AS int), CAST(e4.[key] AS int)) - 1 AS int) AS [i]
      FROM OPENJSON(CASE WHEN LEFT(j1.[contact], 1) = N'[' THEN j1.[contact] ELSE N'[' + j1.[contact] + N']' END) AS e3
      CROSS APPLY OPENJSON(CASE WHEN e3.[type] = 5 THEN e3.[value] END) WITH (
        [telecom] nvarchar(max) '$.telecom' AS JSON
      ) AS j4
      CROSS APPLY OPENJSON(CASE WHEN LEFT(j4.[telecom], 1) = N'[' THEN j4.[telecom] ELSE N'[' + j4.[telecom] + N']' END) AS e4
      WHERE e3.[type] <> 0
        AND e4.[type] <> 0
    ) AS e5
    OUTER APPLY OPENJSON(e5.[v]) WITH (
      [value] nvarchar(max) '$.value'
    ) AS j5
  ) AS u1
) AS u2
CROSS APPLY ( -- contact
  SELECT
    CAST(e6.[key] AS int) AS [contact_index],
    CAST(e7.[value] AS nvarchar(max)) AS [contact_given]
  FROM OPENJSON(CASE WHEN LEFT(j1.[contact], 1) = N'[' THEN j1.[contact] ELSE N'[' + j1.[contact] + N']' END) AS e6
  CROSS APPLY OPENJSON(CASE WHEN e6.[type] = 5 THEN e6.[value] END) WITH (
    [name_given] nvarchar(max) '$.name.given' AS JSON
  ) AS j6
  CROSS APPLY OPENJSON(CASE WHEN LEFT(j6.[name_given], 1) = N'[' THEN j6.[name_given] ELSE N'[' + j6.[name_given] + N']' END) AS e7 -- name.given
  WHERE e6.[type] <> 0
    AND e7.[type] <> 0
  UNION ALL
  SELECT
    CAST(0 AS int) AS [contact_index],
    CAST(NULL AS nvarchar(max)) AS [contact_given]
  FROM (
    SELECT COUNT(*) AS [n]
    FROM OPENJSON(CASE WHEN LEFT(j1.[contact], 1) = N'[' THEN j1.[contact] ELSE N'[' + j1.[contact] + N']' END) AS e8
    WHERE e8.[type] <> 0
  ) AS n1
  WHERE n1.[n] = 0
) AS u3
WHERE CAST(j1.[resourceType] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'Patient.'

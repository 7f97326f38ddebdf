CREATE OR ALTER VIEW [fhir].[etl_cohort_member] AS
SELECT CAST(NULL AS varchar(128)) COLLATE Latin1_General_100_BIN2_UTF8 AS [cohort], CAST(NULL AS varchar(128)) COLLATE Latin1_General_100_BIN2_UTF8 AS [patient_id], CAST(NULL AS datetime2(3)) AS [valid_from], CAST(NULL AS datetime2(3)) AS [valid_to]
WHERE 1 = 0;

CREATE OR ALTER VIEW [fhir].[etl_cohort_member] AS
SELECT m.[cohort], m.[patient_id], TRY_CAST(m.[valid_from] AS datetime2(3)) AS [valid_from], TRY_CAST(NULLIF(m.[valid_to], '') AS datetime2(3)) AS [valid_to]
FROM OPENROWSET(
  BULK 'fhir/members/20260301T000000000Z-plan-000001-0a1b2c3d.lines', DATA_SOURCE = 'fhirsynapse', FORMAT = 'CSV', PARSER_VERSION = '1.0',
  FIELDTERMINATOR = '0x0b', FIELDQUOTE = '0x1f', ROWTERMINATOR = '0x0a'
) WITH (
  [cohort] varchar(128) COLLATE Latin1_General_100_BIN2_UTF8 1, [patient_id] varchar(128) COLLATE Latin1_General_100_BIN2_UTF8 2, [valid_from] varchar(128) COLLATE Latin1_General_100_BIN2_UTF8 3, [valid_to] varchar(128) COLLATE Latin1_General_100_BIN2_UTF8 4
) AS m;

CREATE OR ALTER VIEW [fhir].[_cohort_Patient] AS
SELECT k.[_id], k.[_version], k.[_last_updated], k.[_export], k.[doc]
FROM (
  SELECT n.[_id], n.[_version], n.[_last_updated], n.[_export], n.[doc],
    ROW_NUMBER() OVER (PARTITION BY n.[_id] ORDER BY c.[patient_id]) AS [place]
  FROM [fhir].[_newest_Patient] AS n
  OUTER APPLY (
    SELECT u1.[patient_id] AS [patient_id]
    FROM (SELECT n.[doc] AS [doc]) AS d
    CROSS APPLY OPENJSON(d.[doc]) WITH (
      [resourceType] nvarchar(max) '$.resourceType',
      [id] nvarchar(max) '$.id',
      [link] nvarchar(max) '$.link' AS JSON
    ) AS j1
    CROSS APPLY (
      SELECT CAST(j1.[id] AS varchar(128)) COLLATE Latin1_General_100_BIN2_UTF8 AS [patient_id]
      UNION ALL
      SELECT CAST(CASE WHEN LEN(k1.[id]) > 0 AND CHARINDEX(N'/', k1.[id]) = 0 AND CHARINDEX(N'?', k1.[id]) = 0 AND CHARINDEX(N'#', k1.[id]) = 0 THEN k1.[id] END AS varchar(128)) COLLATE Latin1_General_100_BIN2_UTF8 AS [patient_id]
      FROM OPENJSON(CASE WHEN LEFT(j1.[link], 1) = N'[' THEN j1.[link] ELSE N'[' + j1.[link] + N']' END) AS e1
      CROSS APPLY OPENJSON(CASE WHEN e1.[type] = 5 THEN e1.[value] END) WITH (
        [other] nvarchar(max) '$.other' AS JSON,
        [other_reference] nvarchar(max) '$.other.reference'
      ) AS j2
      OUTER APPLY (
        SELECT TOP (1) LEFT(j2.[other_reference], CHARINDEX(N'/_history/', j2.[other_reference] + N'/_history/') - 1) AS [r]
      ) AS h1
      OUTER APPLY (
        SELECT TOP (1) CASE WHEN CAST(LEFT(h1.[r], 8) + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'Patient/.' THEN SUBSTRING(h1.[r], 9, 2147483647) WHEN CAST(LEFT(h1.[r], 9) + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'/Patient/.' THEN SUBSTRING(h1.[r], 10, 2147483647) END AS [id]
        FROM (
          SELECT 1 AS [one]
        ) AS one
        WHERE h1.[r] IS NOT NULL
      ) AS k1
      WHERE e1.[type] <> 0
        AND j2.[other] IS NOT NULL
        AND CASE WHEN LEN(k1.[id]) > 0 AND CHARINDEX(N'/', k1.[id]) = 0 AND CHARINDEX(N'?', k1.[id]) = 0 AND CHARINDEX(N'#', k1.[id]) = 0 THEN k1.[id] END IS NOT NULL
    ) AS u1
    WHERE CAST(j1.[resourceType] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'Patient.'
  ) AS c
  LEFT JOIN [fhir].[etl_cohort_member] AS m ON m.[patient_id] = c.[patient_id] AND m.[valid_to] IS NULL
  WHERE c.[patient_id] IS NULL OR m.[patient_id] IS NOT NULL
) AS k
WHERE k.[place] = 1;

CREATE OR ALTER VIEW [fhir].[patient] AS
SELECT
  d.[_id],
  d.[_version],
  d.[_last_updated],
  d.[_export],
  CAST(j1.[id] AS varchar(128)) COLLATE Latin1_General_100_BIN2_UTF8 AS [id]
FROM [fhir].[_cohort_Patient] AS d
CROSS APPLY OPENJSON(d.[doc]) WITH (
  [resourceType] nvarchar(max) '$.resourceType',
  [id] nvarchar(max) '$.id'
) AS j1
WHERE CAST(j1.[resourceType] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'Patient.'
;

CREATE OR ALTER VIEW [fhir].[compartment_patient] AS
SELECT
  d.[_id],
  d.[_version],
  d.[_last_updated],
  d.[_export],
  u1.[patient_id] AS [patient_id]
FROM [fhir].[_cohort_Patient] AS d
CROSS APPLY OPENJSON(d.[doc]) WITH (
  [resourceType] nvarchar(max) '$.resourceType',
  [id] nvarchar(max) '$.id',
  [link] nvarchar(max) '$.link' AS JSON
) AS j1
CROSS APPLY (
  SELECT CAST(j1.[id] AS varchar(128)) COLLATE Latin1_General_100_BIN2_UTF8 AS [patient_id]
  UNION ALL
  SELECT CAST(CASE WHEN LEN(k1.[id]) > 0 AND CHARINDEX(N'/', k1.[id]) = 0 AND CHARINDEX(N'?', k1.[id]) = 0 AND CHARINDEX(N'#', k1.[id]) = 0 THEN k1.[id] END AS varchar(128)) COLLATE Latin1_General_100_BIN2_UTF8 AS [patient_id]
  FROM OPENJSON(CASE WHEN LEFT(j1.[link], 1) = N'[' THEN j1.[link] ELSE N'[' + j1.[link] + N']' END) AS e1
  CROSS APPLY OPENJSON(CASE WHEN e1.[type] = 5 THEN e1.[value] END) WITH (
    [other] nvarchar(max) '$.other' AS JSON,
    [other_reference] nvarchar(max) '$.other.reference'
  ) AS j2
  OUTER APPLY (
    SELECT TOP (1) LEFT(j2.[other_reference], CHARINDEX(N'/_history/', j2.[other_reference] + N'/_history/') - 1) AS [r]
  ) AS h1
  OUTER APPLY (
    SELECT TOP (1) CASE WHEN CAST(LEFT(h1.[r], 8) + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'Patient/.' THEN SUBSTRING(h1.[r], 9, 2147483647) WHEN CAST(LEFT(h1.[r], 9) + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'/Patient/.' THEN SUBSTRING(h1.[r], 10, 2147483647) END AS [id]
    FROM (
      SELECT 1 AS [one]
    ) AS one
    WHERE h1.[r] IS NOT NULL
  ) AS k1
  WHERE e1.[type] <> 0
    AND j2.[other] IS NOT NULL
    AND CASE WHEN LEN(k1.[id]) > 0 AND CHARINDEX(N'/', k1.[id]) = 0 AND CHARINDEX(N'?', k1.[id]) = 0 AND CHARINDEX(N'#', k1.[id]) = 0 THEN k1.[id] END IS NOT NULL
) AS u1
WHERE CAST(j1.[resourceType] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'Patient.'
;

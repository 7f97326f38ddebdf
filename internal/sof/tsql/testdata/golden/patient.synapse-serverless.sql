CREATE OR ALTER VIEW [dbo].[patient] AS
SELECT
  j1.[id] AS [id],
  CAST(CASE j1.[active] WHEN N'true' THEN 1 WHEN N'false' THEN 0 END AS bit) AS [active],
  j1.[gender] AS [gender],
  j1.[birthDate] AS [birth_date],
  CAST(CASE j1.[deceasedBoolean] WHEN N'true' THEN 1 WHEN N'false' THEN 0 END AS bit) AS [deceased_flag],
  j1.[deceasedDateTime] AS [deceased_time],
  u1.[family] AS [family],
  u1.[given] AS [given],
  u1.[name_prefix] AS [name_prefix],
  u1.[name_suffix] AS [name_suffix],
  u1.[name_text] AS [name_text],
  f3.[v] AS [race_code],
  f4.[v] AS [race_display],
  CAST(COALESCE(f5.[v], f5.[v2], f5.[v3], f5.[v4]) AS nvarchar(max)) AS [race_text],
  f6.[v] AS [ethnicity_code],
  f7.[v] AS [ethnicity_display],
  CAST(COALESCE(f8.[v], f8.[v2], f8.[v3], f8.[v4]) AS nvarchar(max)) AS [ethnicity_text],
  f9.[v] AS [birth_sex],
  j18.[code] AS [marital_status],
  j18.[system] AS [marital_status_system],
  j18.[display] AS [marital_status_display],
  j1.[maritalStatus_text] AS [marital_status_text],
  j22.[code] AS [language],
  CAST(CASE j1.[multipleBirthBoolean] WHEN N'true' THEN 1 WHEN N'false' THEN 0 END AS bit) AS [multiple_birth],
  TRY_CAST(NULLIF(j1.[multipleBirthInteger], N'') AS int) AS [multiple_birth_order],
  f14.[v] AS [mrn],
  f15.[v] AS [phone],
  f16.[v] AS [email],
  u2.[address_line] AS [address_line],
  u2.[city] AS [city],
  u2.[state] AS [state],
  u2.[postal_code] AS [postal_code],
  u2.[country] AS [country],
  CASE WHEN CAST(RIGHT(k1.[head], 13) + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'/Organization.' THEN k1.[id] END AS [organization_id],
  f18.[v] AS [practitioner_id]
FROM [stage].[documents] AS d
CROSS APPLY OPENJSON(d.[doc]) WITH (
  [resourceType] nvarchar(max) '$.resourceType',
  [id] nvarchar(max) '$.id',
  [active] nvarchar(max) '$.active',
  [gender] nvarchar(max) '$.gender',
  [birthDate] nvarchar(max) '$.birthDate',
  [deceasedBoolean] nvarchar(max) '$.deceasedBoolean',
  [deceasedDateTime] nvarchar(max) '$.deceasedDateTime',
  [name] nvarchar(max) '$.name' AS JSON,
  [extension] nvarchar(max) '$.extension' AS JSON,
  [maritalStatus_coding] nvarchar(max) '$.maritalStatus.coding' AS JSON,
  [maritalStatus_text] nvarchar(max) '$.maritalStatus.text',
  [communication] nvarchar(max) '$.communication' AS JSON,
  [multipleBirthBoolean] nvarchar(max) '$.multipleBirthBoolean',
  [multipleBirthInteger] nvarchar(max) '$.multipleBirthInteger',
  [identifier] nvarchar(max) '$.identifier' AS JSON,
  [telecom] nvarchar(max) '$.telecom' AS JSON,
  [address] nvarchar(max) '$.address' AS JSON,
  [managingOrganization_reference] nvarchar(max) '$.managingOrganization.reference',
  [generalPractitioner] nvarchar(max) '$.generalPractitioner' AS JSON
) AS j1
OUTER APPLY ( -- iif(name.where(use = 'official').exists(), name.where(use = 'official').first(), name.first())
  SELECT COUNT(*) AS [n]
  FROM OPENJSON(CASE WHEN LEFT(j1.[name], 1) = N'[' THEN j1.[name] ELSE N'[' + j1.[name] + N']' END) AS e1
  CROSS APPLY OPENJSON(CASE WHEN e1.[type] = 5 THEN e1.[value] END) WITH (
    [use] nvarchar(max) '$.use'
  ) AS j2
  WHERE e1.[type] <> 0
    AND CAST(j2.[use] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'official.'
) AS x1
OUTER APPLY ( -- iif(name.where(use = 'official').exists(), name.where(use = 'official').first(), name.first())
  SELECT TOP (1) CASE WHEN e2.[type] = 5 THEN e2.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j1.[name], 1) = N'[' THEN j1.[name] ELSE N'[' + j1.[name] + N']' END) AS e2
  CROSS APPLY OPENJSON(CASE WHEN e2.[type] = 5 THEN e2.[value] END) WITH (
    [use] nvarchar(max) '$.use'
  ) AS j3
  WHERE e2.[type] <> 0
    AND CAST(j3.[use] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'official.'
  ORDER BY CAST(e2.[key] AS int)
) AS f1
OUTER APPLY ( -- iif(name.where(use = 'official').exists(), name.where(use = 'official').first(), name.first())
  SELECT TOP (1) CASE WHEN e3.[type] = 5 THEN e3.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j1.[name], 1) = N'[' THEN j1.[name] ELSE N'[' + j1.[name] + N']' END) AS e3
  WHERE e3.[type] <> 0
  ORDER BY CAST(e3.[key] AS int)
) AS f2
OUTER APPLY OPENJSON(CASE WHEN x1.[n] > 0 THEN f1.[v] ELSE f2.[v] END) WITH ( -- iif(name.where(use = 'official').exists(), name.where(use = 'official').first(), name.first())
  [family] nvarchar(max) '$.family',
  [given] nvarchar(max) '$.given' AS JSON,
  [prefix] nvarchar(max) '$.prefix' AS JSON,
  [suffix] nvarchar(max) '$.suffix' AS JSON,
  [text] nvarchar(max) '$.text'
) AS j4
OUTER APPLY ( -- iif(name.where(use = 'official').exists(), name.where(use = 'official').first(), name.first())
  SELECT
    j4.[family] AS [family],
    CAST(CASE WHEN x2.[n] > 0 THEN l1.[v] END AS nvarchar(max)) AS [given],
    CAST(CASE WHEN x3.[n] > 0 THEN l2.[v] END AS nvarchar(max)) AS [name_prefix],
    CAST(CASE WHEN x4.[n] > 0 THEN l3.[v] END AS nvarchar(max)) AS [name_suffix],
    j4.[text] AS [name_text]
  FROM (
    SELECT 1 AS [one]
  ) AS one
  OUTER APPLY ( -- iif(given.exists(), given.join(' '))
    SELECT COUNT(*) AS [n]
    FROM OPENJSON(CASE WHEN LEFT(j4.[given], 1) = N'[' THEN j4.[given] ELSE N'[' + j4.[given] + N']' END) AS e4
    WHERE e4.[type] <> 0
  ) AS x2
  OUTER APPLY ( -- iif(given.exists(), given.join(' '))
    SELECT STRING_AGG(CAST(e5.[value] AS nvarchar(max)), N' ') WITHIN GROUP (ORDER BY CAST(e5.[key] AS int)) AS [v]
    FROM OPENJSON(CASE WHEN LEFT(j4.[given], 1) = N'[' THEN j4.[given] ELSE N'[' + j4.[given] + N']' END) AS e5
    WHERE e5.[type] <> 0
  ) AS l1
  OUTER APPLY ( -- iif(prefix.exists(), prefix.join(' '))
    SELECT COUNT(*) AS [n]
    FROM OPENJSON(CASE WHEN LEFT(j4.[prefix], 1) = N'[' THEN j4.[prefix] ELSE N'[' + j4.[prefix] + N']' END) AS e6
    WHERE e6.[type] <> 0
  ) AS x3
  OUTER APPLY ( -- iif(prefix.exists(), prefix.join(' '))
    SELECT STRING_AGG(CAST(e7.[value] AS nvarchar(max)), N' ') WITHIN GROUP (ORDER BY CAST(e7.[key] AS int)) AS [v]
    FROM OPENJSON(CASE WHEN LEFT(j4.[prefix], 1) = N'[' THEN j4.[prefix] ELSE N'[' + j4.[prefix] + N']' END) AS e7
    WHERE e7.[type] <> 0
  ) AS l2
  OUTER APPLY ( -- iif(suffix.exists(), suffix.join(' '))
    SELECT COUNT(*) AS [n]
    FROM OPENJSON(CASE WHEN LEFT(j4.[suffix], 1) = N'[' THEN j4.[suffix] ELSE N'[' + j4.[suffix] + N']' END) AS e8
    WHERE e8.[type] <> 0
  ) AS x4
  OUTER APPLY ( -- iif(suffix.exists(), suffix.join(' '))
    SELECT STRING_AGG(CAST(e9.[value] AS nvarchar(max)), N' ') WITHIN GROUP (ORDER BY CAST(e9.[key] AS int)) AS [v]
    FROM OPENJSON(CASE WHEN LEFT(j4.[suffix], 1) = N'[' THEN j4.[suffix] ELSE N'[' + j4.[suffix] + N']' END) AS e9
    WHERE e9.[type] <> 0
  ) AS l3
  WHERE CASE WHEN x1.[n] > 0 THEN f1.[v] ELSE f2.[v] END IS NOT NULL
) AS u1
OUTER APPLY ( -- extension('http://hl7.org/fhir/us/core/StructureDefinition/us-core-race').extension('ombCategory').v...
  SELECT TOP (1) j6.[valueCoding_code] AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j1.[extension], 1) = N'[' THEN j1.[extension] ELSE N'[' + j1.[extension] + N']' END) AS e10
  CROSS APPLY OPENJSON(CASE WHEN e10.[type] = 5 THEN e10.[value] END) WITH (
    [url] nvarchar(max) '$.url',
    [extension] nvarchar(max) '$.extension' AS JSON
  ) AS j5
  CROSS APPLY OPENJSON(CASE WHEN LEFT(j5.[extension], 1) = N'[' THEN j5.[extension] ELSE N'[' + j5.[extension] + N']' END) AS e11
  CROSS APPLY OPENJSON(CASE WHEN e11.[type] = 5 THEN e11.[value] END) WITH (
    [url] nvarchar(max) '$.url',
    [valueCoding] nvarchar(max) '$.valueCoding' AS JSON,
    [valueCoding_code] nvarchar(max) '$.valueCoding.code'
  ) AS j6
  WHERE e10.[type] <> 0
    AND CAST(j5.[url] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'http://hl7.org/fhir/us/core/StructureDefinition/us-core-race.'
    AND e11.[type] <> 0
    AND CAST(j6.[url] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'ombCategory.'
    AND j6.[valueCoding] IS NOT NULL
    AND j6.[valueCoding_code] IS NOT NULL
  ORDER BY CAST(e10.[key] AS int), CAST(e11.[key] AS int)
) AS f3
OUTER APPLY ( -- extension('http://hl7.org/fhir/us/core/StructureDefinition/us-core-race').extension('ombCategory').v...
  SELECT TOP (1) j8.[valueCoding_display] AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j1.[extension], 1) = N'[' THEN j1.[extension] ELSE N'[' + j1.[extension] + N']' END) AS e12
  CROSS APPLY OPENJSON(CASE WHEN e12.[type] = 5 THEN e12.[value] END) WITH (
    [url] nvarchar(max) '$.url',
    [extension] nvarchar(max) '$.extension' AS JSON
  ) AS j7
  CROSS APPLY OPENJSON(CASE WHEN LEFT(j7.[extension], 1) = N'[' THEN j7.[extension] ELSE N'[' + j7.[extension] + N']' END) AS e13
  CROSS APPLY OPENJSON(CASE WHEN e13.[type] = 5 THEN e13.[value] END) WITH (
    [url] nvarchar(max) '$.url',
    [valueCoding] nvarchar(max) '$.valueCoding' AS JSON,
    [valueCoding_display] nvarchar(max) '$.valueCoding.display'
  ) AS j8
  WHERE e12.[type] <> 0
    AND CAST(j7.[url] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'http://hl7.org/fhir/us/core/StructureDefinition/us-core-race.'
    AND e13.[type] <> 0
    AND CAST(j8.[url] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'ombCategory.'
    AND j8.[valueCoding] IS NOT NULL
    AND j8.[valueCoding_display] IS NOT NULL
  ORDER BY CAST(e12.[key] AS int), CAST(e13.[key] AS int)
) AS f4
OUTER APPLY ( -- extension('http://hl7.org/fhir/us/core/StructureDefinition/us-core-race').extension('text').value.of...
  SELECT TOP (1)
    j10.[valueCode] AS [v],
    j10.[valueId] AS [v2],
    j10.[valueMarkdown] AS [v3],
    j10.[valueString] AS [v4]
  FROM OPENJSON(CASE WHEN LEFT(j1.[extension], 1) = N'[' THEN j1.[extension] ELSE N'[' + j1.[extension] + N']' END) AS e14
  CROSS APPLY OPENJSON(CASE WHEN e14.[type] = 5 THEN e14.[value] END) WITH (
    [url] nvarchar(max) '$.url',
    [extension] nvarchar(max) '$.extension' AS JSON
  ) AS j9
  CROSS APPLY OPENJSON(CASE WHEN LEFT(j9.[extension], 1) = N'[' THEN j9.[extension] ELSE N'[' + j9.[extension] + N']' END) AS e15
  CROSS APPLY OPENJSON(CASE WHEN e15.[type] = 5 THEN e15.[value] END) WITH (
    [url] nvarchar(max) '$.url',
    [valueCode] nvarchar(max) '$.valueCode',
    [valueId] nvarchar(max) '$.valueId',
    [valueMarkdown] nvarchar(max) '$.valueMarkdown',
    [valueString] nvarchar(max) '$.valueString'
  ) AS j10
  WHERE e14.[type] <> 0
    AND CAST(j9.[url] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'http://hl7.org/fhir/us/core/StructureDefinition/us-core-race.'
    AND e15.[type] <> 0
    AND CAST(j10.[url] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'text.'
    AND (j10.[valueCode] IS NOT NULL OR j10.[valueId] IS NOT NULL OR j10.[valueMarkdown] IS NOT NULL OR j10.[valueString] IS NOT NULL)
  ORDER BY CAST(e14.[key] AS int), CAST(e15.[key] AS int)
) AS f5
OUTER APPLY ( -- extension('http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity').extension('ombCategor...
  SELECT TOP (1) j12.[valueCoding_code] AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j1.[extension], 1) = N'[' THEN j1.[extension] ELSE N'[' + j1.[extension] + N']' END) AS e16
  CROSS APPLY OPENJSON(CASE WHEN e16.[type] = 5 THEN e16.[value] END) WITH (
    [url] nvarchar(max) '$.url',
    [extension] nvarchar(max) '$.extension' AS JSON
  ) AS j11
  CROSS APPLY OPENJSON(CASE WHEN LEFT(j11.[extension], 1) = N'[' THEN j11.[extension] ELSE N'[' + j11.[extension] + N']' END) AS e17
  CROSS APPLY OPENJSON(CASE WHEN e17.[type] = 5 THEN e17.[value] END) WITH (
    [url] nvarchar(max) '$.url',
    [valueCoding] nvarchar(max) '$.valueCoding' AS JSON,
    [valueCoding_code] nvarchar(max) '$.valueCoding.code'
  ) AS j12
  WHERE e16.[type] <> 0
    AND CAST(j11.[url] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity.'
    AND e17.[type] <> 0
    AND CAST(j12.[url] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'ombCategory.'
    AND j12.[valueCoding] IS NOT NULL
    AND j12.[valueCoding_code] IS NOT NULL
  ORDER BY CAST(e16.[key] AS int), CAST(e17.[key] AS int)
) AS f6
OUTER APPLY ( -- extension('http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity').extension('ombCategor...
  SELECT TOP (1) j14.[valueCoding_display] AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j1.[extension], 1) = N'[' THEN j1.[extension] ELSE N'[' + j1.[extension] + N']' END) AS e18
  CROSS APPLY OPENJSON(CASE WHEN e18.[type] = 5 THEN e18.[value] END) WITH (
    [url] nvarchar(max) '$.url',
    [extension] nvarchar(max) '$.extension' AS JSON
  ) AS j13
  CROSS APPLY OPENJSON(CASE WHEN LEFT(j13.[extension], 1) = N'[' THEN j13.[extension] ELSE N'[' + j13.[extension] + N']' END) AS e19
  CROSS APPLY OPENJSON(CASE WHEN e19.[type] = 5 THEN e19.[value] END) WITH (
    [url] nvarchar(max) '$.url',
    [valueCoding] nvarchar(max) '$.valueCoding' AS JSON,
    [valueCoding_display] nvarchar(max) '$.valueCoding.display'
  ) AS j14
  WHERE e18.[type] <> 0
    AND CAST(j13.[url] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity.'
    AND e19.[type] <> 0
    AND CAST(j14.[url] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'ombCategory.'
    AND j14.[valueCoding] IS NOT NULL
    AND j14.[valueCoding_display] IS NOT NULL
  ORDER BY CAST(e18.[key] AS int), CAST(e19.[key] AS int)
) AS f7
OUTER APPLY ( -- extension('http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity').extension('text').val...
  SELECT TOP (1)
    j16.[valueCode] AS [v],
    j16.[valueId] AS [v2],
    j16.[valueMarkdown] AS [v3],
    j16.[valueString] AS [v4]
  FROM OPENJSON(CASE WHEN LEFT(j1.[extension], 1) = N'[' THEN j1.[extension] ELSE N'[' + j1.[extension] + N']' END) AS e20
  CROSS APPLY OPENJSON(CASE WHEN e20.[type] = 5 THEN e20.[value] END) WITH (
    [url] nvarchar(max) '$.url',
    [extension] nvarchar(max) '$.extension' AS JSON
  ) AS j15
  CROSS APPLY OPENJSON(CASE WHEN LEFT(j15.[extension], 1) = N'[' THEN j15.[extension] ELSE N'[' + j15.[extension] + N']' END) AS e21
  CROSS APPLY OPENJSON(CASE WHEN e21.[type] = 5 THEN e21.[value] END) WITH (
    [url] nvarchar(max) '$.url',
    [valueCode] nvarchar(max) '$.valueCode',
    [valueId] nvarchar(max) '$.valueId',
    [valueMarkdown] nvarchar(max) '$.valueMarkdown',
    [valueString] nvarchar(max) '$.valueString'
  ) AS j16
  WHERE e20.[type] <> 0
    AND CAST(j15.[url] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity.'
    AND e21.[type] <> 0
    AND CAST(j16.[url] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'text.'
    AND (j16.[valueCode] IS NOT NULL OR j16.[valueId] IS NOT NULL OR j16.[valueMarkdown] IS NOT NULL OR j16.[valueString] IS NOT NULL)
  ORDER BY CAST(e20.[key] AS int), CAST(e21.[key] AS int)
) AS f8
OUTER APPLY ( -- extension('http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex').value.ofType(code).fir...
  SELECT TOP (1) j17.[valueCode] AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j1.[extension], 1) = N'[' THEN j1.[extension] ELSE N'[' + j1.[extension] + N']' END) AS e22
  CROSS APPLY OPENJSON(CASE WHEN e22.[type] = 5 THEN e22.[value] END) WITH (
    [url] nvarchar(max) '$.url',
    [valueCode] nvarchar(max) '$.valueCode'
  ) AS j17
  WHERE e22.[type] <> 0
    AND CAST(j17.[url] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex.'
    AND j17.[valueCode] IS NOT NULL
  ORDER BY CAST(e22.[key] AS int)
) AS f9
OUTER APPLY ( -- maritalStatus.coding.first().code
  SELECT TOP (1) CASE WHEN e23.[type] = 5 THEN e23.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j1.[maritalStatus_coding], 1) = N'[' THEN j1.[maritalStatus_coding] ELSE N'[' + j1.[maritalStatus_coding] + N']' END) AS e23
  WHERE e23.[type] <> 0
  ORDER BY CAST(e23.[key] AS int)
) AS f10
OUTER APPLY OPENJSON(f10.[v]) WITH (
  [code] nvarchar(max) '$.code',
  [system] nvarchar(max) '$.system',
  [display] nvarchar(max) '$.display'
) AS j18
OUTER APPLY ( -- iif(communication.where(preferred = true).exists(), communication.where(preferred = true).first(), c...
  SELECT COUNT(*) AS [n]
  FROM OPENJSON(CASE WHEN LEFT(j1.[communication], 1) = N'[' THEN j1.[communication] ELSE N'[' + j1.[communication] + N']' END) AS e24
  CROSS APPLY OPENJSON(CASE WHEN e24.[type] = 5 THEN e24.[value] END) WITH (
    [preferred] nvarchar(max) '$.preferred'
  ) AS j19
  WHERE e24.[type] <> 0
    AND j19.[preferred] = N'true'
) AS x5
OUTER APPLY ( -- iif(communication.where(preferred = true).exists(), communication.where(preferred = true).first(), c...
  SELECT TOP (1) CASE WHEN e25.[type] = 5 THEN e25.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j1.[communication], 1) = N'[' THEN j1.[communication] ELSE N'[' + j1.[communication] + N']' END) AS e25
  CROSS APPLY OPENJSON(CASE WHEN e25.[type] = 5 THEN e25.[value] END) WITH (
    [preferred] nvarchar(max) '$.preferred'
  ) AS j20
  WHERE e25.[type] <> 0
    AND j20.[preferred] = N'true'
  ORDER BY CAST(e25.[key] AS int)
) AS f11
OUTER APPLY ( -- iif(communication.where(preferred = true).exists(), communication.where(preferred = true).first(), c...
  SELECT TOP (1) CASE WHEN e26.[type] = 5 THEN e26.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j1.[communication], 1) = N'[' THEN j1.[communication] ELSE N'[' + j1.[communication] + N']' END) AS e26
  WHERE e26.[type] <> 0
  ORDER BY CAST(e26.[key] AS int)
) AS f12
OUTER APPLY OPENJSON(CASE WHEN x5.[n] > 0 THEN f11.[v] ELSE f12.[v] END) WITH ( -- iif(communication.where(preferred = true).exists(), communication.where(preferred = true).first(), c...
  [language_coding] nvarchar(max) '$.language.coding' AS JSON
) AS j21
OUTER APPLY ( -- iif(communication.where(preferred = true).exists(), communication.where(preferred = true).first(), c...
  SELECT TOP (1) CASE WHEN e27.[type] = 5 THEN e27.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j21.[language_coding], 1) = N'[' THEN j21.[language_coding] ELSE N'[' + j21.[language_coding] + N']' END) AS e27
  WHERE e27.[type] <> 0
  ORDER BY CAST(e27.[key] AS int)
) AS f13
OUTER APPLY OPENJSON(f13.[v]) WITH (
  [code] nvarchar(max) '$.code'
) AS j22
OUTER APPLY ( -- identifier.where(type.coding.where(code = 'MR').exists()).value.first()
  SELECT TOP (1) j23.[value] AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j1.[identifier], 1) = N'[' THEN j1.[identifier] ELSE N'[' + j1.[identifier] + N']' END) AS e28
  CROSS APPLY OPENJSON(CASE WHEN e28.[type] = 5 THEN e28.[value] END) WITH (
    [type_coding] nvarchar(max) '$.type.coding' AS JSON,
    [value] nvarchar(max) '$.value'
  ) AS j23
  OUTER APPLY ( -- identifier.where(type.coding.where(code = 'MR').exists()).value.first()
    SELECT COUNT(*) AS [n]
    FROM OPENJSON(CASE WHEN LEFT(j23.[type_coding], 1) = N'[' THEN j23.[type_coding] ELSE N'[' + j23.[type_coding] + N']' END) AS e29
    CROSS APPLY OPENJSON(CASE WHEN e29.[type] = 5 THEN e29.[value] END) WITH (
      [code] nvarchar(max) '$.code'
    ) AS j24
    WHERE e29.[type] <> 0
      AND CAST(j24.[code] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'MR.'
  ) AS x6
  WHERE e28.[type] <> 0
    AND x6.[n] > 0
    AND j23.[value] IS NOT NULL
  ORDER BY CAST(e28.[key] AS int)
) AS f14
OUTER APPLY ( -- telecom.where(system = 'phone').value.first()
  SELECT TOP (1) j25.[value] AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j1.[telecom], 1) = N'[' THEN j1.[telecom] ELSE N'[' + j1.[telecom] + N']' END) AS e30
  CROSS APPLY OPENJSON(CASE WHEN e30.[type] = 5 THEN e30.[value] END) WITH (
    [system] nvarchar(max) '$.system',
    [value] nvarchar(max) '$.value'
  ) AS j25
  WHERE e30.[type] <> 0
    AND CAST(j25.[system] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'phone.'
    AND j25.[value] IS NOT NULL
  ORDER BY CAST(e30.[key] AS int)
) AS f15
OUTER APPLY ( -- telecom.where(system = 'email').value.first()
  SELECT TOP (1) j26.[value] AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j1.[telecom], 1) = N'[' THEN j1.[telecom] ELSE N'[' + j1.[telecom] + N']' END) AS e31
  CROSS APPLY OPENJSON(CASE WHEN e31.[type] = 5 THEN e31.[value] END) WITH (
    [system] nvarchar(max) '$.system',
    [value] nvarchar(max) '$.value'
  ) AS j26
  WHERE e31.[type] <> 0
    AND CAST(j26.[system] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'email.'
    AND j26.[value] IS NOT NULL
  ORDER BY CAST(e31.[key] AS int)
) AS f16
OUTER APPLY ( -- address.first()
  SELECT TOP (1) CASE WHEN e32.[type] = 5 THEN e32.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j1.[address], 1) = N'[' THEN j1.[address] ELSE N'[' + j1.[address] + N']' END) AS e32
  WHERE e32.[type] <> 0
  ORDER BY CAST(e32.[key] AS int)
) AS f17
OUTER APPLY OPENJSON(f17.[v]) WITH (
  [line] nvarchar(max) '$.line' AS JSON,
  [city] nvarchar(max) '$.city',
  [state] nvarchar(max) '$.state',
  [postalCode] nvarchar(max) '$.postalCode',
  [country] nvarchar(max) '$.country'
) AS j27
OUTER APPLY ( -- address.first()
  SELECT
    CAST(CASE WHEN x7.[n] > 0 THEN l4.[v] END AS nvarchar(max)) AS [address_line],
    j27.[city] AS [city],
    j27.[state] AS [state],
    j27.[postalCode] AS [postal_code],
    j27.[country] AS [country]
  FROM (
    SELECT 1 AS [one]
  ) AS one
  OUTER APPLY ( -- iif(line.exists(), line.join(', '))
    SELECT COUNT(*) AS [n]
    FROM OPENJSON(CASE WHEN LEFT(j27.[line], 1) = N'[' THEN j27.[line] ELSE N'[' + j27.[line] + N']' END) AS e33
    WHERE e33.[type] <> 0
  ) AS x7
  OUTER APPLY ( -- iif(line.exists(), line.join(', '))
    SELECT STRING_AGG(CAST(e34.[value] AS nvarchar(max)), N', ') WITHIN GROUP (ORDER BY CAST(e34.[key] AS int)) AS [v]
    FROM OPENJSON(CASE WHEN LEFT(j27.[line], 1) = N'[' THEN j27.[line] ELSE N'[' + j27.[line] + N']' END) AS e34
    WHERE e34.[type] <> 0
  ) AS l4
  WHERE f17.[v] IS NOT NULL
) AS u2
OUTER APPLY (
  SELECT TOP (1)
    RIGHT(h1.[r], h2.[at] - 1) AS [id],
    N'/' + LEFT(h1.[r], LEN(h1.[r]) - h2.[at]) AS [head]
  FROM (
    SELECT TOP (1) LEFT(j1.[managingOrganization_reference], CHARINDEX(N'/_history/', j1.[managingOrganization_reference] + N'/_history/') - 1) AS [r]
  ) AS h1
  CROSS APPLY (
    SELECT TOP (1) CHARINDEX(N'/', REVERSE(h1.[r])) AS [at]
  ) AS h2
  WHERE h2.[at] > 1
    AND CHARINDEX(N'?', h1.[r]) = 0
    AND CHARINDEX(N'#', h1.[r]) = 0
    AND LEFT(h1.[r], 4) <> N'urn:'
) AS k1
OUTER APPLY ( -- generalPractitioner.getReferenceKey(Practitioner).first()
  SELECT TOP (1) CASE WHEN CAST(RIGHT(k2.[head], 13) + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'/Practitioner.' THEN k2.[id] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j1.[generalPractitioner], 1) = N'[' THEN j1.[generalPractitioner] ELSE N'[' + j1.[generalPractitioner] + N']' END) AS e35
  CROSS APPLY OPENJSON(CASE WHEN e35.[type] = 5 THEN e35.[value] END) WITH (
    [reference] nvarchar(max) '$.reference'
  ) AS j28
  OUTER APPLY (
    SELECT TOP (1)
      RIGHT(h3.[r], h4.[at] - 1) AS [id],
      N'/' + LEFT(h3.[r], LEN(h3.[r]) - h4.[at]) AS [head]
    FROM (
      SELECT TOP (1) LEFT(j28.[reference], CHARINDEX(N'/_history/', j28.[reference] + N'/_history/') - 1) AS [r]
    ) AS h3
    CROSS APPLY (
      SELECT TOP (1) CHARINDEX(N'/', REVERSE(h3.[r])) AS [at]
    ) AS h4
    WHERE h4.[at] > 1
      AND CHARINDEX(N'?', h3.[r]) = 0
      AND CHARINDEX(N'#', h3.[r]) = 0
      AND LEFT(h3.[r], 4) <> N'urn:'
  ) AS k2
  WHERE e35.[type] <> 0
    AND CASE WHEN CAST(RIGHT(k2.[head], 13) + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'/Practitioner.' THEN k2.[id] END IS NOT NULL
  ORDER BY CAST(e35.[key] AS int)
) AS f18
WHERE CAST(j1.[resourceType] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'Patient.'

CREATE OR ALTER VIEW [dbo].[patient] AS
SELECT
  j1.[id] COLLATE Latin1_General_100_BIN2 AS [id],
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
  COALESCE(f5.[v], f5.[v2], f5.[v3], f5.[v4]) AS [race_text],
  f6.[v] AS [ethnicity_code],
  f7.[v] AS [ethnicity_display],
  COALESCE(f8.[v], f8.[v2], f8.[v3], f8.[v4]) AS [ethnicity_text],
  f9.[v] AS [birth_sex],
  COALESCE(j1.[maritalStatus_coding_0_code], j17.[code]) AS [marital_status],
  COALESCE(j1.[maritalStatus_coding_0_system], j17.[system]) AS [marital_status_system],
  COALESCE(j1.[maritalStatus_coding_0_display], j17.[display]) AS [marital_status_display],
  j1.[maritalStatus_text] AS [marital_status_text],
  COALESCE(j19.[language_coding_0_code], j20.[code]) AS [language],
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
  CASE WHEN CAST(k1.[type] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'Organization.' THEN k1.[id] END COLLATE Latin1_General_100_BIN2 AS [organization_id],
  f18.[v] COLLATE Latin1_General_100_BIN2 AS [practitioner_id]
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
  [name_0] nvarchar(max) '$.name[0]' AS JSON,
  [extension] nvarchar(max) '$.extension' AS JSON,
  [maritalStatus_coding] nvarchar(max) '$.maritalStatus.coding' AS JSON,
  [maritalStatus_coding_0_code] nvarchar(max) '$.maritalStatus.coding[0].code',
  [maritalStatus_coding_0_system] nvarchar(max) '$.maritalStatus.coding[0].system',
  [maritalStatus_coding_0_display] nvarchar(max) '$.maritalStatus.coding[0].display',
  [maritalStatus_text] nvarchar(max) '$.maritalStatus.text',
  [communication] nvarchar(max) '$.communication' AS JSON,
  [communication_0] nvarchar(max) '$.communication[0]' AS JSON,
  [multipleBirthBoolean] nvarchar(max) '$.multipleBirthBoolean',
  [multipleBirthInteger] nvarchar(max) '$.multipleBirthInteger',
  [identifier] nvarchar(max) '$.identifier' AS JSON,
  [telecom] nvarchar(max) '$.telecom' AS JSON,
  [address] nvarchar(max) '$.address' AS JSON,
  [address_0] nvarchar(max) '$.address[0]' AS JSON,
  [address_0_line] nvarchar(max) '$.address[0].line' AS JSON,
  [address_0_city] nvarchar(max) '$.address[0].city',
  [address_0_state] nvarchar(max) '$.address[0].state',
  [address_0_postalCode] nvarchar(max) '$.address[0].postalCode',
  [address_0_country] nvarchar(max) '$.address[0].country',
  [managingOrganization_reference] nvarchar(max) '$.managingOrganization.reference',
  [generalPractitioner] nvarchar(max) '$.generalPractitioner' AS JSON
) AS j1
OUTER APPLY ( -- iif(name.where(use = 'official').exists(), name.where(use = 'official').first(), name.first())
  SELECT TOP (1) CASE WHEN e1.[type] = 5 THEN e1.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j1.[name], 1) = N'[' THEN j1.[name] ELSE N'[' + j1.[name] + N']' END) AS e1
  CROSS APPLY OPENJSON(CASE WHEN e1.[type] = 5 AND (CHARINDEX(N'official', e1.[value]) > 0 OR CHARINDEX(N'\', e1.[value]) > 0) THEN e1.[value] END) WITH (
    [use] nvarchar(max) '$.use'
  ) AS j2
  WHERE e1.[type] <> 0
    AND CAST(j2.[use] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'official.'
  ORDER BY CAST(e1.[key] AS int)
) AS f1
OUTER APPLY ( -- iif(name.where(use = 'official').exists(), name.where(use = 'official').first(), name.first())
  SELECT TOP (1) CASE WHEN e2.[type] = 5 THEN e2.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j1.[name], 2) = N'[{' THEN NULL WHEN LEFT(j1.[name], 1) = N'[' THEN j1.[name] ELSE N'[' + j1.[name] + N']' END) AS e2
  WHERE e2.[type] <> 0
  ORDER BY CAST(e2.[key] AS int)
) AS f2
OUTER APPLY OPENJSON(CASE WHEN f1.[v] IS NOT NULL THEN f1.[v] ELSE COALESCE(j1.[name_0], f2.[v]) END) WITH ( -- iif(name.where(use = 'official').exists(), name.where(use = 'official').first(), name.first())
  [family] nvarchar(max) '$.family',
  [given] nvarchar(max) '$.given' AS JSON,
  [prefix] nvarchar(max) '$.prefix' AS JSON,
  [suffix] nvarchar(max) '$.suffix' AS JSON,
  [text] nvarchar(max) '$.text'
) AS j3
OUTER APPLY ( -- iif(name.where(use = 'official').exists(), name.where(use = 'official').first(), name.first())
  SELECT
    j3.[family] AS [family],
    l1.[v] AS [given],
    l2.[v] AS [name_prefix],
    l3.[v] AS [name_suffix],
    j3.[text] AS [name_text]
  FROM (
    SELECT 1 AS [one]
  ) AS one
  OUTER APPLY ( -- given.join(' ')
    SELECT STRING_AGG(CAST(e3.[value] AS nvarchar(max)), N' ') WITHIN GROUP (ORDER BY CAST(e3.[key] AS int)) AS [v]
    FROM OPENJSON(CASE WHEN LEFT(j3.[given], 1) = N'[' THEN j3.[given] ELSE N'[' + j3.[given] + N']' END) AS e3
    WHERE e3.[type] <> 0
  ) AS l1
  OUTER APPLY ( -- prefix.join(' ')
    SELECT STRING_AGG(CAST(e4.[value] AS nvarchar(max)), N' ') WITHIN GROUP (ORDER BY CAST(e4.[key] AS int)) AS [v]
    FROM OPENJSON(CASE WHEN LEFT(j3.[prefix], 1) = N'[' THEN j3.[prefix] ELSE N'[' + j3.[prefix] + N']' END) AS e4
    WHERE e4.[type] <> 0
  ) AS l2
  OUTER APPLY ( -- suffix.join(' ')
    SELECT STRING_AGG(CAST(e5.[value] AS nvarchar(max)), N' ') WITHIN GROUP (ORDER BY CAST(e5.[key] AS int)) AS [v]
    FROM OPENJSON(CASE WHEN LEFT(j3.[suffix], 1) = N'[' THEN j3.[suffix] ELSE N'[' + j3.[suffix] + N']' END) AS e5
    WHERE e5.[type] <> 0
  ) AS l3
  WHERE CASE WHEN f1.[v] IS NOT NULL THEN f1.[v] ELSE COALESCE(j1.[name_0], f2.[v]) END IS NOT NULL
) AS u1
OUTER APPLY ( -- extension('http://hl7.org/fhir/us/core/StructureDefinition/us-core-race').extension('ombCategory').v...
  SELECT TOP (1) j5.[valueCoding_code] AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j1.[extension], 1) = N'[' THEN j1.[extension] ELSE N'[' + j1.[extension] + N']' END) AS e6
  CROSS APPLY OPENJSON(CASE WHEN e6.[type] = 5 AND (CHARINDEX(N'http://hl7.org/fhir/us/core/StructureDefinition/us-core-race', e6.[value]) > 0 OR CHARINDEX(N'\', e6.[value]) > 0) THEN e6.[value] END) WITH (
    [url] nvarchar(max) '$.url',
    [extension] nvarchar(max) '$.extension' AS JSON
  ) AS j4
  CROSS APPLY OPENJSON(CASE WHEN LEFT(j4.[extension], 1) = N'[' THEN j4.[extension] ELSE N'[' + j4.[extension] + N']' END) AS e7
  CROSS APPLY OPENJSON(CASE WHEN e7.[type] = 5 AND (CHARINDEX(N'ombCategory', e7.[value]) > 0 OR CHARINDEX(N'\', e7.[value]) > 0) THEN e7.[value] END) WITH (
    [url] nvarchar(max) '$.url',
    [valueCoding_code] nvarchar(max) '$.valueCoding.code'
  ) AS j5
  WHERE e6.[type] <> 0
    AND CAST(j4.[url] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'http://hl7.org/fhir/us/core/StructureDefinition/us-core-race.'
    AND e7.[type] <> 0
    AND CAST(j5.[url] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'ombCategory.'
    AND j5.[valueCoding_code] IS NOT NULL
  ORDER BY CAST(e6.[key] AS int), CAST(e7.[key] AS int)
) AS f3
OUTER APPLY ( -- extension('http://hl7.org/fhir/us/core/StructureDefinition/us-core-race').extension('ombCategory').v...
  SELECT TOP (1) j7.[valueCoding_display] AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j1.[extension], 1) = N'[' THEN j1.[extension] ELSE N'[' + j1.[extension] + N']' END) AS e8
  CROSS APPLY OPENJSON(CASE WHEN e8.[type] = 5 AND (CHARINDEX(N'http://hl7.org/fhir/us/core/StructureDefinition/us-core-race', e8.[value]) > 0 OR CHARINDEX(N'\', e8.[value]) > 0) THEN e8.[value] END) WITH (
    [url] nvarchar(max) '$.url',
    [extension] nvarchar(max) '$.extension' AS JSON
  ) AS j6
  CROSS APPLY OPENJSON(CASE WHEN LEFT(j6.[extension], 1) = N'[' THEN j6.[extension] ELSE N'[' + j6.[extension] + N']' END) AS e9
  CROSS APPLY OPENJSON(CASE WHEN e9.[type] = 5 AND (CHARINDEX(N'ombCategory', e9.[value]) > 0 OR CHARINDEX(N'\', e9.[value]) > 0) THEN e9.[value] END) WITH (
    [url] nvarchar(max) '$.url',
    [valueCoding_display] nvarchar(max) '$.valueCoding.display'
  ) AS j7
  WHERE e8.[type] <> 0
    AND CAST(j6.[url] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'http://hl7.org/fhir/us/core/StructureDefinition/us-core-race.'
    AND e9.[type] <> 0
    AND CAST(j7.[url] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'ombCategory.'
    AND j7.[valueCoding_display] IS NOT NULL
  ORDER BY CAST(e8.[key] AS int), CAST(e9.[key] AS int)
) AS f4
OUTER APPLY ( -- extension('http://hl7.org/fhir/us/core/StructureDefinition/us-core-race').extension('text').value.of...
  SELECT TOP (1)
    j9.[valueCode] AS [v],
    j9.[valueId] AS [v2],
    j9.[valueMarkdown] AS [v3],
    j9.[valueString] AS [v4]
  FROM OPENJSON(CASE WHEN LEFT(j1.[extension], 1) = N'[' THEN j1.[extension] ELSE N'[' + j1.[extension] + N']' END) AS e10
  CROSS APPLY OPENJSON(CASE WHEN e10.[type] = 5 AND (CHARINDEX(N'http://hl7.org/fhir/us/core/StructureDefinition/us-core-race', e10.[value]) > 0 OR CHARINDEX(N'\', e10.[value]) > 0) THEN e10.[value] END) WITH (
    [url] nvarchar(max) '$.url',
    [extension] nvarchar(max) '$.extension' AS JSON
  ) AS j8
  CROSS APPLY OPENJSON(CASE WHEN LEFT(j8.[extension], 1) = N'[' THEN j8.[extension] ELSE N'[' + j8.[extension] + N']' END) AS e11
  CROSS APPLY OPENJSON(CASE WHEN e11.[type] = 5 AND (CHARINDEX(N'text', e11.[value]) > 0 OR CHARINDEX(N'\', e11.[value]) > 0) THEN e11.[value] END) WITH (
    [url] nvarchar(max) '$.url',
    [valueCode] nvarchar(max) '$.valueCode',
    [valueId] nvarchar(max) '$.valueId',
    [valueMarkdown] nvarchar(max) '$.valueMarkdown',
    [valueString] nvarchar(max) '$.valueString'
  ) AS j9
  WHERE e10.[type] <> 0
    AND CAST(j8.[url] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'http://hl7.org/fhir/us/core/StructureDefinition/us-core-race.'
    AND e11.[type] <> 0
    AND CAST(j9.[url] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'text.'
    AND (j9.[valueCode] IS NOT NULL OR j9.[valueId] IS NOT NULL OR j9.[valueMarkdown] IS NOT NULL OR j9.[valueString] IS NOT NULL)
  ORDER BY CAST(e10.[key] AS int), CAST(e11.[key] AS int)
) AS f5
OUTER APPLY ( -- extension('http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity').extension('ombCategor...
  SELECT TOP (1) j11.[valueCoding_code] AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j1.[extension], 1) = N'[' THEN j1.[extension] ELSE N'[' + j1.[extension] + N']' END) AS e12
  CROSS APPLY OPENJSON(CASE WHEN e12.[type] = 5 AND (CHARINDEX(N'http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity', e12.[value]) > 0 OR CHARINDEX(N'\', e12.[value]) > 0) THEN e12.[value] END) WITH (
    [url] nvarchar(max) '$.url',
    [extension] nvarchar(max) '$.extension' AS JSON
  ) AS j10
  CROSS APPLY OPENJSON(CASE WHEN LEFT(j10.[extension], 1) = N'[' THEN j10.[extension] ELSE N'[' + j10.[extension] + N']' END) AS e13
  CROSS APPLY OPENJSON(CASE WHEN e13.[type] = 5 AND (CHARINDEX(N'ombCategory', e13.[value]) > 0 OR CHARINDEX(N'\', e13.[value]) > 0) THEN e13.[value] END) WITH (
    [url] nvarchar(max) '$.url',
    [valueCoding_code] nvarchar(max) '$.valueCoding.code'
  ) AS j11
  WHERE e12.[type] <> 0
    AND CAST(j10.[url] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity.'
    AND e13.[type] <> 0
    AND CAST(j11.[url] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'ombCategory.'
    AND j11.[valueCoding_code] IS NOT NULL
  ORDER BY CAST(e12.[key] AS int), CAST(e13.[key] AS int)
) AS f6
OUTER APPLY ( -- extension('http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity').extension('ombCategor...
  SELECT TOP (1) j13.[valueCoding_display] AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j1.[extension], 1) = N'[' THEN j1.[extension] ELSE N'[' + j1.[extension] + N']' END) AS e14
  CROSS APPLY OPENJSON(CASE WHEN e14.[type] = 5 AND (CHARINDEX(N'http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity', e14.[value]) > 0 OR CHARINDEX(N'\', e14.[value]) > 0) THEN e14.[value] END) WITH (
    [url] nvarchar(max) '$.url',
    [extension] nvarchar(max) '$.extension' AS JSON
  ) AS j12
  CROSS APPLY OPENJSON(CASE WHEN LEFT(j12.[extension], 1) = N'[' THEN j12.[extension] ELSE N'[' + j12.[extension] + N']' END) AS e15
  CROSS APPLY OPENJSON(CASE WHEN e15.[type] = 5 AND (CHARINDEX(N'ombCategory', e15.[value]) > 0 OR CHARINDEX(N'\', e15.[value]) > 0) THEN e15.[value] END) WITH (
    [url] nvarchar(max) '$.url',
    [valueCoding_display] nvarchar(max) '$.valueCoding.display'
  ) AS j13
  WHERE e14.[type] <> 0
    AND CAST(j12.[url] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity.'
    AND e15.[type] <> 0
    AND CAST(j13.[url] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'ombCategory.'
    AND j13.[valueCoding_display] IS NOT NULL
  ORDER BY CAST(e14.[key] AS int), CAST(e15.[key] AS int)
) AS f7
OUTER APPLY ( -- extension('http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity').extension('text').val...
  SELECT TOP (1)
    j15.[valueCode] AS [v],
    j15.[valueId] AS [v2],
    j15.[valueMarkdown] AS [v3],
    j15.[valueString] AS [v4]
  FROM OPENJSON(CASE WHEN LEFT(j1.[extension], 1) = N'[' THEN j1.[extension] ELSE N'[' + j1.[extension] + N']' END) AS e16
  CROSS APPLY OPENJSON(CASE WHEN e16.[type] = 5 AND (CHARINDEX(N'http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity', e16.[value]) > 0 OR CHARINDEX(N'\', e16.[value]) > 0) THEN e16.[value] END) WITH (
    [url] nvarchar(max) '$.url',
    [extension] nvarchar(max) '$.extension' AS JSON
  ) AS j14
  CROSS APPLY OPENJSON(CASE WHEN LEFT(j14.[extension], 1) = N'[' THEN j14.[extension] ELSE N'[' + j14.[extension] + N']' END) AS e17
  CROSS APPLY OPENJSON(CASE WHEN e17.[type] = 5 AND (CHARINDEX(N'text', e17.[value]) > 0 OR CHARINDEX(N'\', e17.[value]) > 0) THEN e17.[value] END) WITH (
    [url] nvarchar(max) '$.url',
    [valueCode] nvarchar(max) '$.valueCode',
    [valueId] nvarchar(max) '$.valueId',
    [valueMarkdown] nvarchar(max) '$.valueMarkdown',
    [valueString] nvarchar(max) '$.valueString'
  ) AS j15
  WHERE e16.[type] <> 0
    AND CAST(j14.[url] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity.'
    AND e17.[type] <> 0
    AND CAST(j15.[url] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'text.'
    AND (j15.[valueCode] IS NOT NULL OR j15.[valueId] IS NOT NULL OR j15.[valueMarkdown] IS NOT NULL OR j15.[valueString] IS NOT NULL)
  ORDER BY CAST(e16.[key] AS int), CAST(e17.[key] AS int)
) AS f8
OUTER APPLY ( -- extension('http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex').value.ofType(code).fir...
  SELECT TOP (1) j16.[valueCode] AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j1.[extension], 1) = N'[' THEN j1.[extension] ELSE N'[' + j1.[extension] + N']' END) AS e18
  CROSS APPLY OPENJSON(CASE WHEN e18.[type] = 5 AND (CHARINDEX(N'http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex', e18.[value]) > 0 OR CHARINDEX(N'\', e18.[value]) > 0) THEN e18.[value] END) WITH (
    [url] nvarchar(max) '$.url',
    [valueCode] nvarchar(max) '$.valueCode'
  ) AS j16
  WHERE e18.[type] <> 0
    AND CAST(j16.[url] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex.'
    AND j16.[valueCode] IS NOT NULL
  ORDER BY CAST(e18.[key] AS int)
) AS f9
OUTER APPLY ( -- maritalStatus.coding.first().code
  SELECT TOP (1) CASE WHEN e19.[type] = 5 THEN e19.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j1.[maritalStatus_coding], 2) = N'[{' THEN NULL WHEN LEFT(j1.[maritalStatus_coding], 1) = N'[' THEN j1.[maritalStatus_coding] ELSE N'[' + j1.[maritalStatus_coding] + N']' END) AS e19
  WHERE e19.[type] <> 0
  ORDER BY CAST(e19.[key] AS int)
) AS f10
OUTER APPLY OPENJSON(f10.[v]) WITH (
  [code] nvarchar(max) '$.code',
  [system] nvarchar(max) '$.system',
  [display] nvarchar(max) '$.display'
) AS j17
OUTER APPLY ( -- iif(communication.where(preferred = true).exists(), communication.where(preferred = true).first(), c...
  SELECT TOP (1) CASE WHEN e20.[type] = 5 THEN e20.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j1.[communication], 1) = N'[' THEN j1.[communication] ELSE N'[' + j1.[communication] + N']' END) AS e20
  CROSS APPLY OPENJSON(CASE WHEN e20.[type] = 5 THEN e20.[value] END) WITH (
    [preferred] nvarchar(max) '$.preferred'
  ) AS j18
  WHERE e20.[type] <> 0
    AND j18.[preferred] = N'true'
  ORDER BY CAST(e20.[key] AS int)
) AS f11
OUTER APPLY ( -- iif(communication.where(preferred = true).exists(), communication.where(preferred = true).first(), c...
  SELECT TOP (1) CASE WHEN e21.[type] = 5 THEN e21.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j1.[communication], 2) = N'[{' THEN NULL WHEN LEFT(j1.[communication], 1) = N'[' THEN j1.[communication] ELSE N'[' + j1.[communication] + N']' END) AS e21
  WHERE e21.[type] <> 0
  ORDER BY CAST(e21.[key] AS int)
) AS f12
OUTER APPLY OPENJSON(CASE WHEN f11.[v] IS NOT NULL THEN f11.[v] ELSE COALESCE(j1.[communication_0], f12.[v]) END) WITH ( -- iif(communication.where(preferred = true).exists(), communication.where(preferred = true).first(), c...
  [language_coding] nvarchar(max) '$.language.coding' AS JSON,
  [language_coding_0_code] nvarchar(max) '$.language.coding[0].code'
) AS j19
OUTER APPLY ( -- iif(communication.where(preferred = true).exists(), communication.where(preferred = true).first(), c...
  SELECT TOP (1) CASE WHEN e22.[type] = 5 THEN e22.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j19.[language_coding], 2) = N'[{' THEN NULL WHEN LEFT(j19.[language_coding], 1) = N'[' THEN j19.[language_coding] ELSE N'[' + j19.[language_coding] + N']' END) AS e22
  WHERE e22.[type] <> 0
  ORDER BY CAST(e22.[key] AS int)
) AS f13
OUTER APPLY OPENJSON(f13.[v]) WITH (
  [code] nvarchar(max) '$.code'
) AS j20
OUTER APPLY ( -- identifier.where(type.coding.where(code = 'MR').exists()).value.first()
  SELECT TOP (1) j21.[value] AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j1.[identifier], 1) = N'[' THEN j1.[identifier] ELSE N'[' + j1.[identifier] + N']' END) AS e23
  CROSS APPLY OPENJSON(CASE WHEN e23.[type] = 5 AND (CHARINDEX(N'MR', e23.[value]) > 0 OR CHARINDEX(N'\', e23.[value]) > 0) THEN e23.[value] END) WITH (
    [type_coding] nvarchar(max) '$.type.coding' AS JSON,
    [value] nvarchar(max) '$.value'
  ) AS j21
  OUTER APPLY ( -- identifier.where(type.coding.where(code = 'MR').exists()).value.first()
    SELECT TOP (1) 1 AS [one]
    FROM OPENJSON(CASE WHEN LEFT(j21.[type_coding], 1) = N'[' THEN j21.[type_coding] ELSE N'[' + j21.[type_coding] + N']' END) AS e24
    CROSS APPLY OPENJSON(CASE WHEN e24.[type] = 5 AND (CHARINDEX(N'MR', e24.[value]) > 0 OR CHARINDEX(N'\', e24.[value]) > 0) THEN e24.[value] END) WITH (
      [code] nvarchar(max) '$.code'
    ) AS j22
    WHERE e24.[type] <> 0
      AND CAST(j22.[code] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'MR.'
  ) AS x1
  WHERE e23.[type] <> 0
    AND x1.[one] IS NOT NULL
    AND j21.[value] IS NOT NULL
  ORDER BY CAST(e23.[key] AS int)
) AS f14
OUTER APPLY ( -- telecom.where(system = 'phone').value.first()
  SELECT TOP (1) j23.[value] AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j1.[telecom], 1) = N'[' THEN j1.[telecom] ELSE N'[' + j1.[telecom] + N']' END) AS e25
  CROSS APPLY OPENJSON(CASE WHEN e25.[type] = 5 AND (CHARINDEX(N'phone', e25.[value]) > 0 OR CHARINDEX(N'\', e25.[value]) > 0) THEN e25.[value] END) WITH (
    [system] nvarchar(max) '$.system',
    [value] nvarchar(max) '$.value'
  ) AS j23
  WHERE e25.[type] <> 0
    AND CAST(j23.[system] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'phone.'
    AND j23.[value] IS NOT NULL
  ORDER BY CAST(e25.[key] AS int)
) AS f15
OUTER APPLY ( -- telecom.where(system = 'email').value.first()
  SELECT TOP (1) j24.[value] AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j1.[telecom], 1) = N'[' THEN j1.[telecom] ELSE N'[' + j1.[telecom] + N']' END) AS e26
  CROSS APPLY OPENJSON(CASE WHEN e26.[type] = 5 AND (CHARINDEX(N'email', e26.[value]) > 0 OR CHARINDEX(N'\', e26.[value]) > 0) THEN e26.[value] END) WITH (
    [system] nvarchar(max) '$.system',
    [value] nvarchar(max) '$.value'
  ) AS j24
  WHERE e26.[type] <> 0
    AND CAST(j24.[system] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'email.'
    AND j24.[value] IS NOT NULL
  ORDER BY CAST(e26.[key] AS int)
) AS f16
OUTER APPLY ( -- address.first()
  SELECT TOP (1) CASE WHEN e27.[type] = 5 THEN e27.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j1.[address], 2) = N'[{' THEN NULL WHEN LEFT(j1.[address], 1) = N'[' THEN j1.[address] ELSE N'[' + j1.[address] + N']' END) AS e27
  WHERE e27.[type] <> 0
  ORDER BY CAST(e27.[key] AS int)
) AS f17
OUTER APPLY OPENJSON(f17.[v]) WITH (
  [line] nvarchar(max) '$.line' AS JSON,
  [city] nvarchar(max) '$.city',
  [state] nvarchar(max) '$.state',
  [postalCode] nvarchar(max) '$.postalCode',
  [country] nvarchar(max) '$.country'
) AS j25
OUTER APPLY ( -- address.first()
  SELECT
    l4.[v] AS [address_line],
    COALESCE(j1.[address_0_city], j25.[city]) AS [city],
    COALESCE(j1.[address_0_state], j25.[state]) AS [state],
    COALESCE(j1.[address_0_postalCode], j25.[postalCode]) AS [postal_code],
    COALESCE(j1.[address_0_country], j25.[country]) AS [country]
  FROM (
    SELECT 1 AS [one]
  ) AS one
  OUTER APPLY ( -- line.join(', ')
    SELECT STRING_AGG(CAST(e28.[value] AS nvarchar(max)), N', ') WITHIN GROUP (ORDER BY CAST(e28.[key] AS int)) AS [v]
    FROM OPENJSON(CASE WHEN LEFT(COALESCE(j1.[address_0_line], j25.[line]), 1) = N'[' THEN COALESCE(j1.[address_0_line], j25.[line]) ELSE N'[' + COALESCE(j1.[address_0_line], j25.[line]) + N']' END) AS e28
    WHERE e28.[type] <> 0
  ) AS l4
  WHERE (j1.[address_0] IS NOT NULL OR f17.[v] IS NOT NULL)
) AS u2
OUTER APPLY (
  SELECT TOP (1)
    LEFT(h2.[l], h3.[p] - 1) AS [type],
    SUBSTRING(h2.[l], h3.[p] + 1, LEN(h2.[l])) AS [id]
  FROM (
    SELECT TOP (1) LEFT(j1.[managingOrganization_reference], CHARINDEX(N'/_history/', j1.[managingOrganization_reference] + N'/_history/') - 1) AS [r]
  ) AS h1
  CROSS APPLY (
    SELECT TOP (1) CASE WHEN LEFT(h1.[r], 1) = N'/' THEN SUBSTRING(h1.[r], 2, LEN(h1.[r])) ELSE h1.[r] END AS [l]
  ) AS h2
  CROSS APPLY (
    SELECT TOP (1) CHARINDEX(N'/', h2.[l]) AS [p]
  ) AS h3
  WHERE j1.[managingOrganization_reference] IS NOT NULL
    AND h3.[p] > 1
    AND h3.[p] < LEN(h2.[l])
    AND CHARINDEX(N'/', SUBSTRING(h2.[l], h3.[p] + 1, LEN(h2.[l]))) = 0
    AND CHARINDEX(N'?', SUBSTRING(h2.[l], h3.[p] + 1, LEN(h2.[l]))) = 0
    AND CHARINDEX(N'#', SUBSTRING(h2.[l], h3.[p] + 1, LEN(h2.[l]))) = 0
) AS k1
OUTER APPLY ( -- generalPractitioner.getReferenceKey(Practitioner).first()
  SELECT TOP (1) CASE WHEN CAST(k2.[type] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'Practitioner.' THEN k2.[id] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j1.[generalPractitioner], 1) = N'[' THEN j1.[generalPractitioner] ELSE N'[' + j1.[generalPractitioner] + N']' END) AS e29
  CROSS APPLY OPENJSON(CASE WHEN e29.[type] = 5 THEN e29.[value] END) WITH (
    [reference] nvarchar(max) '$.reference'
  ) AS j26
  OUTER APPLY (
    SELECT TOP (1)
      LEFT(h5.[l], h6.[p] - 1) AS [type],
      SUBSTRING(h5.[l], h6.[p] + 1, LEN(h5.[l])) AS [id]
    FROM (
      SELECT TOP (1) LEFT(j26.[reference], CHARINDEX(N'/_history/', j26.[reference] + N'/_history/') - 1) AS [r]
    ) AS h4
    CROSS APPLY (
      SELECT TOP (1) CASE WHEN LEFT(h4.[r], 1) = N'/' THEN SUBSTRING(h4.[r], 2, LEN(h4.[r])) ELSE h4.[r] END AS [l]
    ) AS h5
    CROSS APPLY (
      SELECT TOP (1) CHARINDEX(N'/', h5.[l]) AS [p]
    ) AS h6
    WHERE j26.[reference] IS NOT NULL
      AND h6.[p] > 1
      AND h6.[p] < LEN(h5.[l])
      AND CHARINDEX(N'/', SUBSTRING(h5.[l], h6.[p] + 1, LEN(h5.[l]))) = 0
      AND CHARINDEX(N'?', SUBSTRING(h5.[l], h6.[p] + 1, LEN(h5.[l]))) = 0
      AND CHARINDEX(N'#', SUBSTRING(h5.[l], h6.[p] + 1, LEN(h5.[l]))) = 0
  ) AS k2
  WHERE e29.[type] <> 0
    AND CASE WHEN CAST(k2.[type] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'Practitioner.' THEN k2.[id] END IS NOT NULL
  ORDER BY CAST(e29.[key] AS int)
) AS f18
WHERE CAST(j1.[resourceType] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'Patient.'

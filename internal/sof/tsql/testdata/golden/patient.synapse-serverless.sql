CREATE OR ALTER VIEW [dbo].[patient] AS
SELECT
  CAST(j1.[id] AS varchar(128)) COLLATE Latin1_General_100_BIN2_UTF8 AS [id],
  CAST(CASE j1.[active] WHEN N'true' THEN 1 WHEN N'false' THEN 0 END AS bit) AS [active],
  j1.[gender] COLLATE Latin1_General_100_BIN2_UTF8 AS [gender],
  j1.[birthDate] AS [birth_date],
  CASE WHEN j1.[birthDate] LIKE N'____-__-__' OR j1.[birthDate] LIKE N'____-__-__T%' THEN TRY_CAST(LEFT(j1.[birthDate], 10) AS date) END AS [birth_date_day],
  CAST(CASE j1.[deceasedBoolean] WHEN N'true' THEN 1 WHEN N'false' THEN 0 END AS bit) AS [deceased_flag],
  j1.[deceasedDateTime] AS [deceased_time],
  u1.[family] AS [family],
  u1.[given] AS [given],
  u1.[name_prefix] AS [name_prefix],
  u1.[name_suffix] AS [name_suffix],
  u1.[name_text] AS [name_text],
  CAST(SUBSTRING(f1.[race_code], 21, 2147483647) AS nvarchar(max)) COLLATE Latin1_General_100_BIN2_UTF8 AS [race_code],
  SUBSTRING(f1.[race_display], 21, 2147483647) AS [race_display],
  SUBSTRING(f1.[race_text], 21, 2147483647) AS [race_text],
  CAST(SUBSTRING(f1.[ethnicity_code], 21, 2147483647) AS nvarchar(max)) COLLATE Latin1_General_100_BIN2_UTF8 AS [ethnicity_code],
  SUBSTRING(f1.[ethnicity_display], 21, 2147483647) AS [ethnicity_display],
  SUBSTRING(f1.[ethnicity_text], 21, 2147483647) AS [ethnicity_text],
  CAST(SUBSTRING(f1.[birth_sex], 11, 2147483647) AS nvarchar(max)) COLLATE Latin1_General_100_BIN2_UTF8 AS [birth_sex],
  CAST(COALESCE(j1.[maritalStatus_coding_0_code], f5.[code]) AS nvarchar(max)) COLLATE Latin1_General_100_BIN2_UTF8 AS [marital_status],
  CAST(COALESCE(j1.[maritalStatus_coding_0_system], f5.[system]) AS nvarchar(max)) COLLATE Latin1_General_100_BIN2_UTF8 AS [marital_status_system],
  COALESCE(j1.[maritalStatus_coding_0_display], f5.[display]) AS [marital_status_display],
  j1.[maritalStatus_text] AS [marital_status_text],
  CAST(COALESCE(j9.[language_coding_0_code], f8.[code]) AS nvarchar(max)) COLLATE Latin1_General_100_BIN2_UTF8 AS [language],
  CAST(CASE j1.[multipleBirthBoolean] WHEN N'true' THEN 1 WHEN N'false' THEN 0 END AS bit) AS [multiple_birth],
  TRY_CAST(NULLIF(j1.[multipleBirthInteger], N'') AS int) AS [multiple_birth_order],
  f9.[v] AS [mrn],
  SUBSTRING(f2.[phone], 11, 2147483647) AS [phone],
  SUBSTRING(f2.[email], 11, 2147483647) AS [email],
  u2.[address_line] AS [address_line],
  u2.[city] AS [city],
  u2.[state] AS [state],
  u2.[postal_code] AS [postal_code],
  u2.[country] AS [country],
  CAST(CASE WHEN LEN(k1.[id]) > 0 AND CHARINDEX(N'/', k1.[id]) = 0 AND CHARINDEX(N'?', k1.[id]) = 0 AND CHARINDEX(N'#', k1.[id]) = 0 THEN k1.[id] END AS varchar(128)) COLLATE Latin1_General_100_BIN2_UTF8 AS [organization_id],
  CAST(f11.[v] AS varchar(128)) COLLATE Latin1_General_100_BIN2_UTF8 AS [practitioner_id]
FROM [stage].[documents] AS d
CROSS APPLY OPENJSON(d.[doc]) WITH (
  [resourceType] nvarchar(max) '$.resourceType',
  [extension] nvarchar(max) '$.extension' AS JSON,
  [telecom] nvarchar(max) '$.telecom' AS JSON,
  [id] nvarchar(max) '$.id',
  [active] nvarchar(max) '$.active',
  [gender] nvarchar(max) '$.gender',
  [birthDate] nvarchar(max) '$.birthDate',
  [deceasedBoolean] nvarchar(max) '$.deceasedBoolean',
  [deceasedDateTime] nvarchar(max) '$.deceasedDateTime',
  [name] nvarchar(max) '$.name' AS JSON,
  [name_0] nvarchar(max) '$.name[0]' AS JSON,
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
OUTER APPLY ( -- extension('http://hl7.org/fhir/us/core/StructureDefinition/us-core-race').extension('ombCategory').v...
  SELECT
    MIN(CASE WHEN CAST(j2.[url] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'http://hl7.org/fhir/us/core/StructureDefinition/us-core-race.' AND CAST(j3.[url] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'ombCategory.' THEN RIGHT(N'0000000000' + CAST(e1.[key] AS nvarchar(40)), 10) + RIGHT(N'0000000000' + CAST(e2.[key] AS nvarchar(40)), 10) + j3.[valueCoding_code] END) AS [race_code],
    MIN(CASE WHEN CAST(j2.[url] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'http://hl7.org/fhir/us/core/StructureDefinition/us-core-race.' AND CAST(j3.[url] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'ombCategory.' THEN RIGHT(N'0000000000' + CAST(e1.[key] AS nvarchar(40)), 10) + RIGHT(N'0000000000' + CAST(e2.[key] AS nvarchar(40)), 10) + j3.[valueCoding_display] END) AS [race_display],
    MIN(CASE WHEN CAST(j2.[url] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'http://hl7.org/fhir/us/core/StructureDefinition/us-core-race.' AND CAST(j3.[url] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'text.' THEN RIGHT(N'0000000000' + CAST(e1.[key] AS nvarchar(40)), 10) + RIGHT(N'0000000000' + CAST(e2.[key] AS nvarchar(40)), 10) + COALESCE(j3.[valueCode], j3.[valueId], j3.[valueMarkdown], j3.[valueString]) END) AS [race_text],
    MIN(CASE WHEN CAST(j2.[url] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity.' AND CAST(j3.[url] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'ombCategory.' THEN RIGHT(N'0000000000' + CAST(e1.[key] AS nvarchar(40)), 10) + RIGHT(N'0000000000' + CAST(e2.[key] AS nvarchar(40)), 10) + j3.[valueCoding_code] END) AS [ethnicity_code],
    MIN(CASE WHEN CAST(j2.[url] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity.' AND CAST(j3.[url] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'ombCategory.' THEN RIGHT(N'0000000000' + CAST(e1.[key] AS nvarchar(40)), 10) + RIGHT(N'0000000000' + CAST(e2.[key] AS nvarchar(40)), 10) + j3.[valueCoding_display] END) AS [ethnicity_display],
    MIN(CASE WHEN CAST(j2.[url] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity.' AND CAST(j3.[url] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'text.' THEN RIGHT(N'0000000000' + CAST(e1.[key] AS nvarchar(40)), 10) + RIGHT(N'0000000000' + CAST(e2.[key] AS nvarchar(40)), 10) + COALESCE(j3.[valueCode], j3.[valueId], j3.[valueMarkdown], j3.[valueString]) END) AS [ethnicity_text],
    MIN(CASE WHEN CAST(j2.[url] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex.' THEN RIGHT(N'0000000000' + CAST(e1.[key] AS nvarchar(40)), 10) + j2.[valueCode] END) AS [birth_sex]
  FROM OPENJSON(CASE WHEN LEFT(j1.[extension], 1) = N'[' THEN j1.[extension] ELSE N'[' + j1.[extension] + N']' END) AS e1
  CROSS APPLY OPENJSON(CASE WHEN e1.[type] = 5 AND (CHARINDEX(N'http://hl7.org/fhir/us/core/StructureDefinition/us-core-race', e1.[value]) > 0 OR CHARINDEX(N'http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity', e1.[value]) > 0 OR CHARINDEX(N'http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex', e1.[value]) > 0 OR CHARINDEX(N'\', e1.[value]) > 0) THEN e1.[value] END) WITH (
    [url] nvarchar(max) '$.url',
    [extension] nvarchar(max) '$.extension' AS JSON,
    [valueCode] nvarchar(max) '$.valueCode'
  ) AS j2
  OUTER APPLY OPENJSON(CASE WHEN CAST(j2.[url] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'http://hl7.org/fhir/us/core/StructureDefinition/us-core-race.' OR CAST(j2.[url] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity.' THEN CASE WHEN LEFT(j2.[extension], 1) = N'[' THEN j2.[extension] ELSE N'[' + j2.[extension] + N']' END END) AS e2
  OUTER APPLY OPENJSON(CASE WHEN e2.[type] = 5 AND (CHARINDEX(N'ombCategory', e2.[value]) > 0 OR CHARINDEX(N'text', e2.[value]) > 0 OR CHARINDEX(N'\', e2.[value]) > 0) THEN e2.[value] END) WITH (
    [url] nvarchar(max) '$.url',
    [valueCoding_code] nvarchar(max) '$.valueCoding.code',
    [valueCoding_display] nvarchar(max) '$.valueCoding.display',
    [valueCode] nvarchar(max) '$.valueCode',
    [valueId] nvarchar(max) '$.valueId',
    [valueMarkdown] nvarchar(max) '$.valueMarkdown',
    [valueString] nvarchar(max) '$.valueString'
  ) AS j3
) AS f1
OUTER APPLY ( -- telecom.where(system = 'phone').value.first()
  SELECT
    MIN(CASE WHEN CAST(j4.[system] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'phone.' THEN RIGHT(N'0000000000' + CAST(e3.[key] AS nvarchar(40)), 10) + j4.[value] END) AS [phone],
    MIN(CASE WHEN CAST(j4.[system] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'email.' THEN RIGHT(N'0000000000' + CAST(e3.[key] AS nvarchar(40)), 10) + j4.[value] END) AS [email]
  FROM OPENJSON(CASE WHEN LEFT(j1.[telecom], 1) = N'[' THEN j1.[telecom] ELSE N'[' + j1.[telecom] + N']' END) AS e3
  CROSS APPLY OPENJSON(CASE WHEN e3.[type] = 5 AND (CHARINDEX(N'phone', e3.[value]) > 0 OR CHARINDEX(N'email', e3.[value]) > 0 OR CHARINDEX(N'\', e3.[value]) > 0) THEN e3.[value] END) WITH (
    [system] nvarchar(max) '$.system',
    [value] nvarchar(max) '$.value'
  ) AS j4
) AS f2
OUTER APPLY ( -- iif(name.where(use = 'official').exists(), name.where(use = 'official').first(), name.first())
  SELECT TOP (1) CASE WHEN e4.[type] = 5 THEN e4.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j1.[name], 1) = N'[' THEN j1.[name] ELSE N'[' + j1.[name] + N']' END) AS e4
  CROSS APPLY OPENJSON(CASE WHEN e4.[type] = 5 AND (CHARINDEX(N'official', e4.[value]) > 0 OR CHARINDEX(N'\', e4.[value]) > 0) THEN e4.[value] END) WITH (
    [use] nvarchar(max) '$.use'
  ) AS j5
  WHERE e4.[type] <> 0
    AND CAST(j5.[use] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'official.'
  ORDER BY CAST(e4.[key] AS int)
) AS f3
OUTER APPLY ( -- iif(name.where(use = 'official').exists(), name.where(use = 'official').first(), name.first())
  SELECT TOP (1) CASE WHEN e5.[type] = 5 THEN e5.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j1.[name], 2) = N'[{' THEN NULL WHEN LEFT(j1.[name], 1) = N'[' THEN j1.[name] ELSE N'[' + j1.[name] + N']' END) AS e5
  WHERE LEFT(j1.[name], 2) <> N'[{'
    AND e5.[type] <> 0
  ORDER BY CAST(e5.[key] AS int)
) AS f4
OUTER APPLY OPENJSON(CASE WHEN f3.[v] IS NOT NULL THEN f3.[v] ELSE COALESCE(j1.[name_0], f4.[v]) END) WITH ( -- iif(name.where(use = 'official').exists(), name.where(use = 'official').first(), name.first())
  [family] nvarchar(max) '$.family',
  [given] nvarchar(max) '$.given' AS JSON,
  [prefix] nvarchar(max) '$.prefix' AS JSON,
  [suffix] nvarchar(max) '$.suffix' AS JSON,
  [text] nvarchar(max) '$.text'
) AS j6
OUTER APPLY ( -- iif(name.where(use = 'official').exists(), name.where(use = 'official').first(), name.first())
  SELECT
    j6.[family] AS [family],
    l1.[v] AS [given],
    l2.[v] AS [name_prefix],
    l3.[v] AS [name_suffix],
    j6.[text] AS [name_text]
  FROM (
    SELECT 1 AS [one]
  ) AS one
  OUTER APPLY ( -- given.join(' ')
    SELECT STRING_AGG(CAST(e6.[value] AS nvarchar(max)), N' ') WITHIN GROUP (ORDER BY CAST(e6.[key] AS int)) AS [v]
    FROM OPENJSON(CASE WHEN LEFT(j6.[given], 1) = N'[' THEN j6.[given] ELSE N'[' + j6.[given] + N']' END) AS e6
    WHERE e6.[type] <> 0
  ) AS l1
  OUTER APPLY ( -- prefix.join(' ')
    SELECT STRING_AGG(CAST(e7.[value] AS nvarchar(max)), N' ') WITHIN GROUP (ORDER BY CAST(e7.[key] AS int)) AS [v]
    FROM OPENJSON(CASE WHEN LEFT(j6.[prefix], 1) = N'[' THEN j6.[prefix] ELSE N'[' + j6.[prefix] + N']' END) AS e7
    WHERE e7.[type] <> 0
  ) AS l2
  OUTER APPLY ( -- suffix.join(' ')
    SELECT STRING_AGG(CAST(e8.[value] AS nvarchar(max)), N' ') WITHIN GROUP (ORDER BY CAST(e8.[key] AS int)) AS [v]
    FROM OPENJSON(CASE WHEN LEFT(j6.[suffix], 1) = N'[' THEN j6.[suffix] ELSE N'[' + j6.[suffix] + N']' END) AS e8
    WHERE e8.[type] <> 0
  ) AS l3
  WHERE CASE WHEN f3.[v] IS NOT NULL THEN f3.[v] ELSE COALESCE(j1.[name_0], f4.[v]) END IS NOT NULL
) AS u1
OUTER APPLY ( -- maritalStatus.coding.first().code
  SELECT TOP (1)
    CASE WHEN e9.[type] = 5 THEN e9.[value] END AS [v],
    j7.[code] AS [code],
    j7.[system] AS [system],
    j7.[display] AS [display]
  FROM OPENJSON(CASE WHEN LEFT(j1.[maritalStatus_coding], 2) = N'[{' THEN NULL WHEN LEFT(j1.[maritalStatus_coding], 1) = N'[' THEN j1.[maritalStatus_coding] ELSE N'[' + j1.[maritalStatus_coding] + N']' END) AS e9
  OUTER APPLY OPENJSON(CASE WHEN e9.[type] = 5 THEN e9.[value] END) WITH (
    [code] nvarchar(max) '$.code',
    [system] nvarchar(max) '$.system',
    [display] nvarchar(max) '$.display'
  ) AS j7
  WHERE LEFT(j1.[maritalStatus_coding], 2) <> N'[{'
    AND e9.[type] <> 0
  ORDER BY CAST(e9.[key] AS int)
) AS f5
OUTER APPLY ( -- iif(communication.where(preferred = true).exists(), communication.where(preferred = true).first(), c...
  SELECT TOP (1) CASE WHEN e10.[type] = 5 THEN e10.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j1.[communication], 1) = N'[' THEN j1.[communication] ELSE N'[' + j1.[communication] + N']' END) AS e10
  CROSS APPLY OPENJSON(CASE WHEN e10.[type] = 5 THEN e10.[value] END) WITH (
    [preferred] nvarchar(max) '$.preferred'
  ) AS j8
  WHERE e10.[type] <> 0
    AND j8.[preferred] = N'true'
  ORDER BY CAST(e10.[key] AS int)
) AS f6
OUTER APPLY ( -- iif(communication.where(preferred = true).exists(), communication.where(preferred = true).first(), c...
  SELECT TOP (1) CASE WHEN e11.[type] = 5 THEN e11.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j1.[communication], 2) = N'[{' THEN NULL WHEN LEFT(j1.[communication], 1) = N'[' THEN j1.[communication] ELSE N'[' + j1.[communication] + N']' END) AS e11
  WHERE LEFT(j1.[communication], 2) <> N'[{'
    AND e11.[type] <> 0
  ORDER BY CAST(e11.[key] AS int)
) AS f7
OUTER APPLY OPENJSON(CASE WHEN f6.[v] IS NOT NULL THEN f6.[v] ELSE COALESCE(j1.[communication_0], f7.[v]) END) WITH ( -- iif(communication.where(preferred = true).exists(), communication.where(preferred = true).first(), c...
  [language_coding] nvarchar(max) '$.language.coding' AS JSON,
  [language_coding_0_code] nvarchar(max) '$.language.coding[0].code'
) AS j9
OUTER APPLY ( -- iif(communication.where(preferred = true).exists(), communication.where(preferred = true).first(), c...
  SELECT TOP (1)
    CASE WHEN e12.[type] = 5 THEN e12.[value] END AS [v],
    j10.[code] AS [code]
  FROM OPENJSON(CASE WHEN LEFT(j9.[language_coding], 2) = N'[{' THEN NULL WHEN LEFT(j9.[language_coding], 1) = N'[' THEN j9.[language_coding] ELSE N'[' + j9.[language_coding] + N']' END) AS e12
  OUTER APPLY OPENJSON(CASE WHEN e12.[type] = 5 THEN e12.[value] END) WITH (
    [code] nvarchar(max) '$.code'
  ) AS j10
  WHERE LEFT(j9.[language_coding], 2) <> N'[{'
    AND e12.[type] <> 0
  ORDER BY CAST(e12.[key] AS int)
) AS f8
OUTER APPLY ( -- identifier.where(type.coding.where(code = 'MR').exists()).value.first()
  SELECT TOP (1) j11.[value] AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j1.[identifier], 1) = N'[' THEN j1.[identifier] ELSE N'[' + j1.[identifier] + N']' END) AS e13
  CROSS APPLY OPENJSON(CASE WHEN e13.[type] = 5 AND (CHARINDEX(N'MR', e13.[value]) > 0 OR CHARINDEX(N'\', e13.[value]) > 0) THEN e13.[value] END) WITH (
    [type_coding] nvarchar(max) '$.type.coding' AS JSON,
    [value] nvarchar(max) '$.value'
  ) AS j11
  OUTER APPLY ( -- identifier.where(type.coding.where(code = 'MR').exists()).value.first()
    SELECT TOP (1) 1 AS [one]
    FROM OPENJSON(CASE WHEN LEFT(j11.[type_coding], 1) = N'[' THEN j11.[type_coding] ELSE N'[' + j11.[type_coding] + N']' END) AS e14
    CROSS APPLY OPENJSON(CASE WHEN e14.[type] = 5 AND (CHARINDEX(N'MR', e14.[value]) > 0 OR CHARINDEX(N'\', e14.[value]) > 0) THEN e14.[value] END) WITH (
      [code] nvarchar(max) '$.code'
    ) AS j12
    WHERE e14.[type] <> 0
      AND CAST(j12.[code] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'MR.'
  ) AS x1
  WHERE e13.[type] <> 0
    AND x1.[one] IS NOT NULL
    AND j11.[value] IS NOT NULL
  ORDER BY CAST(e13.[key] AS int)
) AS f9
OUTER APPLY ( -- address.first()
  SELECT TOP (1)
    CASE WHEN e15.[type] = 5 THEN e15.[value] END AS [v],
    j13.[line] AS [line],
    j13.[city] AS [city],
    j13.[state] AS [state],
    j13.[postalCode] AS [postalCode],
    j13.[country] AS [country]
  FROM OPENJSON(CASE WHEN LEFT(j1.[address], 2) = N'[{' THEN NULL WHEN LEFT(j1.[address], 1) = N'[' THEN j1.[address] ELSE N'[' + j1.[address] + N']' END) AS e15
  OUTER APPLY OPENJSON(CASE WHEN e15.[type] = 5 THEN e15.[value] END) WITH (
    [line] nvarchar(max) '$.line' AS JSON,
    [city] nvarchar(max) '$.city',
    [state] nvarchar(max) '$.state',
    [postalCode] nvarchar(max) '$.postalCode',
    [country] nvarchar(max) '$.country'
  ) AS j13
  WHERE LEFT(j1.[address], 2) <> N'[{'
    AND e15.[type] <> 0
  ORDER BY CAST(e15.[key] AS int)
) AS f10
OUTER APPLY ( -- address.first()
  SELECT
    l4.[v] AS [address_line],
    COALESCE(j1.[address_0_city], f10.[city]) AS [city],
    COALESCE(j1.[address_0_state], f10.[state]) AS [state],
    COALESCE(j1.[address_0_postalCode], f10.[postalCode]) AS [postal_code],
    COALESCE(j1.[address_0_country], f10.[country]) AS [country]
  FROM (
    SELECT 1 AS [one]
  ) AS one
  OUTER APPLY ( -- line.join(', ')
    SELECT STRING_AGG(CAST(e16.[value] AS nvarchar(max)), N', ') WITHIN GROUP (ORDER BY CAST(e16.[key] AS int)) AS [v]
    FROM OPENJSON(CASE WHEN LEFT(COALESCE(j1.[address_0_line], f10.[line]), 1) = N'[' THEN COALESCE(j1.[address_0_line], f10.[line]) ELSE N'[' + COALESCE(j1.[address_0_line], f10.[line]) + N']' END) AS e16
    WHERE e16.[type] <> 0
  ) AS l4
  WHERE (j1.[address_0] IS NOT NULL OR f10.[v] IS NOT NULL)
) AS u2
OUTER APPLY (
  SELECT TOP (1) LEFT(j1.[managingOrganization_reference], CHARINDEX(N'/_history/', j1.[managingOrganization_reference] + N'/_history/') - 1) AS [r]
) AS h1
OUTER APPLY (
  SELECT TOP (1) CASE WHEN CAST(LEFT(h1.[r], 13) + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'Organization/.' THEN SUBSTRING(h1.[r], 14, 2147483647) WHEN CAST(LEFT(h1.[r], 14) + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'/Organization/.' THEN SUBSTRING(h1.[r], 15, 2147483647) END AS [id]
  FROM (
    SELECT 1 AS [one]
  ) AS one
  WHERE h1.[r] IS NOT NULL
) AS k1
OUTER APPLY ( -- generalPractitioner.getReferenceKey(Practitioner).first()
  SELECT TOP (1) CASE WHEN LEN(k2.[id]) > 0 AND CHARINDEX(N'/', k2.[id]) = 0 AND CHARINDEX(N'?', k2.[id]) = 0 AND CHARINDEX(N'#', k2.[id]) = 0 THEN k2.[id] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j1.[generalPractitioner], 1) = N'[' THEN j1.[generalPractitioner] ELSE N'[' + j1.[generalPractitioner] + N']' END) AS e17
  CROSS APPLY OPENJSON(CASE WHEN e17.[type] = 5 THEN e17.[value] END) WITH (
    [reference] nvarchar(max) '$.reference'
  ) AS j14
  OUTER APPLY (
    SELECT TOP (1) LEFT(j14.[reference], CHARINDEX(N'/_history/', j14.[reference] + N'/_history/') - 1) AS [r]
  ) AS h2
  OUTER APPLY (
    SELECT TOP (1) CASE WHEN CAST(LEFT(h2.[r], 13) + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'Practitioner/.' THEN SUBSTRING(h2.[r], 14, 2147483647) WHEN CAST(LEFT(h2.[r], 14) + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'/Practitioner/.' THEN SUBSTRING(h2.[r], 15, 2147483647) END AS [id]
    FROM (
      SELECT 1 AS [one]
    ) AS one
    WHERE h2.[r] IS NOT NULL
  ) AS k2
  WHERE e17.[type] <> 0
    AND CASE WHEN LEN(k2.[id]) > 0 AND CHARINDEX(N'/', k2.[id]) = 0 AND CHARINDEX(N'?', k2.[id]) = 0 AND CHARINDEX(N'#', k2.[id]) = 0 THEN k2.[id] END IS NOT NULL
  ORDER BY CAST(e17.[key] AS int)
) AS f11
WHERE CAST(j1.[resourceType] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'Patient.'

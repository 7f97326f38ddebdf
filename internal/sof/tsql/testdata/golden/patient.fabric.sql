INSERT INTO [stage].[patient] ([_file], [_line], [_id], [id], [active], [gender], [birth_date], [deceased_flag], [deceased_time], [family], [given], [name_prefix], [name_suffix], [name_text], [race_code], [race_display], [race_text], [ethnicity_code], [ethnicity_display], [ethnicity_text], [birth_sex], [marital_status], [marital_status_system], [marital_status_display], [marital_status_text], [language], [multiple_birth], [multiple_birth_order], [mrn], [phone], [email], [address_line], [city], [state], [postal_code], [country], [organization_id], [practitioner_id])
SELECT
  d.[_file],
  d.[_line],
  CAST(j1.[id] AS varchar(64)) AS [_id],
  j1.[id] AS [id],
  CAST(CASE j1.[active] WHEN 'true' THEN 1 WHEN 'false' THEN 0 END AS bit) AS [active],
  j1.[gender] AS [gender],
  j1.[birthDate] AS [birth_date],
  CAST(CASE j1.[deceasedBoolean] WHEN 'true' THEN 1 WHEN 'false' THEN 0 END AS bit) AS [deceased_flag],
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
  COALESCE(j1.[maritalStatus_coding_0_code], j25.[code]) AS [marital_status],
  COALESCE(j1.[maritalStatus_coding_0_system], j25.[system]) AS [marital_status_system],
  COALESCE(j1.[maritalStatus_coding_0_display], j25.[display]) AS [marital_status_display],
  j1.[maritalStatus_text] AS [marital_status_text],
  COALESCE(j28.[language_coding_0_code], j29.[code]) AS [language],
  CAST(CASE j1.[multipleBirthBoolean] WHEN 'true' THEN 1 WHEN 'false' THEN 0 END AS bit) AS [multiple_birth],
  TRY_CAST(NULLIF(j1.[multipleBirthInteger], '') AS int) AS [multiple_birth_order],
  f14.[v] AS [mrn],
  f15.[v] AS [phone],
  f16.[v] AS [email],
  u2.[address_line] AS [address_line],
  u2.[city] AS [city],
  u2.[state] AS [state],
  u2.[postal_code] AS [postal_code],
  u2.[country] AS [country],
  CASE WHEN CAST(CAST(k1.[type] AS varchar(max)) AS varbinary(max)) = CAST('Organization' AS varbinary(max)) THEN k1.[id] END AS [organization_id],
  f18.[v] AS [practitioner_id]
FROM [stage].[documents] AS d
CROSS APPLY OPENJSON(d.[doc]) WITH (
  [resourceType] varchar(max) '$.resourceType',
  [id] varchar(max) '$.id',
  [active] varchar(max) '$.active',
  [gender] varchar(max) '$.gender',
  [birthDate] varchar(max) '$.birthDate',
  [deceasedBoolean] varchar(max) '$.deceasedBoolean',
  [deceasedDateTime] varchar(max) '$.deceasedDateTime',
  [maritalStatus_coding_0_code] varchar(max) '$.maritalStatus.coding[0].code',
  [maritalStatus_coding_0_system] varchar(max) '$.maritalStatus.coding[0].system',
  [maritalStatus_coding_0_display] varchar(max) '$.maritalStatus.coding[0].display',
  [maritalStatus_text] varchar(max) '$.maritalStatus.text',
  [multipleBirthBoolean] varchar(max) '$.multipleBirthBoolean',
  [multipleBirthInteger] varchar(max) '$.multipleBirthInteger',
  [address_0_city] varchar(max) '$.address[0].city',
  [address_0_state] varchar(max) '$.address[0].state',
  [address_0_postalCode] varchar(max) '$.address[0].postalCode',
  [address_0_country] varchar(max) '$.address[0].country',
  [managingOrganization_reference] varchar(max) '$.managingOrganization.reference'
) AS j1
CROSS APPLY (
  SELECT
    MAX(CASE WHEN o.[key] = 'name' AND o.[type] IN (4, 5) THEN o.[value] END) AS [name],
    MAX(CASE WHEN o.[key] = 'extension' AND o.[type] IN (4, 5) THEN o.[value] END) AS [extension],
    MAX(CASE WHEN o.[key] = 'maritalStatus' AND o.[type] IN (4, 5) THEN o.[value] END) AS [maritalStatus],
    MAX(CASE WHEN o.[key] = 'communication' AND o.[type] IN (4, 5) THEN o.[value] END) AS [communication],
    MAX(CASE WHEN o.[key] = 'identifier' AND o.[type] IN (4, 5) THEN o.[value] END) AS [identifier],
    MAX(CASE WHEN o.[key] = 'telecom' AND o.[type] IN (4, 5) THEN o.[value] END) AS [telecom],
    MAX(CASE WHEN o.[key] = 'address' AND o.[type] IN (4, 5) THEN o.[value] END) AS [address],
    MAX(CASE WHEN o.[key] = 'generalPractitioner' AND o.[type] IN (4, 5) THEN o.[value] END) AS [generalPractitioner]
  FROM OPENJSON(d.[doc]) AS o
) AS j2
OUTER APPLY ( -- iif(name.where(use = 'official').exists(), name.where(use = 'official').first(), name.first())
  SELECT TOP (1) CASE WHEN e1.[type] = 5 THEN e1.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j2.[name], 1) = '[' THEN j2.[name] ELSE '[' + j2.[name] + ']' END) AS e1
  CROSS APPLY OPENJSON(CASE WHEN e1.[type] = 5 AND (CHARINDEX('official', e1.[value]) > 0 OR CHARINDEX('\', e1.[value]) > 0) THEN e1.[value] END) WITH (
    [use] varchar(max) '$.use'
  ) AS j3
  WHERE e1.[type] <> 0
    AND CAST(CAST(j3.[use] AS varchar(max)) AS varbinary(max)) = CAST('official' AS varbinary(max))
  ORDER BY CAST(e1.[key] AS int)
) AS f1
OUTER APPLY ( -- iif(name.where(use = 'official').exists(), name.where(use = 'official').first(), name.first())
  SELECT TOP (1) CASE WHEN e2.[type] = 5 THEN e2.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j2.[name], 2) = '[{' THEN NULL WHEN LEFT(j2.[name], 1) = '[' THEN j2.[name] ELSE '[' + j2.[name] + ']' END) AS e2
  WHERE e2.[type] <> 0
  ORDER BY CAST(e2.[key] AS int)
) AS f2
CROSS APPLY (
  SELECT JSON_QUERY(j2.[name], '$[0]') AS [name_0]
) AS q1
OUTER APPLY OPENJSON(CASE WHEN f1.[v] IS NOT NULL THEN f1.[v] ELSE COALESCE(q1.[name_0], f2.[v]) END) WITH ( -- iif(name.where(use = 'official').exists(), name.where(use = 'official').first(), name.first())
  [family] varchar(max) '$.family',
  [text] varchar(max) '$.text'
) AS j4
CROSS APPLY ( -- iif(name.where(use = 'official').exists(), name.where(use = 'official').first(), name.first())
  SELECT
    MAX(CASE WHEN o.[key] = 'given' AND o.[type] IN (4, 5) THEN o.[value] END) AS [given],
    MAX(CASE WHEN o.[key] = 'prefix' AND o.[type] IN (4, 5) THEN o.[value] END) AS [prefix],
    MAX(CASE WHEN o.[key] = 'suffix' AND o.[type] IN (4, 5) THEN o.[value] END) AS [suffix]
  FROM OPENJSON(CASE WHEN f1.[v] IS NOT NULL THEN f1.[v] ELSE COALESCE(q1.[name_0], f2.[v]) END) AS o
) AS j5
OUTER APPLY ( -- iif(name.where(use = 'official').exists(), name.where(use = 'official').first(), name.first())
  SELECT
    j4.[family] AS [family],
    l1.[v] AS [given],
    l2.[v] AS [name_prefix],
    l3.[v] AS [name_suffix],
    j4.[text] AS [name_text]
  FROM (
    SELECT 1 AS [one]
  ) AS one
  OUTER APPLY ( -- given.join(' ')
    SELECT STRING_AGG(CAST(e3.[value] AS varchar(max)), ' ') WITHIN GROUP (ORDER BY CAST(e3.[key] AS int)) AS [v]
    FROM OPENJSON(CASE WHEN LEFT(j5.[given], 1) = '[' THEN j5.[given] ELSE '[' + j5.[given] + ']' END) AS e3
    WHERE e3.[type] <> 0
  ) AS l1
  OUTER APPLY ( -- prefix.join(' ')
    SELECT STRING_AGG(CAST(e4.[value] AS varchar(max)), ' ') WITHIN GROUP (ORDER BY CAST(e4.[key] AS int)) AS [v]
    FROM OPENJSON(CASE WHEN LEFT(j5.[prefix], 1) = '[' THEN j5.[prefix] ELSE '[' + j5.[prefix] + ']' END) AS e4
    WHERE e4.[type] <> 0
  ) AS l2
  OUTER APPLY ( -- suffix.join(' ')
    SELECT STRING_AGG(CAST(e5.[value] AS varchar(max)), ' ') WITHIN GROUP (ORDER BY CAST(e5.[key] AS int)) AS [v]
    FROM OPENJSON(CASE WHEN LEFT(j5.[suffix], 1) = '[' THEN j5.[suffix] ELSE '[' + j5.[suffix] + ']' END) AS e5
    WHERE e5.[type] <> 0
  ) AS l3
  WHERE CASE WHEN f1.[v] IS NOT NULL THEN f1.[v] ELSE COALESCE(q1.[name_0], f2.[v]) END IS NOT NULL
) AS u1
OUTER APPLY ( -- extension('http://hl7.org/fhir/us/core/StructureDefinition/us-core-race').extension('ombCategory').v...
  SELECT TOP (1) j8.[valueCoding_code] AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j2.[extension], 1) = '[' THEN j2.[extension] ELSE '[' + j2.[extension] + ']' END) AS e6
  CROSS APPLY OPENJSON(CASE WHEN e6.[type] = 5 AND (CHARINDEX('http://hl7.org/fhir/us/core/StructureDefinition/us-core-race', e6.[value]) > 0 OR CHARINDEX('\', e6.[value]) > 0) THEN e6.[value] END) WITH (
    [url] varchar(max) '$.url'
  ) AS j6
  CROSS APPLY (
    SELECT MAX(CASE WHEN o.[key] = 'extension' AND o.[type] IN (4, 5) THEN o.[value] END) AS [extension]
    FROM OPENJSON(CASE WHEN e6.[type] = 5 AND (CHARINDEX('http://hl7.org/fhir/us/core/StructureDefinition/us-core-race', e6.[value]) > 0 OR CHARINDEX('\', e6.[value]) > 0) THEN e6.[value] END) AS o
  ) AS j7
  CROSS APPLY OPENJSON(CASE WHEN LEFT(j7.[extension], 1) = '[' THEN j7.[extension] ELSE '[' + j7.[extension] + ']' END) AS e7
  CROSS APPLY OPENJSON(CASE WHEN e7.[type] = 5 AND (CHARINDEX('ombCategory', e7.[value]) > 0 OR CHARINDEX('\', e7.[value]) > 0) THEN e7.[value] END) WITH (
    [url] varchar(max) '$.url',
    [valueCoding_code] varchar(max) '$.valueCoding.code'
  ) AS j8
  WHERE e6.[type] <> 0
    AND CAST(CAST(j6.[url] AS varchar(max)) AS varbinary(max)) = CAST('http://hl7.org/fhir/us/core/StructureDefinition/us-core-race' AS varbinary(max))
    AND e7.[type] <> 0
    AND CAST(CAST(j8.[url] AS varchar(max)) AS varbinary(max)) = CAST('ombCategory' AS varbinary(max))
    AND j8.[valueCoding_code] IS NOT NULL
  ORDER BY CAST(e6.[key] AS int), CAST(e7.[key] AS int)
) AS f3
OUTER APPLY ( -- extension('http://hl7.org/fhir/us/core/StructureDefinition/us-core-race').extension('ombCategory').v...
  SELECT TOP (1) j11.[valueCoding_display] AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j2.[extension], 1) = '[' THEN j2.[extension] ELSE '[' + j2.[extension] + ']' END) AS e8
  CROSS APPLY OPENJSON(CASE WHEN e8.[type] = 5 AND (CHARINDEX('http://hl7.org/fhir/us/core/StructureDefinition/us-core-race', e8.[value]) > 0 OR CHARINDEX('\', e8.[value]) > 0) THEN e8.[value] END) WITH (
    [url] varchar(max) '$.url'
  ) AS j9
  CROSS APPLY (
    SELECT MAX(CASE WHEN o.[key] = 'extension' AND o.[type] IN (4, 5) THEN o.[value] END) AS [extension]
    FROM OPENJSON(CASE WHEN e8.[type] = 5 AND (CHARINDEX('http://hl7.org/fhir/us/core/StructureDefinition/us-core-race', e8.[value]) > 0 OR CHARINDEX('\', e8.[value]) > 0) THEN e8.[value] END) AS o
  ) AS j10
  CROSS APPLY OPENJSON(CASE WHEN LEFT(j10.[extension], 1) = '[' THEN j10.[extension] ELSE '[' + j10.[extension] + ']' END) AS e9
  CROSS APPLY OPENJSON(CASE WHEN e9.[type] = 5 AND (CHARINDEX('ombCategory', e9.[value]) > 0 OR CHARINDEX('\', e9.[value]) > 0) THEN e9.[value] END) WITH (
    [url] varchar(max) '$.url',
    [valueCoding_display] varchar(max) '$.valueCoding.display'
  ) AS j11
  WHERE e8.[type] <> 0
    AND CAST(CAST(j9.[url] AS varchar(max)) AS varbinary(max)) = CAST('http://hl7.org/fhir/us/core/StructureDefinition/us-core-race' AS varbinary(max))
    AND e9.[type] <> 0
    AND CAST(CAST(j11.[url] AS varchar(max)) AS varbinary(max)) = CAST('ombCategory' AS varbinary(max))
    AND j11.[valueCoding_display] IS NOT NULL
  ORDER BY CAST(e8.[key] AS int), CAST(e9.[key] AS int)
) AS f4
OUTER APPLY ( -- extension('http://hl7.org/fhir/us/core/StructureDefinition/us-core-race').extension('text').value.of...
  SELECT TOP (1)
    j14.[valueCode] AS [v],
    j14.[valueId] AS [v2],
    j14.[valueMarkdown] AS [v3],
    j14.[valueString] AS [v4]
  FROM OPENJSON(CASE WHEN LEFT(j2.[extension], 1) = '[' THEN j2.[extension] ELSE '[' + j2.[extension] + ']' END) AS e10
  CROSS APPLY OPENJSON(CASE WHEN e10.[type] = 5 AND (CHARINDEX('http://hl7.org/fhir/us/core/StructureDefinition/us-core-race', e10.[value]) > 0 OR CHARINDEX('\', e10.[value]) > 0) THEN e10.[value] END) WITH (
    [url] varchar(max) '$.url'
  ) AS j12
  CROSS APPLY (
    SELECT MAX(CASE WHEN o.[key] = 'extension' AND o.[type] IN (4, 5) THEN o.[value] END) AS [extension]
    FROM OPENJSON(CASE WHEN e10.[type] = 5 AND (CHARINDEX('http://hl7.org/fhir/us/core/StructureDefinition/us-core-race', e10.[value]) > 0 OR CHARINDEX('\', e10.[value]) > 0) THEN e10.[value] END) AS o
  ) AS j13
  CROSS APPLY OPENJSON(CASE WHEN LEFT(j13.[extension], 1) = '[' THEN j13.[extension] ELSE '[' + j13.[extension] + ']' END) AS e11
  CROSS APPLY OPENJSON(CASE WHEN e11.[type] = 5 AND (CHARINDEX('text', e11.[value]) > 0 OR CHARINDEX('\', e11.[value]) > 0) THEN e11.[value] END) WITH (
    [url] varchar(max) '$.url',
    [valueCode] varchar(max) '$.valueCode',
    [valueId] varchar(max) '$.valueId',
    [valueMarkdown] varchar(max) '$.valueMarkdown',
    [valueString] varchar(max) '$.valueString'
  ) AS j14
  WHERE e10.[type] <> 0
    AND CAST(CAST(j12.[url] AS varchar(max)) AS varbinary(max)) = CAST('http://hl7.org/fhir/us/core/StructureDefinition/us-core-race' AS varbinary(max))
    AND e11.[type] <> 0
    AND CAST(CAST(j14.[url] AS varchar(max)) AS varbinary(max)) = CAST('text' AS varbinary(max))
    AND (j14.[valueCode] IS NOT NULL OR j14.[valueId] IS NOT NULL OR j14.[valueMarkdown] IS NOT NULL OR j14.[valueString] IS NOT NULL)
  ORDER BY CAST(e10.[key] AS int), CAST(e11.[key] AS int)
) AS f5
OUTER APPLY ( -- extension('http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity').extension('ombCategor...
  SELECT TOP (1) j17.[valueCoding_code] AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j2.[extension], 1) = '[' THEN j2.[extension] ELSE '[' + j2.[extension] + ']' END) AS e12
  CROSS APPLY OPENJSON(CASE WHEN e12.[type] = 5 AND (CHARINDEX('http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity', e12.[value]) > 0 OR CHARINDEX('\', e12.[value]) > 0) THEN e12.[value] END) WITH (
    [url] varchar(max) '$.url'
  ) AS j15
  CROSS APPLY (
    SELECT MAX(CASE WHEN o.[key] = 'extension' AND o.[type] IN (4, 5) THEN o.[value] END) AS [extension]
    FROM OPENJSON(CASE WHEN e12.[type] = 5 AND (CHARINDEX('http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity', e12.[value]) > 0 OR CHARINDEX('\', e12.[value]) > 0) THEN e12.[value] END) AS o
  ) AS j16
  CROSS APPLY OPENJSON(CASE WHEN LEFT(j16.[extension], 1) = '[' THEN j16.[extension] ELSE '[' + j16.[extension] + ']' END) AS e13
  CROSS APPLY OPENJSON(CASE WHEN e13.[type] = 5 AND (CHARINDEX('ombCategory', e13.[value]) > 0 OR CHARINDEX('\', e13.[value]) > 0) THEN e13.[value] END) WITH (
    [url] varchar(max) '$.url',
    [valueCoding_code] varchar(max) '$.valueCoding.code'
  ) AS j17
  WHERE e12.[type] <> 0
    AND CAST(CAST(j15.[url] AS varchar(max)) AS varbinary(max)) = CAST('http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity' AS varbinary(max))
    AND e13.[type] <> 0
    AND CAST(CAST(j17.[url] AS varchar(max)) AS varbinary(max)) = CAST('ombCategory' AS varbinary(max))
    AND j17.[valueCoding_code] IS NOT NULL
  ORDER BY CAST(e12.[key] AS int), CAST(e13.[key] AS int)
) AS f6
OUTER APPLY ( -- extension('http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity').extension('ombCategor...
  SELECT TOP (1) j20.[valueCoding_display] AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j2.[extension], 1) = '[' THEN j2.[extension] ELSE '[' + j2.[extension] + ']' END) AS e14
  CROSS APPLY OPENJSON(CASE WHEN e14.[type] = 5 AND (CHARINDEX('http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity', e14.[value]) > 0 OR CHARINDEX('\', e14.[value]) > 0) THEN e14.[value] END) WITH (
    [url] varchar(max) '$.url'
  ) AS j18
  CROSS APPLY (
    SELECT MAX(CASE WHEN o.[key] = 'extension' AND o.[type] IN (4, 5) THEN o.[value] END) AS [extension]
    FROM OPENJSON(CASE WHEN e14.[type] = 5 AND (CHARINDEX('http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity', e14.[value]) > 0 OR CHARINDEX('\', e14.[value]) > 0) THEN e14.[value] END) AS o
  ) AS j19
  CROSS APPLY OPENJSON(CASE WHEN LEFT(j19.[extension], 1) = '[' THEN j19.[extension] ELSE '[' + j19.[extension] + ']' END) AS e15
  CROSS APPLY OPENJSON(CASE WHEN e15.[type] = 5 AND (CHARINDEX('ombCategory', e15.[value]) > 0 OR CHARINDEX('\', e15.[value]) > 0) THEN e15.[value] END) WITH (
    [url] varchar(max) '$.url',
    [valueCoding_display] varchar(max) '$.valueCoding.display'
  ) AS j20
  WHERE e14.[type] <> 0
    AND CAST(CAST(j18.[url] AS varchar(max)) AS varbinary(max)) = CAST('http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity' AS varbinary(max))
    AND e15.[type] <> 0
    AND CAST(CAST(j20.[url] AS varchar(max)) AS varbinary(max)) = CAST('ombCategory' AS varbinary(max))
    AND j20.[valueCoding_display] IS NOT NULL
  ORDER BY CAST(e14.[key] AS int), CAST(e15.[key] AS int)
) AS f7
OUTER APPLY ( -- extension('http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity').extension('text').val...
  SELECT TOP (1)
    j23.[valueCode] AS [v],
    j23.[valueId] AS [v2],
    j23.[valueMarkdown] AS [v3],
    j23.[valueString] AS [v4]
  FROM OPENJSON(CASE WHEN LEFT(j2.[extension], 1) = '[' THEN j2.[extension] ELSE '[' + j2.[extension] + ']' END) AS e16
  CROSS APPLY OPENJSON(CASE WHEN e16.[type] = 5 AND (CHARINDEX('http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity', e16.[value]) > 0 OR CHARINDEX('\', e16.[value]) > 0) THEN e16.[value] END) WITH (
    [url] varchar(max) '$.url'
  ) AS j21
  CROSS APPLY (
    SELECT MAX(CASE WHEN o.[key] = 'extension' AND o.[type] IN (4, 5) THEN o.[value] END) AS [extension]
    FROM OPENJSON(CASE WHEN e16.[type] = 5 AND (CHARINDEX('http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity', e16.[value]) > 0 OR CHARINDEX('\', e16.[value]) > 0) THEN e16.[value] END) AS o
  ) AS j22
  CROSS APPLY OPENJSON(CASE WHEN LEFT(j22.[extension], 1) = '[' THEN j22.[extension] ELSE '[' + j22.[extension] + ']' END) AS e17
  CROSS APPLY OPENJSON(CASE WHEN e17.[type] = 5 AND (CHARINDEX('text', e17.[value]) > 0 OR CHARINDEX('\', e17.[value]) > 0) THEN e17.[value] END) WITH (
    [url] varchar(max) '$.url',
    [valueCode] varchar(max) '$.valueCode',
    [valueId] varchar(max) '$.valueId',
    [valueMarkdown] varchar(max) '$.valueMarkdown',
    [valueString] varchar(max) '$.valueString'
  ) AS j23
  WHERE e16.[type] <> 0
    AND CAST(CAST(j21.[url] AS varchar(max)) AS varbinary(max)) = CAST('http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity' AS varbinary(max))
    AND e17.[type] <> 0
    AND CAST(CAST(j23.[url] AS varchar(max)) AS varbinary(max)) = CAST('text' AS varbinary(max))
    AND (j23.[valueCode] IS NOT NULL OR j23.[valueId] IS NOT NULL OR j23.[valueMarkdown] IS NOT NULL OR j23.[valueString] IS NOT NULL)
  ORDER BY CAST(e16.[key] AS int), CAST(e17.[key] AS int)
) AS f8
OUTER APPLY ( -- extension('http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex').value.ofType(code).fir...
  SELECT TOP (1) j24.[valueCode] AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j2.[extension], 1) = '[' THEN j2.[extension] ELSE '[' + j2.[extension] + ']' END) AS e18
  CROSS APPLY OPENJSON(CASE WHEN e18.[type] = 5 AND (CHARINDEX('http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex', e18.[value]) > 0 OR CHARINDEX('\', e18.[value]) > 0) THEN e18.[value] END) WITH (
    [url] varchar(max) '$.url',
    [valueCode] varchar(max) '$.valueCode'
  ) AS j24
  WHERE e18.[type] <> 0
    AND CAST(CAST(j24.[url] AS varchar(max)) AS varbinary(max)) = CAST('http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex' AS varbinary(max))
    AND j24.[valueCode] IS NOT NULL
  ORDER BY CAST(e18.[key] AS int)
) AS f9
CROSS APPLY (
  SELECT JSON_QUERY(j2.[maritalStatus], '$.coding') AS [maritalStatus_coding]
) AS q2
OUTER APPLY ( -- maritalStatus.coding.first().code
  SELECT TOP (1) CASE WHEN e19.[type] = 5 THEN e19.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(q2.[maritalStatus_coding], 2) = '[{' THEN NULL WHEN LEFT(q2.[maritalStatus_coding], 1) = '[' THEN q2.[maritalStatus_coding] ELSE '[' + q2.[maritalStatus_coding] + ']' END) AS e19
  WHERE e19.[type] <> 0
  ORDER BY CAST(e19.[key] AS int)
) AS f10
OUTER APPLY OPENJSON(f10.[v]) WITH (
  [code] varchar(max) '$.code',
  [system] varchar(max) '$.system',
  [display] varchar(max) '$.display'
) AS j25
OUTER APPLY ( -- iif(communication.where(preferred = true).exists(), communication.where(preferred = true).first(), c...
  SELECT TOP (1) CASE WHEN e20.[type] = 5 THEN e20.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j2.[communication], 1) = '[' THEN j2.[communication] ELSE '[' + j2.[communication] + ']' END) AS e20
  CROSS APPLY OPENJSON(CASE WHEN e20.[type] = 5 THEN e20.[value] END) WITH (
    [preferred] varchar(max) '$.preferred'
  ) AS j26
  WHERE e20.[type] <> 0
    AND j26.[preferred] = 'true'
  ORDER BY CAST(e20.[key] AS int)
) AS f11
OUTER APPLY ( -- iif(communication.where(preferred = true).exists(), communication.where(preferred = true).first(), c...
  SELECT TOP (1) CASE WHEN e21.[type] = 5 THEN e21.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j2.[communication], 2) = '[{' THEN NULL WHEN LEFT(j2.[communication], 1) = '[' THEN j2.[communication] ELSE '[' + j2.[communication] + ']' END) AS e21
  WHERE e21.[type] <> 0
  ORDER BY CAST(e21.[key] AS int)
) AS f12
CROSS APPLY (
  SELECT JSON_QUERY(j2.[communication], '$[0]') AS [communication_0]
) AS q3
CROSS APPLY ( -- iif(communication.where(preferred = true).exists(), communication.where(preferred = true).first(), c...
  SELECT MAX(CASE WHEN o.[key] = 'language' AND o.[type] IN (4, 5) THEN o.[value] END) AS [language]
  FROM OPENJSON(CASE WHEN f11.[v] IS NOT NULL THEN f11.[v] ELSE COALESCE(q3.[communication_0], f12.[v]) END) AS o
) AS j27
CROSS APPLY (
  SELECT JSON_QUERY(j27.[language], '$.coding') AS [language_coding]
) AS q4
OUTER APPLY ( -- iif(communication.where(preferred = true).exists(), communication.where(preferred = true).first(), c...
  SELECT TOP (1) CASE WHEN e22.[type] = 5 THEN e22.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(q4.[language_coding], 2) = '[{' THEN NULL WHEN LEFT(q4.[language_coding], 1) = '[' THEN q4.[language_coding] ELSE '[' + q4.[language_coding] + ']' END) AS e22
  WHERE e22.[type] <> 0
  ORDER BY CAST(e22.[key] AS int)
) AS f13
OUTER APPLY OPENJSON(CASE WHEN f11.[v] IS NOT NULL THEN f11.[v] ELSE COALESCE(q3.[communication_0], f12.[v]) END) WITH ( -- iif(communication.where(preferred = true).exists(), communication.where(preferred = true).first(), c...
  [language_coding_0_code] varchar(max) '$.language.coding[0].code'
) AS j28
OUTER APPLY OPENJSON(f13.[v]) WITH (
  [code] varchar(max) '$.code'
) AS j29
OUTER APPLY ( -- identifier.where(type.coding.where(code = 'MR').exists()).value.first()
  SELECT TOP (1) j32.[value] AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j2.[identifier], 1) = '[' THEN j2.[identifier] ELSE '[' + j2.[identifier] + ']' END) AS e23
  CROSS APPLY (
    SELECT MAX(CASE WHEN o.[key] = 'type' AND o.[type] IN (4, 5) THEN o.[value] END) AS [type]
    FROM OPENJSON(CASE WHEN e23.[type] = 5 AND (CHARINDEX('MR', e23.[value]) > 0 OR CHARINDEX('\', e23.[value]) > 0) THEN e23.[value] END) AS o
  ) AS j30
  CROSS APPLY (
    SELECT JSON_QUERY(j30.[type], '$.coding') AS [type_coding]
  ) AS q5
  OUTER APPLY ( -- identifier.where(type.coding.where(code = 'MR').exists()).value.first()
    SELECT TOP (1) 1 AS [one]
    FROM OPENJSON(CASE WHEN LEFT(q5.[type_coding], 1) = '[' THEN q5.[type_coding] ELSE '[' + q5.[type_coding] + ']' END) AS e24
    CROSS APPLY OPENJSON(CASE WHEN e24.[type] = 5 AND (CHARINDEX('MR', e24.[value]) > 0 OR CHARINDEX('\', e24.[value]) > 0) THEN e24.[value] END) WITH (
      [code] varchar(max) '$.code'
    ) AS j31
    WHERE e24.[type] <> 0
      AND CAST(CAST(j31.[code] AS varchar(max)) AS varbinary(max)) = CAST('MR' AS varbinary(max))
  ) AS x1
  CROSS APPLY OPENJSON(CASE WHEN e23.[type] = 5 AND (CHARINDEX('MR', e23.[value]) > 0 OR CHARINDEX('\', e23.[value]) > 0) THEN e23.[value] END) WITH (
    [value] varchar(max) '$.value'
  ) AS j32
  WHERE e23.[type] <> 0
    AND x1.[one] IS NOT NULL
    AND j32.[value] IS NOT NULL
  ORDER BY CAST(e23.[key] AS int)
) AS f14
OUTER APPLY ( -- telecom.where(system = 'phone').value.first()
  SELECT TOP (1) j33.[value] AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j2.[telecom], 1) = '[' THEN j2.[telecom] ELSE '[' + j2.[telecom] + ']' END) AS e25
  CROSS APPLY OPENJSON(CASE WHEN e25.[type] = 5 AND (CHARINDEX('phone', e25.[value]) > 0 OR CHARINDEX('\', e25.[value]) > 0) THEN e25.[value] END) WITH (
    [system] varchar(max) '$.system',
    [value] varchar(max) '$.value'
  ) AS j33
  WHERE e25.[type] <> 0
    AND CAST(CAST(j33.[system] AS varchar(max)) AS varbinary(max)) = CAST('phone' AS varbinary(max))
    AND j33.[value] IS NOT NULL
  ORDER BY CAST(e25.[key] AS int)
) AS f15
OUTER APPLY ( -- telecom.where(system = 'email').value.first()
  SELECT TOP (1) j34.[value] AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j2.[telecom], 1) = '[' THEN j2.[telecom] ELSE '[' + j2.[telecom] + ']' END) AS e26
  CROSS APPLY OPENJSON(CASE WHEN e26.[type] = 5 AND (CHARINDEX('email', e26.[value]) > 0 OR CHARINDEX('\', e26.[value]) > 0) THEN e26.[value] END) WITH (
    [system] varchar(max) '$.system',
    [value] varchar(max) '$.value'
  ) AS j34
  WHERE e26.[type] <> 0
    AND CAST(CAST(j34.[system] AS varchar(max)) AS varbinary(max)) = CAST('email' AS varbinary(max))
    AND j34.[value] IS NOT NULL
  ORDER BY CAST(e26.[key] AS int)
) AS f16
OUTER APPLY ( -- address.first()
  SELECT TOP (1) CASE WHEN e27.[type] = 5 THEN e27.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j2.[address], 2) = '[{' THEN NULL WHEN LEFT(j2.[address], 1) = '[' THEN j2.[address] ELSE '[' + j2.[address] + ']' END) AS e27
  WHERE e27.[type] <> 0
  ORDER BY CAST(e27.[key] AS int)
) AS f17
CROSS APPLY (
  SELECT JSON_QUERY(j2.[address], '$[0]') AS [address_0]
) AS q6
CROSS APPLY (
  SELECT JSON_QUERY(j2.[address], '$[0].line') AS [address_0_line]
) AS q7
CROSS APPLY (
  SELECT MAX(CASE WHEN o.[key] = 'line' AND o.[type] IN (4, 5) THEN o.[value] END) AS [line]
  FROM OPENJSON(f17.[v]) AS o
) AS j35
OUTER APPLY OPENJSON(f17.[v]) WITH (
  [city] varchar(max) '$.city',
  [state] varchar(max) '$.state',
  [postalCode] varchar(max) '$.postalCode',
  [country] varchar(max) '$.country'
) AS j36
OUTER APPLY ( -- address.first()
  SELECT
    l4.[v] AS [address_line],
    COALESCE(j1.[address_0_city], j36.[city]) AS [city],
    COALESCE(j1.[address_0_state], j36.[state]) AS [state],
    COALESCE(j1.[address_0_postalCode], j36.[postalCode]) AS [postal_code],
    COALESCE(j1.[address_0_country], j36.[country]) AS [country]
  FROM (
    SELECT 1 AS [one]
  ) AS one
  OUTER APPLY ( -- line.join(', ')
    SELECT STRING_AGG(CAST(e28.[value] AS varchar(max)), ', ') WITHIN GROUP (ORDER BY CAST(e28.[key] AS int)) AS [v]
    FROM OPENJSON(CASE WHEN LEFT(COALESCE(q7.[address_0_line], j35.[line]), 1) = '[' THEN COALESCE(q7.[address_0_line], j35.[line]) ELSE '[' + COALESCE(q7.[address_0_line], j35.[line]) + ']' END) AS e28
    WHERE e28.[type] <> 0
  ) AS l4
  WHERE (q6.[address_0] IS NOT NULL OR f17.[v] IS NOT NULL)
) AS u2
OUTER APPLY (
  SELECT TOP (1)
    LEFT(h2.[l], h3.[p] - 1) AS [type],
    SUBSTRING(h2.[l], h3.[p] + 1, LEN(h2.[l])) AS [id]
  FROM (
    SELECT TOP (1) LEFT(j1.[managingOrganization_reference], CHARINDEX('/_history/', j1.[managingOrganization_reference] + '/_history/') - 1) AS [r]
  ) AS h1
  CROSS APPLY (
    SELECT TOP (1) CASE WHEN LEFT(h1.[r], 1) = '/' THEN SUBSTRING(h1.[r], 2, LEN(h1.[r])) ELSE h1.[r] END AS [l]
  ) AS h2
  CROSS APPLY (
    SELECT TOP (1) CHARINDEX('/', h2.[l]) AS [p]
  ) AS h3
  WHERE j1.[managingOrganization_reference] IS NOT NULL
    AND h3.[p] > 1
    AND h3.[p] < LEN(h2.[l])
    AND CHARINDEX('/', SUBSTRING(h2.[l], h3.[p] + 1, LEN(h2.[l]))) = 0
    AND CHARINDEX('?', SUBSTRING(h2.[l], h3.[p] + 1, LEN(h2.[l]))) = 0
    AND CHARINDEX('#', SUBSTRING(h2.[l], h3.[p] + 1, LEN(h2.[l]))) = 0
) AS k1
OUTER APPLY ( -- generalPractitioner.getReferenceKey(Practitioner).first()
  SELECT TOP (1) CASE WHEN CAST(CAST(k2.[type] AS varchar(max)) AS varbinary(max)) = CAST('Practitioner' AS varbinary(max)) THEN k2.[id] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j2.[generalPractitioner], 1) = '[' THEN j2.[generalPractitioner] ELSE '[' + j2.[generalPractitioner] + ']' END) AS e29
  CROSS APPLY OPENJSON(CASE WHEN e29.[type] = 5 THEN e29.[value] END) WITH (
    [reference] varchar(max) '$.reference'
  ) AS j37
  OUTER APPLY (
    SELECT TOP (1)
      LEFT(h5.[l], h6.[p] - 1) AS [type],
      SUBSTRING(h5.[l], h6.[p] + 1, LEN(h5.[l])) AS [id]
    FROM (
      SELECT TOP (1) LEFT(j37.[reference], CHARINDEX('/_history/', j37.[reference] + '/_history/') - 1) AS [r]
    ) AS h4
    CROSS APPLY (
      SELECT TOP (1) CASE WHEN LEFT(h4.[r], 1) = '/' THEN SUBSTRING(h4.[r], 2, LEN(h4.[r])) ELSE h4.[r] END AS [l]
    ) AS h5
    CROSS APPLY (
      SELECT TOP (1) CHARINDEX('/', h5.[l]) AS [p]
    ) AS h6
    WHERE j37.[reference] IS NOT NULL
      AND h6.[p] > 1
      AND h6.[p] < LEN(h5.[l])
      AND CHARINDEX('/', SUBSTRING(h5.[l], h6.[p] + 1, LEN(h5.[l]))) = 0
      AND CHARINDEX('?', SUBSTRING(h5.[l], h6.[p] + 1, LEN(h5.[l]))) = 0
      AND CHARINDEX('#', SUBSTRING(h5.[l], h6.[p] + 1, LEN(h5.[l]))) = 0
  ) AS k2
  WHERE e29.[type] <> 0
    AND CASE WHEN CAST(CAST(k2.[type] AS varchar(max)) AS varbinary(max)) = CAST('Practitioner' AS varbinary(max)) THEN k2.[id] END IS NOT NULL
  ORDER BY CAST(e29.[key] AS int)
) AS f18
WHERE CAST(CAST(j1.[resourceType] AS varchar(max)) AS varbinary(max)) = CAST('Patient' AS varbinary(max))

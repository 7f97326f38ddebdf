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
  CAST(COALESCE(f5.[v], f5.[v2], f5.[v3], f5.[v4]) AS varchar(max)) AS [race_text],
  f6.[v] AS [ethnicity_code],
  f7.[v] AS [ethnicity_display],
  CAST(COALESCE(f8.[v], f8.[v2], f8.[v3], f8.[v4]) AS varchar(max)) AS [ethnicity_text],
  f9.[v] AS [birth_sex],
  j30.[code] AS [marital_status],
  j30.[system] AS [marital_status_system],
  j30.[display] AS [marital_status_display],
  j1.[maritalStatus_text] AS [marital_status_text],
  j34.[code] AS [language],
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
  CASE WHEN CAST(CAST(RIGHT(k1.[head], 13) AS varchar(max)) AS varbinary(max)) = CAST('/Organization' AS varbinary(max)) THEN k1.[id] END AS [organization_id],
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
  [maritalStatus_text] varchar(max) '$.maritalStatus.text',
  [multipleBirthBoolean] varchar(max) '$.multipleBirthBoolean',
  [multipleBirthInteger] varchar(max) '$.multipleBirthInteger',
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
  SELECT COUNT(*) AS [n]
  FROM OPENJSON(CASE WHEN LEFT(j2.[name], 1) = '[' THEN j2.[name] ELSE '[' + j2.[name] + ']' END) AS e1
  CROSS APPLY OPENJSON(CASE WHEN e1.[type] = 5 THEN e1.[value] END) WITH (
    [use] varchar(max) '$.use'
  ) AS j3
  WHERE e1.[type] <> 0
    AND CAST(CAST(j3.[use] AS varchar(max)) AS varbinary(max)) = CAST('official' AS varbinary(max))
) AS x1
OUTER APPLY ( -- iif(name.where(use = 'official').exists(), name.where(use = 'official').first(), name.first())
  SELECT TOP (1) CASE WHEN e2.[type] = 5 THEN e2.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j2.[name], 1) = '[' THEN j2.[name] ELSE '[' + j2.[name] + ']' END) AS e2
  CROSS APPLY OPENJSON(CASE WHEN e2.[type] = 5 THEN e2.[value] END) WITH (
    [use] varchar(max) '$.use'
  ) AS j4
  WHERE e2.[type] <> 0
    AND CAST(CAST(j4.[use] AS varchar(max)) AS varbinary(max)) = CAST('official' AS varbinary(max))
  ORDER BY CAST(e2.[key] AS int)
) AS f1
OUTER APPLY ( -- iif(name.where(use = 'official').exists(), name.where(use = 'official').first(), name.first())
  SELECT TOP (1) CASE WHEN e3.[type] = 5 THEN e3.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j2.[name], 1) = '[' THEN j2.[name] ELSE '[' + j2.[name] + ']' END) AS e3
  WHERE e3.[type] <> 0
  ORDER BY CAST(e3.[key] AS int)
) AS f2
OUTER APPLY OPENJSON(CASE WHEN x1.[n] > 0 THEN f1.[v] ELSE f2.[v] END) WITH ( -- iif(name.where(use = 'official').exists(), name.where(use = 'official').first(), name.first())
  [family] varchar(max) '$.family',
  [text] varchar(max) '$.text'
) AS j5
CROSS APPLY ( -- iif(name.where(use = 'official').exists(), name.where(use = 'official').first(), name.first())
  SELECT
    MAX(CASE WHEN o.[key] = 'given' AND o.[type] IN (4, 5) THEN o.[value] END) AS [given],
    MAX(CASE WHEN o.[key] = 'prefix' AND o.[type] IN (4, 5) THEN o.[value] END) AS [prefix],
    MAX(CASE WHEN o.[key] = 'suffix' AND o.[type] IN (4, 5) THEN o.[value] END) AS [suffix]
  FROM OPENJSON(CASE WHEN x1.[n] > 0 THEN f1.[v] ELSE f2.[v] END) AS o
) AS j6
OUTER APPLY ( -- iif(name.where(use = 'official').exists(), name.where(use = 'official').first(), name.first())
  SELECT
    j5.[family] AS [family],
    CAST(CASE WHEN x2.[n] > 0 THEN l1.[v] END AS varchar(max)) AS [given],
    CAST(CASE WHEN x3.[n] > 0 THEN l2.[v] END AS varchar(max)) AS [name_prefix],
    CAST(CASE WHEN x4.[n] > 0 THEN l3.[v] END AS varchar(max)) AS [name_suffix],
    j5.[text] AS [name_text]
  FROM (
    SELECT 1 AS [one]
  ) AS one
  OUTER APPLY ( -- iif(given.exists(), given.join(' '))
    SELECT COUNT(*) AS [n]
    FROM OPENJSON(CASE WHEN LEFT(j6.[given], 1) = '[' THEN j6.[given] ELSE '[' + j6.[given] + ']' END) AS e4
    WHERE e4.[type] <> 0
  ) AS x2
  OUTER APPLY ( -- iif(given.exists(), given.join(' '))
    SELECT STRING_AGG(CAST(e5.[value] AS varchar(max)), ' ') WITHIN GROUP (ORDER BY CAST(e5.[key] AS int)) AS [v]
    FROM OPENJSON(CASE WHEN LEFT(j6.[given], 1) = '[' THEN j6.[given] ELSE '[' + j6.[given] + ']' END) AS e5
    WHERE e5.[type] <> 0
  ) AS l1
  OUTER APPLY ( -- iif(prefix.exists(), prefix.join(' '))
    SELECT COUNT(*) AS [n]
    FROM OPENJSON(CASE WHEN LEFT(j6.[prefix], 1) = '[' THEN j6.[prefix] ELSE '[' + j6.[prefix] + ']' END) AS e6
    WHERE e6.[type] <> 0
  ) AS x3
  OUTER APPLY ( -- iif(prefix.exists(), prefix.join(' '))
    SELECT STRING_AGG(CAST(e7.[value] AS varchar(max)), ' ') WITHIN GROUP (ORDER BY CAST(e7.[key] AS int)) AS [v]
    FROM OPENJSON(CASE WHEN LEFT(j6.[prefix], 1) = '[' THEN j6.[prefix] ELSE '[' + j6.[prefix] + ']' END) AS e7
    WHERE e7.[type] <> 0
  ) AS l2
  OUTER APPLY ( -- iif(suffix.exists(), suffix.join(' '))
    SELECT COUNT(*) AS [n]
    FROM OPENJSON(CASE WHEN LEFT(j6.[suffix], 1) = '[' THEN j6.[suffix] ELSE '[' + j6.[suffix] + ']' END) AS e8
    WHERE e8.[type] <> 0
  ) AS x4
  OUTER APPLY ( -- iif(suffix.exists(), suffix.join(' '))
    SELECT STRING_AGG(CAST(e9.[value] AS varchar(max)), ' ') WITHIN GROUP (ORDER BY CAST(e9.[key] AS int)) AS [v]
    FROM OPENJSON(CASE WHEN LEFT(j6.[suffix], 1) = '[' THEN j6.[suffix] ELSE '[' + j6.[suffix] + ']' END) AS e9
    WHERE e9.[type] <> 0
  ) AS l3
  WHERE CASE WHEN x1.[n] > 0 THEN f1.[v] ELSE f2.[v] END IS NOT NULL
) AS u1
OUTER APPLY ( -- extension('http://hl7.org/fhir/us/core/StructureDefinition/us-core-race').extension('ombCategory').v...
  SELECT TOP (1) j9.[valueCoding_code] AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j2.[extension], 1) = '[' THEN j2.[extension] ELSE '[' + j2.[extension] + ']' END) AS e10
  CROSS APPLY OPENJSON(CASE WHEN e10.[type] = 5 THEN e10.[value] END) WITH (
    [url] varchar(max) '$.url'
  ) AS j7
  CROSS APPLY (
    SELECT MAX(CASE WHEN o.[key] = 'extension' AND o.[type] IN (4, 5) THEN o.[value] END) AS [extension]
    FROM OPENJSON(CASE WHEN e10.[type] = 5 THEN e10.[value] END) AS o
  ) AS j8
  CROSS APPLY OPENJSON(CASE WHEN LEFT(j8.[extension], 1) = '[' THEN j8.[extension] ELSE '[' + j8.[extension] + ']' END) AS e11
  CROSS APPLY OPENJSON(CASE WHEN e11.[type] = 5 THEN e11.[value] END) WITH (
    [url] varchar(max) '$.url',
    [valueCoding_code] varchar(max) '$.valueCoding.code'
  ) AS j9
  CROSS APPLY (
    SELECT MAX(CASE WHEN o.[key] = 'valueCoding' AND o.[type] IN (4, 5) THEN o.[value] END) AS [valueCoding]
    FROM OPENJSON(CASE WHEN e11.[type] = 5 THEN e11.[value] END) AS o
  ) AS j10
  WHERE e10.[type] <> 0
    AND CAST(CAST(j7.[url] AS varchar(max)) AS varbinary(max)) = CAST('http://hl7.org/fhir/us/core/StructureDefinition/us-core-race' AS varbinary(max))
    AND e11.[type] <> 0
    AND CAST(CAST(j9.[url] AS varchar(max)) AS varbinary(max)) = CAST('ombCategory' AS varbinary(max))
    AND j10.[valueCoding] IS NOT NULL
    AND j9.[valueCoding_code] IS NOT NULL
  ORDER BY CAST(e10.[key] AS int), CAST(e11.[key] AS int)
) AS f3
OUTER APPLY ( -- extension('http://hl7.org/fhir/us/core/StructureDefinition/us-core-race').extension('ombCategory').v...
  SELECT TOP (1) j13.[valueCoding_display] AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j2.[extension], 1) = '[' THEN j2.[extension] ELSE '[' + j2.[extension] + ']' END) AS e12
  CROSS APPLY OPENJSON(CASE WHEN e12.[type] = 5 THEN e12.[value] END) WITH (
    [url] varchar(max) '$.url'
  ) AS j11
  CROSS APPLY (
    SELECT MAX(CASE WHEN o.[key] = 'extension' AND o.[type] IN (4, 5) THEN o.[value] END) AS [extension]
    FROM OPENJSON(CASE WHEN e12.[type] = 5 THEN e12.[value] END) AS o
  ) AS j12
  CROSS APPLY OPENJSON(CASE WHEN LEFT(j12.[extension], 1) = '[' THEN j12.[extension] ELSE '[' + j12.[extension] + ']' END) AS e13
  CROSS APPLY OPENJSON(CASE WHEN e13.[type] = 5 THEN e13.[value] END) WITH (
    [url] varchar(max) '$.url',
    [valueCoding_display] varchar(max) '$.valueCoding.display'
  ) AS j13
  CROSS APPLY (
    SELECT MAX(CASE WHEN o.[key] = 'valueCoding' AND o.[type] IN (4, 5) THEN o.[value] END) AS [valueCoding]
    FROM OPENJSON(CASE WHEN e13.[type] = 5 THEN e13.[value] END) AS o
  ) AS j14
  WHERE e12.[type] <> 0
    AND CAST(CAST(j11.[url] AS varchar(max)) AS varbinary(max)) = CAST('http://hl7.org/fhir/us/core/StructureDefinition/us-core-race' AS varbinary(max))
    AND e13.[type] <> 0
    AND CAST(CAST(j13.[url] AS varchar(max)) AS varbinary(max)) = CAST('ombCategory' AS varbinary(max))
    AND j14.[valueCoding] IS NOT NULL
    AND j13.[valueCoding_display] IS NOT NULL
  ORDER BY CAST(e12.[key] AS int), CAST(e13.[key] AS int)
) AS f4
OUTER APPLY ( -- extension('http://hl7.org/fhir/us/core/StructureDefinition/us-core-race').extension('text').value.of...
  SELECT TOP (1)
    j17.[valueCode] AS [v],
    j17.[valueId] AS [v2],
    j17.[valueMarkdown] AS [v3],
    j17.[valueString] AS [v4]
  FROM OPENJSON(CASE WHEN LEFT(j2.[extension], 1) = '[' THEN j2.[extension] ELSE '[' + j2.[extension] + ']' END) AS e14
  CROSS APPLY OPENJSON(CASE WHEN e14.[type] = 5 THEN e14.[value] END) WITH (
    [url] varchar(max) '$.url'
  ) AS j15
  CROSS APPLY (
    SELECT MAX(CASE WHEN o.[key] = 'extension' AND o.[type] IN (4, 5) THEN o.[value] END) AS [extension]
    FROM OPENJSON(CASE WHEN e14.[type] = 5 THEN e14.[value] END) AS o
  ) AS j16
  CROSS APPLY OPENJSON(CASE WHEN LEFT(j16.[extension], 1) = '[' THEN j16.[extension] ELSE '[' + j16.[extension] + ']' END) AS e15
  CROSS APPLY OPENJSON(CASE WHEN e15.[type] = 5 THEN e15.[value] END) WITH (
    [url] varchar(max) '$.url',
    [valueCode] varchar(max) '$.valueCode',
    [valueId] varchar(max) '$.valueId',
    [valueMarkdown] varchar(max) '$.valueMarkdown',
    [valueString] varchar(max) '$.valueString'
  ) AS j17
  WHERE e14.[type] <> 0
    AND CAST(CAST(j15.[url] AS varchar(max)) AS varbinary(max)) = CAST('http://hl7.org/fhir/us/core/StructureDefinition/us-core-race' AS varbinary(max))
    AND e15.[type] <> 0
    AND CAST(CAST(j17.[url] AS varchar(max)) AS varbinary(max)) = CAST('text' AS varbinary(max))
    AND (j17.[valueCode] IS NOT NULL OR j17.[valueId] IS NOT NULL OR j17.[valueMarkdown] IS NOT NULL OR j17.[valueString] IS NOT NULL)
  ORDER BY CAST(e14.[key] AS int), CAST(e15.[key] AS int)
) AS f5
OUTER APPLY ( -- extension('http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity').extension('ombCategor...
  SELECT TOP (1) j20.[valueCoding_code] AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j2.[extension], 1) = '[' THEN j2.[extension] ELSE '[' + j2.[extension] + ']' END) AS e16
  CROSS APPLY OPENJSON(CASE WHEN e16.[type] = 5 THEN e16.[value] END) WITH (
    [url] varchar(max) '$.url'
  ) AS j18
  CROSS APPLY (
    SELECT MAX(CASE WHEN o.[key] = 'extension' AND o.[type] IN (4, 5) THEN o.[value] END) AS [extension]
    FROM OPENJSON(CASE WHEN e16.[type] = 5 THEN e16.[value] END) AS o
  ) AS j19
  CROSS APPLY OPENJSON(CASE WHEN LEFT(j19.[extension], 1) = '[' THEN j19.[extension] ELSE '[' + j19.[extension] + ']' END) AS e17
  CROSS APPLY OPENJSON(CASE WHEN e17.[type] = 5 THEN e17.[value] END) WITH (
    [url] varchar(max) '$.url',
    [valueCoding_code] varchar(max) '$.valueCoding.code'
  ) AS j20
  CROSS APPLY (
    SELECT MAX(CASE WHEN o.[key] = 'valueCoding' AND o.[type] IN (4, 5) THEN o.[value] END) AS [valueCoding]
    FROM OPENJSON(CASE WHEN e17.[type] = 5 THEN e17.[value] END) AS o
  ) AS j21
  WHERE e16.[type] <> 0
    AND CAST(CAST(j18.[url] AS varchar(max)) AS varbinary(max)) = CAST('http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity' AS varbinary(max))
    AND e17.[type] <> 0
    AND CAST(CAST(j20.[url] AS varchar(max)) AS varbinary(max)) = CAST('ombCategory' AS varbinary(max))
    AND j21.[valueCoding] IS NOT NULL
    AND j20.[valueCoding_code] IS NOT NULL
  ORDER BY CAST(e16.[key] AS int), CAST(e17.[key] AS int)
) AS f6
OUTER APPLY ( -- extension('http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity').extension('ombCategor...
  SELECT TOP (1) j24.[valueCoding_display] AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j2.[extension], 1) = '[' THEN j2.[extension] ELSE '[' + j2.[extension] + ']' END) AS e18
  CROSS APPLY OPENJSON(CASE WHEN e18.[type] = 5 THEN e18.[value] END) WITH (
    [url] varchar(max) '$.url'
  ) AS j22
  CROSS APPLY (
    SELECT MAX(CASE WHEN o.[key] = 'extension' AND o.[type] IN (4, 5) THEN o.[value] END) AS [extension]
    FROM OPENJSON(CASE WHEN e18.[type] = 5 THEN e18.[value] END) AS o
  ) AS j23
  CROSS APPLY OPENJSON(CASE WHEN LEFT(j23.[extension], 1) = '[' THEN j23.[extension] ELSE '[' + j23.[extension] + ']' END) AS e19
  CROSS APPLY OPENJSON(CASE WHEN e19.[type] = 5 THEN e19.[value] END) WITH (
    [url] varchar(max) '$.url',
    [valueCoding_display] varchar(max) '$.valueCoding.display'
  ) AS j24
  CROSS APPLY (
    SELECT MAX(CASE WHEN o.[key] = 'valueCoding' AND o.[type] IN (4, 5) THEN o.[value] END) AS [valueCoding]
    FROM OPENJSON(CASE WHEN e19.[type] = 5 THEN e19.[value] END) AS o
  ) AS j25
  WHERE e18.[type] <> 0
    AND CAST(CAST(j22.[url] AS varchar(max)) AS varbinary(max)) = CAST('http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity' AS varbinary(max))
    AND e19.[type] <> 0
    AND CAST(CAST(j24.[url] AS varchar(max)) AS varbinary(max)) = CAST('ombCategory' AS varbinary(max))
    AND j25.[valueCoding] IS NOT NULL
    AND j24.[valueCoding_display] IS NOT NULL
  ORDER BY CAST(e18.[key] AS int), CAST(e19.[key] AS int)
) AS f7
OUTER APPLY ( -- extension('http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity').extension('text').val...
  SELECT TOP (1)
    j28.[valueCode] AS [v],
    j28.[valueId] AS [v2],
    j28.[valueMarkdown] AS [v3],
    j28.[valueString] AS [v4]
  FROM OPENJSON(CASE WHEN LEFT(j2.[extension], 1) = '[' THEN j2.[extension] ELSE '[' + j2.[extension] + ']' END) AS e20
  CROSS APPLY OPENJSON(CASE WHEN e20.[type] = 5 THEN e20.[value] END) WITH (
    [url] varchar(max) '$.url'
  ) AS j26
  CROSS APPLY (
    SELECT MAX(CASE WHEN o.[key] = 'extension' AND o.[type] IN (4, 5) THEN o.[value] END) AS [extension]
    FROM OPENJSON(CASE WHEN e20.[type] = 5 THEN e20.[value] END) AS o
  ) AS j27
  CROSS APPLY OPENJSON(CASE WHEN LEFT(j27.[extension], 1) = '[' THEN j27.[extension] ELSE '[' + j27.[extension] + ']' END) AS e21
  CROSS APPLY OPENJSON(CASE WHEN e21.[type] = 5 THEN e21.[value] END) WITH (
    [url] varchar(max) '$.url',
    [valueCode] varchar(max) '$.valueCode',
    [valueId] varchar(max) '$.valueId',
    [valueMarkdown] varchar(max) '$.valueMarkdown',
    [valueString] varchar(max) '$.valueString'
  ) AS j28
  WHERE e20.[type] <> 0
    AND CAST(CAST(j26.[url] AS varchar(max)) AS varbinary(max)) = CAST('http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity' AS varbinary(max))
    AND e21.[type] <> 0
    AND CAST(CAST(j28.[url] AS varchar(max)) AS varbinary(max)) = CAST('text' AS varbinary(max))
    AND (j28.[valueCode] IS NOT NULL OR j28.[valueId] IS NOT NULL OR j28.[valueMarkdown] IS NOT NULL OR j28.[valueString] IS NOT NULL)
  ORDER BY CAST(e20.[key] AS int), CAST(e21.[key] AS int)
) AS f8
OUTER APPLY ( -- extension('http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex').value.ofType(code).fir...
  SELECT TOP (1) j29.[valueCode] AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j2.[extension], 1) = '[' THEN j2.[extension] ELSE '[' + j2.[extension] + ']' END) AS e22
  CROSS APPLY OPENJSON(CASE WHEN e22.[type] = 5 THEN e22.[value] END) WITH (
    [url] varchar(max) '$.url',
    [valueCode] varchar(max) '$.valueCode'
  ) AS j29
  WHERE e22.[type] <> 0
    AND CAST(CAST(j29.[url] AS varchar(max)) AS varbinary(max)) = CAST('http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex' AS varbinary(max))
    AND j29.[valueCode] IS NOT NULL
  ORDER BY CAST(e22.[key] AS int)
) AS f9
CROSS APPLY (
  SELECT JSON_QUERY(j2.[maritalStatus], '$.coding') AS [maritalStatus_coding]
) AS q1
OUTER APPLY ( -- maritalStatus.coding.first().code
  SELECT TOP (1) CASE WHEN e23.[type] = 5 THEN e23.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(q1.[maritalStatus_coding], 1) = '[' THEN q1.[maritalStatus_coding] ELSE '[' + q1.[maritalStatus_coding] + ']' END) AS e23
  WHERE e23.[type] <> 0
  ORDER BY CAST(e23.[key] AS int)
) AS f10
OUTER APPLY OPENJSON(f10.[v]) WITH (
  [code] varchar(max) '$.code',
  [system] varchar(max) '$.system',
  [display] varchar(max) '$.display'
) AS j30
OUTER APPLY ( -- iif(communication.where(preferred = true).exists(), communication.where(preferred = true).first(), c...
  SELECT COUNT(*) AS [n]
  FROM OPENJSON(CASE WHEN LEFT(j2.[communication], 1) = '[' THEN j2.[communication] ELSE '[' + j2.[communication] + ']' END) AS e24
  CROSS APPLY OPENJSON(CASE WHEN e24.[type] = 5 THEN e24.[value] END) WITH (
    [preferred] varchar(max) '$.preferred'
  ) AS j31
  WHERE e24.[type] <> 0
    AND j31.[preferred] = 'true'
) AS x5
OUTER APPLY ( -- iif(communication.where(preferred = true).exists(), communication.where(preferred = true).first(), c...
  SELECT TOP (1) CASE WHEN e25.[type] = 5 THEN e25.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j2.[communication], 1) = '[' THEN j2.[communication] ELSE '[' + j2.[communication] + ']' END) AS e25
  CROSS APPLY OPENJSON(CASE WHEN e25.[type] = 5 THEN e25.[value] END) WITH (
    [preferred] varchar(max) '$.preferred'
  ) AS j32
  WHERE e25.[type] <> 0
    AND j32.[preferred] = 'true'
  ORDER BY CAST(e25.[key] AS int)
) AS f11
OUTER APPLY ( -- iif(communication.where(preferred = true).exists(), communication.where(preferred = true).first(), c...
  SELECT TOP (1) CASE WHEN e26.[type] = 5 THEN e26.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j2.[communication], 1) = '[' THEN j2.[communication] ELSE '[' + j2.[communication] + ']' END) AS e26
  WHERE e26.[type] <> 0
  ORDER BY CAST(e26.[key] AS int)
) AS f12
CROSS APPLY ( -- iif(communication.where(preferred = true).exists(), communication.where(preferred = true).first(), c...
  SELECT MAX(CASE WHEN o.[key] = 'language' AND o.[type] IN (4, 5) THEN o.[value] END) AS [language]
  FROM OPENJSON(CASE WHEN x5.[n] > 0 THEN f11.[v] ELSE f12.[v] END) AS o
) AS j33
CROSS APPLY (
  SELECT JSON_QUERY(j33.[language], '$.coding') AS [language_coding]
) AS q2
OUTER APPLY ( -- iif(communication.where(preferred = true).exists(), communication.where(preferred = true).first(), c...
  SELECT TOP (1) CASE WHEN e27.[type] = 5 THEN e27.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(q2.[language_coding], 1) = '[' THEN q2.[language_coding] ELSE '[' + q2.[language_coding] + ']' END) AS e27
  WHERE e27.[type] <> 0
  ORDER BY CAST(e27.[key] AS int)
) AS f13
OUTER APPLY OPENJSON(f13.[v]) WITH (
  [code] varchar(max) '$.code'
) AS j34
OUTER APPLY ( -- identifier.where(type.coding.where(code = 'MR').exists()).value.first()
  SELECT TOP (1) j37.[value] AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j2.[identifier], 1) = '[' THEN j2.[identifier] ELSE '[' + j2.[identifier] + ']' END) AS e28
  CROSS APPLY (
    SELECT MAX(CASE WHEN o.[key] = 'type' AND o.[type] IN (4, 5) THEN o.[value] END) AS [type]
    FROM OPENJSON(CASE WHEN e28.[type] = 5 THEN e28.[value] END) AS o
  ) AS j35
  CROSS APPLY (
    SELECT JSON_QUERY(j35.[type], '$.coding') AS [type_coding]
  ) AS q3
  OUTER APPLY ( -- identifier.where(type.coding.where(code = 'MR').exists()).value.first()
    SELECT COUNT(*) AS [n]
    FROM OPENJSON(CASE WHEN LEFT(q3.[type_coding], 1) = '[' THEN q3.[type_coding] ELSE '[' + q3.[type_coding] + ']' END) AS e29
    CROSS APPLY OPENJSON(CASE WHEN e29.[type] = 5 THEN e29.[value] END) WITH (
      [code] varchar(max) '$.code'
    ) AS j36
    WHERE e29.[type] <> 0
      AND CAST(CAST(j36.[code] AS varchar(max)) AS varbinary(max)) = CAST('MR' AS varbinary(max))
  ) AS x6
  CROSS APPLY OPENJSON(CASE WHEN e28.[type] = 5 THEN e28.[value] END) WITH (
    [value] varchar(max) '$.value'
  ) AS j37
  WHERE e28.[type] <> 0
    AND x6.[n] > 0
    AND j37.[value] IS NOT NULL
  ORDER BY CAST(e28.[key] AS int)
) AS f14
OUTER APPLY ( -- telecom.where(system = 'phone').value.first()
  SELECT TOP (1) j38.[value] AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j2.[telecom], 1) = '[' THEN j2.[telecom] ELSE '[' + j2.[telecom] + ']' END) AS e30
  CROSS APPLY OPENJSON(CASE WHEN e30.[type] = 5 THEN e30.[value] END) WITH (
    [system] varchar(max) '$.system',
    [value] varchar(max) '$.value'
  ) AS j38
  WHERE e30.[type] <> 0
    AND CAST(CAST(j38.[system] AS varchar(max)) AS varbinary(max)) = CAST('phone' AS varbinary(max))
    AND j38.[value] IS NOT NULL
  ORDER BY CAST(e30.[key] AS int)
) AS f15
OUTER APPLY ( -- telecom.where(system = 'email').value.first()
  SELECT TOP (1) j39.[value] AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j2.[telecom], 1) = '[' THEN j2.[telecom] ELSE '[' + j2.[telecom] + ']' END) AS e31
  CROSS APPLY OPENJSON(CASE WHEN e31.[type] = 5 THEN e31.[value] END) WITH (
    [system] varchar(max) '$.system',
    [value] varchar(max) '$.value'
  ) AS j39
  WHERE e31.[type] <> 0
    AND CAST(CAST(j39.[system] AS varchar(max)) AS varbinary(max)) = CAST('email' AS varbinary(max))
    AND j39.[value] IS NOT NULL
  ORDER BY CAST(e31.[key] AS int)
) AS f16
OUTER APPLY ( -- address.first()
  SELECT TOP (1) CASE WHEN e32.[type] = 5 THEN e32.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j2.[address], 1) = '[' THEN j2.[address] ELSE '[' + j2.[address] + ']' END) AS e32
  WHERE e32.[type] <> 0
  ORDER BY CAST(e32.[key] AS int)
) AS f17
CROSS APPLY (
  SELECT MAX(CASE WHEN o.[key] = 'line' AND o.[type] IN (4, 5) THEN o.[value] END) AS [line]
  FROM OPENJSON(f17.[v]) AS o
) AS j40
OUTER APPLY OPENJSON(f17.[v]) WITH (
  [city] varchar(max) '$.city',
  [state] varchar(max) '$.state',
  [postalCode] varchar(max) '$.postalCode',
  [country] varchar(max) '$.country'
) AS j41
OUTER APPLY ( -- address.first()
  SELECT
    CAST(CASE WHEN x7.[n] > 0 THEN l4.[v] END AS varchar(max)) AS [address_line],
    j41.[city] AS [city],
    j41.[state] AS [state],
    j41.[postalCode] AS [postal_code],
    j41.[country] AS [country]
  FROM (
    SELECT 1 AS [one]
  ) AS one
  OUTER APPLY ( -- iif(line.exists(), line.join(', '))
    SELECT COUNT(*) AS [n]
    FROM OPENJSON(CASE WHEN LEFT(j40.[line], 1) = '[' THEN j40.[line] ELSE '[' + j40.[line] + ']' END) AS e33
    WHERE e33.[type] <> 0
  ) AS x7
  OUTER APPLY ( -- iif(line.exists(), line.join(', '))
    SELECT STRING_AGG(CAST(e34.[value] AS varchar(max)), ', ') WITHIN GROUP (ORDER BY CAST(e34.[key] AS int)) AS [v]
    FROM OPENJSON(CASE WHEN LEFT(j40.[line], 1) = '[' THEN j40.[line] ELSE '[' + j40.[line] + ']' END) AS e34
    WHERE e34.[type] <> 0
  ) AS l4
  WHERE f17.[v] IS NOT NULL
) AS u2
OUTER APPLY (
  SELECT TOP (1)
    RIGHT(h1.[r], h2.[at] - 1) AS [id],
    '/' + LEFT(h1.[r], LEN(h1.[r]) - h2.[at]) AS [head]
  FROM (
    SELECT TOP (1) LEFT(j1.[managingOrganization_reference], CHARINDEX('/_history/', j1.[managingOrganization_reference] + '/_history/') - 1) AS [r]
  ) AS h1
  CROSS APPLY (
    SELECT TOP (1) CHARINDEX('/', REVERSE(h1.[r])) AS [at]
  ) AS h2
  WHERE h2.[at] > 1
    AND CHARINDEX('?', h1.[r]) = 0
    AND CHARINDEX('#', h1.[r]) = 0
    AND LEFT(h1.[r], 4) <> 'urn:'
) AS k1
OUTER APPLY ( -- generalPractitioner.getReferenceKey(Practitioner).first()
  SELECT TOP (1) CASE WHEN CAST(CAST(RIGHT(k2.[head], 13) AS varchar(max)) AS varbinary(max)) = CAST('/Practitioner' AS varbinary(max)) THEN k2.[id] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j2.[generalPractitioner], 1) = '[' THEN j2.[generalPractitioner] ELSE '[' + j2.[generalPractitioner] + ']' END) AS e35
  CROSS APPLY OPENJSON(CASE WHEN e35.[type] = 5 THEN e35.[value] END) WITH (
    [reference] varchar(max) '$.reference'
  ) AS j42
  OUTER APPLY (
    SELECT TOP (1)
      RIGHT(h3.[r], h4.[at] - 1) AS [id],
      '/' + LEFT(h3.[r], LEN(h3.[r]) - h4.[at]) AS [head]
    FROM (
      SELECT TOP (1) LEFT(j42.[reference], CHARINDEX('/_history/', j42.[reference] + '/_history/') - 1) AS [r]
    ) AS h3
    CROSS APPLY (
      SELECT TOP (1) CHARINDEX('/', REVERSE(h3.[r])) AS [at]
    ) AS h4
    WHERE h4.[at] > 1
      AND CHARINDEX('?', h3.[r]) = 0
      AND CHARINDEX('#', h3.[r]) = 0
      AND LEFT(h3.[r], 4) <> 'urn:'
  ) AS k2
  WHERE e35.[type] <> 0
    AND CASE WHEN CAST(CAST(RIGHT(k2.[head], 13) AS varchar(max)) AS varbinary(max)) = CAST('/Practitioner' AS varbinary(max)) THEN k2.[id] END IS NOT NULL
  ORDER BY CAST(e35.[key] AS int)
) AS f18
WHERE CAST(CAST(j1.[resourceType] AS varchar(max)) AS varbinary(max)) = CAST('Patient' AS varbinary(max))

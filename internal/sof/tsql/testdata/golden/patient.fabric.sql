INSERT INTO [stage].[patient] ([_file], [_line], [_id], [id], [active], [gender], [birth_date], [birth_date_day], [deceased_flag], [deceased_time], [family], [given], [name_prefix], [name_suffix], [name_text], [race_code], [race_display], [race_text], [ethnicity_code], [ethnicity_display], [ethnicity_text], [birth_sex], [marital_status], [marital_status_system], [marital_status_display], [marital_status_text], [language], [multiple_birth], [multiple_birth_order], [mrn], [phone], [email], [address_line], [city], [state], [postal_code], [country], [organization_id], [practitioner_id])
SELECT
  d.[_file],
  d.[_line],
  CAST(j1.[id] AS varchar(128)) AS [_id],
  j1.[id] AS [id],
  CAST(CASE j1.[active] WHEN 'true' THEN 1 WHEN 'false' THEN 0 END AS bit) AS [active],
  j1.[gender] AS [gender],
  j1.[birthDate] AS [birth_date],
  CASE WHEN j1.[birthDate] LIKE '____-__-__' OR j1.[birthDate] LIKE '____-__-__T%' THEN TRY_CAST(LEFT(j1.[birthDate], 10) AS date) END AS [birth_date_day],
  CAST(CASE j1.[deceasedBoolean] WHEN 'true' THEN 1 WHEN 'false' THEN 0 END AS bit) AS [deceased_flag],
  j1.[deceasedDateTime] AS [deceased_time],
  u1.[family] AS [family],
  u1.[given] AS [given],
  u1.[name_prefix] AS [name_prefix],
  u1.[name_suffix] AS [name_suffix],
  u1.[name_text] AS [name_text],
  SUBSTRING(f1.[race_code], 21, 2147483647) AS [race_code],
  SUBSTRING(f1.[race_display], 21, 2147483647) AS [race_display],
  SUBSTRING(f1.[race_text], 21, 2147483647) AS [race_text],
  SUBSTRING(f1.[ethnicity_code], 21, 2147483647) AS [ethnicity_code],
  SUBSTRING(f1.[ethnicity_display], 21, 2147483647) AS [ethnicity_display],
  SUBSTRING(f1.[ethnicity_text], 21, 2147483647) AS [ethnicity_text],
  SUBSTRING(f1.[birth_sex], 11, 2147483647) AS [birth_sex],
  COALESCE(j1.[maritalStatus_coding_0_code], f5.[code]) AS [marital_status],
  COALESCE(j1.[maritalStatus_coding_0_system], f5.[system]) AS [marital_status_system],
  COALESCE(j1.[maritalStatus_coding_0_display], f5.[display]) AS [marital_status_display],
  j1.[maritalStatus_text] AS [marital_status_text],
  COALESCE(j13.[language_coding_0_code], f8.[code]) AS [language],
  CAST(CASE j1.[multipleBirthBoolean] WHEN 'true' THEN 1 WHEN 'false' THEN 0 END AS bit) AS [multiple_birth],
  TRY_CAST(NULLIF(j1.[multipleBirthInteger], '') AS int) AS [multiple_birth_order],
  f9.[v] AS [mrn],
  SUBSTRING(f2.[phone], 11, 2147483647) AS [phone],
  SUBSTRING(f2.[email], 11, 2147483647) AS [email],
  u2.[address_line] AS [address_line],
  u2.[city] AS [city],
  u2.[state] AS [state],
  u2.[postal_code] AS [postal_code],
  u2.[country] AS [country],
  CASE WHEN LEN(k1.[id]) > 0 AND CHARINDEX('/', k1.[id]) = 0 AND CHARINDEX('?', k1.[id]) = 0 AND CHARINDEX('#', k1.[id]) = 0 THEN k1.[id] END AS [organization_id],
  f11.[v] AS [practitioner_id]
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
    MAX(CASE WHEN o.[key] = 'extension' AND o.[type] IN (4, 5) THEN o.[value] END) AS [extension],
    MAX(CASE WHEN o.[key] = 'telecom' AND o.[type] IN (4, 5) THEN o.[value] END) AS [telecom],
    MAX(CASE WHEN o.[key] = 'name' AND o.[type] IN (4, 5) THEN o.[value] END) AS [name],
    MAX(CASE WHEN o.[key] = 'maritalStatus' AND o.[type] IN (4, 5) THEN o.[value] END) AS [maritalStatus],
    MAX(CASE WHEN o.[key] = 'communication' AND o.[type] IN (4, 5) THEN o.[value] END) AS [communication],
    MAX(CASE WHEN o.[key] = 'identifier' AND o.[type] IN (4, 5) THEN o.[value] END) AS [identifier],
    MAX(CASE WHEN o.[key] = 'address' AND o.[type] IN (4, 5) THEN o.[value] END) AS [address],
    MAX(CASE WHEN o.[key] = 'generalPractitioner' AND o.[type] IN (4, 5) THEN o.[value] END) AS [generalPractitioner]
  FROM OPENJSON(d.[doc]) AS o
) AS j2
OUTER APPLY ( -- extension('http://hl7.org/fhir/us/core/StructureDefinition/us-core-race').extension('ombCategory').v...
  SELECT
    MIN(CASE WHEN CAST(CAST(j3.[url] AS varchar(max)) AS varbinary(max)) = CAST('http://hl7.org/fhir/us/core/StructureDefinition/us-core-race' AS varbinary(max)) AND CAST(CAST(j5.[url] AS varchar(max)) AS varbinary(max)) = CAST('ombCategory' AS varbinary(max)) THEN RIGHT('0000000000' + CAST(e1.[key] AS varchar(40)), 10) + RIGHT('0000000000' + CAST(e2.[key] AS varchar(40)), 10) + j5.[valueCoding_code] END) AS [race_code],
    MIN(CASE WHEN CAST(CAST(j3.[url] AS varchar(max)) AS varbinary(max)) = CAST('http://hl7.org/fhir/us/core/StructureDefinition/us-core-race' AS varbinary(max)) AND CAST(CAST(j5.[url] AS varchar(max)) AS varbinary(max)) = CAST('ombCategory' AS varbinary(max)) THEN RIGHT('0000000000' + CAST(e1.[key] AS varchar(40)), 10) + RIGHT('0000000000' + CAST(e2.[key] AS varchar(40)), 10) + j5.[valueCoding_display] END) AS [race_display],
    MIN(CASE WHEN CAST(CAST(j3.[url] AS varchar(max)) AS varbinary(max)) = CAST('http://hl7.org/fhir/us/core/StructureDefinition/us-core-race' AS varbinary(max)) AND CAST(CAST(j5.[url] AS varchar(max)) AS varbinary(max)) = CAST('text' AS varbinary(max)) THEN RIGHT('0000000000' + CAST(e1.[key] AS varchar(40)), 10) + RIGHT('0000000000' + CAST(e2.[key] AS varchar(40)), 10) + COALESCE(j5.[valueCode], j5.[valueId], j5.[valueMarkdown], j5.[valueString]) END) AS [race_text],
    MIN(CASE WHEN CAST(CAST(j3.[url] AS varchar(max)) AS varbinary(max)) = CAST('http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity' AS varbinary(max)) AND CAST(CAST(j5.[url] AS varchar(max)) AS varbinary(max)) = CAST('ombCategory' AS varbinary(max)) THEN RIGHT('0000000000' + CAST(e1.[key] AS varchar(40)), 10) + RIGHT('0000000000' + CAST(e2.[key] AS varchar(40)), 10) + j5.[valueCoding_code] END) AS [ethnicity_code],
    MIN(CASE WHEN CAST(CAST(j3.[url] AS varchar(max)) AS varbinary(max)) = CAST('http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity' AS varbinary(max)) AND CAST(CAST(j5.[url] AS varchar(max)) AS varbinary(max)) = CAST('ombCategory' AS varbinary(max)) THEN RIGHT('0000000000' + CAST(e1.[key] AS varchar(40)), 10) + RIGHT('0000000000' + CAST(e2.[key] AS varchar(40)), 10) + j5.[valueCoding_display] END) AS [ethnicity_display],
    MIN(CASE WHEN CAST(CAST(j3.[url] AS varchar(max)) AS varbinary(max)) = CAST('http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity' AS varbinary(max)) AND CAST(CAST(j5.[url] AS varchar(max)) AS varbinary(max)) = CAST('text' AS varbinary(max)) THEN RIGHT('0000000000' + CAST(e1.[key] AS varchar(40)), 10) + RIGHT('0000000000' + CAST(e2.[key] AS varchar(40)), 10) + COALESCE(j5.[valueCode], j5.[valueId], j5.[valueMarkdown], j5.[valueString]) END) AS [ethnicity_text],
    MIN(CASE WHEN CAST(CAST(j3.[url] AS varchar(max)) AS varbinary(max)) = CAST('http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex' AS varbinary(max)) THEN RIGHT('0000000000' + CAST(e1.[key] AS varchar(40)), 10) + j3.[valueCode] END) AS [birth_sex]
  FROM OPENJSON(CASE WHEN LEFT(j2.[extension], 1) = '[' THEN j2.[extension] ELSE '[' + j2.[extension] + ']' END) AS e1
  CROSS APPLY OPENJSON(CASE WHEN e1.[type] = 5 AND (CHARINDEX('http://hl7.org/fhir/us/core/StructureDefinition/us-core-race', e1.[value]) > 0 OR CHARINDEX('http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity', e1.[value]) > 0 OR CHARINDEX('http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex', e1.[value]) > 0 OR CHARINDEX('\', e1.[value]) > 0) THEN e1.[value] END) WITH (
    [url] varchar(max) '$.url',
    [valueCode] varchar(max) '$.valueCode'
  ) AS j3
  CROSS APPLY (
    SELECT MAX(CASE WHEN o.[key] = 'extension' AND o.[type] IN (4, 5) THEN o.[value] END) AS [extension]
    FROM OPENJSON(CASE WHEN e1.[type] = 5 AND (CHARINDEX('http://hl7.org/fhir/us/core/StructureDefinition/us-core-race', e1.[value]) > 0 OR CHARINDEX('http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity', e1.[value]) > 0 OR CHARINDEX('http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex', e1.[value]) > 0 OR CHARINDEX('\', e1.[value]) > 0) THEN e1.[value] END) AS o
  ) AS j4
  OUTER APPLY OPENJSON(CASE WHEN CAST(CAST(j3.[url] AS varchar(max)) AS varbinary(max)) = CAST('http://hl7.org/fhir/us/core/StructureDefinition/us-core-race' AS varbinary(max)) OR CAST(CAST(j3.[url] AS varchar(max)) AS varbinary(max)) = CAST('http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity' AS varbinary(max)) THEN CASE WHEN LEFT(j4.[extension], 1) = '[' THEN j4.[extension] ELSE '[' + j4.[extension] + ']' END END) AS e2
  OUTER APPLY OPENJSON(CASE WHEN e2.[type] = 5 AND (CHARINDEX('ombCategory', e2.[value]) > 0 OR CHARINDEX('text', e2.[value]) > 0 OR CHARINDEX('\', e2.[value]) > 0) THEN e2.[value] END) WITH (
    [url] varchar(max) '$.url',
    [valueCoding_code] varchar(max) '$.valueCoding.code',
    [valueCoding_display] varchar(max) '$.valueCoding.display',
    [valueCode] varchar(max) '$.valueCode',
    [valueId] varchar(max) '$.valueId',
    [valueMarkdown] varchar(max) '$.valueMarkdown',
    [valueString] varchar(max) '$.valueString'
  ) AS j5
) AS f1
OUTER APPLY ( -- telecom.where(system = 'phone').value.first()
  SELECT
    MIN(CASE WHEN CAST(CAST(j6.[system] AS varchar(max)) AS varbinary(max)) = CAST('phone' AS varbinary(max)) THEN RIGHT('0000000000' + CAST(e3.[key] AS varchar(40)), 10) + j6.[value] END) AS [phone],
    MIN(CASE WHEN CAST(CAST(j6.[system] AS varchar(max)) AS varbinary(max)) = CAST('email' AS varbinary(max)) THEN RIGHT('0000000000' + CAST(e3.[key] AS varchar(40)), 10) + j6.[value] END) AS [email]
  FROM OPENJSON(CASE WHEN LEFT(j2.[telecom], 1) = '[' THEN j2.[telecom] ELSE '[' + j2.[telecom] + ']' END) AS e3
  CROSS APPLY OPENJSON(CASE WHEN e3.[type] = 5 AND (CHARINDEX('phone', e3.[value]) > 0 OR CHARINDEX('email', e3.[value]) > 0 OR CHARINDEX('\', e3.[value]) > 0) THEN e3.[value] END) WITH (
    [system] varchar(max) '$.system',
    [value] varchar(max) '$.value'
  ) AS j6
) AS f2
OUTER APPLY ( -- iif(name.where(use = 'official').exists(), name.where(use = 'official').first(), name.first())
  SELECT TOP (1) CASE WHEN e4.[type] = 5 THEN e4.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j2.[name], 1) = '[' THEN j2.[name] ELSE '[' + j2.[name] + ']' END) AS e4
  CROSS APPLY OPENJSON(CASE WHEN e4.[type] = 5 AND (CHARINDEX('official', e4.[value]) > 0 OR CHARINDEX('\', e4.[value]) > 0) THEN e4.[value] END) WITH (
    [use] varchar(max) '$.use'
  ) AS j7
  WHERE e4.[type] <> 0
    AND CAST(CAST(j7.[use] AS varchar(max)) AS varbinary(max)) = CAST('official' AS varbinary(max))
  ORDER BY CAST(e4.[key] AS int)
) AS f3
OUTER APPLY ( -- iif(name.where(use = 'official').exists(), name.where(use = 'official').first(), name.first())
  SELECT TOP (1) CASE WHEN e5.[type] = 5 THEN e5.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j2.[name], 2) = '[{' THEN NULL WHEN LEFT(j2.[name], 1) = '[' THEN j2.[name] ELSE '[' + j2.[name] + ']' END) AS e5
  WHERE LEFT(j2.[name], 2) <> '[{'
    AND e5.[type] <> 0
  ORDER BY CAST(e5.[key] AS int)
) AS f4
CROSS APPLY (
  SELECT JSON_QUERY(j2.[name], '$[0]') AS [name_0]
) AS q1
OUTER APPLY OPENJSON(CASE WHEN f3.[v] IS NOT NULL THEN f3.[v] ELSE COALESCE(q1.[name_0], f4.[v]) END) WITH ( -- iif(name.where(use = 'official').exists(), name.where(use = 'official').first(), name.first())
  [family] varchar(max) '$.family',
  [text] varchar(max) '$.text'
) AS j8
CROSS APPLY ( -- iif(name.where(use = 'official').exists(), name.where(use = 'official').first(), name.first())
  SELECT
    MAX(CASE WHEN o.[key] = 'given' AND o.[type] IN (4, 5) THEN o.[value] END) AS [given],
    MAX(CASE WHEN o.[key] = 'prefix' AND o.[type] IN (4, 5) THEN o.[value] END) AS [prefix],
    MAX(CASE WHEN o.[key] = 'suffix' AND o.[type] IN (4, 5) THEN o.[value] END) AS [suffix]
  FROM OPENJSON(CASE WHEN f3.[v] IS NOT NULL THEN f3.[v] ELSE COALESCE(q1.[name_0], f4.[v]) END) AS o
) AS j9
OUTER APPLY ( -- iif(name.where(use = 'official').exists(), name.where(use = 'official').first(), name.first())
  SELECT
    j8.[family] AS [family],
    l1.[v] AS [given],
    l2.[v] AS [name_prefix],
    l3.[v] AS [name_suffix],
    j8.[text] AS [name_text]
  FROM (
    SELECT 1 AS [one]
  ) AS one
  OUTER APPLY ( -- given.join(' ')
    SELECT STRING_AGG(CAST(e6.[value] AS varchar(max)), ' ') WITHIN GROUP (ORDER BY CAST(e6.[key] AS int)) AS [v]
    FROM OPENJSON(CASE WHEN LEFT(j9.[given], 1) = '[' THEN j9.[given] ELSE '[' + j9.[given] + ']' END) AS e6
    WHERE e6.[type] <> 0
  ) AS l1
  OUTER APPLY ( -- prefix.join(' ')
    SELECT STRING_AGG(CAST(e7.[value] AS varchar(max)), ' ') WITHIN GROUP (ORDER BY CAST(e7.[key] AS int)) AS [v]
    FROM OPENJSON(CASE WHEN LEFT(j9.[prefix], 1) = '[' THEN j9.[prefix] ELSE '[' + j9.[prefix] + ']' END) AS e7
    WHERE e7.[type] <> 0
  ) AS l2
  OUTER APPLY ( -- suffix.join(' ')
    SELECT STRING_AGG(CAST(e8.[value] AS varchar(max)), ' ') WITHIN GROUP (ORDER BY CAST(e8.[key] AS int)) AS [v]
    FROM OPENJSON(CASE WHEN LEFT(j9.[suffix], 1) = '[' THEN j9.[suffix] ELSE '[' + j9.[suffix] + ']' END) AS e8
    WHERE e8.[type] <> 0
  ) AS l3
  WHERE CASE WHEN f3.[v] IS NOT NULL THEN f3.[v] ELSE COALESCE(q1.[name_0], f4.[v]) END IS NOT NULL
) AS u1
CROSS APPLY (
  SELECT JSON_QUERY(j2.[maritalStatus], '$.coding') AS [maritalStatus_coding]
) AS q2
OUTER APPLY ( -- maritalStatus.coding.first().code
  SELECT TOP (1)
    CASE WHEN e9.[type] = 5 THEN e9.[value] END AS [v],
    j10.[code] AS [code],
    j10.[system] AS [system],
    j10.[display] AS [display]
  FROM OPENJSON(CASE WHEN LEFT(q2.[maritalStatus_coding], 2) = '[{' THEN NULL WHEN LEFT(q2.[maritalStatus_coding], 1) = '[' THEN q2.[maritalStatus_coding] ELSE '[' + q2.[maritalStatus_coding] + ']' END) AS e9
  OUTER APPLY OPENJSON(CASE WHEN e9.[type] = 5 THEN e9.[value] END) WITH (
    [code] varchar(max) '$.code',
    [system] varchar(max) '$.system',
    [display] varchar(max) '$.display'
  ) AS j10
  WHERE LEFT(q2.[maritalStatus_coding], 2) <> '[{'
    AND e9.[type] <> 0
  ORDER BY CAST(e9.[key] AS int)
) AS f5
OUTER APPLY ( -- iif(communication.where(preferred = true).exists(), communication.where(preferred = true).first(), c...
  SELECT TOP (1) CASE WHEN e10.[type] = 5 THEN e10.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j2.[communication], 1) = '[' THEN j2.[communication] ELSE '[' + j2.[communication] + ']' END) AS e10
  CROSS APPLY OPENJSON(CASE WHEN e10.[type] = 5 THEN e10.[value] END) WITH (
    [preferred] varchar(max) '$.preferred'
  ) AS j11
  WHERE e10.[type] <> 0
    AND j11.[preferred] = 'true'
  ORDER BY CAST(e10.[key] AS int)
) AS f6
OUTER APPLY ( -- iif(communication.where(preferred = true).exists(), communication.where(preferred = true).first(), c...
  SELECT TOP (1) CASE WHEN e11.[type] = 5 THEN e11.[value] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j2.[communication], 2) = '[{' THEN NULL WHEN LEFT(j2.[communication], 1) = '[' THEN j2.[communication] ELSE '[' + j2.[communication] + ']' END) AS e11
  WHERE LEFT(j2.[communication], 2) <> '[{'
    AND e11.[type] <> 0
  ORDER BY CAST(e11.[key] AS int)
) AS f7
CROSS APPLY (
  SELECT JSON_QUERY(j2.[communication], '$[0]') AS [communication_0]
) AS q3
CROSS APPLY ( -- iif(communication.where(preferred = true).exists(), communication.where(preferred = true).first(), c...
  SELECT MAX(CASE WHEN o.[key] = 'language' AND o.[type] IN (4, 5) THEN o.[value] END) AS [language]
  FROM OPENJSON(CASE WHEN f6.[v] IS NOT NULL THEN f6.[v] ELSE COALESCE(q3.[communication_0], f7.[v]) END) AS o
) AS j12
CROSS APPLY (
  SELECT JSON_QUERY(j12.[language], '$.coding') AS [language_coding]
) AS q4
OUTER APPLY ( -- iif(communication.where(preferred = true).exists(), communication.where(preferred = true).first(), c...
  SELECT TOP (1)
    CASE WHEN e12.[type] = 5 THEN e12.[value] END AS [v],
    j14.[code] AS [code]
  FROM OPENJSON(CASE WHEN LEFT(q4.[language_coding], 2) = '[{' THEN NULL WHEN LEFT(q4.[language_coding], 1) = '[' THEN q4.[language_coding] ELSE '[' + q4.[language_coding] + ']' END) AS e12
  OUTER APPLY OPENJSON(CASE WHEN e12.[type] = 5 THEN e12.[value] END) WITH (
    [code] varchar(max) '$.code'
  ) AS j14
  WHERE LEFT(q4.[language_coding], 2) <> '[{'
    AND e12.[type] <> 0
  ORDER BY CAST(e12.[key] AS int)
) AS f8
OUTER APPLY OPENJSON(CASE WHEN f6.[v] IS NOT NULL THEN f6.[v] ELSE COALESCE(q3.[communication_0], f7.[v]) END) WITH ( -- iif(communication.where(preferred = true).exists(), communication.where(preferred = true).first(), c...
  [language_coding_0_code] varchar(max) '$.language.coding[0].code'
) AS j13
OUTER APPLY ( -- identifier.where(type.coding.where(code = 'MR').exists()).value.first()
  SELECT TOP (1) j17.[value] AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j2.[identifier], 1) = '[' THEN j2.[identifier] ELSE '[' + j2.[identifier] + ']' END) AS e13
  CROSS APPLY (
    SELECT MAX(CASE WHEN o.[key] = 'type' AND o.[type] IN (4, 5) THEN o.[value] END) AS [type]
    FROM OPENJSON(CASE WHEN e13.[type] = 5 AND (CHARINDEX('MR', e13.[value]) > 0 OR CHARINDEX('\', e13.[value]) > 0) THEN e13.[value] END) AS o
  ) AS j15
  CROSS APPLY (
    SELECT JSON_QUERY(j15.[type], '$.coding') AS [type_coding]
  ) AS q5
  OUTER APPLY ( -- identifier.where(type.coding.where(code = 'MR').exists()).value.first()
    SELECT TOP (1) 1 AS [one]
    FROM OPENJSON(CASE WHEN LEFT(q5.[type_coding], 1) = '[' THEN q5.[type_coding] ELSE '[' + q5.[type_coding] + ']' END) AS e14
    CROSS APPLY OPENJSON(CASE WHEN e14.[type] = 5 AND (CHARINDEX('MR', e14.[value]) > 0 OR CHARINDEX('\', e14.[value]) > 0) THEN e14.[value] END) WITH (
      [code] varchar(max) '$.code'
    ) AS j16
    WHERE e14.[type] <> 0
      AND CAST(CAST(j16.[code] AS varchar(max)) AS varbinary(max)) = CAST('MR' AS varbinary(max))
  ) AS x1
  CROSS APPLY OPENJSON(CASE WHEN e13.[type] = 5 AND (CHARINDEX('MR', e13.[value]) > 0 OR CHARINDEX('\', e13.[value]) > 0) THEN e13.[value] END) WITH (
    [value] varchar(max) '$.value'
  ) AS j17
  WHERE e13.[type] <> 0
    AND x1.[one] IS NOT NULL
    AND j17.[value] IS NOT NULL
  ORDER BY CAST(e13.[key] AS int)
) AS f9
OUTER APPLY ( -- address.first()
  SELECT TOP (1)
    CASE WHEN e15.[type] = 5 THEN e15.[value] END AS [v],
    j18.[line] AS [line],
    j19.[city] AS [city],
    j19.[state] AS [state],
    j19.[postalCode] AS [postalCode],
    j19.[country] AS [country]
  FROM OPENJSON(CASE WHEN LEFT(j2.[address], 2) = '[{' THEN NULL WHEN LEFT(j2.[address], 1) = '[' THEN j2.[address] ELSE '[' + j2.[address] + ']' END) AS e15
  CROSS APPLY (
    SELECT MAX(CASE WHEN o.[key] = 'line' AND o.[type] IN (4, 5) THEN o.[value] END) AS [line]
    FROM OPENJSON(CASE WHEN e15.[type] = 5 THEN e15.[value] END) AS o
  ) AS j18
  OUTER APPLY OPENJSON(CASE WHEN e15.[type] = 5 THEN e15.[value] END) WITH (
    [city] varchar(max) '$.city',
    [state] varchar(max) '$.state',
    [postalCode] varchar(max) '$.postalCode',
    [country] varchar(max) '$.country'
  ) AS j19
  WHERE LEFT(j2.[address], 2) <> '[{'
    AND e15.[type] <> 0
  ORDER BY CAST(e15.[key] AS int)
) AS f10
CROSS APPLY (
  SELECT JSON_QUERY(j2.[address], '$[0]') AS [address_0]
) AS q6
CROSS APPLY (
  SELECT JSON_QUERY(j2.[address], '$[0].line') AS [address_0_line]
) AS q7
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
    SELECT STRING_AGG(CAST(e16.[value] AS varchar(max)), ', ') WITHIN GROUP (ORDER BY CAST(e16.[key] AS int)) AS [v]
    FROM OPENJSON(CASE WHEN LEFT(COALESCE(q7.[address_0_line], f10.[line]), 1) = '[' THEN COALESCE(q7.[address_0_line], f10.[line]) ELSE '[' + COALESCE(q7.[address_0_line], f10.[line]) + ']' END) AS e16
    WHERE e16.[type] <> 0
  ) AS l4
  WHERE (q6.[address_0] IS NOT NULL OR f10.[v] IS NOT NULL)
) AS u2
OUTER APPLY (
  SELECT TOP (1) LEFT(j1.[managingOrganization_reference], CHARINDEX('/_history/', j1.[managingOrganization_reference] + '/_history/') - 1) AS [r]
) AS h1
OUTER APPLY (
  SELECT TOP (1) CASE WHEN CAST(CAST(LEFT(h1.[r], 13) AS varchar(max)) AS varbinary(max)) = CAST('Organization/' AS varbinary(max)) THEN SUBSTRING(h1.[r], 14, 2147483647) WHEN CAST(CAST(LEFT(h1.[r], 14) AS varchar(max)) AS varbinary(max)) = CAST('/Organization/' AS varbinary(max)) THEN SUBSTRING(h1.[r], 15, 2147483647) END AS [id]
  FROM (
    SELECT 1 AS [one]
  ) AS one
  WHERE h1.[r] IS NOT NULL
) AS k1
OUTER APPLY ( -- generalPractitioner.getReferenceKey(Practitioner).first()
  SELECT TOP (1) CASE WHEN LEN(k2.[id]) > 0 AND CHARINDEX('/', k2.[id]) = 0 AND CHARINDEX('?', k2.[id]) = 0 AND CHARINDEX('#', k2.[id]) = 0 THEN k2.[id] END AS [v]
  FROM OPENJSON(CASE WHEN LEFT(j2.[generalPractitioner], 1) = '[' THEN j2.[generalPractitioner] ELSE '[' + j2.[generalPractitioner] + ']' END) AS e17
  CROSS APPLY OPENJSON(CASE WHEN e17.[type] = 5 THEN e17.[value] END) WITH (
    [reference] varchar(max) '$.reference'
  ) AS j20
  OUTER APPLY (
    SELECT TOP (1) LEFT(j20.[reference], CHARINDEX('/_history/', j20.[reference] + '/_history/') - 1) AS [r]
  ) AS h2
  OUTER APPLY (
    SELECT TOP (1) CASE WHEN CAST(CAST(LEFT(h2.[r], 13) AS varchar(max)) AS varbinary(max)) = CAST('Practitioner/' AS varbinary(max)) THEN SUBSTRING(h2.[r], 14, 2147483647) WHEN CAST(CAST(LEFT(h2.[r], 14) AS varchar(max)) AS varbinary(max)) = CAST('/Practitioner/' AS varbinary(max)) THEN SUBSTRING(h2.[r], 15, 2147483647) END AS [id]
    FROM (
      SELECT 1 AS [one]
    ) AS one
    WHERE h2.[r] IS NOT NULL
  ) AS k2
  WHERE e17.[type] <> 0
    AND CASE WHEN LEN(k2.[id]) > 0 AND CHARINDEX('/', k2.[id]) = 0 AND CHARINDEX('?', k2.[id]) = 0 AND CHARINDEX('#', k2.[id]) = 0 THEN k2.[id] END IS NOT NULL
  ORDER BY CAST(e17.[key] AS int)
) AS f11
WHERE CAST(CAST(j1.[resourceType] AS varchar(max)) AS varbinary(max)) = CAST('Patient' AS varbinary(max))

INSERT INTO [stage].[questionnaire_response_item] ([_file], [_line], [_id], [questionnaire_response_id], [patient_id], [row_index], [link_id], [item_text], [definition], [answer_index], [value_boolean], [value_decimal], [value_integer], [value_date], [value_date_day], [value_time], [value_time_of_day], [value_string], [value_uri], [value_code], [value_code_system], [value_code_display], [value_number], [value_number_unit], [value_number_unit_code], [value_reference])
SELECT
  d.[_file],
  d.[_line],
  CAST(j1.[id] AS varchar(128)) AS [_id],
  j1.[id] AS [questionnaire_response_id],
  CASE WHEN LEN(k1.[id]) > 0 AND CHARINDEX('/', k1.[id]) = 0 AND CHARINDEX('?', k1.[id]) = 0 AND CHARINDEX('#', k1.[id]) = 0 THEN k1.[id] END AS [patient_id],
  r1.[i] AS [row_index],
  j24.[linkId] AS [link_id],
  j24.[text] AS [item_text],
  j24.[definition] AS [definition],
  ISNULL(u1.[answer_index], 0) AS [answer_index],
  u1.[value_boolean] AS [value_boolean],
  u1.[value_decimal] AS [value_decimal],
  u1.[value_integer] AS [value_integer],
  u1.[value_date] AS [value_date],
  u1.[value_date_day] AS [value_date_day],
  u1.[value_time] AS [value_time],
  u1.[value_time_of_day] AS [value_time_of_day],
  u1.[value_string] AS [value_string],
  u1.[value_uri] AS [value_uri],
  u1.[value_code] AS [value_code],
  u1.[value_code_system] AS [value_code_system],
  u1.[value_code_display] AS [value_code_display],
  u1.[value_number] AS [value_number],
  u1.[value_number_unit] AS [value_number_unit],
  u1.[value_number_unit_code] AS [value_number_unit_code],
  u1.[value_reference] AS [value_reference]
FROM [stage].[documents] AS d
CROSS APPLY OPENJSON(d.[doc]) WITH (
  [resourceType] varchar(max) '$.resourceType',
  [id] varchar(max) '$.id',
  [subject_reference] varchar(max) '$.subject.reference'
) AS j1
OUTER APPLY (
  SELECT TOP (1) LEFT(j1.[subject_reference], CHARINDEX('/_history/', j1.[subject_reference] + '/_history/') - 1) AS [r]
) AS h1
OUTER APPLY (
  SELECT TOP (1) CASE WHEN CAST(CAST(LEFT(h1.[r], 8) AS varchar(max)) AS varbinary(max)) = CAST('Patient/' AS varbinary(max)) THEN SUBSTRING(h1.[r], 9, 2147483647) WHEN CAST(CAST(LEFT(h1.[r], 9) AS varchar(max)) AS varbinary(max)) = CAST('/Patient/' AS varbinary(max)) THEN SUBSTRING(h1.[r], 10, 2147483647) END AS [id]
  FROM (
    SELECT 1 AS [one]
  ) AS one
  WHERE h1.[r] IS NOT NULL
) AS k1
CROSS APPLY (
  SELECT
    MAX(CASE WHEN o.[key] = 'item' AND o.[type] IN (4, 5) THEN o.[value] END) AS [item],
    MAX(CASE WHEN o.[key] = 'answer' AND o.[type] IN (4, 5) THEN o.[value] END) AS [answer]
  FROM OPENJSON(d.[doc]) AS o
) AS j2
CROSS APPLY (
  SELECT CASE WHEN CAST(CAST(j1.[resourceType] AS varchar(max)) AS varbinary(max)) = CAST('QuestionnaireResponse' AS varbinary(max)) THEN 1 ELSE 0 END AS [wanted]
) AS g1
CROSS APPLY ( -- item
  SELECT
    q1.[v] AS [v],
    CAST(ROW_NUMBER() OVER (ORDER BY q1.[ord]) - 1 AS int) AS [i]
  FROM (
    SELECT
      d10.[v] AS [v],
      d10.[ord] AS [ord]
    FROM (
      SELECT
        CASE WHEN e1.[type] = 5 THEN e1.[value] END AS [v],
        '' + '0' + RIGHT('00000' + CAST(CAST(e1.[key] AS int) AS varchar(40)), 6) AS [ord]
      FROM OPENJSON(CASE WHEN LEFT(j2.[item], 1) = '[' THEN j2.[item] ELSE '[' + j2.[item] + ']' END) AS e1
      WHERE e1.[type] <> 0
      UNION ALL
      SELECT
        CASE WHEN e3.[type] = 5 THEN e3.[value] END AS [v],
        '' + '1' + RIGHT('00000' + CAST(CAST(e2.[key] AS int) AS varchar(40)), 6) + RIGHT('00000' + CAST(CAST(e3.[key] AS int) AS varchar(40)), 6) AS [ord]
      FROM OPENJSON(CASE WHEN LEFT(j2.[answer], 1) = '[' THEN j2.[answer] ELSE '[' + j2.[answer] + ']' END) AS e2
      CROSS APPLY (
        SELECT MAX(CASE WHEN o.[key] = 'item' AND o.[type] IN (4, 5) THEN o.[value] END) AS [item]
        FROM OPENJSON(CASE WHEN e2.[type] = 5 THEN e2.[value] END) AS o
      ) AS j3
      CROSS APPLY OPENJSON(CASE WHEN LEFT(j3.[item], 1) = '[' THEN j3.[item] ELSE '[' + j3.[item] + ']' END) AS e3
      WHERE e2.[type] <> 0
        AND e3.[type] <> 0
    ) AS c1
    CROSS APPLY (
      SELECT
        MAX(CASE WHEN o.[key] = 'item' AND o.[type] IN (4, 5) THEN o.[value] END) AS [item],
        MAX(CASE WHEN o.[key] = 'answer' AND o.[type] IN (4, 5) THEN o.[value] END) AS [answer]
      FROM OPENJSON(c1.[v]) AS o
    ) AS j4
    CROSS APPLY (
      SELECT
        c1.[v] AS [v],
        c1.[ord] AS [ord]
      UNION ALL
      SELECT
        d9.[v] AS [v],
        d9.[ord] AS [ord]
      FROM (
        SELECT
          CASE WHEN e4.[type] = 5 THEN e4.[value] END AS [v],
          c1.[ord] + '0' + RIGHT('00000' + CAST(CAST(e4.[key] AS int) AS varchar(40)), 6) AS [ord]
        FROM OPENJSON(CASE WHEN LEFT(j4.[item], 1) = '[' THEN j4.[item] ELSE '[' + j4.[item] + ']' END) AS e4
        WHERE e4.[type] <> 0
        UNION ALL
        SELECT
          CASE WHEN e6.[type] = 5 THEN e6.[value] END AS [v],
          c1.[ord] + '1' + RIGHT('00000' + CAST(CAST(e5.[key] AS int) AS varchar(40)), 6) + RIGHT('00000' + CAST(CAST(e6.[key] AS int) AS varchar(40)), 6) AS [ord]
        FROM OPENJSON(CASE WHEN LEFT(j4.[answer], 1) = '[' THEN j4.[answer] ELSE '[' + j4.[answer] + ']' END) AS e5
        CROSS APPLY (
          SELECT MAX(CASE WHEN o.[key] = 'item' AND o.[type] IN (4, 5) THEN o.[value] END) AS [item]
          FROM OPENJSON(CASE WHEN e5.[type] = 5 THEN e5.[value] END) AS o
        ) AS j5
        CROSS APPLY OPENJSON(CASE WHEN LEFT(j5.[item], 1) = '[' THEN j5.[item] ELSE '[' + j5.[item] + ']' END) AS e6
        WHERE e5.[type] <> 0
          AND e6.[type] <> 0
      ) AS c2
      CROSS APPLY (
        SELECT
          MAX(CASE WHEN o.[key] = 'item' AND o.[type] IN (4, 5) THEN o.[value] END) AS [item],
          MAX(CASE WHEN o.[key] = 'answer' AND o.[type] IN (4, 5) THEN o.[value] END) AS [answer]
        FROM OPENJSON(c2.[v]) AS o
      ) AS j6
      CROSS APPLY (
        SELECT
          c2.[v] AS [v],
          c2.[ord] AS [ord]
        UNION ALL
        SELECT
          d8.[v] AS [v],
          d8.[ord] AS [ord]
        FROM (
          SELECT
            CASE WHEN e7.[type] = 5 THEN e7.[value] END AS [v],
            c2.[ord] + '0' + RIGHT('00000' + CAST(CAST(e7.[key] AS int) AS varchar(40)), 6) AS [ord]
          FROM OPENJSON(CASE WHEN LEFT(j6.[item], 1) = '[' THEN j6.[item] ELSE '[' + j6.[item] + ']' END) AS e7
          WHERE e7.[type] <> 0
          UNION ALL
          SELECT
            CASE WHEN e9.[type] = 5 THEN e9.[value] END AS [v],
            c2.[ord] + '1' + RIGHT('00000' + CAST(CAST(e8.[key] AS int) AS varchar(40)), 6) + RIGHT('00000' + CAST(CAST(e9.[key] AS int) AS varchar(40)), 6) AS [ord]
          FROM OPENJSON(CASE WHEN LEFT(j6.[answer], 1) = '[' THEN j6.[answer] ELSE '[' + j6.[answer] + ']' END) AS e8
          CROSS APPLY (
            SELECT MAX(CASE WHEN o.[key] = 'item' AND o.[type] IN (4, 5) THEN o.[value] END) AS [item]
            FROM OPENJSON(CASE WHEN e8.[type] = 5 THEN e8.[value] END) AS o
          ) AS j7
          CROSS APPLY OPENJSON(CASE WHEN LEFT(j7.[item], 1) = '[' THEN j7.[item] ELSE '[' + j7.[item] + ']' END) AS e9
          WHERE e8.[type] <> 0
            AND e9.[type] <> 0
        ) AS c3
        CROSS APPLY (
          SELECT
            MAX(CASE WHEN o.[key] = 'item' AND o.[type] IN (4, 5) THEN o.[value] END) AS [item],
            MAX(CASE WHEN o.[key] = 'answer' AND o.[type] IN (4, 5) THEN o.[value] END) AS [answer]
          FROM OPENJSON(c3.[v]) AS o
        ) AS j8
        CROSS APPLY (
          SELECT
            c3.[v] AS [v],
            c3.[ord] AS [ord]
          UNION ALL
          SELECT
            d7.[v] AS [v],
            d7.[ord] AS [ord]
          FROM (
            SELECT
              CASE WHEN e10.[type] = 5 THEN e10.[value] END AS [v],
              c3.[ord] + '0' + RIGHT('00000' + CAST(CAST(e10.[key] AS int) AS varchar(40)), 6) AS [ord]
            FROM OPENJSON(CASE WHEN LEFT(j8.[item], 1) = '[' THEN j8.[item] ELSE '[' + j8.[item] + ']' END) AS e10
            WHERE e10.[type] <> 0
            UNION ALL
            SELECT
              CASE WHEN e12.[type] = 5 THEN e12.[value] END AS [v],
              c3.[ord] + '1' + RIGHT('00000' + CAST(CAST(e11.[key] AS int) AS varchar(40)), 6) + RIGHT('00000' + CAST(CAST(e12.[key] AS int) AS varchar(40)), 6) AS [ord]
            FROM OPENJSON(CASE WHEN LEFT(j8.[answer], 1) = '[' THEN j8.[answer] ELSE '[' + j8.[answer] + ']' END) AS e11
            CROSS APPLY (
              SELECT MAX(CASE WHEN o.[key] = 'item' AND o.[type] IN (4, 5) THEN o.[value] END) AS [item]
              FROM OPENJSON(CASE WHEN e11.[type] = 5 THEN e11.[value] END) AS o
            ) AS j9
            CROSS APPLY OPENJSON(CASE WHEN LEFT(j9.[item], 1) = '[' THEN j9.[item] ELSE '[' + j9.[item] + ']' END) AS e12
            WHERE e11.[type] <> 0
              AND e12.[type] <> 0
          ) AS c4
          CROSS APPLY (
            SELECT
              MAX(CASE WHEN o.[key] = 'item' AND o.[type] IN (4, 5) THEN o.[value] END) AS [item],
              MAX(CASE WHEN o.[key] = 'answer' AND o.[type] IN (4, 5) THEN o.[value] END) AS [answer]
            FROM OPENJSON(c4.[v]) AS o
          ) AS j10
          CROSS APPLY (
            SELECT
              c4.[v] AS [v],
              c4.[ord] AS [ord]
            UNION ALL
            SELECT
              d6.[v] AS [v],
              d6.[ord] AS [ord]
            FROM (
              SELECT
                CASE WHEN e13.[type] = 5 THEN e13.[value] END AS [v],
                c4.[ord] + '0' + RIGHT('00000' + CAST(CAST(e13.[key] AS int) AS varchar(40)), 6) AS [ord]
              FROM OPENJSON(CASE WHEN LEFT(j10.[item], 1) = '[' THEN j10.[item] ELSE '[' + j10.[item] + ']' END) AS e13
              WHERE e13.[type] <> 0
              UNION ALL
              SELECT
                CASE WHEN e15.[type] = 5 THEN e15.[value] END AS [v],
                c4.[ord] + '1' + RIGHT('00000' + CAST(CAST(e14.[key] AS int) AS varchar(40)), 6) + RIGHT('00000' + CAST(CAST(e15.[key] AS int) AS varchar(40)), 6) AS [ord]
              FROM OPENJSON(CASE WHEN LEFT(j10.[answer], 1) = '[' THEN j10.[answer] ELSE '[' + j10.[answer] + ']' END) AS e14
              CROSS APPLY (
                SELECT MAX(CASE WHEN o.[key] = 'item' AND o.[type] IN (4, 5) THEN o.[value] END) AS [item]
                FROM OPENJSON(CASE WHEN e14.[type] = 5 THEN e14.[value] END) AS o
              ) AS j11
              CROSS APPLY OPENJSON(CASE WHEN LEFT(j11.[item], 1) = '[' THEN j11.[item] ELSE '[' + j11.[item] + ']' END) AS e15
              WHERE e14.[type] <> 0
                AND e15.[type] <> 0
            ) AS c5
            CROSS APPLY (
              SELECT
                MAX(CASE WHEN o.[key] = 'item' AND o.[type] IN (4, 5) THEN o.[value] END) AS [item],
                MAX(CASE WHEN o.[key] = 'answer' AND o.[type] IN (4, 5) THEN o.[value] END) AS [answer]
              FROM OPENJSON(c5.[v]) AS o
            ) AS j12
            CROSS APPLY (
              SELECT
                c5.[v] AS [v],
                c5.[ord] AS [ord]
              UNION ALL
              SELECT
                d5.[v] AS [v],
                d5.[ord] AS [ord]
              FROM (
                SELECT
                  CASE WHEN e16.[type] = 5 THEN e16.[value] END AS [v],
                  c5.[ord] + '0' + RIGHT('00000' + CAST(CAST(e16.[key] AS int) AS varchar(40)), 6) AS [ord]
                FROM OPENJSON(CASE WHEN LEFT(j12.[item], 1) = '[' THEN j12.[item] ELSE '[' + j12.[item] + ']' END) AS e16
                WHERE e16.[type] <> 0
                UNION ALL
                SELECT
                  CASE WHEN e18.[type] = 5 THEN e18.[value] END AS [v],
                  c5.[ord] + '1' + RIGHT('00000' + CAST(CAST(e17.[key] AS int) AS varchar(40)), 6) + RIGHT('00000' + CAST(CAST(e18.[key] AS int) AS varchar(40)), 6) AS [ord]
                FROM OPENJSON(CASE WHEN LEFT(j12.[answer], 1) = '[' THEN j12.[answer] ELSE '[' + j12.[answer] + ']' END) AS e17
                CROSS APPLY (
                  SELECT MAX(CASE WHEN o.[key] = 'item' AND o.[type] IN (4, 5) THEN o.[value] END) AS [item]
                  FROM OPENJSON(CASE WHEN e17.[type] = 5 THEN e17.[value] END) AS o
                ) AS j13
                CROSS APPLY OPENJSON(CASE WHEN LEFT(j13.[item], 1) = '[' THEN j13.[item] ELSE '[' + j13.[item] + ']' END) AS e18
                WHERE e17.[type] <> 0
                  AND e18.[type] <> 0
              ) AS c6
              CROSS APPLY (
                SELECT
                  MAX(CASE WHEN o.[key] = 'item' AND o.[type] IN (4, 5) THEN o.[value] END) AS [item],
                  MAX(CASE WHEN o.[key] = 'answer' AND o.[type] IN (4, 5) THEN o.[value] END) AS [answer]
                FROM OPENJSON(c6.[v]) AS o
              ) AS j14
              CROSS APPLY (
                SELECT
                  c6.[v] AS [v],
                  c6.[ord] AS [ord]
                UNION ALL
                SELECT
                  d4.[v] AS [v],
                  d4.[ord] AS [ord]
                FROM (
                  SELECT
                    CASE WHEN e19.[type] = 5 THEN e19.[value] END AS [v],
                    c6.[ord] + '0' + RIGHT('00000' + CAST(CAST(e19.[key] AS int) AS varchar(40)), 6) AS [ord]
                  FROM OPENJSON(CASE WHEN LEFT(j14.[item], 1) = '[' THEN j14.[item] ELSE '[' + j14.[item] + ']' END) AS e19
                  WHERE e19.[type] <> 0
                  UNION ALL
                  SELECT
                    CASE WHEN e21.[type] = 5 THEN e21.[value] END AS [v],
                    c6.[ord] + '1' + RIGHT('00000' + CAST(CAST(e20.[key] AS int) AS varchar(40)), 6) + RIGHT('00000' + CAST(CAST(e21.[key] AS int) AS varchar(40)), 6) AS [ord]
                  FROM OPENJSON(CASE WHEN LEFT(j14.[answer], 1) = '[' THEN j14.[answer] ELSE '[' + j14.[answer] + ']' END) AS e20
                  CROSS APPLY (
                    SELECT MAX(CASE WHEN o.[key] = 'item' AND o.[type] IN (4, 5) THEN o.[value] END) AS [item]
                    FROM OPENJSON(CASE WHEN e20.[type] = 5 THEN e20.[value] END) AS o
                  ) AS j15
                  CROSS APPLY OPENJSON(CASE WHEN LEFT(j15.[item], 1) = '[' THEN j15.[item] ELSE '[' + j15.[item] + ']' END) AS e21
                  WHERE e20.[type] <> 0
                    AND e21.[type] <> 0
                ) AS c7
                CROSS APPLY (
                  SELECT
                    MAX(CASE WHEN o.[key] = 'item' AND o.[type] IN (4, 5) THEN o.[value] END) AS [item],
                    MAX(CASE WHEN o.[key] = 'answer' AND o.[type] IN (4, 5) THEN o.[value] END) AS [answer]
                  FROM OPENJSON(c7.[v]) AS o
                ) AS j16
                CROSS APPLY (
                  SELECT
                    c7.[v] AS [v],
                    c7.[ord] AS [ord]
                  UNION ALL
                  SELECT
                    d3.[v] AS [v],
                    d3.[ord] AS [ord]
                  FROM (
                    SELECT
                      CASE WHEN e22.[type] = 5 THEN e22.[value] END AS [v],
                      c7.[ord] + '0' + RIGHT('00000' + CAST(CAST(e22.[key] AS int) AS varchar(40)), 6) AS [ord]
                    FROM OPENJSON(CASE WHEN LEFT(j16.[item], 1) = '[' THEN j16.[item] ELSE '[' + j16.[item] + ']' END) AS e22
                    WHERE e22.[type] <> 0
                    UNION ALL
                    SELECT
                      CASE WHEN e24.[type] = 5 THEN e24.[value] END AS [v],
                      c7.[ord] + '1' + RIGHT('00000' + CAST(CAST(e23.[key] AS int) AS varchar(40)), 6) + RIGHT('00000' + CAST(CAST(e24.[key] AS int) AS varchar(40)), 6) AS [ord]
                    FROM OPENJSON(CASE WHEN LEFT(j16.[answer], 1) = '[' THEN j16.[answer] ELSE '[' + j16.[answer] + ']' END) AS e23
                    CROSS APPLY (
                      SELECT MAX(CASE WHEN o.[key] = 'item' AND o.[type] IN (4, 5) THEN o.[value] END) AS [item]
                      FROM OPENJSON(CASE WHEN e23.[type] = 5 THEN e23.[value] END) AS o
                    ) AS j17
                    CROSS APPLY OPENJSON(CASE WHEN LEFT(j17.[item], 1) = '[' THEN j17.[item] ELSE '[' + j17.[item] + ']' END) AS e24
                    WHERE e23.[type] <> 0
                      AND e24.[type] <> 0
                  ) AS c8
                  CROSS APPLY (
                    SELECT
                      MAX(CASE WHEN o.[key] = 'item' AND o.[type] IN (4, 5) THEN o.[value] END) AS [item],
                      MAX(CASE WHEN o.[key] = 'answer' AND o.[type] IN (4, 5) THEN o.[value] END) AS [answer]
                    FROM OPENJSON(c8.[v]) AS o
                  ) AS j18
                  CROSS APPLY (
                    SELECT
                      c8.[v] AS [v],
                      c8.[ord] AS [ord]
                    UNION ALL
                    SELECT
                      d2.[v] AS [v],
                      d2.[ord] AS [ord]
                    FROM (
                      SELECT
                        CASE WHEN e25.[type] = 5 THEN e25.[value] END AS [v],
                        c8.[ord] + '0' + RIGHT('00000' + CAST(CAST(e25.[key] AS int) AS varchar(40)), 6) AS [ord]
                      FROM OPENJSON(CASE WHEN LEFT(j18.[item], 1) = '[' THEN j18.[item] ELSE '[' + j18.[item] + ']' END) AS e25
                      WHERE e25.[type] <> 0
                      UNION ALL
                      SELECT
                        CASE WHEN e27.[type] = 5 THEN e27.[value] END AS [v],
                        c8.[ord] + '1' + RIGHT('00000' + CAST(CAST(e26.[key] AS int) AS varchar(40)), 6) + RIGHT('00000' + CAST(CAST(e27.[key] AS int) AS varchar(40)), 6) AS [ord]
                      FROM OPENJSON(CASE WHEN LEFT(j18.[answer], 1) = '[' THEN j18.[answer] ELSE '[' + j18.[answer] + ']' END) AS e26
                      CROSS APPLY (
                        SELECT MAX(CASE WHEN o.[key] = 'item' AND o.[type] IN (4, 5) THEN o.[value] END) AS [item]
                        FROM OPENJSON(CASE WHEN e26.[type] = 5 THEN e26.[value] END) AS o
                      ) AS j19
                      CROSS APPLY OPENJSON(CASE WHEN LEFT(j19.[item], 1) = '[' THEN j19.[item] ELSE '[' + j19.[item] + ']' END) AS e27
                      WHERE e26.[type] <> 0
                        AND e27.[type] <> 0
                    ) AS c9
                    CROSS APPLY (
                      SELECT
                        MAX(CASE WHEN o.[key] = 'item' AND o.[type] IN (4, 5) THEN o.[value] END) AS [item],
                        MAX(CASE WHEN o.[key] = 'answer' AND o.[type] IN (4, 5) THEN o.[value] END) AS [answer]
                      FROM OPENJSON(c9.[v]) AS o
                    ) AS j20
                    CROSS APPLY (
                      SELECT
                        c9.[v] AS [v],
                        c9.[ord] AS [ord]
                      UNION ALL
                      SELECT
                        d1.[v] AS [v],
                        d1.[ord] AS [ord]
                      FROM (
                        SELECT
                          CASE WHEN e28.[type] = 5 THEN e28.[value] END AS [v],
                          c9.[ord] + '0' + RIGHT('00000' + CAST(CAST(e28.[key] AS int) AS varchar(40)), 6) AS [ord]
                        FROM OPENJSON(CASE WHEN LEFT(j20.[item], 1) = '[' THEN j20.[item] ELSE '[' + j20.[item] + ']' END) AS e28
                        WHERE e28.[type] <> 0
                        UNION ALL
                        SELECT
                          CASE WHEN e30.[type] = 5 THEN e30.[value] END AS [v],
                          c9.[ord] + '1' + RIGHT('00000' + CAST(CAST(e29.[key] AS int) AS varchar(40)), 6) + RIGHT('00000' + CAST(CAST(e30.[key] AS int) AS varchar(40)), 6) AS [ord]
                        FROM OPENJSON(CASE WHEN LEFT(j20.[answer], 1) = '[' THEN j20.[answer] ELSE '[' + j20.[answer] + ']' END) AS e29
                        CROSS APPLY (
                          SELECT MAX(CASE WHEN o.[key] = 'item' AND o.[type] IN (4, 5) THEN o.[value] END) AS [item]
                          FROM OPENJSON(CASE WHEN e29.[type] = 5 THEN e29.[value] END) AS o
                        ) AS j21
                        CROSS APPLY OPENJSON(CASE WHEN LEFT(j21.[item], 1) = '[' THEN j21.[item] ELSE '[' + j21.[item] + ']' END) AS e30
                        WHERE e29.[type] <> 0
                          AND e30.[type] <> 0
                      ) AS c10
                      CROSS APPLY (
                        SELECT
                          MAX(CASE WHEN o.[key] = 'item' AND o.[type] IN (4, 5) THEN o.[value] END) AS [item],
                          MAX(CASE WHEN o.[key] = 'answer' AND o.[type] IN (4, 5) THEN o.[value] END) AS [answer]
                        FROM OPENJSON(c10.[v]) AS o
                      ) AS j22
                      CROSS APPLY (
                        SELECT
                          c10.[v] AS [v],
                          c10.[ord] AS [ord]
                        UNION ALL
                        SELECT
                          CASE WHEN g1.[wanted] = 1 THEN CAST(CAST(CONCAT('view questionnaire_response_item: repeat goes deeper than 10 levels, at ', c11.[ord]) AS int) AS varchar(max)) END AS [v],
                          c11.[ord] AS [ord]
                        FROM (
                          SELECT
                            CASE WHEN e31.[type] = 5 THEN e31.[value] END AS [v],
                            c10.[ord] + '0' + RIGHT('00000' + CAST(CAST(e31.[key] AS int) AS varchar(40)), 6) AS [ord]
                          FROM OPENJSON(CASE WHEN LEFT(j22.[item], 1) = '[' THEN j22.[item] ELSE '[' + j22.[item] + ']' END) AS e31
                          WHERE e31.[type] <> 0
                          UNION ALL
                          SELECT
                            CASE WHEN e33.[type] = 5 THEN e33.[value] END AS [v],
                            c10.[ord] + '1' + RIGHT('00000' + CAST(CAST(e32.[key] AS int) AS varchar(40)), 6) + RIGHT('00000' + CAST(CAST(e33.[key] AS int) AS varchar(40)), 6) AS [ord]
                          FROM OPENJSON(CASE WHEN LEFT(j22.[answer], 1) = '[' THEN j22.[answer] ELSE '[' + j22.[answer] + ']' END) AS e32
                          CROSS APPLY (
                            SELECT MAX(CASE WHEN o.[key] = 'item' AND o.[type] IN (4, 5) THEN o.[value] END) AS [item]
                            FROM OPENJSON(CASE WHEN e32.[type] = 5 THEN e32.[value] END) AS o
                          ) AS j23
                          CROSS APPLY OPENJSON(CASE WHEN LEFT(j23.[item], 1) = '[' THEN j23.[item] ELSE '[' + j23.[item] + ']' END) AS e33
                          WHERE e32.[type] <> 0
                            AND e33.[type] <> 0
                        ) AS c11
                      ) AS d1
                    ) AS d2
                  ) AS d3
                ) AS d4
              ) AS d5
            ) AS d6
          ) AS d7
        ) AS d8
      ) AS d9
    ) AS d10
  ) AS q1
) AS r1
OUTER APPLY OPENJSON(r1.[v]) WITH (
  [linkId] varchar(max) '$.linkId',
  [text] varchar(max) '$.text',
  [definition] varchar(max) '$.definition'
) AS j24
CROSS APPLY (
  SELECT MAX(CASE WHEN o.[key] = 'answer' AND o.[type] IN (4, 5) THEN o.[value] END) AS [answer]
  FROM OPENJSON(r1.[v]) AS o
) AS j25
OUTER APPLY ( -- answer
  SELECT
    CAST(e34.[key] AS int) AS [answer_index],
    CAST(CASE j26.[valueBoolean] WHEN 'true' THEN 1 WHEN 'false' THEN 0 END AS bit) AS [value_boolean],
    CASE WHEN n1.[rare] = 1 THEN n1.[v] ELSE TRY_CAST(j26.[valueDecimal] AS decimal(38, 18)) END AS [value_decimal],
    TRY_CAST(NULLIF(j26.[valueInteger], '') AS int) AS [value_integer],
    j26.[valueDate] AS [value_date],
    CASE WHEN j26.[valueDate] LIKE '____-__-__' OR j26.[valueDate] LIKE '____-__-__T%' THEN TRY_CAST(LEFT(j26.[valueDate], 10) AS date) END AS [value_date_day],
    j26.[valueDateTime] AS [value_time],
    j26.[valueTime] AS [value_time_of_day],
    j26.[valueString] AS [value_string],
    j26.[valueUri] AS [value_uri],
    j26.[valueCoding_code] AS [value_code],
    j26.[valueCoding_system] AS [value_code_system],
    j26.[valueCoding_display] AS [value_code_display],
    CASE WHEN n2.[rare] = 1 THEN n2.[v] ELSE TRY_CAST(j26.[valueQuantity_value] AS decimal(38, 18)) END AS [value_number],
    j26.[valueQuantity_unit] AS [value_number_unit],
    j26.[valueQuantity_code] AS [value_number_unit_code],
    j26.[valueReference_reference] AS [value_reference]
  FROM OPENJSON(CASE WHEN LEFT(j25.[answer], 1) = '[' THEN j25.[answer] ELSE '[' + j25.[answer] + ']' END) AS e34
  CROSS APPLY OPENJSON(CASE WHEN e34.[type] = 5 THEN e34.[value] END) WITH (
    [valueBoolean] varchar(max) '$.valueBoolean',
    [valueDecimal] varchar(max) '$.valueDecimal',
    [valueInteger] varchar(max) '$.valueInteger',
    [valueDate] varchar(max) '$.valueDate',
    [valueDateTime] varchar(max) '$.valueDateTime',
    [valueTime] varchar(max) '$.valueTime',
    [valueString] varchar(max) '$.valueString',
    [valueUri] varchar(max) '$.valueUri',
    [valueCoding_code] varchar(max) '$.valueCoding.code',
    [valueCoding_system] varchar(max) '$.valueCoding.system',
    [valueCoding_display] varchar(max) '$.valueCoding.display',
    [valueQuantity_value] varchar(max) '$.valueQuantity.value',
    [valueQuantity_unit] varchar(max) '$.valueQuantity.unit',
    [valueQuantity_code] varchar(max) '$.valueQuantity.code',
    [valueReference_reference] varchar(max) '$.valueReference.reference'
  ) AS j26
  OUTER APPLY (
    SELECT TOP (1)
      1 AS [rare],
      CASE WHEN a7.[v] <> 0 OR REPLACE(a3.[d], '0', '') = '' THEN a7.[v] END AS [v]
    FROM (
      SELECT TOP (1) CHARINDEX('E', UPPER(j26.[valueDecimal]) + 'E') AS [e]
    ) AS a1
    CROSS APPLY (
      SELECT TOP (1)
        REPLACE(LEFT(j26.[valueDecimal], a1.[e] - 1), '-', '') AS [m],
        TRY_CAST(SUBSTRING(j26.[valueDecimal], a1.[e] + 1, 100) AS int) AS [x]
    ) AS a2
    CROSS APPLY (
      SELECT TOP (1)
        REPLACE(a2.[m], '.', '') AS [d],
        CHARINDEX('.', a2.[m] + '.') - 1 + a2.[x] AS [p]
    ) AS a3
    CROSS APPLY (
      SELECT TOP (1)
        CASE WHEN a2.[x] BETWEEN -400 AND 400 THEN CASE WHEN a3.[p] < 1 THEN '0.' + REPLICATE('0', -a3.[p]) + a3.[d] WHEN a3.[p] < LEN(a3.[d]) THEN LEFT(a3.[d], a3.[p]) + '.' + SUBSTRING(a3.[d], a3.[p] + 1, LEN(a3.[d])) ELSE a3.[d] + REPLICATE('0', a3.[p] - LEN(a3.[d])) END WHEN REPLACE(a3.[d], '0', '') = '' THEN '0' END AS [t],
        CASE WHEN LEFT(j26.[valueDecimal], 1) = '-' THEN '-' ELSE '' END AS [sign]
    ) AS a4
    CROSS APPLY (
      SELECT TOP (1) CHARINDEX('.', a4.[t] + '.') + 18 AS [q]
    ) AS a5
    CROSS APPLY (
      SELECT TOP (1)
        SUBSTRING(a4.[t], a5.[q] + 1, LEN(a4.[t])) AS [r],
        RIGHT(REPLACE(LEFT(a4.[t], a5.[q]), '.', ''), 1) AS [last]
    ) AS a6
    CROSS APPLY (
      SELECT TOP (1) TRY_CAST(a4.[sign] + LEFT(a4.[t], a5.[q] + CASE WHEN LEFT(a6.[r], 1) = '5' AND REPLACE(SUBSTRING(a6.[r], 2, LEN(a6.[r])), '0', '') = '' AND a6.[last] IN ('0', '2', '4', '6', '8') THEN 0 ELSE 1 END) AS decimal(38, 18)) AS [v]
    ) AS a7
    WHERE (LEN(j26.[valueDecimal]) > 20 OR UPPER(j26.[valueDecimal]) LIKE '%E%')
  ) AS n1
  OUTER APPLY (
    SELECT TOP (1)
      1 AS [rare],
      CASE WHEN a14.[v] <> 0 OR REPLACE(a10.[d], '0', '') = '' THEN a14.[v] END AS [v]
    FROM (
      SELECT TOP (1) CHARINDEX('E', UPPER(j26.[valueQuantity_value]) + 'E') AS [e]
    ) AS a8
    CROSS APPLY (
      SELECT TOP (1)
        REPLACE(LEFT(j26.[valueQuantity_value], a8.[e] - 1), '-', '') AS [m],
        TRY_CAST(SUBSTRING(j26.[valueQuantity_value], a8.[e] + 1, 100) AS int) AS [x]
    ) AS a9
    CROSS APPLY (
      SELECT TOP (1)
        REPLACE(a9.[m], '.', '') AS [d],
        CHARINDEX('.', a9.[m] + '.') - 1 + a9.[x] AS [p]
    ) AS a10
    CROSS APPLY (
      SELECT TOP (1)
        CASE WHEN a9.[x] BETWEEN -400 AND 400 THEN CASE WHEN a10.[p] < 1 THEN '0.' + REPLICATE('0', -a10.[p]) + a10.[d] WHEN a10.[p] < LEN(a10.[d]) THEN LEFT(a10.[d], a10.[p]) + '.' + SUBSTRING(a10.[d], a10.[p] + 1, LEN(a10.[d])) ELSE a10.[d] + REPLICATE('0', a10.[p] - LEN(a10.[d])) END WHEN REPLACE(a10.[d], '0', '') = '' THEN '0' END AS [t],
        CASE WHEN LEFT(j26.[valueQuantity_value], 1) = '-' THEN '-' ELSE '' END AS [sign]
    ) AS a11
    CROSS APPLY (
      SELECT TOP (1) CHARINDEX('.', a11.[t] + '.') + 18 AS [q]
    ) AS a12
    CROSS APPLY (
      SELECT TOP (1)
        SUBSTRING(a11.[t], a12.[q] + 1, LEN(a11.[t])) AS [r],
        RIGHT(REPLACE(LEFT(a11.[t], a12.[q]), '.', ''), 1) AS [last]
    ) AS a13
    CROSS APPLY (
      SELECT TOP (1) TRY_CAST(a11.[sign] + LEFT(a11.[t], a12.[q] + CASE WHEN LEFT(a13.[r], 1) = '5' AND REPLACE(SUBSTRING(a13.[r], 2, LEN(a13.[r])), '0', '') = '' AND a13.[last] IN ('0', '2', '4', '6', '8') THEN 0 ELSE 1 END) AS decimal(38, 18)) AS [v]
    ) AS a14
    WHERE (LEN(j26.[valueQuantity_value]) > 20 OR UPPER(j26.[valueQuantity_value]) LIKE '%E%')
  ) AS n2
  WHERE e34.[type] <> 0
) AS u1
WHERE CAST(CAST(j1.[resourceType] AS varchar(max)) AS varbinary(max)) = CAST('QuestionnaireResponse' AS varbinary(max))

CREATE OR ALTER VIEW [dbo].[questionnaire_response_item] AS
SELECT
  CAST(j1.[id] AS varchar(128)) COLLATE Latin1_General_100_BIN2_UTF8 AS [questionnaire_response_id],
  CAST(CASE WHEN LEN(k1.[id]) > 0 AND CHARINDEX(N'/', k1.[id]) = 0 AND CHARINDEX(N'?', k1.[id]) = 0 AND CHARINDEX(N'#', k1.[id]) = 0 THEN k1.[id] END AS varchar(128)) COLLATE Latin1_General_100_BIN2_UTF8 AS [patient_id],
  r1.[i] AS [row_index],
  j23.[linkId] AS [link_id],
  j23.[text] AS [item_text],
  j23.[definition] COLLATE Latin1_General_100_BIN2_UTF8 AS [definition],
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
  [resourceType] nvarchar(max) '$.resourceType',
  [id] nvarchar(max) '$.id',
  [subject_reference] nvarchar(max) '$.subject.reference',
  [item] nvarchar(max) '$.item' AS JSON,
  [answer] nvarchar(max) '$.answer' AS JSON
) AS j1
OUTER APPLY (
  SELECT TOP (1) LEFT(j1.[subject_reference], CHARINDEX(N'/_history/', j1.[subject_reference] + N'/_history/') - 1) AS [r]
) AS h1
OUTER APPLY (
  SELECT TOP (1) CASE WHEN CAST(LEFT(h1.[r], 8) + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'Patient/.' THEN SUBSTRING(h1.[r], 9, 2147483647) WHEN CAST(LEFT(h1.[r], 9) + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'/Patient/.' THEN SUBSTRING(h1.[r], 10, 2147483647) END AS [id]
  FROM (
    SELECT 1 AS [one]
  ) AS one
  WHERE h1.[r] IS NOT NULL
) AS k1
CROSS APPLY (
  SELECT CASE WHEN CAST(j1.[resourceType] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'QuestionnaireResponse.' THEN 1 ELSE 0 END AS [wanted]
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
        N'' + N'0' + RIGHT(N'00000' + CAST(CAST(e1.[key] AS int) AS nvarchar(40)), 6) AS [ord]
      FROM OPENJSON(CASE WHEN LEFT(j1.[item], 1) = N'[' THEN j1.[item] ELSE N'[' + j1.[item] + N']' END) AS e1
      WHERE e1.[type] <> 0
      UNION ALL
      SELECT
        CASE WHEN e3.[type] = 5 THEN e3.[value] END AS [v],
        N'' + N'1' + RIGHT(N'00000' + CAST(CAST(e2.[key] AS int) AS nvarchar(40)), 6) + RIGHT(N'00000' + CAST(CAST(e3.[key] AS int) AS nvarchar(40)), 6) AS [ord]
      FROM OPENJSON(CASE WHEN LEFT(j1.[answer], 1) = N'[' THEN j1.[answer] ELSE N'[' + j1.[answer] + N']' END) AS e2
      CROSS APPLY OPENJSON(CASE WHEN e2.[type] = 5 THEN e2.[value] END) WITH (
        [item] nvarchar(max) '$.item' AS JSON
      ) AS j2
      CROSS APPLY OPENJSON(CASE WHEN LEFT(j2.[item], 1) = N'[' THEN j2.[item] ELSE N'[' + j2.[item] + N']' END) AS e3
      WHERE e2.[type] <> 0
        AND e3.[type] <> 0
    ) AS c1
    OUTER APPLY OPENJSON(c1.[v]) WITH (
      [item] nvarchar(max) '$.item' AS JSON,
      [answer] nvarchar(max) '$.answer' AS JSON
    ) AS j3
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
          c1.[ord] + N'0' + RIGHT(N'00000' + CAST(CAST(e4.[key] AS int) AS nvarchar(40)), 6) AS [ord]
        FROM OPENJSON(CASE WHEN LEFT(j3.[item], 1) = N'[' THEN j3.[item] ELSE N'[' + j3.[item] + N']' END) AS e4
        WHERE e4.[type] <> 0
        UNION ALL
        SELECT
          CASE WHEN e6.[type] = 5 THEN e6.[value] END AS [v],
          c1.[ord] + N'1' + RIGHT(N'00000' + CAST(CAST(e5.[key] AS int) AS nvarchar(40)), 6) + RIGHT(N'00000' + CAST(CAST(e6.[key] AS int) AS nvarchar(40)), 6) AS [ord]
        FROM OPENJSON(CASE WHEN LEFT(j3.[answer], 1) = N'[' THEN j3.[answer] ELSE N'[' + j3.[answer] + N']' END) AS e5
        CROSS APPLY OPENJSON(CASE WHEN e5.[type] = 5 THEN e5.[value] END) WITH (
          [item] nvarchar(max) '$.item' AS JSON
        ) AS j4
        CROSS APPLY OPENJSON(CASE WHEN LEFT(j4.[item], 1) = N'[' THEN j4.[item] ELSE N'[' + j4.[item] + N']' END) AS e6
        WHERE e5.[type] <> 0
          AND e6.[type] <> 0
      ) AS c2
      OUTER APPLY OPENJSON(c2.[v]) WITH (
        [item] nvarchar(max) '$.item' AS JSON,
        [answer] nvarchar(max) '$.answer' AS JSON
      ) AS j5
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
            c2.[ord] + N'0' + RIGHT(N'00000' + CAST(CAST(e7.[key] AS int) AS nvarchar(40)), 6) AS [ord]
          FROM OPENJSON(CASE WHEN LEFT(j5.[item], 1) = N'[' THEN j5.[item] ELSE N'[' + j5.[item] + N']' END) AS e7
          WHERE e7.[type] <> 0
          UNION ALL
          SELECT
            CASE WHEN e9.[type] = 5 THEN e9.[value] END AS [v],
            c2.[ord] + N'1' + RIGHT(N'00000' + CAST(CAST(e8.[key] AS int) AS nvarchar(40)), 6) + RIGHT(N'00000' + CAST(CAST(e9.[key] AS int) AS nvarchar(40)), 6) AS [ord]
          FROM OPENJSON(CASE WHEN LEFT(j5.[answer], 1) = N'[' THEN j5.[answer] ELSE N'[' + j5.[answer] + N']' END) AS e8
          CROSS APPLY OPENJSON(CASE WHEN e8.[type] = 5 THEN e8.[value] END) WITH (
            [item] nvarchar(max) '$.item' AS JSON
          ) AS j6
          CROSS APPLY OPENJSON(CASE WHEN LEFT(j6.[item], 1) = N'[' THEN j6.[item] ELSE N'[' + j6.[item] + N']' END) AS e9
          WHERE e8.[type] <> 0
            AND e9.[type] <> 0
        ) AS c3
        OUTER APPLY OPENJSON(c3.[v]) WITH (
          [item] nvarchar(max) '$.item' AS JSON,
          [answer] nvarchar(max) '$.answer' AS JSON
        ) AS j7
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
              c3.[ord] + N'0' + RIGHT(N'00000' + CAST(CAST(e10.[key] AS int) AS nvarchar(40)), 6) AS [ord]
            FROM OPENJSON(CASE WHEN LEFT(j7.[item], 1) = N'[' THEN j7.[item] ELSE N'[' + j7.[item] + N']' END) AS e10
            WHERE e10.[type] <> 0
            UNION ALL
            SELECT
              CASE WHEN e12.[type] = 5 THEN e12.[value] END AS [v],
              c3.[ord] + N'1' + RIGHT(N'00000' + CAST(CAST(e11.[key] AS int) AS nvarchar(40)), 6) + RIGHT(N'00000' + CAST(CAST(e12.[key] AS int) AS nvarchar(40)), 6) AS [ord]
            FROM OPENJSON(CASE WHEN LEFT(j7.[answer], 1) = N'[' THEN j7.[answer] ELSE N'[' + j7.[answer] + N']' END) AS e11
            CROSS APPLY OPENJSON(CASE WHEN e11.[type] = 5 THEN e11.[value] END) WITH (
              [item] nvarchar(max) '$.item' AS JSON
            ) AS j8
            CROSS APPLY OPENJSON(CASE WHEN LEFT(j8.[item], 1) = N'[' THEN j8.[item] ELSE N'[' + j8.[item] + N']' END) AS e12
            WHERE e11.[type] <> 0
              AND e12.[type] <> 0
          ) AS c4
          OUTER APPLY OPENJSON(c4.[v]) WITH (
            [item] nvarchar(max) '$.item' AS JSON,
            [answer] nvarchar(max) '$.answer' AS JSON
          ) AS j9
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
                c4.[ord] + N'0' + RIGHT(N'00000' + CAST(CAST(e13.[key] AS int) AS nvarchar(40)), 6) AS [ord]
              FROM OPENJSON(CASE WHEN LEFT(j9.[item], 1) = N'[' THEN j9.[item] ELSE N'[' + j9.[item] + N']' END) AS e13
              WHERE e13.[type] <> 0
              UNION ALL
              SELECT
                CASE WHEN e15.[type] = 5 THEN e15.[value] END AS [v],
                c4.[ord] + N'1' + RIGHT(N'00000' + CAST(CAST(e14.[key] AS int) AS nvarchar(40)), 6) + RIGHT(N'00000' + CAST(CAST(e15.[key] AS int) AS nvarchar(40)), 6) AS [ord]
              FROM OPENJSON(CASE WHEN LEFT(j9.[answer], 1) = N'[' THEN j9.[answer] ELSE N'[' + j9.[answer] + N']' END) AS e14
              CROSS APPLY OPENJSON(CASE WHEN e14.[type] = 5 THEN e14.[value] END) WITH (
                [item] nvarchar(max) '$.item' AS JSON
              ) AS j10
              CROSS APPLY OPENJSON(CASE WHEN LEFT(j10.[item], 1) = N'[' THEN j10.[item] ELSE N'[' + j10.[item] + N']' END) AS e15
              WHERE e14.[type] <> 0
                AND e15.[type] <> 0
            ) AS c5
            OUTER APPLY OPENJSON(c5.[v]) WITH (
              [item] nvarchar(max) '$.item' AS JSON,
              [answer] nvarchar(max) '$.answer' AS JSON
            ) AS j11
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
                  c5.[ord] + N'0' + RIGHT(N'00000' + CAST(CAST(e16.[key] AS int) AS nvarchar(40)), 6) AS [ord]
                FROM OPENJSON(CASE WHEN LEFT(j11.[item], 1) = N'[' THEN j11.[item] ELSE N'[' + j11.[item] + N']' END) AS e16
                WHERE e16.[type] <> 0
                UNION ALL
                SELECT
                  CASE WHEN e18.[type] = 5 THEN e18.[value] END AS [v],
                  c5.[ord] + N'1' + RIGHT(N'00000' + CAST(CAST(e17.[key] AS int) AS nvarchar(40)), 6) + RIGHT(N'00000' + CAST(CAST(e18.[key] AS int) AS nvarchar(40)), 6) AS [ord]
                FROM OPENJSON(CASE WHEN LEFT(j11.[answer], 1) = N'[' THEN j11.[answer] ELSE N'[' + j11.[answer] + N']' END) AS e17
                CROSS APPLY OPENJSON(CASE WHEN e17.[type] = 5 THEN e17.[value] END) WITH (
                  [item] nvarchar(max) '$.item' AS JSON
                ) AS j12
                CROSS APPLY OPENJSON(CASE WHEN LEFT(j12.[item], 1) = N'[' THEN j12.[item] ELSE N'[' + j12.[item] + N']' END) AS e18
                WHERE e17.[type] <> 0
                  AND e18.[type] <> 0
              ) AS c6
              OUTER APPLY OPENJSON(c6.[v]) WITH (
                [item] nvarchar(max) '$.item' AS JSON,
                [answer] nvarchar(max) '$.answer' AS JSON
              ) AS j13
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
                    c6.[ord] + N'0' + RIGHT(N'00000' + CAST(CAST(e19.[key] AS int) AS nvarchar(40)), 6) AS [ord]
                  FROM OPENJSON(CASE WHEN LEFT(j13.[item], 1) = N'[' THEN j13.[item] ELSE N'[' + j13.[item] + N']' END) AS e19
                  WHERE e19.[type] <> 0
                  UNION ALL
                  SELECT
                    CASE WHEN e21.[type] = 5 THEN e21.[value] END AS [v],
                    c6.[ord] + N'1' + RIGHT(N'00000' + CAST(CAST(e20.[key] AS int) AS nvarchar(40)), 6) + RIGHT(N'00000' + CAST(CAST(e21.[key] AS int) AS nvarchar(40)), 6) AS [ord]
                  FROM OPENJSON(CASE WHEN LEFT(j13.[answer], 1) = N'[' THEN j13.[answer] ELSE N'[' + j13.[answer] + N']' END) AS e20
                  CROSS APPLY OPENJSON(CASE WHEN e20.[type] = 5 THEN e20.[value] END) WITH (
                    [item] nvarchar(max) '$.item' AS JSON
                  ) AS j14
                  CROSS APPLY OPENJSON(CASE WHEN LEFT(j14.[item], 1) = N'[' THEN j14.[item] ELSE N'[' + j14.[item] + N']' END) AS e21
                  WHERE e20.[type] <> 0
                    AND e21.[type] <> 0
                ) AS c7
                OUTER APPLY OPENJSON(c7.[v]) WITH (
                  [item] nvarchar(max) '$.item' AS JSON,
                  [answer] nvarchar(max) '$.answer' AS JSON
                ) AS j15
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
                      c7.[ord] + N'0' + RIGHT(N'00000' + CAST(CAST(e22.[key] AS int) AS nvarchar(40)), 6) AS [ord]
                    FROM OPENJSON(CASE WHEN LEFT(j15.[item], 1) = N'[' THEN j15.[item] ELSE N'[' + j15.[item] + N']' END) AS e22
                    WHERE e22.[type] <> 0
                    UNION ALL
                    SELECT
                      CASE WHEN e24.[type] = 5 THEN e24.[value] END AS [v],
                      c7.[ord] + N'1' + RIGHT(N'00000' + CAST(CAST(e23.[key] AS int) AS nvarchar(40)), 6) + RIGHT(N'00000' + CAST(CAST(e24.[key] AS int) AS nvarchar(40)), 6) AS [ord]
                    FROM OPENJSON(CASE WHEN LEFT(j15.[answer], 1) = N'[' THEN j15.[answer] ELSE N'[' + j15.[answer] + N']' END) AS e23
                    CROSS APPLY OPENJSON(CASE WHEN e23.[type] = 5 THEN e23.[value] END) WITH (
                      [item] nvarchar(max) '$.item' AS JSON
                    ) AS j16
                    CROSS APPLY OPENJSON(CASE WHEN LEFT(j16.[item], 1) = N'[' THEN j16.[item] ELSE N'[' + j16.[item] + N']' END) AS e24
                    WHERE e23.[type] <> 0
                      AND e24.[type] <> 0
                  ) AS c8
                  OUTER APPLY OPENJSON(c8.[v]) WITH (
                    [item] nvarchar(max) '$.item' AS JSON,
                    [answer] nvarchar(max) '$.answer' AS JSON
                  ) AS j17
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
                        c8.[ord] + N'0' + RIGHT(N'00000' + CAST(CAST(e25.[key] AS int) AS nvarchar(40)), 6) AS [ord]
                      FROM OPENJSON(CASE WHEN LEFT(j17.[item], 1) = N'[' THEN j17.[item] ELSE N'[' + j17.[item] + N']' END) AS e25
                      WHERE e25.[type] <> 0
                      UNION ALL
                      SELECT
                        CASE WHEN e27.[type] = 5 THEN e27.[value] END AS [v],
                        c8.[ord] + N'1' + RIGHT(N'00000' + CAST(CAST(e26.[key] AS int) AS nvarchar(40)), 6) + RIGHT(N'00000' + CAST(CAST(e27.[key] AS int) AS nvarchar(40)), 6) AS [ord]
                      FROM OPENJSON(CASE WHEN LEFT(j17.[answer], 1) = N'[' THEN j17.[answer] ELSE N'[' + j17.[answer] + N']' END) AS e26
                      CROSS APPLY OPENJSON(CASE WHEN e26.[type] = 5 THEN e26.[value] END) WITH (
                        [item] nvarchar(max) '$.item' AS JSON
                      ) AS j18
                      CROSS APPLY OPENJSON(CASE WHEN LEFT(j18.[item], 1) = N'[' THEN j18.[item] ELSE N'[' + j18.[item] + N']' END) AS e27
                      WHERE e26.[type] <> 0
                        AND e27.[type] <> 0
                    ) AS c9
                    OUTER APPLY OPENJSON(c9.[v]) WITH (
                      [item] nvarchar(max) '$.item' AS JSON,
                      [answer] nvarchar(max) '$.answer' AS JSON
                    ) AS j19
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
                          c9.[ord] + N'0' + RIGHT(N'00000' + CAST(CAST(e28.[key] AS int) AS nvarchar(40)), 6) AS [ord]
                        FROM OPENJSON(CASE WHEN LEFT(j19.[item], 1) = N'[' THEN j19.[item] ELSE N'[' + j19.[item] + N']' END) AS e28
                        WHERE e28.[type] <> 0
                        UNION ALL
                        SELECT
                          CASE WHEN e30.[type] = 5 THEN e30.[value] END AS [v],
                          c9.[ord] + N'1' + RIGHT(N'00000' + CAST(CAST(e29.[key] AS int) AS nvarchar(40)), 6) + RIGHT(N'00000' + CAST(CAST(e30.[key] AS int) AS nvarchar(40)), 6) AS [ord]
                        FROM OPENJSON(CASE WHEN LEFT(j19.[answer], 1) = N'[' THEN j19.[answer] ELSE N'[' + j19.[answer] + N']' END) AS e29
                        CROSS APPLY OPENJSON(CASE WHEN e29.[type] = 5 THEN e29.[value] END) WITH (
                          [item] nvarchar(max) '$.item' AS JSON
                        ) AS j20
                        CROSS APPLY OPENJSON(CASE WHEN LEFT(j20.[item], 1) = N'[' THEN j20.[item] ELSE N'[' + j20.[item] + N']' END) AS e30
                        WHERE e29.[type] <> 0
                          AND e30.[type] <> 0
                      ) AS c10
                      OUTER APPLY OPENJSON(c10.[v]) WITH (
                        [item] nvarchar(max) '$.item' AS JSON,
                        [answer] nvarchar(max) '$.answer' AS JSON
                      ) AS j21
                      CROSS APPLY (
                        SELECT
                          c10.[v] AS [v],
                          c10.[ord] AS [ord]
                        UNION ALL
                        SELECT
                          CASE WHEN g1.[wanted] = 1 THEN CAST(CAST(CONCAT(N'view questionnaire_response_item: repeat goes deeper than 10 levels, at ', c11.[ord]) AS int) AS nvarchar(max)) END AS [v],
                          c11.[ord] AS [ord]
                        FROM (
                          SELECT
                            CASE WHEN e31.[type] = 5 THEN e31.[value] END AS [v],
                            c10.[ord] + N'0' + RIGHT(N'00000' + CAST(CAST(e31.[key] AS int) AS nvarchar(40)), 6) AS [ord]
                          FROM OPENJSON(CASE WHEN LEFT(j21.[item], 1) = N'[' THEN j21.[item] ELSE N'[' + j21.[item] + N']' END) AS e31
                          WHERE e31.[type] <> 0
                          UNION ALL
                          SELECT
                            CASE WHEN e33.[type] = 5 THEN e33.[value] END AS [v],
                            c10.[ord] + N'1' + RIGHT(N'00000' + CAST(CAST(e32.[key] AS int) AS nvarchar(40)), 6) + RIGHT(N'00000' + CAST(CAST(e33.[key] AS int) AS nvarchar(40)), 6) AS [ord]
                          FROM OPENJSON(CASE WHEN LEFT(j21.[answer], 1) = N'[' THEN j21.[answer] ELSE N'[' + j21.[answer] + N']' END) AS e32
                          CROSS APPLY OPENJSON(CASE WHEN e32.[type] = 5 THEN e32.[value] END) WITH (
                            [item] nvarchar(max) '$.item' AS JSON
                          ) AS j22
                          CROSS APPLY OPENJSON(CASE WHEN LEFT(j22.[item], 1) = N'[' THEN j22.[item] ELSE N'[' + j22.[item] + N']' END) AS e33
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
  [linkId] nvarchar(max) '$.linkId',
  [text] nvarchar(max) '$.text',
  [definition] nvarchar(max) '$.definition',
  [answer] nvarchar(max) '$.answer' AS JSON
) AS j23
OUTER APPLY ( -- answer
  SELECT
    CAST(e34.[key] AS int) AS [answer_index],
    CAST(CASE j24.[valueBoolean] WHEN N'true' THEN 1 WHEN N'false' THEN 0 END AS bit) AS [value_boolean],
    CASE WHEN n1.[rare] = 1 THEN n1.[v] ELSE TRY_CAST(j24.[valueDecimal] AS decimal(38, 18)) END AS [value_decimal],
    TRY_CAST(NULLIF(j24.[valueInteger], N'') AS int) AS [value_integer],
    j24.[valueDate] AS [value_date],
    CASE WHEN j24.[valueDate] LIKE N'____-__-__' OR j24.[valueDate] LIKE N'____-__-__T%' THEN TRY_CAST(LEFT(j24.[valueDate], 10) AS date) END AS [value_date_day],
    j24.[valueDateTime] AS [value_time],
    j24.[valueTime] AS [value_time_of_day],
    j24.[valueString] AS [value_string],
    j24.[valueUri] COLLATE Latin1_General_100_BIN2_UTF8 AS [value_uri],
    j24.[valueCoding_code] COLLATE Latin1_General_100_BIN2_UTF8 AS [value_code],
    j24.[valueCoding_system] COLLATE Latin1_General_100_BIN2_UTF8 AS [value_code_system],
    j24.[valueCoding_display] AS [value_code_display],
    CASE WHEN n2.[rare] = 1 THEN n2.[v] ELSE TRY_CAST(j24.[valueQuantity_value] AS decimal(38, 18)) END AS [value_number],
    j24.[valueQuantity_unit] AS [value_number_unit],
    j24.[valueQuantity_code] COLLATE Latin1_General_100_BIN2_UTF8 AS [value_number_unit_code],
    j24.[valueReference_reference] AS [value_reference]
  FROM OPENJSON(CASE WHEN LEFT(j23.[answer], 1) = N'[' THEN j23.[answer] ELSE N'[' + j23.[answer] + N']' END) AS e34
  CROSS APPLY OPENJSON(CASE WHEN e34.[type] = 5 THEN e34.[value] END) WITH (
    [valueBoolean] nvarchar(max) '$.valueBoolean',
    [valueDecimal] nvarchar(max) '$.valueDecimal',
    [valueInteger] nvarchar(max) '$.valueInteger',
    [valueDate] nvarchar(max) '$.valueDate',
    [valueDateTime] nvarchar(max) '$.valueDateTime',
    [valueTime] nvarchar(max) '$.valueTime',
    [valueString] nvarchar(max) '$.valueString',
    [valueUri] nvarchar(max) '$.valueUri',
    [valueCoding_code] nvarchar(max) '$.valueCoding.code',
    [valueCoding_system] nvarchar(max) '$.valueCoding.system',
    [valueCoding_display] nvarchar(max) '$.valueCoding.display',
    [valueQuantity_value] nvarchar(max) '$.valueQuantity.value',
    [valueQuantity_unit] nvarchar(max) '$.valueQuantity.unit',
    [valueQuantity_code] nvarchar(max) '$.valueQuantity.code',
    [valueReference_reference] nvarchar(max) '$.valueReference.reference'
  ) AS j24
  OUTER APPLY (
    SELECT TOP (1)
      1 AS [rare],
      CASE WHEN a7.[v] <> 0 OR REPLACE(a3.[d], N'0', N'') = N'' THEN a7.[v] END AS [v]
    FROM (
      SELECT TOP (1) CHARINDEX(N'E', UPPER(j24.[valueDecimal]) + N'E') AS [e]
    ) AS a1
    CROSS APPLY (
      SELECT TOP (1)
        REPLACE(LEFT(j24.[valueDecimal], a1.[e] - 1), N'-', N'') AS [m],
        TRY_CAST(SUBSTRING(j24.[valueDecimal], a1.[e] + 1, 100) AS int) AS [x]
    ) AS a2
    CROSS APPLY (
      SELECT TOP (1)
        REPLACE(a2.[m], N'.', N'') AS [d],
        CHARINDEX(N'.', a2.[m] + N'.') - 1 + a2.[x] AS [p]
    ) AS a3
    CROSS APPLY (
      SELECT TOP (1)
        CASE WHEN a2.[x] BETWEEN -400 AND 400 THEN CASE WHEN a3.[p] < 1 THEN N'0.' + REPLICATE(N'0', -a3.[p]) + a3.[d] WHEN a3.[p] < LEN(a3.[d]) THEN LEFT(a3.[d], a3.[p]) + N'.' + SUBSTRING(a3.[d], a3.[p] + 1, LEN(a3.[d])) ELSE a3.[d] + REPLICATE(N'0', a3.[p] - LEN(a3.[d])) END WHEN REPLACE(a3.[d], N'0', N'') = N'' THEN N'0' END AS [t],
        CASE WHEN LEFT(j24.[valueDecimal], 1) = N'-' THEN N'-' ELSE N'' END AS [sign]
    ) AS a4
    CROSS APPLY (
      SELECT TOP (1) CHARINDEX(N'.', a4.[t] + N'.') + 18 AS [q]
    ) AS a5
    CROSS APPLY (
      SELECT TOP (1)
        SUBSTRING(a4.[t], a5.[q] + 1, LEN(a4.[t])) AS [r],
        RIGHT(REPLACE(LEFT(a4.[t], a5.[q]), N'.', N''), 1) AS [last]
    ) AS a6
    CROSS APPLY (
      SELECT TOP (1) TRY_CAST(a4.[sign] + LEFT(a4.[t], a5.[q] + CASE WHEN LEFT(a6.[r], 1) = N'5' AND REPLACE(SUBSTRING(a6.[r], 2, LEN(a6.[r])), N'0', N'') = N'' AND a6.[last] IN (N'0', N'2', N'4', N'6', N'8') THEN 0 ELSE 1 END) AS decimal(38, 18)) AS [v]
    ) AS a7
    WHERE (LEN(j24.[valueDecimal]) > 20 OR UPPER(j24.[valueDecimal]) LIKE N'%E%')
  ) AS n1
  OUTER APPLY (
    SELECT TOP (1)
      1 AS [rare],
      CASE WHEN a14.[v] <> 0 OR REPLACE(a10.[d], N'0', N'') = N'' THEN a14.[v] END AS [v]
    FROM (
      SELECT TOP (1) CHARINDEX(N'E', UPPER(j24.[valueQuantity_value]) + N'E') AS [e]
    ) AS a8
    CROSS APPLY (
      SELECT TOP (1)
        REPLACE(LEFT(j24.[valueQuantity_value], a8.[e] - 1), N'-', N'') AS [m],
        TRY_CAST(SUBSTRING(j24.[valueQuantity_value], a8.[e] + 1, 100) AS int) AS [x]
    ) AS a9
    CROSS APPLY (
      SELECT TOP (1)
        REPLACE(a9.[m], N'.', N'') AS [d],
        CHARINDEX(N'.', a9.[m] + N'.') - 1 + a9.[x] AS [p]
    ) AS a10
    CROSS APPLY (
      SELECT TOP (1)
        CASE WHEN a9.[x] BETWEEN -400 AND 400 THEN CASE WHEN a10.[p] < 1 THEN N'0.' + REPLICATE(N'0', -a10.[p]) + a10.[d] WHEN a10.[p] < LEN(a10.[d]) THEN LEFT(a10.[d], a10.[p]) + N'.' + SUBSTRING(a10.[d], a10.[p] + 1, LEN(a10.[d])) ELSE a10.[d] + REPLICATE(N'0', a10.[p] - LEN(a10.[d])) END WHEN REPLACE(a10.[d], N'0', N'') = N'' THEN N'0' END AS [t],
        CASE WHEN LEFT(j24.[valueQuantity_value], 1) = N'-' THEN N'-' ELSE N'' END AS [sign]
    ) AS a11
    CROSS APPLY (
      SELECT TOP (1) CHARINDEX(N'.', a11.[t] + N'.') + 18 AS [q]
    ) AS a12
    CROSS APPLY (
      SELECT TOP (1)
        SUBSTRING(a11.[t], a12.[q] + 1, LEN(a11.[t])) AS [r],
        RIGHT(REPLACE(LEFT(a11.[t], a12.[q]), N'.', N''), 1) AS [last]
    ) AS a13
    CROSS APPLY (
      SELECT TOP (1) TRY_CAST(a11.[sign] + LEFT(a11.[t], a12.[q] + CASE WHEN LEFT(a13.[r], 1) = N'5' AND REPLACE(SUBSTRING(a13.[r], 2, LEN(a13.[r])), N'0', N'') = N'' AND a13.[last] IN (N'0', N'2', N'4', N'6', N'8') THEN 0 ELSE 1 END) AS decimal(38, 18)) AS [v]
    ) AS a14
    WHERE (LEN(j24.[valueQuantity_value]) > 20 OR UPPER(j24.[valueQuantity_value]) LIKE N'%E%')
  ) AS n2
  WHERE e34.[type] <> 0
) AS u1
WHERE CAST(j1.[resourceType] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'QuestionnaireResponse.'

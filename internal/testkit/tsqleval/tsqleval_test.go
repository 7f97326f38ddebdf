package tsqleval

import (
	"strings"
	"testing"

	"fhirsynapse/internal/emulator/sqlserver/eval"
)

func one(t *testing.T, statement string, d eval.Dialect) (string, error) {
	t.Helper()
	docs := Documents("docs", []string{`{"a":"x ","n":1.50,"t":true,"z":null,"o":{"b":"y"},"l":[10,null,"q",{"c":1},[2]]}`})
	_, rows, err := Run(statement, d, docs)
	var out []string
	for _, r := range rows {
		var cells []string
		for _, c := range r {
			if c == nil {
				cells = append(cells, "NULL")
				continue
			}
			cells = append(cells, string(c))
		}
		out = append(out, strings.Join(cells, "|"))
	}
	return strings.Join(out, ";"), err
}

func TestStatementsGiveWhatSQLServerDocuments(t *testing.T) {
	t.Parallel()
	const over = " FROM docs AS d CROSS APPLY OPENJSON(d.[doc]) WITH ([a] nvarchar(max) '$.a', [n] nvarchar(max) '$.n', [t] nvarchar(max) '$.t', [z] nvarchar(max) '$.z', [o] nvarchar(max) '$.o', [oj] nvarchar(max) '$.o' AS JSON, [aj] nvarchar(max) '$.a' AS JSON, [b] nvarchar(max) '$.o.b', [l] nvarchar(max) '$.l' AS JSON, [lb] nvarchar(max) '$.l.b') AS j"
	for statement, want := range map[string]string{
		"SELECT j.[a], j.[n], j.[t], j.[z], j.[o], j.[oj], j.[aj], j.[b], j.[lb]" + over:                                       `x |1.50|true|NULL|NULL|{"b":"y"}|NULL|y|NULL`,
		"SELECT e.[key], e.[value], e.[type]" + over + " CROSS APPLY OPENJSON(j.[l]) AS e WHERE e.[type] > 2":                  `4|[2]|4;3|{"c":1}|5`,
		"SELECT CASE WHEN j.[a] = N'X' THEN 1 ELSE 0 END AS [v]" + over:                                                        "1", // case and the blank at the end do not count
		"SELECT CASE WHEN j.[a] = CAST(N'x' AS nvarchar(9)) COLLATE Latin1_General_100_BIN2 THEN 1 ELSE 0 END AS [v]" + over:   "1",
		"SELECT CASE WHEN CAST(j.[a] AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'X' THEN 1 ELSE 0 END AS [v]" + over: "0",
		"SELECT CASE WHEN CAST(j.[a] AS varbinary(max)) = CAST(N'x' AS varbinary(max)) THEN 1 ELSE 0 END AS [v]" + over:        "0",
		"SELECT LEN(j.[a]) AS [v]" + over:                                               "1",
		"SELECT CASE WHEN NULL = 1 THEN 1 WHEN NOT (NULL = 1) THEN 2 ELSE 3 END AS [v]": "3",
		"SELECT 7 / 2 AS [v]":                                                           "3",
		"SELECT CAST(1 AS decimal(22, 10)) / 3 AS [v]":                                  "0.333333333333333333333",
		"SELECT CAST(1 AS decimal(38, 18)) + CAST(0.5 AS decimal(38, 18)) AS [v]":       "1.50000000000000000",
		"SELECT TRY_CAST(N'1e3' AS decimal(38, 12)) AS [v]":                             "NULL",
		"SELECT TRY_CAST(N'5.0' AS int) AS [v]":                                         "NULL",
		"SELECT TRY_CAST(N'' AS int) AS [v]":                                            "0",
		"SELECT TRY_CAST(N'2020' AS date) AS [v]":                                       "2020-01-01",
		"SELECT TRY_CAST(N'2020-01' AS date) AS [v]":                                    "NULL",
		"SELECT CAST(SWITCHOFFSET(TRY_CAST(N'2020-01-01T00:30:00.1239+01:00' AS datetimeoffset), '+00:00') AS datetime2(3)) AS [v]": "2019-12-31T23:30:00.124",
		"SELECT TRY_CAST(N'2020-01-01T00:00:00.12345678Z' AS datetimeoffset) AS [v]":                                                "NULL",
		"SELECT CONCAT(N'a', NULL, 1) AS [v]":          "a1",
		"SELECT N'a' + NULL AS [v]":                    "error",
		"SELECT CAST(N'abcdef' AS nvarchar(3)) AS [v]": "abc",
		"SELECT SUBSTRING(N'abc', 0, 2) AS [v]":        "a",
		"SELECT x.[n] FROM (SELECT 1 AS [one]) AS o OUTER APPLY OPENJSON(CAST(NULL AS nvarchar(max))) WITH ([n] nvarchar(max) '$.n') AS x": "NULL",
	} {
		got, err := one(t, statement, eval.Dialect{})
		if want == "error" {
			if err == nil {
				t.Errorf("%s\ngives %s", statement, got)
			}
			continue
		}
		if err != nil || got != want {
			t.Errorf("%s\ngives %s, %v, want %s", statement, got, err, want)
		}
	}
}

func TestWhatSQLServerRefusesIsRefused(t *testing.T) {
	t.Parallel()
	for statement, want := range map[string]string{
		"SELECT d.[nothing] FROM docs AS d": "207",
		"SELECT x.[doc] FROM docs AS d":     "4104",
		"SELECT d.[doc] FROM nowhere AS d":  "208",
		"SELECT x.[v] FROM docs AS d CROSS APPLY (SELECT MIN(d.[doc]) AS [v] FROM OPENJSON(d.[doc]) AS e) AS x":             "8124",
		"SELECT x.[v] FROM docs AS d CROSS APPLY (SELECT e.[key] AS [v] FROM OPENJSON(d.[doc]) AS e ORDER BY e.[key]) AS x": "1033",
		"SELECT x.[v] FROM docs AS d CROSS APPLY (SELECT 1) AS x":                                                           "8155",
		"SELECT x.[v] FROM docs AS d CROSS APPLY (SELECT 1 AS [v], 2 AS [V]) AS x":                                          "8156",
		"SELECT e.[key] FROM docs AS d CROSS APPLY OPENJSON(N'not JSON') AS e":                                              "13609",
		"SELECT e.[key] FROM docs AS d CROSS APPLY OPENJSON(N'5') AS e":                                                     "13609",
		"SELECT e.[x] FROM docs AS d CROSS APPLY OPENJSON(d.[doc]) WITH ([x] nvarchar(max) '$._x') AS e":                    "13607",
		"SELECT 1 AS [v] UNION ALL SELECT 1 AS [v], 2 AS [w]":                                                               "205",
		"SELECT CAST(N'x' AS int) AS [v]":                                                                                   "245",
		"SELECT 1 / 0 AS [v]":                                                                                               "8134",
		"SELECT RIGHT(N'x', -1) AS [v]":                                                                                     "536",
		"SELECT CASE WHEN 1 = 1 THEN NULL END AS [v]":                                                                       "8133",
		"SELECT CASE WHEN N'a' = 1 THEN 1 END AS [v]":                                                                       "compared",
		"SELECT CASE WHEN N'a' < N'b' THEN 1 END AS [v]":                                                                    "default collation",
		"SELECT ROW_NUMBER() OVER (ORDER BY 0) AS [v] FROM docs AS d":                                                       "5308",
		"SELECT SOUNDEX(N'x') AS [v]":                                                                                       "not known here",
		"SELECT N'x AS [v]":                                                                                                 "not closed",
		"SELECT 1 AS [v] FROM docs AS d WHERE (1 = 1":                                                                       "expected",
	} {
		if got, err := one(t, statement, eval.Dialect{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\ngives %s, %v, want %s", statement, got, err, want)
		}
	}
	if _, err := one(t, "SELECT e.[x] FROM docs AS d CROSS APPLY OPENJSON(d.[doc]) WITH ([x] varchar(max) '$.o' AS JSON) AS e", eval.Dialect{Varchar: true}); err == nil || !strings.Contains(err.Error(), "13618") {
		t.Errorf("AS JSON of varchar: %v", err)
	}
}

func TestJSONIsReadAsOnPostgreSQL(t *testing.T) {
	t.Parallel()
	doc := `{"long":"` + strings.Repeat("x", 5000) + `","z":{"bb":1,"a":[1,2],"a":[1e2,-1.50E+1,2.50e-3,7]},"t":"a\"b\n"}`
	docs := Documents("docs", []string{doc})
	for statement, want := range map[string]string{
		"SELECT LEN(j.[long]) AS [v] FROM docs AS d CROSS APPLY OPENJSON(d.[doc]) WITH ([long] nvarchar(max) '$.long') AS j": "4000",
		"SELECT LEN(e.[value]) AS [v] FROM docs AS d CROSS APPLY OPENJSON(d.[doc]) AS e WHERE e.[key] = N'long'":             "5000",
		"SELECT e.[value] AS [v] FROM docs AS d CROSS APPLY OPENJSON(d.[doc]) AS e WHERE e.[key] = N't'":                     `a\"b\n`,
		"SELECT e.[value] AS [v] FROM docs AS d CROSS APPLY OPENJSON(d.[doc]) AS e WHERE e.[key] = N'z'":                     `{"a": [100, -15.0, 0.00250, 7], "bb": 1}`,
		"SELECT COUNT(*) AS [v] FROM OPENJSON(N'{}') WITH ([a] nvarchar(max) '$.a') AS e":                                    "1",
	} {
		_, rows, err := Run(statement, eval.Dialect{Jsonb: true}, docs)
		if err != nil || len(rows) != 1 || string(rows[0][0]) != want {
			t.Errorf("%s\ngives %q, %v, want %s", statement, rows, err, want)
		}
	}
}

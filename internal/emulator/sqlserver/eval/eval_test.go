package eval_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"fhirsynapse/internal/emulator/sqlserver"
	"fhirsynapse/internal/emulator/sqlserver/eval"
	"fhirsynapse/internal/emulator/sqlserver/syntax"
)

const document = `{"a":"x ","n":1.50,"t":true,"z":null,"o":{"b":"y"},"l":[10,null,"q",{"c":1},[2]]}`

func typeOf(t *testing.T, text, collation string) syntax.Type {
	t.Helper()
	typ, err := syntax.TypeOf(text)
	if err != nil {
		t.Fatal(err)
	}
	typ.Collation = collation
	return typ
}

// run runs a SELECT over the table docs, which has one document, and over two tables of ids: dbo.v
// with versions, and dbo.w without rows for one of them.
func run(t *testing.T, statement string, d eval.Dialect, doc string) (string, error) {
	t.Helper()
	q, err := syntax.ParseSelect(statement)
	if err != nil {
		return "", err
	}
	text := "nvarchar(max)"
	if d.Varchar {
		text = "varchar(max)"
	}
	const bin2 = "Latin1_General_100_BIN2"
	day := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	all := map[syntax.Name]*eval.Table{
		{Base: "docs"}: {
			Names: []string{"doc"},
			Types: []syntax.Type{typeOf(t, text, "")},
			Rows:  [][]any{{doc}},
		},
		{Schema: "dbo", Base: "v"}: {
			Names: []string{"id", "n", "big", "ok", "at", "day", "free"},
			Types: []syntax.Type{
				typeOf(t, "varchar(64)", bin2), typeOf(t, "int", ""), typeOf(t, "bigint", ""),
				typeOf(t, "bit", ""), typeOf(t, "datetime2(3)", ""), typeOf(t, "date", ""),
				typeOf(t, "varchar(9)", ""),
			},
			Rows: [][]any{
				{"a", int64(1), int64(10), true, day.Add(time.Hour), day, "x"},
				{"a", int64(2), int64(20), false, day, day, "X"},
				{"b", nil, int64(30), true, day, day, nil},
			},
		},
		{Schema: "dbo", Base: "w"}: {
			Names: []string{"id", "n", "name"},
			Types: []syntax.Type{
				typeOf(t, "varchar(64)", bin2), typeOf(t, "int", ""),
				typeOf(t, "varchar(9)", "Latin1_General_100_BIN2_UTF8"),
			},
			Rows: [][]any{{"a", int64(2), "w"}, {"A", int64(7), "W"}},
		},
	}
	names := eval.Names{
		Dialect: d,
		Table: func(n syntax.Name) (*eval.Table, error) {
			if t := all[n]; t != nil {
				return t, nil
			}
			return nil, &sqlserver.Error{Number: 208, Message: n.Base}
		},
		Variables: map[string]eval.Variable{"@p1": {Type: typeOf(t, "int", ""), Value: int64(4)}},
	}
	r, err := names.Query(q)
	var out []string
	for _, row := range r.Rows {
		var cells []string
		for _, c := range row {
			if c == nil {
				c = "NULL"
			}
			if at, ok := c.(time.Time); ok {
				c = at.Format("2006-01-02T15:04:05.000")
			}
			cells = append(cells, fmt.Sprint(c))
		}
		out = append(out, strings.Join(cells, "|"))
	}
	return strings.Join(out, ";"), err
}

func one(t *testing.T, statement string, d eval.Dialect) (string, error) {
	t.Helper()
	return run(t, statement, d, document)
}

func TestStatementsGiveWhatSQLServerDocuments(t *testing.T) {
	t.Parallel()
	const over = " FROM docs AS d CROSS APPLY OPENJSON(d.[doc]) WITH ([a] nvarchar(max) '$.a', [n] nvarchar(max) '$.n', [t] nvarchar(max) '$.t', [z] nvarchar(max) '$.z', [o] nvarchar(max) '$.o', [oj] nvarchar(max) '$.o' AS JSON, [aj] nvarchar(max) '$.a' AS JSON, [b] nvarchar(max) '$.o.b', [l] nvarchar(max) '$.l' AS JSON, [lb] nvarchar(max) '$.l.b') AS j"
	for statement, want := range map[string]string{
		"SELECT j.[a], j.[n], j.[t], j.[z], j.[o], j.[oj], j.[aj], j.[b], j.[lb]" +
			over: `x |1.50|true|NULL|NULL|{"b":"y"}|NULL|y|NULL`,
		"SELECT e.[key], e.[value], e.[type]" + over +
			" CROSS APPLY OPENJSON(j.[l]) AS e WHERE e.[type] > 2": `4|[2]|4;3|{"c":1}|5`,
		// case and the blank at the end do not count
		"SELECT CASE WHEN j.[a] = N'X' THEN 1 ELSE 0 END AS [v]" +
			over: "1",
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
		"SELECT TRY_CAST(N'2020' AS date) AS [v]":                                       "2020-01-01T00:00:00.000",
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
		if got, err := one(t, statement, eval.Dialect{}); err == nil ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("%s\ngives %s, %v, want %s", statement, got, err, want)
		}
	}
	if _, err := one(t,
		"SELECT e.[x] FROM docs AS d CROSS APPLY OPENJSON(d.[doc]) WITH ([x] varchar(max) '$.o' AS JSON) AS e", eval.Dialect{Varchar: true}); err == nil || !strings.Contains(err.Error(), "13618") {
		t.Errorf("AS JSON of varchar: %v", err)
	}
}

func TestJSONIsReadAsOnPostgreSQL(t *testing.T) {
	t.Parallel()
	doc := `{"long":"` + strings.Repeat("x", 5000) +
		`","z":{"bb":1,"a":[1,2],"a":[1e2,-1.50E+1,2.50e-3,7]},"t":"a\"b\n"}`
	for statement, want := range map[string]string{
		"SELECT LEN(j.[long]) AS [v] FROM docs AS d CROSS APPLY OPENJSON(d.[doc]) WITH ([long] nvarchar(max) '$.long') AS j": "4000",
		"SELECT LEN(e.[value]) AS [v] FROM docs AS d CROSS APPLY OPENJSON(d.[doc]) AS e WHERE e.[key] = N'long'":             "5000",
		"SELECT e.[value] AS [v] FROM docs AS d CROSS APPLY OPENJSON(d.[doc]) AS e WHERE e.[key] = N't'":                     `a\"b\n`,
		"SELECT e.[value] AS [v] FROM docs AS d CROSS APPLY OPENJSON(d.[doc]) AS e WHERE e.[key] = N'z'":                     `{"a": [100, -15.0, 0.00250, 7], "bb": 1}`,
		"SELECT COUNT(*) AS [v] FROM OPENJSON(N'{}') WITH ([a] nvarchar(max) '$.a') AS e":                                    "1",
	} {
		got, err := run(t, statement, eval.Dialect{Jsonb: true}, doc)
		if err != nil || got != want {
			t.Errorf("%s\ngives %q, %v, want %s", statement, got, err, want)
		}
	}
}

// Queries of a commit join tables, group rows and look ids up.
func TestQueriesOverTables(t *testing.T) {
	t.Parallel()
	for statement, want := range map[string]string{
		"SELECT v.[n], w.[n] AS [m] FROM [dbo].[v] AS v JOIN [dbo].[w] AS w ON w.[id] = v.[id] WHERE v.[n] > 1":                                     "2|2",
		"SELECT v.[big], w.[n] AS [m] FROM [dbo].[v] AS v LEFT JOIN [dbo].[w] AS w ON w.[id] = v.[id] WHERE v.[big] > 15":                           "30|NULL;20|2",
		"SELECT v.[id], COUNT_BIG(*) AS [c], SUM(v.[big]) AS [s], SUM(v.[n]) AS [n] FROM [dbo].[v] AS v GROUP BY v.[id]":                            "a|2|30|3;b|1|30|NULL",
		"SELECT COUNT(v.[n]) AS [c], MAX(v.[at]) AS [m] FROM [dbo].[v] AS v WHERE v.[id] = 'c'":                                                     "0|NULL",
		"SELECT v.[big] FROM [dbo].[v] AS v JOIN (SELECT MAX(w.[at]) AS [at] FROM [dbo].[v] AS w) AS s ON s.[at] = v.[at]":                          "10",
		"SELECT MAX(v.[ok]) AS [m] FROM [dbo].[v] AS v":                                                                                             "error",
		"SELECT COUNT_BIG(*) AS [c], SUM(v.[n]) AS [s] FROM [dbo].[v] AS v WHERE v.[id] = 'c'":                                                      "0|NULL",
		"SELECT 'x' AS [t], COUNT_BIG(*) AS [c] FROM [dbo].[v] AS v WHERE v.[id] = 'c' UNION ALL SELECT 'longer', COUNT_BIG(*) FROM [dbo].[v] AS v": "x|0;longer|3",
		"SELECT v.[big] FROM [dbo].[v] AS v WHERE v.[id] IN (SELECT w.[id] FROM [dbo].[w] AS w) AND v.[n] = 1":                                      "10",
		"SELECT v.[big] FROM [dbo].[v] AS v WHERE v.[id] NOT IN (SELECT w.[id] FROM [dbo].[w] AS w)":                                                "30",
		"SELECT v.[big] FROM [dbo].[v] AS v WHERE v.[n] NOT IN (SELECT w.[n] FROM [dbo].[w] AS w)":                                                  "10",
		"SELECT v.[big] FROM [dbo].[v] AS v WHERE EXISTS (SELECT 1 AS [one] FROM [dbo].[w] AS w WHERE w.[n] = v.[n])":                               "20",
		"SELECT v.[id] FROM [dbo].[v] AS v JOIN [dbo].[w] AS w ON w.[id] = v.[id] WHERE w.[name] = 'W'":                                             "",
		// the default collation
		"SELECT v.[big] FROM [dbo].[v] AS v WHERE v.[free] = 'x' ORDER BY v.[big]":                                                                                                   "10;20",
		"SELECT v.[big] FROM [dbo].[v] AS v WHERE v.[at] > CAST('2026-11-23T00:30:00' AS datetime2(3))":                                                                              "10",
		"SELECT s.[big] FROM (SELECT v.[big], ROW_NUMBER() OVER (PARTITION BY v.[id] ORDER BY v.[at] DESC, v.[n]) AS [r] FROM [dbo].[v] AS v) AS s WHERE s.[r] = 1 ORDER BY s.[big]": "10;30",
		"SELECT @p1 + 1 AS [v]": "5",
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

// Every statement has a fault that a looser evaluator does not see, such as one that looks at the
// values of the rows and not at the types of the columns.
func TestTypesAndScopesAreStrict(t *testing.T) {
	t.Parallel()
	const v = " FROM [dbo].[v] AS v"
	for statement, want := range map[string]string{
		"SELECT CASE WHEN v.[n] = 1 THEN 'x' ELSE 1 END AS [c]" +
			v: "results of one expression",
		"SELECT COALESCE(v.[n], 'x') AS [c]" +
			v: "results of one expression",
		"SELECT ISNULL(v.[n], 'x') AS [c]" +
			v: "results of one expression",
		"SELECT v.[n] AS [c]" + v + " UNION ALL SELECT v.[id] AS [c]" +
			v: "column c of a UNION",
		"SELECT v.[n]" + v +
			" WHERE v.[id] = 1": "compared",
		"SELECT v.[n]" + v +
			" WHERE v.[day] = v.[at]": "compared",
		"SELECT v.[n]" + v +
			" WHERE v.[at] = '2026-11-23'": "compared",
		"SELECT v.[n]" + v +
			" WHERE v.[free] > 'a'": "default collation",
		"SELECT v.[n]" + v +
			" JOIN [dbo].[w] AS w ON w.[name] = v.[id]": "468",
		"SELECT v.[id] + w.[name] AS [c]" + v +
			" JOIN [dbo].[w] AS w ON w.[id] = v.[id]": "468",
		"SELECT v.[n]" + v +
			" WHERE CAST(v.[id] AS varchar(9)) COLLATE Latin1_General_CI_AS = 'a'": "the collation",
		"SELECT v.[n]" + v +
			" WHERE CAST(v.[n] AS int) COLLATE Latin1_General_100_BIN2 = 'a'": "447",
		"SELECT v.[n] + 'x' AS [c]" + v:                              "int + varchar",
		"SELECT 'é' AS [c]":                                          "without N",
		"SELECT CAST('x' AS nvarchar(5000)) AS [c]":                  "the size 5000",
		"SELECT CAST('x' AS varchar) AS [c]":                         "needs a size",
		"SELECT CAST(v.[day] AS int) AS [c]" + v:                     "CAST of date to int",
		"SELECT v.[id], COUNT_BIG(*) AS [c]" + v:                     "8120",
		"SELECT v.[n], COUNT_BIG(*) AS [c]" + v + " GROUP BY v.[id]": "8120",
		"SELECT SUM(v.[id]) AS [c]" + v:                              "8117",
		"SELECT SUM(v.[ok]) AS [c]" + v:                              "8117",
		"SELECT MIN(v.[ok]) AS [c]" + v:                              "8117",
		"SELECT v.[n]" + v + " WHERE SUM(v.[n]) = 1":                 "195",
		"SELECT TOP (1) COUNT(*) AS [c]" + v:                         "TOP or ORDER BY",
		"SELECT [n]" + v:                                             "an alias is expected",
		"SELECT v.[n]" + v + " JOIN [dbo].[w] AS v ON v.[n] = 1":     "1013",
		"SELECT v.[n]" + v +
			" WHERE v.[n] IN (SELECT w.[n] FROM [dbo].[w] AS w WHERE w.[n] = v.[n])": "4104",
		"SELECT v.[n]" + v +
			" WHERE v.[n] IN (SELECT w.[n], w.[id] FROM [dbo].[w] AS w)": "116",
		"SELECT v.[n]" + v +
			" WHERE v.[n] IN (SELECT w.[id] FROM [dbo].[w] AS w)": "compared",
		"SELECT v.[n]" + v +
			" JOIN (SELECT w.[n] FROM [dbo].[w] AS w WHERE w.[n] = v.[n]) AS s ON s.[n] = v.[n]": "4104",
		"SELECT s.[n]" + v +
			" CROSS APPLY (SELECT w.[n] FROM [dbo].[w] AS w) AS s": "a table inside an APPLY",
		"SELECT j.[n]" + v +
			" CROSS APPLY OPENJSON(v.[id]) WITH ([n] int '$.n') AS j": "text of any length",
		"SELECT j.[n]" + v + " CROSS APPLY OPENJSON(v.[n]) AS j": "OPENJSON of int",
		"SELECT @p2 AS [v]":         "137",
		"SELECT NULL + NULL AS [v]": "null + null",
	} {
		if got, err := one(t, statement, eval.Dialect{}); err == nil ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("%s\ngives %s, %v, want %s", statement, got, err, want)
		}
	}
}

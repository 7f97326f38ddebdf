package syntax_test

import (
	"strings"
	"testing"

	"fhirsynapse/internal/emulator/sqlserver/syntax"
)

// The parser accepts all of these.
func TestWhatTheParserAcceptsAndServersRefuse(t *testing.T) {
	t.Parallel()
	const from = " FROM [docs] AS d CROSS APPLY OPENJSON(d.[doc])"
	for text, want := range map[string]string{
		"SELECT N'x AS [v]": "not closed",
		"SELECT 1 AS [v":    "not closed",
		"SELECT (1 AS [v]":  "expected )",
		"SELECT 1) AS [v]":  "not open",
		"SELECT + 1 AS [v]": "UnaryExpression",
		"SELECT 'x' COLLATE Latin1_General_100_BIN2 AS [v]":                       "COLLATE",
		"SELECT (d.[a] + 'x') COLLATE Latin1_General_100_BIN2 AS [v]":             "COLLATE",
		"SELECT CASE WHEN 1 = 1 THEN (d.[a]) COLLATE Latin1_General_100_BIN2 END": "COLLATE",
		"SELECT LEFT(d.[a], 2) COLLATE Latin1_General_100_BIN2 AS [v]":            "COLLATE",
		"SELECT COALESCE(d.[a], 'x') COLLATE Latin1_General_100_BIN2 AS [v]":      "COLLATE",
		"SELECT j.[a]" + from + " WITH ([a] nvarchar(max) '$.a' AS) AS j":         "JSON after AS",
		"SELECT STRING_AGG(d.[a], ',') WITHIN (ORDER BY d.[b]) AS [v]":            "GROUP",
		"SELECT ROW_NUMBER() OVER (PARTITION d.[a] ORDER BY d.[b]) AS [v]":        "BY",
		"SELECT DISTINCT d.[a] FROM [docs] AS d":                                  "QuerySpecification",
		"SELECT * FROM [docs] AS d":                                               "SelectStarExpression",
		"SELECT d.[a] FROM [docs] AS d, [docs] AS e":                              "FromClause",
		"SELECT d.[a] FROM [docs]":                                                "a name after every table",
		"SELECT d.[a] FROM [docs] AS d FULL OUTER JOIN [docs] AS e ON e.[a] = 1":  "QualifiedJoin",
		"SELECT d.[a] FROM [docs] AS d UNION SELECT d.[a] FROM [docs] AS d":       "BinaryQueryExpression",
		"SELECT COUNT(DISTINCT d.[a]) AS [v] FROM [docs] AS d":                    "FunctionCall",
		"SELECT d.[a] FROM [docs] AS d HAVING COUNT(*) > 1":                       "QuerySpecification",
		"SELECT TOP (1) WITH TIES d.[a] FROM [docs] AS d ORDER BY d.[a]":          "TopRowFilter",
		"SELECT d.[a] FROM [docs] AS d WITH (NOLOCK)":                             "",
		"SELECT SUM(d.[a]) OVER (PARTITION BY d.[b]) AS [v] FROM [docs] AS d":     "OverClause",
		"SELECT 1 AS [v] SELECT 2 AS [v]":                                         "one SELECT",
		"DELETE FROM [docs]":                                                      "DeleteStatement",
		"SELECT CAST(1 AS money) AS [v]":                                          "the type money",
	} {
		if q, err := syntax.ParseSelect(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\ngives %+v, %v, want %q", text, q, err, want)
		}
	}
}

// The parser refuses the first of these, unless a plus sign comes before the parenthesis.
func TestConditionsMayBeginWithAParenthesis(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"SELECT CASE WHEN (7 - 7 % 2) / 2 > 1 AND ((1 + 1) * 2) = 4 THEN 1 END AS [v]",
		"SELECT CASE WHEN (LEN('a)') > 0 OR LEN(']') = 1) THEN LEN('x') - 1 END AS [v] -- it's",
		"SELECT REPLICATE('x', 2) COLLATE Latin1_General_100_BIN2 AS [v]",
		"SELECT (SELECT 'x' AS [y]) COLLATE Latin1_General_100_BIN2 AS [v]",
	} {
		if _, err := syntax.ParseSelect(text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

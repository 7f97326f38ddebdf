package sof_test

import (
	"context"
	"fmt"

	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/native"
	"fhirsynapse/internal/sof/tsql"
)

const nameView = `{
  "resourceType": "ViewDefinition",
  "name": "patient_family",
  "status": "active",
  "resource": "Patient",
  "select": [
    {"column": [{"name": "patient_id", "path": "getResourceKey()"}]},
    {"forEach": "name", "column": [{"name": "family", "path": "family"}]}
  ]
}`

// All faults of a view are reported together, each with its place.
func ExampleCompile() {
	_, err := sof.Compile("wrong.json", []byte(`{
  "resourceType": "ViewDefinition", "status": "active", "resource": "Patient",
  "select": [{"column": [{"name": "a", "path": "name.famly"}, {"name": "b c", "path": "gender"}]}]
}`))
	fmt.Println(err)
	// Output:
	// wrong.json: select[0].column[1].name: "b c" cannot name a column; letters, digits and underscores, a letter first
	// wrong.json: select[0].column[0].path:1:6: HumanName has no element famly; did you mean family?
	//     name.famly
	//          ^
}

// The rows of a view, computed in this process.
func ExampleCompile_rows() {
	view, err := sof.Compile("patient_family.json", []byte(nameView))
	if err != nil {
		fmt.Println(err)
		return
	}
	engine, err := native.New([]*sof.View{view})
	if err != nil {
		fmt.Println(err)
		return
	}
	line := `{"resourceType":"Patient","id":"p1","name":[{"family":"Chalmers"},{"family":"Windsor"}]}`
	_, err = engine.Evaluator().Eval(context.Background(),
		[]byte(line), func(_ int, row [][]byte) error {
			fmt.Printf("%s %s\n", row[0], row[1])
			return nil
		})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// p1 Chalmers
	// p1 Windsor
}

// The same rows, computed by a SQL Server from a table of documents.
func ExampleCompile_tsql() {
	view, err := sof.Compile("patient_family.json", []byte(nameView))
	if err != nil {
		fmt.Println(err)
		return
	}
	body, err := tsql.Body(view, tsql.SQLServer, tsql.Shape{From: "[dbo].[documents]"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(body)
	// Output:
	// SELECT
	//   j1.[id] AS [patient_id],
	//   j2.[family] AS [family]
	// FROM [dbo].[documents] AS d
	// CROSS APPLY OPENJSON(d.[doc]) WITH (
	//   [resourceType] nvarchar(max) '$.resourceType',
	//   [id] nvarchar(max) '$.id',
	//   [name] nvarchar(max) '$.name' AS JSON
	// ) AS j1
	// CROSS APPLY OPENJSON(CASE WHEN LEFT(j1.[name], 1) = N'[' THEN j1.[name] ELSE N'[' + j1.[name] + N']' END) AS e1 -- name
	// CROSS APPLY OPENJSON(CASE WHEN e1.[type] = 5 THEN e1.[value] END) WITH (
	//   [family] nvarchar(max) '$.family'
	// ) AS j2
	// WHERE CAST(j1.[resourceType] + N'.' AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 = N'Patient.'
	//   AND e1.[type] <> 0
}

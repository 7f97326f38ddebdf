package tsql

import (
	"fmt"
	"slices"
	"strings"
)

// Engine names a T-SQL engine that a body is written for.
type Engine string

// The supported engines.
const (
	SQLServer  Engine = "sqlserver" // SQL Server 2019 and newer, Azure SQL
	Dedicated  Engine = "synapse-dedicated"
	Serverless Engine = "synapse-serverless"
	Fabric     Engine = "fabric"
)

// Engines lists the engines in the order of the documentation.
func Engines() []Engine { return []Engine{SQLServer, Dedicated, Serverless, Fabric} }

// ParseEngine returns the engine of that name.
func ParseEngine(name string) (Engine, error) {
	if e := Engine(name); slices.Contains(Engines(), e) {
		return e, nil
	}
	var names []string
	for _, e := range Engines() {
		names = append(names, string(e))
	}
	return "", fmt.Errorf("there is no T-SQL engine %q; it is one of %s", name,
		strings.Join(names, ", "))
}

// Staging names the way that rows get from documents into a table.
type Staging int

// The ways to fill a table.
const (
	NoStage       Staging = iota // the engine has no tables
	InsertSelect                 // into an existing table
	CreateTableAs                // CREATE TABLE AS SELECT
)

// Facts holds the features of an engine that bodies and tables depend on.
type Facts struct {
	// Text is the type of text of any length. National is set if text is stored as UTF-16 and
	// literals are written N'...'.
	Text     string
	National bool
	// WideText is set if tables hold text as nvarchar; other tables hold it as varchar in UTF-8.
	WideText bool
	// Binary is the collation that compares text by its characters alone.
	Binary string
	// Bytewise is the collation of columns whose texts are compared by their bytes. It is empty if
	// the collation of the database does that.
	Bytewise string
	// CompareBytes is set if texts are compared as bytes instead of in a collation.
	CompareBytes bool
	// AsJSON is set if OPENJSON WITH returns objects and arrays too. It returns them as
	// nvarchar(max) only.
	AsJSON bool
	// Timestamp is the SQL type for an instant.
	Timestamp string
	// CreateOrAlter is set if CREATE OR ALTER VIEW replaces a view in one step.
	CreateOrAlter bool
	// Stage is the way that rows get from documents into a table. Distributed is set if such a
	// table declares its distribution.
	Stage       Staging
	Distributed bool
	// RecursiveCTE is set if a common table expression may refer to itself.
	RecursiveCTE bool
	// StringEscape is set if the engine has STRING_ESCAPE.
	StringEscape bool
	// FromAlways is set if every SELECT of more than literals needs a FROM, as the documentation of
	// the engine requires.
	FromAlways bool
	// ScalarFunctions is set if the engine can create a scalar function with a query in it.
	ScalarFunctions bool
}

var facts = map[Engine]Facts{
	SQLServer: {
		Text: "nvarchar(max)", National: true, WideText: true, Binary: "Latin1_General_100_BIN2",
		Bytewise: "Latin1_General_100_BIN2", AsJSON: true, Timestamp: "datetime2(3)",
		CreateOrAlter: true, Stage: InsertSelect, RecursiveCTE: true, StringEscape: true,
		ScalarFunctions: true,
	},
	Dedicated: {
		Text: "nvarchar(max)", National: true, WideText: true, Binary: "Latin1_General_100_BIN2",
		Bytewise: "Latin1_General_100_BIN2", AsJSON: true, Timestamp: "datetime2(3)",
		Stage: CreateTableAs, Distributed: true, FromAlways: true,
	},
	Serverless: {
		Text: "nvarchar(max)", National: true, Binary: "Latin1_General_100_BIN2",
		Bytewise: "Latin1_General_100_BIN2_UTF8", AsJSON: true, Timestamp: "datetime2(3)",
		CreateOrAlter: true, StringEscape: true,
	},
	Fabric: {
		Text: "varchar(max)", Binary: "Latin1_General_100_BIN2_UTF8", CompareBytes: true,
		Timestamp:     "datetime2(3)",
		CreateOrAlter: true, Stage: InsertSelect,
	},
}

// Facts returns the known features of the engine.
func (e Engine) Facts() Facts { return facts[e] }

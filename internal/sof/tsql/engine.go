package tsql

import (
	"fmt"
	"slices"
	"strings"
)

// Engine names a T-SQL engine that a body is written for.
type Engine string

// The engines.
const (
	SQLServer  Engine = "sqlserver" // SQL Server 2019 and newer, Azure SQL
	Dedicated  Engine = "synapse-dedicated"
	Serverless Engine = "synapse-serverless"
	Fabric     Engine = "fabric"
)

// Engines lists the engines in the order of the documentation.
func Engines() []Engine { return []Engine{SQLServer, Dedicated, Serverless, Fabric} }

// ParseEngine gives the engine of that name.
func ParseEngine(name string) (Engine, error) {
	if e := Engine(name); slices.Contains(Engines(), e) {
		return e, nil
	}
	var names []string
	for _, e := range Engines() {
		names = append(names, string(e))
	}
	return "", fmt.Errorf("there is no T-SQL engine %q; it is one of %s", name, strings.Join(names, ", "))
}

// Staging is how rows get from documents into a table.
type Staging int

// The ways.
const (
	NoStage       Staging = iota // there are no tables
	InsertSelect                 // into a table that is there
	CreateTableAs                // CREATE TABLE AS SELECT
)

// Facts is what an engine can say, as far as bodies and tables need it.
type Facts struct {
	// Text is the type of text of any length, and National whether it is stored
	// as UTF-16 and its literals are written N'...'.
	Text     string
	National bool
	// Binary is the collation that compares text by its characters alone.
	Binary string
	// CompareBytes says that texts are compared as bytes instead of in a collation.
	CompareBytes bool
	// AsJSON says that OPENJSON WITH gives objects and arrays too: it does so as
	// nvarchar(max) alone.
	AsJSON bool
	// Timestamp is the type of an instant.
	Timestamp string
	// CreateOrAlter says that CREATE OR ALTER VIEW replaces a view in one step.
	CreateOrAlter bool
	// Stage says how rows get from documents into a table; Distributed that such a
	// table says how it is spread.
	Stage       Staging
	Distributed bool
	// RecursiveCTE says that a common table expression may refer to itself.
	RecursiveCTE bool
	// StringEscape says that there is STRING_ESCAPE.
	StringEscape bool
	// FromAlways requires a FROM in every SELECT of more than literals, as the documentation of
	// the engine has it.
	FromAlways bool
	// ScalarFunctions says that a scalar function with a query in it can be made.
	ScalarFunctions bool
}

var facts = map[Engine]Facts{
	SQLServer: {
		Text: "nvarchar(max)", National: true, Binary: "Latin1_General_100_BIN2", AsJSON: true, Timestamp: "datetime2(3)",
		CreateOrAlter: true, Stage: InsertSelect, RecursiveCTE: true, StringEscape: true, ScalarFunctions: true,
	},
	Dedicated: {
		Text: "nvarchar(max)", National: true, Binary: "Latin1_General_100_BIN2", AsJSON: true, Timestamp: "datetime2(3)",
		Stage: CreateTableAs, Distributed: true, FromAlways: true,
	},
	Serverless: {
		Text: "nvarchar(max)", National: true, Binary: "Latin1_General_100_BIN2", AsJSON: true, Timestamp: "datetime2(3)",
		CreateOrAlter: true, StringEscape: true,
	},
	Fabric: {
		Text: "varchar(max)", Binary: "Latin1_General_100_BIN2_UTF8", CompareBytes: true, Timestamp: "datetime2(3)",
		CreateOrAlter: true, Stage: InsertSelect,
	},
}

// Facts gives what is known of the engine.
func (e Engine) Facts() Facts { return facts[e] }

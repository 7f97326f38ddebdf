package serverless

import (
	"fmt"
	"strings"

	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/warehouse"
)

// statement is one batch of text, and what it is for.
type statement struct{ step, text string }

// source is the name of the data source, and of its credential.
const source = "fhirsynapse"

func literal(text string) string { return tsql.Literal(text, tsql.Serverless) }

// newestName is the view of a type's newest resources.
func newestName(resource string) string { return "_newest_" + resource }

func quoted(schema, name string) string { return tsql.Quote(schema) + "." + tsql.Quote(name) }

// newest reads the published lines of a type. Fields end with 0x0b, and 0x1f would
// quote them: neither can occur in JSON, nor in what stands before it. Version 1.0
// of the parser is the one that takes long fields.
func newest(schema, resource string, p visible) statement {
	collation := " COLLATE " + tsql.Serverless.Facts().Binary
	where := "r.filepath(1) <= '" + p.bound + "'"
	if len(p.without) > 0 {
		where += " AND r.filepath(1) NOT IN ('" + strings.Join(p.without, "', '") + "')"
	}
	return statement{"bound", fmt.Sprintf(`CREATE OR ALTER VIEW %s AS
SELECT q.[_id], q.[_version], LEFT(q.[_version], 23) + 'Z' AS [_last_updated], q.[_export], q.[doc]
FROM (
  SELECT r.[_id], r.[_version], r.[_deleted], r.[_export], r.[doc],
    ROW_NUMBER() OVER (PARTITION BY r.[_id] ORDER BY r.[_version] DESC) AS [place]
  FROM OPENROWSET(
    BULK %s, DATA_SOURCE = '%s', FORMAT = 'CSV', PARSER_VERSION = '1.0',
    FIELDTERMINATOR = '0x0b', FIELDQUOTE = '0x1f', ROWTERMINATOR = '0x0a'
  ) WITH (
    [_id] varchar(64)%[4]s 1, [_version] varchar(128)%[4]s 2, [_deleted] varchar(1) 3, [_export] varchar(128) 4, [doc] nvarchar(max) 5
  ) AS r
  WHERE %s
) AS q
WHERE q.[place] = 1 AND q.[_deleted] = '0'`,
		quoted(schema, newestName(resource)), "'"+schema+"/"+resource+"/part=*/*"+linesEnding+"'", source, collation, where)}
}

// view is a view of the plan over the newest resources.
func view(schema string, v *sof.View) (statement, error) {
	body, err := tsql.Body(v, tsql.Serverless, tsql.Shape{
		From: quoted(schema, newestName(v.Resource)),
		Keys: []string{warehouse.IDColumn, warehouse.VersionColumn, warehouse.LastUpdatedColumn, warehouse.ExportColumn},
	})
	if err != nil {
		return statement{}, fmt.Errorf("view %s: %w", v.Name, err)
	}
	return statement{"view " + v.Name, "CREATE OR ALTER VIEW " + quoted(schema, v.Name) + " AS\n" + body}, nil
}

// Script is what a first commit of a view's type runs, each text with what it is for;
// the bound is that of a first part.
func Script(schema, publishedURL string, v *sof.View) (steps, texts []string, err error) {
	st, err := view(schema, v)
	if err != nil {
		return nil, nil, err
	}
	for _, st := range []statement{createSchema(schema), createCred, createSource(publishedURL), newest(schema, v.Resource, visible{bound: "000001-0a1b2c3d"}), st} {
		steps, texts = append(steps, st.step), append(texts, st.text)
	}
	return steps, texts, nil
}

func schemaThere(schema string) statement {
	return statement{"schema", "SELECT SCHEMA_ID(" + literal(schema) + ") AS [id]"}
}

func createSchema(schema string) statement {
	return statement{"create schema", "CREATE SCHEMA " + tsql.Quote(schema)}
}

var (
	sourceThere = statement{"data source", "SELECT s.[location] FROM [sys].[external_data_sources] AS s WHERE s.[name] = " + literal(source)}
	keyThere    = statement{"master key", "SELECT COUNT_BIG(*) AS [n] FROM [sys].[symmetric_keys] AS k WHERE k.[name] = " + literal("##MS_DatabaseMasterKey##")}
	credThere   = statement{"credential", "SELECT COUNT_BIG(*) AS [n] FROM [sys].[database_scoped_credentials] AS c WHERE c.[name] = " + literal(source)}
	createCred  = statement{"create credential", "CREATE DATABASE SCOPED CREDENTIAL " + tsql.Quote(source) + " WITH IDENTITY = 'Managed Identity'"}
)

func createSource(location string) statement {
	return statement{"create data source", "CREATE EXTERNAL DATA SOURCE " + tsql.Quote(source) +
		" WITH (LOCATION = '" + strings.ReplaceAll(location, "'", "''") + "', CREDENTIAL = " + tsql.Quote(source) + ")"}
}

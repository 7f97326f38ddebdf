package serverless

import (
	"fmt"
	"strings"

	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/warehouse"
)

// statement is one batch of text with its step.
type statement struct{ step, text string }

// source names the data source, its credential and the file format.
const source = "fhirsynapse"

func literal(text string) string { return tsql.Literal(text, tsql.Serverless) }

// newestName returns the name of the view of a type's newest resources.
func newestName(resource string) string { return "_newest_" + resource }

func quoted(schema, name string) string { return tsql.Quote(schema) + "." + tsql.Quote(name) }

// utf8Collation is the collation of the short texts. The files are UTF-8, and the pool warns about
// any other collation.
const utf8Collation = "Latin1_General_100_BIN2_UTF8"

// columns are the fields of the published lines, in order.
var columns = []struct{ name, kind string }{
	{"[_id]", "varchar(128) COLLATE " + utf8Collation},
	{"[_version]", "varchar(128) COLLATE " + utf8Collation},
	{"[_deleted]", "varchar(1) COLLATE " + utf8Collation},
	{"[_export]", "varchar(128) COLLATE " + utf8Collation},
	{"[doc]", "nvarchar(max)"},
}

// listed returns the columns with an alias before each, or with types and optionally ordinals after
// each.
func listed(alias string, typed, numbered bool) string {
	var out []string
	for i, c := range columns {
		text := alias + c.name
		if typed {
			text += " " + c.kind
		}
		if numbered {
			text += fmt.Sprintf(" %d", i+1)
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}

// lines reads published lines. Fields end with 0x0b, and 0x1f would quote them; neither can occur
// in JSON or in the other fields. Only version 1.0 of the parser reads long fields.
func lines(schema, resource, ending, where string) string {
	return fmt.Sprintf(`    FROM OPENROWSET(
      BULK '%s/%s/part=*/*%s', DATA_SOURCE = '%s', FORMAT = 'CSV', PARSER_VERSION = '1.0',
      FIELDTERMINATOR = '0x0b', FIELDQUOTE = '0x1f', ROWTERMINATOR = '0x0a'
    ) WITH (
      %s
    ) AS p
    WHERE %s`, schema, resource, ending, source, listed("", true, true), where)
}

// partName is the part that a line comes from. Without the cast the pool may read every part, and
// without the collation the database's own would order the names.
const partName = "CAST(p.filepath(1) AS varchar(128)) COLLATE " + utf8Collation

// ranked numbers the visible versions of each id, newest first, as q. A version that was published
// twice ranks by its first part. marked adds [_large]: the resource is in no snapshot.
func ranked(schema, resource string, v visible, marked bool) string {
	in := func(names []string) string {
		return partName + " IN ('" + strings.Join(names, "', '") + "')"
	}
	upTo := partName + " <= '" + v.bound + "'"
	if len(v.without) > 0 {
		upTo += " AND NOT " + in(v.without)
	}
	above := upTo
	if v.snapshot != "" {
		after := partName + " > '" + v.after + "'"
		if len(v.late) > 0 {
			after = "(" + after + " OR " + in(v.late) + ")"
		}
		above = after + " AND " + upTo
	}
	var sources []string
	add := func(part, large, from string) {
		mark := ", " + part + " AS [_part]"
		if marked {
			mark += ", " + large + " AS [_large]"
		}
		sources = append(sources, "    SELECT "+listed("p.", false, false)+mark+"\n"+from)
	}
	add(partName, "0", lines(schema, resource, linesEnding, above))
	if v.large {
		add(partName, "1", lines(schema, resource, largeEnding, upTo))
	}
	if v.snapshot != "" {
		add("''", "0", fmt.Sprintf(`    FROM OPENROWSET(
      BULK '%s%s*%s', DATA_SOURCE = '%s', FORMAT = 'PARQUET'
    ) WITH (
      %s
    ) AS p`, snapshotFolder(schema+"/"+resource, v.snapshot), dataFolder, snapshotFile, source, listed("", true, false)))
	}
	mark := ""
	if marked {
		mark = ", r.[_large]"
	}
	return fmt.Sprintf(`(
  SELECT %s%s,
    ROW_NUMBER() OVER (PARTITION BY r.[_id] ORDER BY r.[_version] DESC, r.[_part]) AS [place]
  FROM (
%s
  ) AS r
) AS q`, listed("r.", false, false), mark, strings.Join(sources, "\n    UNION ALL\n"))
}

// newest returns the view of a type's newest resources.
func newest(schema, resource string, v visible) statement {
	return statement{"bound", fmt.Sprintf(`CREATE OR ALTER VIEW %s AS
SELECT q.[_id], q.[_version], TRY_CAST(LEFT(q.[_version], 23) AS datetime2(3)) AS [_last_updated], q.[_export], q.[doc]
FROM %s
WHERE q.[place] = 1 AND q.[_deleted] = '0'`, quoted(schema, newestName(resource)), ranked(schema, resource, v, false))}
}

func snapshotPrefix(resource string) string { return "_snapshot_" + resource + "_" }

// snapshotTable names the external table that writes a snapshot.
func snapshotTable(resource, name string) string { return snapshotPrefix(resource) + name }

// createSnapshot writes the newest versions, deleted or not, except large ones.
func createSnapshot(schema, resource, name string, v visible) statement {
	small := ""
	if v.large {
		small = " AND q.[_large] = 0"
	}
	return statement{"snapshot", fmt.Sprintf(`CREATE EXTERNAL TABLE %s
WITH (LOCATION = '%s%s', DATA_SOURCE = %s, FILE_FORMAT = %s)
AS
SELECT %s
FROM %s
WHERE q.[place] = 1%s`, quoted(schema, snapshotTable(resource, name)), snapshotFolder(schema+"/"+resource, name), dataFolder,
		tsql.Quote(source), tsql.Quote(source), listed("q.", false, false),
		ranked(schema, resource, v, v.large), small)}
}

// leftTables lists the external tables that failed tries have left.
func leftTables(schema, resource string) statement {
	prefix := strings.ReplaceAll(snapshotPrefix(resource), "_", "[_]")
	return statement{
		"left tables", "SELECT t.[name] FROM [sys].[external_tables] AS t WHERE t.[schema_id] = SCHEMA_ID(" + literal(schema) +
			") AND t.[name] LIKE " + literal(prefix+"%"),
	}
}

const stepDrop = "drop table"

func dropTable(schema, table string) statement {
	return statement{stepDrop, "DROP EXTERNAL TABLE " + quoted(schema, table)}
}

// sourceKeys are the columns of the view of the newest resources before the document.
var sourceKeys = []string{
	warehouse.IDColumn, warehouse.VersionColumn, warehouse.LastUpdatedColumn,
	warehouse.ExportColumn,
}

// view returns a view of the plan over the view of the newest resources.
func view(schema, newest string, v *sof.View) (statement, error) {
	body, err := tsql.Body(v, tsql.Serverless, tsql.Shape{
		From: quoted(schema, newest), Keys: sourceKeys,
	})
	if err != nil {
		return statement{}, fmt.Errorf("view %s: %w", v.Name, err)
	}
	return statement{
		"view " + v.Name, "CREATE OR ALTER VIEW " + quoted(schema, v.Name) + " AS\n" + body,
	}, nil
}

// Script returns the statements of a first commit of a view's type with their steps, and of a
// commit that writes a snapshot. The bound is that of a first part.
func Script(schema string, v *sof.View) (steps, texts []string, err error) {
	st, err := view(schema, newestName(v.Resource), v)
	if err != nil {
		return nil, nil, err
	}
	const first, twentieth, name = "000001-0a1b2c3d", "000020-0a1b2c3d", "000020-0a1b2c3d01"
	for _, st := range []statement{
		createSchema(schema), newest(schema, v.Resource, visible{bound: first}), st,
	} {
		steps, texts = append(steps, st.step), append(texts, st.text)
	}
	for _, st := range []statement{
		createFormat, createSnapshot(schema, v.Resource, name, visible{bound: twentieth}),
		dropTable(schema, snapshotTable(v.Resource, name)),
		newest(schema, v.Resource, visible{bound: twentieth, snapshot: name, after: twentieth}),
	} {
		steps, texts = append(steps, "with snapshot=20: "+st.step), append(texts, st.text)
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
	sourceThere = statement{
		"data source", "SELECT s.[location] FROM [sys].[external_data_sources] AS s WHERE s.[name] = " + literal(source),
	}
	keyThere = statement{
		"master key", "SELECT COUNT_BIG(*) AS [n] FROM [sys].[symmetric_keys] AS k WHERE k.[name] = " + literal("##MS_DatabaseMasterKey##"),
	}
	credThere = statement{
		"credential", "SELECT COUNT_BIG(*) AS [n] FROM [sys].[database_scoped_credentials] AS c WHERE c.[name] = " + literal(source),
	}
	formatThere = statement{
		"file format", "SELECT COUNT_BIG(*) AS [n] FROM [sys].[external_file_formats] AS f WHERE f.[name] = " + literal(source),
	}
	// The pool reads Snappy fastest.
	createFormat = statement{
		"create file format",
		"CREATE EXTERNAL FILE FORMAT " + tsql.Quote(source) +
			" WITH (FORMAT_TYPE = PARQUET, DATA_COMPRESSION = 'org.apache.hadoop.io.compress.SnappyCodec')",
	}
)

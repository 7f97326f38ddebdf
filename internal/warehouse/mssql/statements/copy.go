package statements

import (
	"fmt"
	"strings"

	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/sof/tsql"
)

// CopyParquet lets the engine read files into a stage. Their columns must be the table's, in its
// order. The URLs are https without quotes or control characters; see URL.
func (a Attempt) CopyParquet(t Table, urls []string) Statement {
	options := "FILE_TYPE = 'PARQUET'"
	if a.Credential != "" {
		options += ", CREDENTIAL = (IDENTITY = '" + a.Credential + "')"
	}
	return a.copyInto(t.quoted(), "", urls, "\nWITH ("+options+")", "copy "+strings.TrimPrefix(t.Name, a.Stage+"_"))
}

// CopyLines lets the engine read files of one JSON object per line, each into one column,
// optionally with the file and the line before it. The separator 0x0b cannot occur in JSON, so that
// no value is cut or unquoted.
func (a Attempt) CopyLines(t Table, urls []string) Statement {
	options := "\nWITH (FILE_TYPE = 'CSV', "
	if a.Credential != "" {
		options += "CREDENTIAL = (IDENTITY = '" + a.Credential + "'), "
	}
	options += "FIELDTERMINATOR = '0x0b', FIELDQUOTE = '" + a.NoQuote + "', ROWTERMINATOR = '0x0A', ENCODING = 'UTF8', MAXERRORS = 0)"
	columns := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		columns[i] = fmt.Sprintf("%s %d", tsql.Quote(c.Name), i+1)
	}
	return a.copyInto(t.quoted(), " ("+strings.Join(columns, ", ")+")", urls, options, "copy "+strings.TrimPrefix(t.Name, a.Stage+"_"))
}

func (a Attempt) copyInto(table, columns string, urls []string, options, step string) Statement {
	quoted := make([]string, len(urls))
	for i, u := range urls {
		quoted[i] = "'" + strings.ReplaceAll(u, "'", "''") + "'"
	}
	return a.labelled(step, "COPY INTO "+table+columns+"\nFROM "+strings.Join(quoted, ",\n  ")+options)
}

// Large returns the stage of rows, as JSON, that are too long for the engine's Parquet reader.
func (a Attempt) Large(v flatten.Table) Table {
	return Table{Schema: a.loadSchema(), Name: a.Stage + "_" + partLarge + v.Name, Columns: []Column{{Name: "doc", Type: a.text("max")}}}
}

// InsertLarge inserts the large rows of a view into its stage.
func (a Attempt) InsertLarge(v flatten.Table) []Statement {
	rows, large := a.Rows(v), a.Large(v)
	with := make([]string, len(rows.Columns))
	for i, c := range rows.Columns {
		kind, _, _ := strings.Cut(c.Type, " COLLATE")
		with[i] = tsql.Quote(c.Name) + " " + kind + ` '$."` + c.Name + `"'`
	}
	return []Statement{
		a.labelled("insert large "+v.Name, "INSERT INTO "+rows.quoted()+" ("+list("", rows.names())+")\nSELECT "+list("j", rows.names())+
			"\nFROM "+large.quoted()+" AS d\nCROSS APPLY OPENJSON(d.[doc]) WITH (\n  "+strings.Join(with, ",\n  ")+"\n) AS j"),
	}
}

// CreateLarge creates the table of a view's large rows.
func (a Attempt) CreateLarge(v flatten.Table) Statement {
	return Statement{"stage " + partLarge + v.Name, a.create(a.Large(v))}
}

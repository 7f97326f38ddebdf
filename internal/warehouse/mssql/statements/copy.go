package statements

import (
	"fmt"
	"strings"

	"fhirsynapse/internal/sof/tsql"
)

// CopyParquet lets the engine read files into a stage. Their columns must be the table's, in its
// order. The URLs are https without quotes or control characters; see URL.
func (a Attempt) CopyParquet(t Table, urls []string) Statement {
	options := "FILE_TYPE = 'PARQUET'"
	if a.Credential != "" {
		options += ", CREDENTIAL = (IDENTITY = '" + a.Credential + "')"
	}
	return a.copyInto(t.quoted(), "", urls, "\nWITH ("+options+")",
		"copy "+strings.TrimPrefix(t.Name, a.Stage+"_"))
}

// CopyLines lets the engine read files of one JSON object per line, each into one column,
// optionally with the file and the line before it. The separator 0x0b cannot occur in JSON, so that
// no value is cut or unquoted.
func (a Attempt) CopyLines(t Table, urls []string) Statement {
	options := "\nWITH (FILE_TYPE = 'CSV', "
	if a.Credential != "" {
		options += "CREDENTIAL = (IDENTITY = '" + a.Credential + "'), "
	}
	options += "FIELDTERMINATOR = '0x0b', FIELDQUOTE = '" + a.NoQuote +
		"', ROWTERMINATOR = '0x0A', ENCODING = 'UTF8', MAXERRORS = 0)"
	columns := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		columns[i] = fmt.Sprintf("%s %d", tsql.Quote(c.Name), i+1)
	}
	return a.copyInto(t.quoted(), " ("+strings.Join(columns, ", ")+")", urls, options,
		"copy "+strings.TrimPrefix(t.Name, a.Stage+"_"))
}

func (a Attempt) copyInto(table, columns string, urls []string, options, step string) Statement {
	quoted := make([]string, len(urls))
	for i, u := range urls {
		quoted[i] = "'" + strings.ReplaceAll(u, "'", "''") + "'"
	}
	return a.labelled(step,
		"COPY INTO "+table+columns+"\nFROM "+strings.Join(quoted, ",\n  ")+options)
}

// Large returns the stage of the rows of a staged table as JSON. Large rows go through it, because
// the engine's Parquet reader refuses them; with Lines all rows do.
func (a Attempt) Large(of Table) Table {
	return Table{
		Schema: a.loadSchema(), Name: a.Stage + "_" + a.largePart(of),
		Columns: []Column{{Name: "doc", Type: a.text("max")}},
	}
}

// largePart keeps the name short: names of views may be long.
func (a Attempt) largePart(of Table) string {
	part := strings.TrimPrefix(of.Name, a.Stage+"_")
	if name, is := strings.CutPrefix(part, partView); is {
		return partLarge + name
	}
	return partLines + part
}

// InsertLarge inserts rows from the stage of Large into their own.
func (a Attempt) InsertLarge(rows Table) Statement {
	with := make([]string, len(rows.Columns))
	for i, c := range rows.Columns {
		kind, _, _ := strings.Cut(c.Type, " COLLATE")
		with[i] = tsql.Quote(c.Name) + " " + kind + ` '$."` + c.Name + `"'`
	}
	part := strings.TrimPrefix(a.largePart(rows), partLarge)
	return a.labelled("insert large "+part,
		"INSERT INTO "+rows.quoted()+" ("+list("", rows.names())+")\nSELECT "+
			list("j", rows.names())+"\nFROM "+a.Large(rows).quoted()+
			" AS d\nCROSS APPLY OPENJSON(d.[doc]) WITH (\n  "+strings.Join(with, ",\n  ")+
			"\n) AS j")
}

// CreateLarge creates the stage of Large.
func (a Attempt) CreateLarge(of Table) Statement {
	return Statement{"stage " + a.largePart(of), a.create(a.Large(of))}
}

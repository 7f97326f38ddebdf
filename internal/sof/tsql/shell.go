package tsql

import (
	"errors"
	"fmt"
	"strings"

	"fhirsynapse/internal/sof"
)

// CreateView writes the statement that creates an SQL view over the source of the shape. The SQL
// view has the name of v, in the schema dbo.
func CreateView(v *sof.View, e Engine, s Shape) (string, error) {
	body, err := Body(v, e, s)
	if err != nil {
		return "", err
	}
	create := "CREATE OR ALTER VIEW"
	if !e.Facts().CreateOrAlter {
		create = "CREATE VIEW"
	}
	return fmt.Sprintf("%s [dbo].%s AS\n%s", create, Quote(v.Name), body), nil
}

// Stage writes the statement that fills the stage table of a view from documents. It creates the
// table if the engine makes tables from queries; otherwise the table must exist. The table is a
// name as ParseName returns it.
func Stage(v *sof.View, e Engine, s Shape, table string) (string, error) {
	f := e.Facts()
	if f.Stage == NoStage {
		return "", errors.New(string(e) +
			" has no tables to stage rows in: its views read the documents")
	}
	body, err := Body(v, e, s)
	if err != nil {
		return "", err
	}
	if f.Stage == CreateTableAs {
		with := ""
		if f.Distributed {
			with = "\nWITH (HEAP, DISTRIBUTION = ROUND_ROBIN)"
			if s.ID {
				with = "\nWITH (HEAP, DISTRIBUTION = HASH([_id]))"
			}
		}
		return fmt.Sprintf("CREATE TABLE %s%s AS\n%s", table, with, body), nil
	}
	var columns []string
	for _, k := range s.Keys {
		columns = append(columns, Quote(k))
	}
	if s.ID {
		columns = append(columns, Quote("_id"))
	}
	for _, c := range v.Columns {
		columns = append(columns, Quote(c.Name))
	}
	return fmt.Sprintf("INSERT INTO %s (%s)\n%s", table, strings.Join(columns, ", "), body), nil
}

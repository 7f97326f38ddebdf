package cli

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"fhirsynapse/internal/query"
	"fhirsynapse/internal/warehouse/duckdb"
)

func queryCommand(getenv func(string) string, s Streams, c Commands) *cobra.Command {
	var db string
	var asCSV, asJSON, asTable, header, noHeader bool
	cmd := &cobra.Command{
		Use:   "query --db FILE SQL",
		Short: "Query the tables of a DuckDB file",
		Long: "Query a DuckDB file, which is opened read-only. If another process is writing to it, the command\n" +
			"waits up to five seconds and then names that process.\n\n" +
			"CSV follows RFC 4180 with LF; NULL is an empty field, and an empty text is \"\". A result of one row\n" +
			"and one column is printed as the bare value, without header or quotes, for scripts. Other results\n" +
			"have a header. --header and --no-header override this. JSON is an array of objects; decimals keep\n" +
			"all their digits.",
		Example: "  fhirsynapse query --db .demo/fhir.duckdb 'select gender, count(*) as n from patient group by gender'\n" +
			"  fhirsynapse query --db .demo/fhir.duckdb --csv 'select count(*) from patient'",
		Args: arguments(1, "the SQL statement"),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case db == "":
				return usagef(cmd, "--db is missing: name the DuckDB file")
			case strings.TrimSpace(args[0]) == "":
				return usagef(cmd, "the SQL statement is empty")
			case (header || noHeader) && !asCSV:
				return usagef(cmd, "--header and --no-header are only for --csv")
			}
			names := query.HeaderAuto
			switch {
			case header && noHeader:
				return usagef(cmd, "--header and --no-header: choose one")
			case header:
				names = query.HeaderAlways
			case noHeader:
				names = query.HeaderNever
			}
			file, err := databaseOf(db, getenv)
			if err != nil {
				return usagef(cmd, "%w", err)
			}
			return c.query(cmd.Context(), file, args[0], func(r query.Result) error {
				switch {
				case asCSV:
					return query.CSV(s.Out, r, names)
				case asJSON:
					return query.JSON(s.Out, r)
				default:
					return query.Table(s.Out, r)
				}
			})
		},
	}
	cmd.Flags().StringVar(&db, "db", "",
		"the DuckDB `FILE`, or env:NAME or file:PATH that contains its name")
	cmd.Flags().BoolVar(&asTable, "table", false, "print a table for people (the default)")
	cmd.Flags().BoolVar(&asCSV, "csv", false,
		"print CSV, or the bare value where there is only one")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON array of objects")
	cmd.Flags().BoolVar(&header, "header", false,
		"begin --csv with the names, even for a single value")
	cmd.Flags().BoolVar(&noHeader, "no-header", false, "leave out the header of --csv")
	exclusive(cmd, "table", "csv", "json")
	return cmd
}

// exclusive refuses more than one of the flags. Cobra's own check bypasses the flag error function,
// so its error would count as a failure.
func exclusive(cmd *cobra.Command, names ...string) {
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		var set []string
		for _, name := range names {
			if f := cmd.Flags().Lookup(name); f != nil && f.Changed && f.Value.String() != "false" {
				set = append(set, "--"+name)
			}
		}
		if len(set) > 1 {
			return usagef(cmd, "%s: choose one", strings.Join(set, " and "))
		}
		return nil
	}
}

// writerWait is how long a query waits for the commit of another process.
const writerWait = 5 * time.Second

// query runs one statement on a DuckDB file, which it opens read-only, and passes the result to
// show. A file of another kind fails at once.
func (c Commands) query(
	ctx context.Context, db, statement string, show func(query.Result) error,
) (err error) {
	if c.stubs.query != nil {
		return c.stubs.query(ctx, db, statement, show)
	}
	if err := query.One(statement); err != nil {
		return err
	}
	if err := duckdb.CheckFile(db); err != nil {
		return err
	}
	rows, err := duckdb.Query(ctx, db, statement, writerWait)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	result, err := query.FromSQL(rows.Rows)
	if err != nil {
		return err
	}
	return show(result)
}

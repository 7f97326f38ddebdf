package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"fhirsynapse/internal/batch"
	"fhirsynapse/internal/warehouse"
)

const tablesListHelp = `List the tables of a plan, or of all plans: rows, the time of the last commit that wrote rows of the
type, up to when the table has everything, and the differences between the table and its view.

The command reads the app's settings from the environment: those of the storage account, Warehouse and
its identity, and ExportsFile. With --to it asks a warehouse alone, as after load or start --once; then
complete as of comes from the table etl_exports, and is the same for all types.

SQL Server and the dedicated pool report the number of rows that they keep, and call it approximate.
DuckDB counts, and so does Fabric, which reads the tables for that. Rows of the serverless pool are not
counted, because a count reads all published files.

Drift says that a table lacks something of its view: missing-table, missing-column, changed-type. It
also lists what needs no action: extra-column, and older-views, where the last commit used earlier
views of the plan. In --json these are the values of kind.

The exit code is 0 with drift too. With --check it is 3 if a table lacks something of its view, or if
its type is behind the others. It is also 3 if something in the list is not known.`

func tablesListCommand(getenv func(string) string, s Streams, c Commands) *cobra.Command {
	var q batch.TablesRequest
	var to string
	var asJSON, check bool
	cmd := &cobra.Command{
		Use:   "list [PLAN]",
		Short: "List tables: rows, last change, complete as of, drift",
		Long:  tablesListHelp,
		Example: "  fhirsynapse tables list nightly\n" +
			"  fhirsynapse tables list --to duckdb:fhir.duckdb --json\n" +
			"  fhirsynapse tables list --check && echo complete",
		Args: between(0, 1, "the plan"),
		RunE: func(cmd *cobra.Command, args []string) error {
			plan := strings.Join(args, "")
			var err error
			switch {
			case to == "" && (q.Schema != "" || q.Views != ""):
				return usagef(cmd, "--schema and --views belong to --to: a plan has its own")
			case to != "" && plan != "":
				return usagef(cmd, "name a plan, or a warehouse with --to and --schema")
			case to != "":
				if q.Scheme, q.Rest, err = warehouseOf(to, getenv); err != nil {
					return usagef(cmd, "%w", err)
				}
			}
			n := newNarrator(s)
			began := n.now()
			n.wait("", func(now time.Time) string {
				return "asking the warehouse, for " + span(now.Sub(began))
			})
			var list warehouse.Listing
			if to != "" {
				list, err = c.Runs.Tables(cmd.Context(), q)
			} else {
				list, err = c.Tables.Tables(cmd.Context(), plan)
			}
			n.end()
			if err != nil {
				return err
			}
			return listed(s, list, asJSON, check)
		},
	}
	cmd.Flags().StringVar(&to, "to", "",
		"only ask the `WAREHOUSE`, as for load; or env:NAME or file:PATH that contains it")
	cmd.Flags().StringVar(&q.Schema, "schema", "",
		"with --to, the schema of the tables (default dbo or main)")
	cmd.Flags().StringVar(&q.Views, "views", "",
		"with --to, a `FOLDER` of ViewDefinitions beside the bundled ones")
	cmd.Flags().BoolVar(&check, "check", false, "exit with code 3 if a table drifts or is behind")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON array")
	return cmd
}

// listed prints a list of tables. It returns an error if the list lacks something, and for --check.
func listed(s Streams, list warehouse.Listing, asJSON, check bool) error {
	var err error
	switch {
	case asJSON:
		err = printJSON(s, append([]warehouse.ListedTable{}, list.Tables...))
		for _, note := range list.Notes {
			fmt.Fprintf(s.Err, "fhirsynapse: %s\n", printable(note))
		}
	case len(list.Tables) == 0:
		err = say(s, append([]string{"there are no tables yet: the first export makes them"},
			list.Notes...)...)
	default:
		err = say(s, append([]string{listedTable(list.Tables)},
			append(list.Notes, rowsNotes(list.Tables)...)...)...)
	}
	if err != nil {
		return err
	}
	if len(list.Unknown) > 0 {
		return Incompletef("%s", strings.Join(list.Unknown, "\n"))
	}
	return checked(list.Tables, check)
}

func listedTable(tables []warehouse.ListedTable) string {
	t := plainTable("plan", "table", "type", "rows", "last change", "complete as of", "drift")
	t.SetColumnConfigs([]table.ColumnConfig{{
		Number: 4, Align: text.AlignRight, AlignHeader: text.AlignRight,
	}})
	for _, x := range tables {
		rows, complete := "?", moment(x.CompleteAt)
		switch {
		case x.Rows != nil:
			rows = strconv.FormatInt(*x.Rows, 10)
		case !x.Exists:
			rows = ""
		}
		if x.Behind {
			complete = strings.TrimSpace(complete + " behind")
		}
		t.AppendRow(table.Row{
			x.Plan, x.Schema + "." + x.Table, x.Type, rows, moment(x.ChangedAt), complete,
			text.WrapSoft(printable(driftText(x)), 50),
		})
	}
	return t.Render()
}

// driftText describes the drift of a table in a few words.
func driftText(x warehouse.ListedTable) string {
	const most = 3
	var texts []string
	for i, d := range x.Drift {
		if i == most {
			texts = append(texts, fmt.Sprintf("and %d more", len(x.Drift)-most))
			break
		}
		texts = append(texts, d.Text)
	}
	switch {
	case len(texts) > 0:
		return strings.Join(texts, "; ")
	case !x.Exists:
		return "no commit of the type yet"
	}
	return "none"
}

// rowsNotes explains the numbers of rows.
func rowsNotes(tables []warehouse.ListedTable) []string {
	for _, x := range tables {
		if x.Approximate {
			return []string{"rows are the count that the server keeps, which it calls approximate"}
		}
	}
	return nil
}

// checked returns the error of --check.
func checked(tables []warehouse.ListedTable, check bool) error {
	drift, behind := 0, 0
	for _, x := range tables {
		for _, d := range x.Drift {
			if d.IsDifferent() {
				drift++
				break
			}
		}
		if x.Behind {
			behind++
		}
	}
	if !check || drift+behind == 0 {
		return nil
	}
	return Incompletef("of %s, %d lack something of their views, and %d are behind the others",
		countOf(len(tables), "table"), drift, behind)
}

package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"fhirsynapse/internal/batch"
)

func tablesCommand(getenv func(string) string, s Streams, c Commands) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tables",
		Short: "List and maintain the tables of a warehouse",
		Args:  subcommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(tablesListCommand(getenv, s, c), maintainCommand(getenv, s, c))
	return cmd
}

const maintainHelp = `Free the space of deleted rows, and renew the statistics of the optimizer, table by table.

A resource that has changed is deleted and inserted again. In a dedicated pool the pages of the deleted
rows stay allocated until the table is rebuilt; in SQL Server the indexes become fragmented. Run this
after a full export into existing tables, and once a month where much changes.

In a dedicated pool a table is locked while it is rebuilt: queries wait, and a commit that has waited
for a minute is tried again later. In SQL Server the tables stay open. The command may be interrupted
and repeated. The login needs ALTER on the schema, as the loader does.`

func maintainCommand(getenv func(string) string, s Streams, c Commands) *cobra.Command {
	var q batch.MaintainRequest
	var to string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "maintain --to sqlserver://HOST?database=NAME|synapse-dedicated://HOST?database=NAME",
		Short: "Free the space of deleted rows, and renew statistics",
		Long:  maintainHelp,
		Example: "  fhirsynapse tables maintain --to 'synapse-dedicated://HOST?database=NAME' --schema fhir\n" +
			"  fhirsynapse tables maintain --to env:Warehouse --schema fhir --json",
		Args: arguments(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if q.Scheme, q.Rest, err = warehouseOf(to, getenv); err != nil {
				return usagef(cmd, "%w", err)
			}
			n := newNarrator(s)
			began := n.now()
			n.wait("connect", func(now time.Time) string {
				return "connecting, for " + span(now.Sub(began))
			})
			q.Begin = func(table string) {
				began := n.now()
				n.wait(table, func(now time.Time) string {
					return "maintaining " + table + ", for " + span(now.Sub(began))
				})
			}
			report, err := c.Runs.Maintain(cmd.Context(), q)
			n.end()
			if err != nil {
				return fmt.Errorf("maintain the tables: %w", err)
			}
			if asJSON {
				if report.Tables == nil {
					report.Tables = []batch.MaintainedTable{}
				}
				return json.NewEncoder(s.Out).Encode(report)
			}
			return maintainTable(s.Out, report)
		},
	}
	cmd.Flags().StringVar(&to, "to", "",
		"the `WAREHOUSE`: sqlserver://... or synapse-dedicated://...; or env:NAME or file:PATH that contains it")
	cmd.Flags().StringVar(&q.Schema, "schema", "", "the schema of the tables (default dbo)")
	cmd.Flags().StringVar(&q.Views, "views", "",
		"a `FOLDER` of ViewDefinitions beside the bundled ones, as for load")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the report as JSON")
	return cmd
}

func maintainTable(w io.Writer, r batch.MaintainReport) error {
	if len(r.Tables) == 0 {
		_, err := fmt.Fprintln(w,
			"nothing to maintain: the schema has no tables of these views, or the engine maintains them itself")
		return err
	}
	t := table.NewWriter()
	style := table.StyleLight
	style.Format.Header = text.FormatDefault
	t.SetStyle(style)
	t.AppendHeader(table.Row{"table", "seconds"})
	t.SetColumnConfigs([]table.ColumnConfig{{
		Number: 2, Align: text.AlignRight, AlignHeader: text.AlignRight,
	}})
	for _, x := range r.Tables {
		t.AppendRow(table.Row{x.Table, fmt.Sprintf("%.1f", x.Seconds)})
	}
	_, err := fmt.Fprintln(w, t.Render())
	return err
}

package cli

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
)

func exportsShowCommand(s Streams, c Commands) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show [PLAN|EXPORT]",
		Short: "Show one export: its jobs, its failure and what to do",
		Long: `Show the newest export of a plan, the export with an id, or without an argument the only running
export: its state, times and jobs, what is tried again and why, and of a failure the cause, whose it
is, and the remedy. The settings of the storage account are enough.`,
		Example: "  fhirsynapse exports show nightly\n  fhirsynapse exports show nightly-000012 --json",
		Args:    between(0, 1, "the plan or export"),
		RunE: func(cmd *cobra.Command, args []string) error {
			f := follower{list: c.Journal.Exports, name: strings.Join(args, "")}
			e, err := f.look(cmd.Context())
			if err == nil && e.ID == "" { // an id was given: look once more, now by it
				e, err = f.look(cmd.Context())
			}
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(s, e)
			}
			return say(s, exportLines(e)...)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object")
	return cmd
}

// exportLines describes one export.
func exportLines(e records.ExportSummary) []string {
	t := plainTable()
	row := func(name, value string) {
		if value = printable(value); value != "" {
			t.AppendRow(table.Row{name, text.WrapSoft(value, 90)})
		}
	}
	row("export", e.ID)
	row("plan", e.Plan)
	row("schema", e.Schema)
	row("cohort", e.Cohort)
	row("state", string(e.State))
	row("requested", moment(e.RequestedAt))
	row("last progress", moment(e.TouchedAt))
	row("finished", moment(e.FinishedAt))
	row("progress", e.Progress)
	row("files", strconv.Itoa(e.Files))
	row("committed", strings.Join(slices.Sorted(maps.Keys(e.Committed)), ", "))
	if f := e.Failure; f != nil {
		row("failed at", f.Step)
		row("cause", f.Cause)
		row("whose", f.Whose)
		row("remedy", f.Remedy)
		if f.Text != "" {
			row("the server's words", "fhirsynapse quarantine show "+e.ID+" --texts")
		}
	}
	if r := e.Retry; r != nil {
		row("tried again", r.Step+", "+countOf(r.Tries, "try")+" since "+moment(r.Since))
		row("cause", r.Cause)
		row("remedy", r.Remedy)
		row("next try", moment(r.Next))
	}
	if s := e.Shortfall; s != nil {
		row("not exported", s.String())
	}
	row("notice", e.Notice)
	out := []string{t.Render()}
	if len(e.Jobs) > 0 {
		out = append(out, jobTable(e.Jobs))
	}
	if line := pausedLine(e); line != "" {
		out = append(out, line)
	}
	return append(out, e.ValuesOf().Sentences()...)
}

// jobTable lists the requests of an export.
func jobTable(jobs []pipeline.Request) string {
	t := plainTable("job", "level", "window", "types")
	for i, j := range jobs {
		level := j.Level
		if j.Group != "" {
			level += " " + j.Group
		}
		types := "all"
		if len(j.Types) > 0 {
			types = strings.Join(j.Types, ", ")
		}
		t.AppendRow(table.Row{
			i + 1, printable(level), window(jobs[i : i+1]), text.WrapSoft(types, 60),
		})
	}
	return t.Render()
}

package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"fhirsynapse/internal/pipeline"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"
)

func exportsCommand(s Streams, c Commands) *cobra.Command {
	var plan string
	var most int
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "exports",
		Short: "List the exports of the journal",
		Long: "List the exports of the journal, plan by plan, the newest first. The settings are those of the\n" +
			"environment; docs/configuration.md lists them.",
		Args: arguments(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if most < 1 {
				return usagef(cmd, "--last must be at least 1")
			}
			list, err := c.Exports(cmd.Context(), plan, most)
			if err != nil {
				return err
			}
			if asJSON {
				return exportsJSON(s.Out, list)
			}
			return exportsTable(s.Out, list)
		},
	}
	cmd.Flags().StringVar(&plan, "plan", "", "only the exports of one `PLAN`")
	cmd.Flags().IntVar(&most, "last", 10, "how many of each plan")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON array")
	return cmd
}

func exportsJSON(w io.Writer, list []pipeline.ExportSummary) error {
	if list == nil {
		list = []pipeline.ExportSummary{}
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(list); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	return nil
}

func exportsTable(w io.Writer, list []pipeline.ExportSummary) error {
	t := table.NewWriter()
	style := table.StyleLight
	style.Format.Header = text.FormatDefault
	t.SetStyle(style)
	t.AppendHeader(table.Row{"export", "plan", "state", "window", "files", "requested", "touched", "note"})
	t.SetColumnConfigs([]table.ColumnConfig{{Number: 5, Align: text.AlignRight, AlignHeader: text.AlignRight}})
	for _, e := range list {
		note := e.Progress
		if e.Failure != nil {
			note = e.Failure.Step + ": " + e.Failure.Cause
		}
		if e.Notice != "" {
			note = strings.TrimPrefix(note+"; "+e.Notice, "; ")
		}
		t.AppendRow(table.Row{
			e.ID, e.Plan, string(e.State), window(e.Jobs), strconv.Itoa(e.Files),
			moment(e.RequestedAt), moment(e.TouchedAt), text.WrapSoft(note, 60),
		})
	}
	if _, err := fmt.Fprintln(w, t.Render()); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	return nil
}

// window is (since, till] of an export's jobs, which all share the end.
func window(jobs []pipeline.Request) string {
	if len(jobs) == 0 {
		return ""
	}
	since, till := jobs[0].Since, jobs[0].Till
	for _, j := range jobs {
		if j.Since.Before(since) {
			since = j.Since
		}
		if j.Till.After(till) {
			till = j.Till
		}
	}
	from := "full"
	if !since.IsZero() {
		from = moment(since)
	}
	if till.IsZero() {
		return from
	}
	return from + " to " + moment(till)
}

func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05Z")
}

package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
)

func exportsCommand(s Streams, c Commands) *cobra.Command {
	cmd := exportsListCommand(s, c)
	cmd.Use, cmd.Args = "exports", subcommand
	cmd.Short = "List, show, watch, start and cancel exports, and pause plans"
	cmd.Long = `List the exports in the journal by plan, the newest first. Subcommands show, watch, start and cancel
exports, and pause plans.

The command reads the app's settings from the environment; docs/configuration.md lists them. The
settings of the storage account are enough: LakeStorage, or LakeStorage__blobServiceUri with the
identity of this machine or of the Azure CLI; and JournalContainer, if it has another name.`
	cmd.AddCommand(exportsListCommand(s, c), exportsShowCommand(s, c), exportsStartCommand(s, c),
		exportsWatchCommand(s, c), exportsCancelCommand(s, c), exportsPauseCommand(s, c),
		exportsResumeCommand(s, c))
	return cmd
}

func exportsListCommand(s Streams, c Commands) *cobra.Command {
	var plan string
	var most int
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the exports of each plan, the newest first",
		Args:  arguments(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if most < 1 {
				return usagef(cmd, "--last must be at least 1")
			}
			list, err := c.Journal.Exports(cmd.Context(), plan, most)
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
	cmd.Flags().IntVar(&most, "last", 10, "the number of exports of each plan")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON array")
	return cmd
}

func exportsJSON(w io.Writer, list []records.ExportSummary) error {
	if list == nil {
		list = []records.ExportSummary{}
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(list); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	return nil
}

func exportsTable(w io.Writer, list []records.ExportSummary) error {
	t := table.NewWriter()
	style := table.StyleLight
	style.Format.Header = text.FormatDefault
	t.SetStyle(style)
	t.AppendHeader(table.Row{
		"export", "plan", "state", "window", "files", "requested", "touched", "note",
	})
	t.SetColumnConfigs([]table.ColumnConfig{{
		Number: 5, Align: text.AlignRight, AlignHeader: text.AlignRight,
	}})
	var paused, values []string
	for _, e := range list {
		if line := pausedLine(e); line != "" && !slices.Contains(paused, line) {
			paused = append(paused, line)
		}
		note := e.Progress
		if e.State == records.Requested && e.TouchedAt.IsZero() {
			note = "the app starts it at its next tick"
		}
		if e.Failure != nil {
			note = e.Failure.Step + ": " + e.Failure.Cause
			if e.Failure.Text != "" {
				note += "; the server's own words are in the quarantine container, in " +
					e.Failure.Text
			}
		}
		if e.Empty() {
			note = "the server gave no resources: it has none of these types, or the group or the filters match nothing"
		}
		if e.Notice != "" {
			note = strings.TrimPrefix(note+"; "+e.Notice, "; ")
		}
		t.AppendRow(table.Row{
			e.ID, e.Plan, string(e.State), window(e.Jobs), strconv.Itoa(e.Files),
			moment(e.RequestedAt), moment(e.TouchedAt), text.WrapSoft(note, 60),
		})
		for _, sentence := range e.ValuesOf().Sentences() {
			values = append(values, e.ID+": "+sentence)
		}
	}
	if _, err := fmt.Fprintln(w,
		strings.Join(slices.Concat([]string{t.Render()}, paused, values), "\n")); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	return nil
}

// pausedLine reports that the plan of an export is paused; empty if it is not.
func pausedLine(e records.ExportSummary) string {
	if e.PlanPausedAt.IsZero() {
		return ""
	}
	return fmt.Sprintf("plan %s is paused since %s: fhirsynapse exports resume %s", e.Plan,
		moment(e.PlanPausedAt), e.Plan)
}

// window returns the interval (since, till] of an export's jobs, which all have the same end.
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

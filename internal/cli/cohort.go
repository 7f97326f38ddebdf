package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"fhirsynapse/internal/cohort"
	"fhirsynapse/internal/fault"
)

func cohortCommand(s Streams, c Commands) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "cohort",
		Short: "List, show and refresh cohorts of patients",
		Long: `List, show and refresh the cohorts of exports.yaml: sets of patients that a FHIR search finds, kept as
Groups at their server. docs/cohorts.md explains them. The commands print counts, never ids of patients.

The commands read the app's settings from the environment: those of the storage account, and ExportsFile.
plan and refresh also ask the FHIR server, with the sign-in of its source.`,
		Args: subcommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.PersistentFlags().StringVar(&file, "config", "",
		"a `FILE` of plans in place of the app's; list and plan then need no storage account")
	cmd.AddCommand(cohortListCommand(s, c, &file), cohortShowCommand(s, c, &file),
		cohortPlanCommand(s, c, &file), cohortRefreshCommand(s, c, &file))
	return cmd
}

func cohortListCommand(s Streams, c Commands, file *string) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Short: "List the cohorts", Args: arguments(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := c.Cohorts.Cohorts(cmd.Context(), *file)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(s, list)
			}
			t := plainTable(
				"cohort", "source", "membership", "match", "members", "groups", "changed", "checked",
				"note")
			for _, x := range list {
				t.AppendRow(table.Row{
					x.Name, x.Source, string(x.Membership), string(x.Match), x.Record.Members,
					len(x.Record.Shards), moment(x.Record.ChangedAt), moment(x.Record.CheckedAt),
					text.WrapSoft(cohortNote(x.Record), 60),
				})
			}
			return say(s, t.Render())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON array")
	return cmd
}

// cohortNote returns what a person should know about a cohort.
func cohortNote(r cohort.Record) string {
	switch {
	case r.Trouble != "":
		return moment(r.TroubleAt) + ": " + r.Trouble
	case r.MadeAt.IsZero():
		return "not made yet: its first export makes it, or fhirsynapse cohort refresh"
	}
	return ""
}

func cohortShowCommand(s Streams, c Commands, file *string) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "show NAME", Short: "Show one cohort and its Groups", Args: one("the cohort"),
		RunE: func(cmd *cobra.Command, args []string) error {
			list, err := c.Cohorts.Cohorts(cmd.Context(), *file)
			if err != nil {
				return err
			}
			i := slices.IndexFunc(list, func(x cohort.State) bool { return x.Name == args[0] })
			if i < 0 {
				return noCohort(list, args[0])
			}
			if asJSON {
				return printJSON(s, list[i])
			}
			return say(s, cohortLines(list[i])...)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func noCohort(list []cohort.State, name string) error {
	if len(list) == 0 {
		return fault.Permanentf("cohort %s: exports.yaml has no cohorts", name)
	}
	var names []string
	for _, x := range list {
		names = append(names, x.Name)
	}
	return fault.Permanentf("cohort %s: there is none of this name in exports.yaml, which has %s",
		name, strings.Join(names, ", "))
}

// cohortLines describes a cohort.
func cohortLines(x cohort.State) []string {
	t := plainTable()
	row := func(name, value string) {
		if value != "" {
			t.AppendRow(table.Row{name, text.WrapSoft(value, 80)})
		}
	}
	r := x.Record
	row("cohort", x.Name)
	row("source", x.Source)
	row("search", x.Search)
	row("among", x.Among)
	row("group of others", x.Group)
	row("match", string(x.Match))
	row("membership", string(x.Membership))
	row("plans", strings.Join(x.Plans, ", "))
	row("members", fmt.Sprint(r.Members))
	row("made", moment(r.MadeAt))
	row("checked", moment(r.CheckedAt))
	row("changed", moment(r.ChangedAt))
	if !r.ChangedAt.IsZero() && r.Joins+r.Leaves > 0 {
		row("last change", fmt.Sprintf("%d joined, %d left", r.Joins, r.Leaves))
	}
	row("left out", leftOut(r.Found))
	row("note", cohortNote(r))
	lines := []string{t.Render()}
	if len(r.Shards) > 0 {
		g := plainTable("group", "version", "members")
		for i, shard := range r.Shards {
			name := shard.Group
			if r.Groupless {
				name = fmt.Sprintf("share %d, without a Group", i+1)
			}
			g.AppendRow(table.Row{name, shard.Version, shard.Members})
		}
		lines = append(lines, g.Render())
	}
	return lines
}

// leftOut describes the resources that name no member; empty if there are none.
func leftOut(c cohort.Counts) string {
	var parts []string
	for _, p := range []struct {
		n    int64
		what string
	}{
		{c.InError, "entered in error"},
		{c.Elsewhere, "about patients of another server"},
		{c.NoPatient, "without a patient"},
		{c.Superseded, "patients whose newest Observation says something else"},
	} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.what))
		}
	}
	return strings.Join(parts, ", ")
}

func cohortPlanCommand(s Streams, c Commands, file *string) *cobra.Command {
	var asJSON, dry bool
	cmd := &cobra.Command{
		Use:   "plan [NAME]",
		Short: "Show what a refresh would write",
		Long: `Evaluate the searches of all cohorts, or of one, compare the patients with the Groups, and show what a
refresh would write. Nothing is written: the command always is a dry run.`,
		Example: "  fhirsynapse cohort plan --dry-run\n" +
			"  fhirsynapse cohort plan former-smokers --config exports.yaml --json",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !dry {
				return usagef(cmd,
					"plan is always a dry run: write with fhirsynapse cohort refresh NAME")
			}
			if len(args) == 0 {
				list, err := c.Cohorts.Cohorts(cmd.Context(), *file)
				if err != nil {
					return err
				}
				for _, x := range list {
					args = append(args, x.Name)
					fmt.Fprintln(s.Err, "fhirsynapse:", asks(x))
				}
			}
			var reports []cohort.Report
			var faults []error
			for _, name := range args {
				r, err := c.Cohorts.RefreshCohort(cmd.Context(), *file, name,
					cohort.Options{DryRun: true})
				if err != nil {
					faults = append(faults, err)
					continue
				}
				reports = append(reports, r)
			}
			return errors.Join(printReports(s, reports, asJSON), errors.Join(faults...))
		},
	}
	cmd.Flags().BoolVar(&dry, "dry-run", true, "write nothing; the command knows no other way")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON array")
	return cmd
}

// asks describes for a person what a refresh asks the server of a cohort.
func asks(x cohort.State) string {
	if x.Group != "" {
		return fmt.Sprintf("cohort %s reads Group %s at %s", x.Name, x.Group, x.Source)
	}
	what := fmt.Sprintf("cohort %s asks %s for %s", x.Name, x.Source, x.Search)
	switch {
	case x.Match != cohort.MatchLatest:
	case x.Among != "":
		what += ", the newest of " + x.Among
	default:
		what += ", the newest of all values"
	}
	return what
}

func cohortRefreshCommand(s Streams, c Commands, file *string) *cobra.Command {
	var asJSON, force bool
	cmd := &cobra.Command{
		Use:   "refresh NAME",
		Short: "Bring the Groups of a cohort up to date",
		Long: `Evaluate the search of a cohort and write the Groups that differ. A fixed cohort is evaluated once; then
this command only checks that its Groups are as they were written.

--force evaluates a fixed cohort again and replaces its members, lets a cohort shrink by more than its
maxShrink, and takes over Groups that the journal does not know. A search that finds nobody changes
nothing even so.`,
		Example: "  fhirsynapse cohort refresh former-smokers",
		Args:    one("the cohort"),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := c.Cohorts.RefreshCohort(cmd.Context(), *file, args[0],
				cohort.Options{Force: force})
			if err != nil {
				return err
			}
			return printReports(s, []cohort.Report{r}, asJSON)
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "confirm what the command would otherwise refuse")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON array")
	return cmd
}

// printReports prints what refreshes have done or would do.
func printReports(s Streams, reports []cohort.Report, asJSON bool) error {
	if asJSON {
		return printJSON(s, append([]cohort.Report{}, reports...))
	}
	if len(reports) == 0 {
		return nil
	}
	t := plainTable("cohort", "members", "join", "leave", "created", "updated", "unchanged", "note")
	for _, r := range reports {
		does := map[string]int{}
		note := leftOut(r.Found)
		if note != "" {
			note = "left out: " + note
		}
		for _, g := range r.Groups {
			does[g.Does]++
			if g.Foreign {
				note = strings.TrimPrefix(note+"; someone else has changed Group "+g.Group, "; ")
			}
		}
		t.AppendRow(table.Row{
			r.Cohort, r.Members, r.Joins, r.Leaves, does[cohort.Created], does[cohort.Updated],
			does[cohort.Unchanged] + does[cohort.Kept], text.WrapSoft(note, 60),
		})
	}
	return say(s, t.Render())
}

// plainTable makes a table with these columns.
func plainTable(columns ...string) table.Writer {
	t := table.NewWriter()
	style := table.StyleLight
	style.Format.Header = text.FormatDefault
	t.SetStyle(style)
	if len(columns) > 0 {
		header := table.Row{}
		for _, c := range columns {
			header = append(header, c)
		}
		t.AppendHeader(header)
	}
	return t
}

func printJSON(s Streams, v any) error {
	e := json.NewEncoder(s.Out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	return nil
}

package cli

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"fhirsynapse/internal/pipeline/records"
)

func exportsStartCommand(s Streams, c Commands) *cobra.Command {
	var atTick, asJSON bool
	var window windowFlags
	cmd := &cobra.Command{
		Use:   "start PLAN",
		Short: "Start an export of a plan now",
		Long: `Start an export of a plan at once, regardless of its schedule and even if it is paused, and print its
id. The kick-off is sent from this machine: all settings of the app must be in the environment, and
you need the permissions of the app, see docs/operations.md.

An export asks for the changes since the last one. Use --full or --since after resources came to the
server with old dates, by $import or from another server: no later export would ask for them. Deletes
are asked for too, and the schedule goes on as before. Below level system every export is full.

A resource that a full export and the one after it lack is removed from the tables: the server has
deleted it without telling. If more than 5 % of a type are missing, they stay, and a notice of the
export tells how many. Then find out why, and use --accept-missing.

With --at-tick the request is written to the journal, and the app starts the export at its next tick
(ExportSchedule, usually five minutes). The settings of the storage account are enough for that, and
ExportsFile for a plan without an export.`,
		Example: "  fhirsynapse exports start nightly\n" +
			"  fhirsynapse exports start nightly --since 2026-01-31\n" +
			"  fhirsynapse exports start nightly --full --at-tick",
		Args: one("the plan"),
		RunE: func(cmd *cobra.Command, args []string) error {
			w, err := window.read()
			if err != nil {
				return usagef(cmd, "%w", err)
			}
			if atTick {
				id, err := c.Journal.Ask(cmd.Context(), args[0], w)
				if err != nil {
					return err
				}
				fmt.Fprintln(s.Err, "fhirsynapse: the app starts it at its next tick")
				if asJSON {
					return printJSON(s, records.ExportSummary{Export: records.Export{
						ID: id, Plan: args[0], State: records.Requested,
					}})
				}
				return say(s, id)
			}
			e, err := c.Journal.Start(cmd.Context(), args[0], w)
			if e.ID == "" {
				return err
			}
			return started(s, e, asJSON, err)
		},
	}
	cmd.Flags().BoolVar(&atTick, "at-tick", false, "let the app start it at its next tick")
	window.add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the export as a JSON object")
	return cmd
}

// windowFlags are the flags that widen the window of an export.
type windowFlags struct {
	full          bool
	since         string
	acceptMissing bool
}

func (f *windowFlags) add(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.full, "full", false, "ask for everything again")
	cmd.Flags().StringVar(&f.since, "since", "",
		"ask for all changes since a `DATE`, such as 2026-01-31 (UTC) or 2026-01-31T08:00:00Z")
	cmd.Flags().BoolVar(&f.acceptMissing, "accept-missing", false,
		"remove the resources that the last full export lacked and this one lacks too, however many")
}

func (f *windowFlags) read() (w records.Window, err error) {
	w.AcceptMissing = f.acceptMissing
	switch {
	case f.full && f.since != "":
		return w, errors.New("--full and --since exclude each other")
	case f.since == "":
		w.Full = f.full
		return w, nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if w.Since, err = time.Parse(layout, f.since); err == nil {
			w.Since = w.Since.UTC()
			return w, nil
		}
	}
	return w, fmt.Errorf("--since %s: write a date such as 2026-01-31 or 2026-01-31T08:00:00Z",
		f.since)
}

// started prints how an export began; err is the reason why the server was not asked yet.
func started(s Streams, e records.ExportSummary, asJSON bool, err error) error {
	show := func() error { return say(s, e.ID) }
	if asJSON {
		show = func() error { return printJSON(s, e) }
	}
	if sayErr := show(); sayErr != nil {
		return sayErr
	}
	switch {
	case err != nil:
		tell(s, err)
		fmt.Fprintln(s.Err,
			"fhirsynapse: the export is in the journal: the app continues it at its next tick")
	case e.Failure != nil:
		return fmt.Errorf("export %s has failed: %s: %s", e.ID, e.Failure.Step, e.Failure.Cause)
	case e.State == records.Cancelled:
		return fmt.Errorf(
			"export %s has nothing to ask for: the plan's last export ended where this one would end by the server's clock", e.ID)
	}
	return nil
}

func exportsCancelCommand(s Streams, c Commands) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "cancel EXPORT",
		Short: "Cancel an export and its jobs at the server",
		Long: `Cancel an export, given by its id or the name of its plan, and report the state of its jobs at the
server. Committed data stays, and the plan's next export covers the same window.

The command cancels the jobs itself if it can read exports.yaml (ExportsFile) with everything that the
file refers to, and reach the server. Otherwise the app cancels them at its next tick. The settings of
the storage account are enough.`,
		Args: one("the export or plan"),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, jobs, err := c.Journal.Cancel(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			answer := cancelled{Export: id, Jobs: []cancelledJob{}}
			lines := []string{fmt.Sprintf("export %s is cancelled", id)}
			for _, j := range jobs {
				one := cancelledJob{Job: j.Job, Fate: string(j.Fate)}
				lines = append(lines, fmt.Sprintf("job %s: %s", j.Job, j.Fate))
				if j.Err != nil {
					one.Error = j.Err.Error()
					tell(s, fmt.Errorf("job %s: %w", j.Job, j.Err))
				}
				answer.Jobs = append(answer.Jobs, one)
			}
			if asJSON {
				return printJSON(s, answer)
			}
			return say(s, lines...)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the export and its jobs as a JSON object")
	return cmd
}

// cancelled is a cancelled export for scripts.
type cancelled struct {
	Export string         `json:"export"`
	Jobs   []cancelledJob `json:"jobs"`
}

type cancelledJob struct {
	Job   string `json:"job"`
	Fate  string `json:"fate"`
	Error string `json:"error,omitempty"`
}

// planState is a paused or resumed plan for scripts.
type planState struct {
	Plan   string `json:"plan"`
	Paused bool   `json:"paused"`
}

func exportsPauseCommand(s Streams, c Commands) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "pause PLAN",
		Short: "Stop the schedule of a plan",
		Long: `Stop the schedule of a plan until it is resumed. A running export continues, and the command start
still works. To pause a plan that has had no export, write "paused: true" in exports.yaml. The
settings of the storage account are enough.`,
		Args: one("the plan"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := c.Journal.Pause(cmd.Context(), args[0]); err != nil {
				return err
			}
			if asJSON {
				return printJSON(s, planState{args[0], true})
			}
			return say(s, fmt.Sprintf("plan %s is paused", args[0]))
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object")
	return cmd
}

func exportsResumeCommand(s Streams, c Commands) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "resume PLAN",
		Short: "Resume the schedule of a plan",
		Long: `Resume the schedule of a paused plan. However many exports it has missed, one starts at the next
tick. The settings of the storage account are enough.`,
		Args: one("the plan"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := c.Journal.Resume(cmd.Context(), args[0]); err != nil {
				return err
			}
			if asJSON {
				return printJSON(s, planState{args[0], false})
			}
			return say(s, fmt.Sprintf("plan %s is resumed", args[0]))
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object")
	return cmd
}

// say prints a result.
func say(s Streams, lines ...string) error {
	if _, err := fmt.Fprintln(s.Out, strings.Join(lines, "\n")); err != nil {
		return fmt.Errorf("write the answer: %w", err)
	}
	return nil
}

// tell prints an error that does not end the command.
func tell(s Streams, err error) {
	for line := range strings.SplitSeq(err.Error(), "\n") {
		fmt.Fprintf(s.Err, "fhirsynapse: %s\n", line)
	}
}

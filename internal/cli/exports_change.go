package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"fhirsynapse/internal/pipeline/records"
)

func exportsStartCommand(s Streams, c Commands) *cobra.Command {
	var atTick bool
	cmd := &cobra.Command{
		Use:   "start PLAN",
		Short: "Begin an export of a plan, whatever its schedule says",
		Long: `Begin an export of a plan at once, whatever its schedule says and although it is paused, and print its
id. The server is asked from here, as the app would do it: all settings of the app must be in the
environment, and who runs this needs what the app needs, see docs/operations.md.

With --at-tick the export is asked for in the journal, and the app begins it at its next tick
(ExportSchedule, mostly five minutes). For that the settings of the storage account are enough, and
ExportsFile where the plan had no export yet.`,
		Args: one("the plan"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if atTick {
				id, err := c.Journal.Ask(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				fmt.Fprintln(s.Err, "fhirsynapse: the app's next tick begins it")
				return say(s, id)
			}
			e, err := c.Journal.Start(cmd.Context(), args[0])
			if e.ID == "" {
				return err
			}
			return started(s, e, err)
		},
	}
	cmd.Flags().BoolVar(&atTick, "at-tick", false, "leave it to the app's next tick")
	return cmd
}

// started prints how an export began; err is the reason why the server was not asked yet.
func started(s Streams, e records.ExportSummary, err error) error {
	if sayErr := say(s, e.ID); sayErr != nil {
		return sayErr
	}
	switch {
	case err != nil:
		tell(s, err)
		fmt.Fprintln(s.Err,
			"fhirsynapse: the export is in the journal: the app's next tick goes on with it")
	case e.Failure != nil:
		return fmt.Errorf("export %s has failed: %s: %s", e.ID, e.Failure.Step, e.Failure.Cause)
	case e.State == records.Cancelled:
		return fmt.Errorf(
			"export %s has nothing to ask for: the plan's last export ended where this one would end by the server's clock", e.ID)
	}
	return nil
}

func exportsCancelCommand(s Streams, c Commands) *cobra.Command {
	return &cobra.Command{
		Use:   "cancel EXPORT",
		Short: "End an export, and its jobs at the server",
		Long: `End an export, by its id or by the name of its plan, and say what became of its jobs at the server. What
was committed stays; the plan's next export covers the same window.

The jobs are ended from here where exports.yaml (ExportsFile) and what it refers to are at hand, and
the server lets us; else the app does it at its next tick. The settings of the storage account are
enough.`,
		Args: one("the export or plan"),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, jobs, err := c.Journal.Cancel(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			lines := []string{fmt.Sprintf("export %s is cancelled", id)}
			for _, j := range jobs {
				lines = append(lines, fmt.Sprintf("job %s: %s", j.Job, j.Fate))
				if j.Err != nil {
					tell(s, fmt.Errorf("job %s: %w", j.Job, j.Err))
				}
			}
			return say(s, lines...)
		},
	}
}

func exportsPauseCommand(s Streams, c Commands) *cobra.Command {
	return &cobra.Command{
		Use:   "pause PLAN",
		Short: "Keep the schedule from starting a plan",
		Long: `Keep the schedule from starting a plan, until it is resumed. An export that runs goes on, and start
still works. A plan that had no export yet is held back by "paused: true" in exports.yaml. The
settings of the storage account are enough.`,
		Args: one("the plan"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := c.Journal.Pause(cmd.Context(), args[0]); err != nil {
				return err
			}
			return say(s, fmt.Sprintf("plan %s is paused", args[0]))
		},
	}
}

func exportsResumeCommand(s Streams, c Commands) *cobra.Command {
	return &cobra.Command{
		Use:   "resume PLAN",
		Short: "Let the schedule start a plan again",
		Long: `Let the schedule start a plan again that was paused. What was missed meanwhile counts once, at the
next tick. The settings of the storage account are enough.`,
		Args: one("the plan"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := c.Journal.Resume(cmd.Context(), args[0]); err != nil {
				return err
			}
			return say(s, fmt.Sprintf("plan %s goes on", args[0]))
		},
	}
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

package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"fhirsynapse/internal/quarantine"
	"fhirsynapse/internal/quarantine/retry"
)

func quarantineRetryCommand(s Streams, c Commands) *cobra.Command {
	var where string
	var asJSON, messages bool
	cmd := &cobra.Command{
		Use:   "retry EXPORT [TYPE] | retry MESSAGE | retry --messages",
		Short: "Load bad lines again after a fix, or put messages back on their queue",
		Long: `Load the bad lines of an export again, after the cause is mended: a view, a setting such as LineLimit,
or the program. The lines are read from their files in the landing container, flattened with the
present views and settings, and committed as an export of their own, EXPORT.retry in the ledger.
Only lines that no retry has loaded are read; the command may be interrupted and repeated. A resource
that has a newer row by now keeps it.

A line that the server itself wrote wrong is mended at the server: its new version comes with the next
export. For a line that is mended by hand, see quarantine show --lines.

The lines are loaded from this machine: all settings of the app must be in the environment, and you
need the permissions of the app. The exit code is 3 if some of the lines are still bad.

A message that the handler could not read goes back on its queue, if the present version of this program
can read it: upgrade program and app first. Its copy in the quarantine is removed once the queue has it.
This needs the settings LakeStorage, ServiceBusConnection and StepsQueue, with Storage Blob Data
Contributor on the quarantine container and Azure Service Bus Data Sender on the queue.`,
		Example: "  fhirsynapse quarantine retry nightly-000012\n" +
			"  fhirsynapse quarantine retry nightly-000012 Patient --where 'reason~over the limit'\n" +
			"  fhirsynapse quarantine retry --messages",
		Args: between(0, 2, "the export"),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case messages && len(args) > 0:
				return usagef(cmd, "--messages means all messages: name none")
			case (messages || len(args) > 0 && quarantine.IsMessage(args[0])) &&
				(where != "" || len(args) > 1):
				return usagef(cmd, "--where and a type are for lines, not for messages")
			case messages:
				return retryMessages(cmd, s, c, "", asJSON)
			case len(args) == 0:
				return usagef(cmd, "the export or message is missing")
			case quarantine.IsMessage(args[0]):
				return retryMessages(cmd, s, c, quarantine.MessageID(args[0]), asJSON)
			}
			q := quarantine.Selection{Export: args[0], Progress: &quarantine.Progress{}}
			if len(args) > 1 {
				q.Type = args[1]
			}
			var err error
			if q.Reason, err = reasonOf(where); err != nil {
				return usagef(cmd, "%w", err)
			}
			n := quarantineNarrator(s, q.Progress)
			r, err := c.Quarantine.RetryQuarantine(cmd.Context(), q)
			n.end()
			return errors.Join(retried(s, r, asJSON), err, stillBad(r))
		},
	}
	cmd.Flags().StringVar(&where, "where", "",
		"only the lines that `reason~TEXT` selects: their reason contains TEXT")
	cmd.Flags().BoolVar(&messages, "messages", false, "put all messages back on their queue")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object")
	return cmd
}

// reasonOf reads the flag --where.
func reasonOf(where string) (string, error) {
	reason, ok := strings.CutPrefix(where, "reason~")
	if where != "" && !ok {
		return "", fmt.Errorf("--where %q: write reason~TEXT", where)
	}
	return reason, nil
}

// retried prints the result of a retry, also of one that ended with an error.
func retried(s Streams, r retry.Report, asJSON bool) error {
	switch {
	case r.Export == "": // nothing was begun
		return nil
	case asJSON:
		return printJSON(s, r)
	case len(r.Files) == 0:
		return say(s, "no lines of this choice are left to retry in "+r.Export)
	}
	t := plainTable("type", "file", "lines", "applied", "superseded", "filtered", "still bad")
	t.SetColumnConfigs([]table.ColumnConfig{
		{Number: 3, Align: text.AlignRight, AlignHeader: text.AlignRight},
		{Number: 4, Align: text.AlignRight, AlignHeader: text.AlignRight},
		{Number: 5, Align: text.AlignRight, AlignHeader: text.AlignRight},
		{Number: 6, Align: text.AlignRight, AlignHeader: text.AlignRight},
		{Number: 7, Align: text.AlignRight, AlignHeader: text.AlignRight},
	})
	for _, f := range r.Files {
		t.AppendRow(table.Row{
			f.Type, f.From, f.Lines, f.Applied, f.Superseded, f.Filtered, f.Quarantined,
		})
	}
	out := []string{t.Render()}
	const most = 20
	for _, f := range r.Files {
		for _, l := range f.Left {
			if len(out) <= most {
				out = append(out, printable(fmt.Sprintf("still bad: %s line %d: %s", f.From, l.Line,
					l.Reason)))
			}
		}
	}
	return say(s, append(out, fmt.Sprintf(
		"%s: %d lines read, %d applied, %d superseded, %d still bad", r.As, r.Lines, r.Applied,
		r.Superseded, r.Quarantined))...)
}

// stillBad makes a retry incomplete that left lines in quarantine.
func stillBad(r retry.Report) error {
	if r.Quarantined == 0 {
		return nil
	}
	return Incompletef(
		"%d of %d lines are still bad: fhirsynapse quarantine show %s lists the reasons",
		r.Quarantined, r.Lines, r.Export)
}

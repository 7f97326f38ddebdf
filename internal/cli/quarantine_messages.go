package cli

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"fhirsynapse/internal/quarantine"
	"fhirsynapse/internal/quarantine/retry"
)

// messagesTable lists messages that the handler could not read.
func messagesTable(files []quarantine.File) string {
	t := plainTable("message", "queue", "kept since", "bytes", "step", "reason")
	t.SetColumnConfigs([]table.ColumnConfig{
		{Number: 4, Align: text.AlignRight, AlignHeader: text.AlignRight},
	})
	for _, f := range files {
		t.AppendRow(table.Row{
			printable(f.Message.ID), f.Message.Queue, moment(f.Modified),
			strconv.FormatInt(f.Size, 10), stepWords(*f.Message), text.WrapSoft(f.Reason, 60),
		})
	}
	return t.Render()
}

// stepWords names the step of a message; "" for one that this version cannot read.
func stepWords(m quarantine.MessageFacts) string {
	if m.Export == "" {
		return m.Step
	}
	return m.Step + " of " + m.Export
}

// showMessage describes a message, or prints its content.
func showMessage(
	cmd *cobra.Command, s Streams, c Commands, id string, body, asJSON bool,
) error {
	if body {
		fmt.Fprintln(s.Err, "fhirsynapse: the message on standard output may hold health data, "+
			"if another program has sent it: keep it where "+
			"patients' data may be, and remove it afterwards")
		return c.Messages.CopyMessage(cmd.Context(), id, s.Out)
	}
	f, err := c.Messages.KeptMessage(cmd.Context(), id)
	if err != nil {
		return err
	}
	if asJSON {
		return printJSON(s, f)
	}
	todo := "if a newer version of yours has sent it: fhirsynapse quarantine retry " + id +
		" after the upgrade; else nothing waits for it"
	if f.Message.Step != "" {
		todo = "put it back on its queue: fhirsynapse quarantine retry " + id
	}
	return say(s, messagesTable([]quarantine.File{f}), todo,
		"its content, which may be health data if another program has sent it: "+
			"fhirsynapse quarantine show "+id+" --body")
}

// retryMessages puts messages back on their queue and prints what became of them.
func retryMessages(cmd *cobra.Command, s Streams, c Commands, id string, asJSON bool) error {
	p := &quarantine.Progress{}
	n := quarantineNarrator(s, p)
	r, err := c.Messages.RetryMessages(cmd.Context(), id, p)
	n.end()
	if r.Messages == nil || id != "" && err != nil && !asJSON { // the error says all
		return err
	}
	if err == nil && r.Left() > 0 {
		err = Incompletef(
			"%d messages are still in the quarantine: fhirsynapse quarantine list says why",
			r.Left())
	}
	if asJSON {
		return errors.Join(printJSON(s, r), err)
	}
	return errors.Join(say(s, sentLines(r, id == "")...), err)
}

// sentLines describes what became of messages.
func sentLines(r retry.MessagesReport, all bool) []string {
	out := make([]string, 0, len(r.Messages)+2)
	for _, m := range r.Messages {
		what := "not sent again"
		if m.Sent {
			what = fmt.Sprintf("sent to %s again as %s", m.Queue, stepWords(m.MessageFacts))
		}
		out = append(out, printable(fmt.Sprintf("message %s: %s: %s", m.ID, what, m.Outcome)))
	}
	if more := r.Sent + r.Refused - int64(len(r.Messages)); more > 0 {
		out = append(out, fmt.Sprintf("and %d more messages", more))
	}
	if all {
		out = append(out, fmt.Sprintf("%d messages sent again, %d left in the quarantine", r.Sent,
			r.Left()))
	}
	return out
}

package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"fhirsynapse/internal/pipeline/records"
	"fhirsynapse/internal/quarantine"
)

func quarantineCommand(s Streams, c Commands) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "quarantine",
		Short: "List bad lines and unread messages, show why, and try them again",
		Long: `List the files of the quarantine container, show why lines are bad and why messages are kept, load the
lines again after a fix, and put the messages back on their queue after an upgrade. The commands print
counts, places and reasons; only show --lines, show --texts and show --body print what may be health data.

The commands read the app's settings from the environment. Those of the storage account are enough, but for retry:
LakeStorage, or LakeStorage__blobServiceUri with the identity of this machine or of the Azure CLI; and
QuarantineContainer and JournalContainer, if they have other names.`,
		Args: subcommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(quarantineListCommand(s, c), quarantineShowCommand(s, c),
		quarantineRetryCommand(s, c))
	return cmd
}

func quarantineListCommand(s Streams, c Commands) *cobra.Command {
	var q quarantine.Query
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list [PLAN|EXPORT]",
		Short: "List the files of the quarantine, the newest first",
		Long: `List the files of the quarantine, the newest first: bad lines, texts of a server about a failure, files
at which an export failed, and apart from them the messages that the handler could not read. Lines are
counted in files of up to 1 MB; --count reads the larger ones too.`,
		Example: "  fhirsynapse quarantine list nightly --most 20",
		Args:    between(0, 1, "the plan or export"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if q.Most < 1 {
				return usagef(cmd, "--most must be at least 1")
			}
			q.Name = strings.Join(args, "")
			q.Progress = &quarantine.Progress{}
			n := quarantineNarrator(s, q.Progress)
			list, err := c.Quarantine.Quarantined(cmd.Context(), q)
			n.end()
			if err != nil {
				return err
			}
			found, files := foundLine(list)
			if asJSON {
				if files > int64(len(list.Files)) {
					fmt.Fprintf(s.Err, "fhirsynapse: the newest %d of %s; --most lists more\n",
						len(list.Files), found)
				}
				return printJSON(s, append([]quarantine.File{}, list.Files...))
			}
			if files == 0 {
				return say(s, "nothing is in the quarantine"+of(q.Name))
			}
			return say(s, append(quarantineTables(list.Files),
				found+shownLine(list.Files, files))...)
		},
	}
	cmd.Flags().IntVar(&q.Most, "most", 50, "the number of files, and of messages")
	cmd.Flags().BoolVar(&q.Count, "count", false, "read files over 1 MB to count their lines")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON array")
	return cmd
}

// between requires least to most arguments; what names the first in the error.
func between(least, most int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return usagef(cmd, "%s is missing", what)
		case len(args) > most:
			return usagef(cmd, "%q is one argument too many", args[most])
		}
		return nil
	}
}

func of(name string) string {
	if name == "" {
		return ""
	}
	return " of " + name
}

// quarantineTables describes files, and apart from them messages.
func quarantineTables(files []quarantine.File) []string {
	var out []string
	messages := slices.DeleteFunc(slices.Clone(files), func(f quarantine.File) bool {
		return f.Kind != quarantine.Message
	})
	if len(messages) < len(files) {
		out = append(out, quarantineTable(files))
	}
	if len(messages) > 0 {
		out = append(out, messagesTable(messages))
		if slices.ContainsFunc(messages, func(f quarantine.File) bool {
			return f.Message.Step != ""
		}) {
			out = append(out, "put the messages that can be read back on their queue: "+
				"fhirsynapse quarantine retry --messages")
		}
	}
	return out
}

func quarantineTable(files []quarantine.File) string {
	t := plainTable("kind", "export", "type", "lines", "retried", "bytes", "written", "file")
	t.SetColumnConfigs([]table.ColumnConfig{
		{Number: 4, Align: text.AlignRight, AlignHeader: text.AlignRight},
		{Number: 5, Align: text.AlignRight, AlignHeader: text.AlignRight},
		{Number: 6, Align: text.AlignRight, AlignHeader: text.AlignRight},
	})
	for _, f := range files {
		if f.Kind == quarantine.Message {
			continue
		}
		lines, again := "", ""
		if f.Retried != nil {
			again = strconv.FormatInt(*f.Retried, 10)
		}
		switch {
		case f.Lines != nil:
			lines = strconv.FormatInt(*f.Lines, 10)
		case f.Kind == quarantine.Lines:
			lines = "?"
		}
		t.AppendRow(table.Row{
			string(f.Kind), f.Export, f.Type, lines, again, strconv.FormatInt(f.Size, 10),
			moment(f.Modified), cmp.Or(f.From, f.Path),
		})
	}
	return t.Render()
}

// foundLine describes all files that were found, and returns their number.
func foundLine(list quarantine.Listing) (line string, files int64) {
	var parts []string
	for _, k := range []struct {
		kind quarantine.Kind
		what string
	}{
		{quarantine.Lines, "files of bad lines"},
		{quarantine.ServerText, "texts of a server"},
		{quarantine.Unprepared, "failed files"},
		{quarantine.Message, "messages"},
		{quarantine.Other, "files of others"},
	} {
		sum := list.Found[k.kind]
		files += sum.Files
		if sum.Files > 0 {
			parts = append(parts, fmt.Sprintf("%d %s (%d bytes)", sum.Files, k.what, sum.Bytes))
		}
	}
	return strings.Join(parts, ", "), files
}

// shownLine reports what the table leaves out.
func shownLine(shown []quarantine.File, files int64) string {
	line := ""
	if int64(len(shown)) < files {
		line = fmt.Sprintf("; the newest %d files and messages are shown: --most lists more",
			len(shown))
	}
	for _, f := range shown {
		if f.Kind == quarantine.Lines && f.Lines == nil {
			return line + "; ? means not counted: --count reads the files"
		}
	}
	return line
}

func quarantineShowCommand(s Streams, c Commands) *cobra.Command {
	var where string
	var asJSON, lines, texts, body bool
	cmd := &cobra.Command{
		Use:   "show EXPORT [TYPE] | show MESSAGE",
		Short: "Show why lines of an export are bad, or why a message is kept",
		Long: `Show the reasons why lines of an export are bad, how often each occurs, and the first lines that have
it. A reason names the place and never the content.

--lines prints the lines themselves as they are stored, in JSON: line, offset, reason and text (the first
megabyte). The text is health data. --texts prints the words of a server about failures of the export,
which may be health data, in JSON: path and text.

Of a message that the handler could not read, which list names, it shows the reason and what to type.
--body prints the message itself: one of another program may hold anything, also health data.`,
		Example: "  fhirsynapse quarantine show nightly-000012 Patient\n" +
			"  fhirsynapse quarantine show nightly-000012 Patient --lines | " +
			"jq -r .text > mended/Patient.ndjson",
		Args: between(1, 2, "the export"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if quarantine.IsMessage(args[0]) {
				if lines || texts || where != "" || len(args) > 1 || body && asJSON {
					return usagef(cmd, "a message takes --json or --body alone")
				}
				return showMessage(cmd, s, c, quarantine.MessageID(args[0]), body, asJSON)
			}
			q := quarantine.Selection{Export: args[0], Progress: &quarantine.Progress{}}
			if len(args) > 1 {
				q.Type = args[1]
			}
			var err error
			if q.Reason, err = reasonOf(where); err != nil {
				return usagef(cmd, "%w", err)
			}
			switch {
			case body:
				return usagef(cmd, "--body is for a message: fhirsynapse quarantine list names them")
			case lines && texts:
				return usagef(cmd, "--lines and --texts exclude each other")
			case (lines || texts) && asJSON:
				return usagef(cmd, "--json is for the reasons: lines and texts are JSON already")
			case texts && (where != "" || q.Type != ""):
				return usagef(cmd, "--texts shows all texts of an export: name no type and no reason")
			case lines:
				return copied(cmd, s, q, "lines", c.Quarantine.CopyQuarantined)
			case texts:
				return copied(cmd, s, q, "texts", func(
					ctx context.Context, q quarantine.Selection, w io.Writer,
				) (int64, error) {
					return c.Quarantine.CopyServerTexts(ctx, q.Export, w)
				})
			}
			n := quarantineNarrator(s, q.Progress)
			r, err := c.Quarantine.ExplainQuarantine(cmd.Context(), q)
			n.end()
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(s, append([]quarantine.Reason{}, r.Reasons...))
			}
			return say(s, reasonLines(q, r)...)
		},
	}
	cmd.Flags().BoolVar(&lines, "lines", false, "print the lines: health data")
	cmd.Flags().BoolVar(&texts, "texts", false, "print a server's own words: may be health data")
	cmd.Flags().BoolVar(&body, "body", false, "print a message: may be health data")
	cmd.Flags().StringVar(&where, "where", "",
		"only the lines that `reason~TEXT` selects: their reason contains TEXT")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON array of the reasons")
	return cmd
}

// quarantineNarrator reports on stderr how much is read.
func quarantineNarrator(s Streams, p *quarantine.Progress) *narrator {
	n := newNarrator(s)
	began := n.now()
	n.wait("", func(now time.Time) string {
		return "reading the quarantine: " + p.String() + ", for " + span(now.Sub(began))
	})
	return n
}

// copied prints health data to stdout, and the warning to stderr.
func copied(
	cmd *cobra.Command, s Streams, q quarantine.Selection, what string,
	copyTo func(context.Context, quarantine.Selection, io.Writer) (int64, error),
) error {
	fmt.Fprintf(s.Err, "fhirsynapse: the %s on standard output are health data: "+
		"keep them where patients' data may be, and remove them afterwards\n", what)
	s.ErrIsTerminal = false // a line that is drawn again would mix with the output
	n := quarantineNarrator(s, q.Progress)
	found, err := copyTo(cmd.Context(), q, s.Out)
	n.end()
	if err == nil && found == 0 {
		fmt.Fprintf(s.Err, "fhirsynapse: there are none: %s has no such %s in quarantine\n",
			q.Export, what)
	}
	return err
}

// reasonLines describes the quarantine of an export.
func reasonLines(q quarantine.Selection, r quarantine.Report) []string {
	var out []string
	if len(r.Texts) > 0 {
		out = append(out, fmt.Sprintf(
			"%d texts of a server, which may name patients: fhirsynapse quarantine show %s --texts",
			len(r.Texts), q.Export))
	}
	for _, f := range r.Failed {
		out = append(out, printable(fmt.Sprintf("the export failed at %s: %s", f.From, f.Reason)))
	}
	if len(r.Failed) > 0 {
		plan, _, _ := records.CutExportID(q.Export)
		out = append(out, "after a fix the plan's next export covers the same window, with files of its own: "+
			"fhirsynapse exports start "+plan)
	}
	if len(r.Reasons) == 0 {
		none := "no bad lines of " + q.Export + " are in the quarantine"
		if len(r.Types) > 0 {
			none = "no lines of this choice are in the quarantine; " + q.Export +
				" has bad lines of " + strings.Join(r.Types, ", ")
		}
		return append([]string{none}, out...)
	}
	t := plainTable("type", "reason", "lines", "files", "first lines")
	for _, x := range r.Reasons {
		t.AppendRow(table.Row{
			x.Type, text.WrapSoft(x.Reason, 60), x.Lines, x.Files, whereLines(x),
		})
	}
	typ := cmp.Or(q.Type, r.Reasons[0].Type)
	return append(append([]string{t.Render()}, out...),
		"the line numbers are those of the files in the landing container",
		"mend the resources at the server, and their new versions come with the next export; "+
			"or mend a view or a setting, and load the lines again: fhirsynapse quarantine retry "+
			q.Export+"; or mend the lines, which are health data, and load them:",
		fmt.Sprintf("  mkdir mended && fhirsynapse quarantine show %s %s --lines | jq -r .text > mended/%s.ndjson",
			q.Export, typ, typ),
		fmt.Sprintf("  fhirsynapse load mended --to WAREHOUSE --schema %s",
			cmp.Or(r.Schema, "SCHEMA")))
}

// whereLines lists the first lines of a reason, a file on each line.
func whereLines(x quarantine.Reason) string {
	var out []string
	for _, w := range x.Where {
		var numbers []string
		for _, n := range w.Lines {
			numbers = append(numbers, strconv.FormatInt(n, 10))
		}
		line := w.Path + ": " + strings.Join(numbers, ", ")
		if w.More > 0 {
			line += fmt.Sprintf(" and %d more", w.More)
		}
		out = append(out, line)
	}
	if more := x.Files - int64(len(x.Where)); more > 0 {
		out = append(out, fmt.Sprintf("and %d more files", more))
	}
	return strings.Join(out, "\n")
}

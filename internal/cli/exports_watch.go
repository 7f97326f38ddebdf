package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline/records"
)

func exportsWatchCommand(s Streams, c Commands) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "watch [PLAN|EXPORT]",
		Short: "Follow an export until it has ended",
		Long: `Follow an export in the journal until it has ended: the newest export of a plan, the export with an
id, or without an argument the only running export. The command prints each change. At least every ten
seconds it prints what the export waits for: the last failure, the number of tries, and the time of
the next try. --json prints the export as an object when it has ended, on standard output.

The exit code tells how the export ended: 0 loaded, 1 failed or cancelled, 3 incomplete. Ctrl-C ends
only the watch; the export continues. The settings of the storage account are enough.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usagef(cmd, "%q is one argument too many: name one plan or export", args[1])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			f := follower{list: c.Journal.Exports}
			if len(args) > 0 {
				f.name = args[0]
			}
			end := func(e records.ExportSummary) error { return exportEnd(s, e) }
			if asJSON {
				end = func(e records.ExportSummary) error {
					quiet := s
					quiet.Out = io.Discard
					return errors.Join(printJSON(s, e), exportEnd(quiet, e))
				}
			}
			return watchExport(cmd.Context(), s, &f, end)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the export as a JSON object at its end")
	return cmd
}

// lookEvery is the time between two reads of the journal.
const lookEvery = 2 * time.Second

// watchExport prints the progress of an export until the export ends, and hands it to end.
func watchExport(
	ctx context.Context, s Streams, f *follower, end func(records.ExportSummary) error,
) error {
	n := newNarrator(s)
	ticks, stop := s.ticks(lookEvery)
	defer stop()
	began := n.now()
	n.wait("", func(now time.Time) string {
		return "reading the journal, for " + span(now.Sub(began))
	})
	last, err := f.look(ctx)
	told := exportWatch{n: n}
	for err == nil && !last.State.Final() {
		told.tell(last)
		select {
		case <-ctx.Done():
			n.end()
			return fmt.Errorf("the watch was interrupted; export %s continues", last.ID)
		case <-ticks:
		}
		e, lookErr := f.look(ctx)
		switch {
		case lookErr == nil:
			last = e
			told.away = time.Time{}
		case ctx.Err() != nil: // the select above reports the end of ctx
		case fault.Of(lookErr) == fault.Transient:
			told.unreadable(last, lookErr)
		default:
			err = lookErr
		}
	}
	n.end()
	if err != nil {
		return err
	}
	return end(last)
}

// exportEnd prints the result of an export.
func exportEnd(s Streams, e records.ExportSummary) error {
	switch e.State { //nolint:exhaustive // the others are below, or have not ended
	case records.Failed:
		f := e.Failure
		if f == nil {
			return fmt.Errorf("export %s has failed", e.ID)
		}
		text := fmt.Sprintf("export %s has failed: %s: %s", e.ID, f.Step, f.Cause)
		if f.Whose != "" {
			text += " (" + f.Whose + ")"
		}
		if f.Text != "" {
			text += "; the server's own words are in the quarantine container, in " + f.Text
		}
		return errors.New(printable(text))
	case records.Cancelled:
		return fmt.Errorf("export %s was cancelled", e.ID)
	case records.Incomplete:
		return Incompletef("export %s is incomplete: %s", e.ID, printable(e.Notice))
	}
	lines := []string{fmt.Sprintf("export %s is %s: %s", e.ID, e.State, countOf(e.Files, "file"))}
	if e.Empty() {
		lines[0] += "; the server gave no resources: it has none of these types, or the group or the filters match nothing"
	}
	if e.Notice != "" {
		lines = append(lines, printable(e.Notice))
	}
	return say(s, append(lines, e.ValuesOf().Sentences()...)...)
}

// exportWatch prints the reason why an export in the journal waits.
type exportWatch struct {
	n *narrator

	kind  string // at the last read
	since time.Time
	cause string    // printed already
	away  time.Time // first failed read of the journal; zero while reads succeed
	fails int       // failed reads in a row
}

// tell shows the state of the export.
func (w *exportWatch) tell(e records.ExportSummary) {
	now := w.n.now()
	kind := exportLine(e)
	if kind != w.kind {
		w.kind, w.since = kind, now
	}
	cause := ""
	if r := e.Retry; r != nil {
		cause = r.Step + ": " + r.Cause
		if cause != w.cause {
			w.n.say("%s; it is tried again", printable(fault.Clip(cause)))
		}
	}
	w.cause = cause
	since := w.since
	if w.away.IsZero() {
		w.n.wait(kind, func(now time.Time) string { return exportWaitLine(e, now, since) })
	}
}

// unreadable shows that the journal could not be read.
func (w *exportWatch) unreadable(e records.ExportSummary, err error) {
	now := w.n.now()
	if w.away.IsZero() {
		w.away, w.fails = now, 0
	}
	w.fails++
	away, fails := w.away, w.fails
	w.n.wait("unreadable", func(now time.Time) string {
		return printable(
			fmt.Sprintf("export %s: the journal cannot be read, %s in %s, the next comes in %s; cause: %s",
				e.ID, countOf(fails, "try"), span(now.Sub(away)), span(lookEvery),
				fault.Clip(strings.ReplaceAll(err.Error(), "\n", "; "))))
	})
}

// exportLine describes the progress of an export.
func exportLine(e records.ExportSummary) string {
	line := "export " + e.ID + ": "
	switch {
	case e.State == records.Requested && e.TouchedAt.IsZero():
		line += "the app starts it at its next tick"
	case e.State == records.Requested:
		line += "asking the server for an export"
	case e.State == records.Exporting:
		line += "the server is exporting"
		if e.Progress != "" {
			line += ": " + e.Progress
		}
		if e.Files > 0 {
			line += ", " + countOf(e.Files, "file") + " so far"
		}
	case e.State == records.Loading:
		line += fmt.Sprintf("loading %s, %s committed", countOf(e.Files, "file"),
			countOf(len(e.Committed), "resource type"))
	default:
		line += string(e.State)
	}
	return printable(line)
}

// exportWaitLine adds to exportLine the failing step, the number of its tries and the next step.
func exportWaitLine(e records.ExportSummary, now, since time.Time) string {
	line := exportLine(e)
	if now.Sub(since) >= time.Second {
		line += ", for " + span(now.Sub(since))
	}
	r := e.Retry
	if r == nil {
		return line
	}
	line += fmt.Sprintf("; %s: %s failed in %s", r.Step, countOf(r.Tries, "try"),
		span(max(0, now.Sub(r.Since))))
	switch next := r.Next.Sub(now); {
	case r.Next.IsZero():
		line += ", the next comes at the app's next tick"
	case next >= time.Second:
		line += ", the next comes in " + span(next)
	case next > -time.Minute:
		line += ", the next is under way"
	default:
		line += ", the next was due " + span(-next) +
			" ago: it is under way, or the app does not run"
	}
	return printable(line + "; cause: " + fault.Clip(r.Cause))
}

// countOf formats a number of things.
func countOf(n int, thing string) string {
	switch {
	case n == 1:
	case strings.HasSuffix(thing, "try"):
		thing = strings.TrimSuffix(thing, "y") + "ies"
	default:
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}

// follower finds the same export at each read.
type follower struct {
	list func(ctx context.Context, plan string, most int) ([]records.ExportSummary, error)
	name string

	plan, id string // set once the export is found
	most     int    // number of exports of the plan to list to find it
}

var exportName = regexp.MustCompile(`^(.+)-\d{6,}$`)

func (f *follower) look(ctx context.Context) (records.ExportSummary, error) {
	if f.id == "" {
		if e, err := f.first(ctx); err != nil || f.id == "" || e.ID != "" {
			return e, err
		}
	}
	const newest, all = 1, 1 << 20
	for _, f.most = range []int{max(f.most, newest), max(f.most, 10), all} {
		list, err := f.list(ctx, f.plan, f.most)
		if err != nil {
			return records.ExportSummary{}, err
		}
		for _, e := range list {
			if e.ID == f.id {
				return e, nil
			}
		}
	}
	f.most = newest
	return records.ExportSummary{}, fault.Permanentf("the journal has no export %s", f.id)
}

// first finds the export to follow. It returns an empty export while only the name is known.
func (f *follower) first(ctx context.Context) (records.ExportSummary, error) {
	list, err := f.list(ctx, f.name, 1)
	if parts := exportName.FindStringSubmatch(f.name); errors.Is(err, records.ErrNoPlan) &&
		parts != nil {
		f.plan, f.id = parts[1], f.name
		return records.ExportSummary{}, nil
	}
	if err != nil {
		return records.ExportSummary{}, err
	}
	e, err := f.choose(list)
	f.plan, f.id = e.Plan, e.ID
	return e, err
}

// choose returns the newest export of a plan, or the only running export of all plans.
func (f *follower) choose(list []records.ExportSummary) (records.ExportSummary, error) {
	var run []records.ExportSummary
	var names []string
	for _, e := range list {
		if !e.State.Final() {
			run = append(run, e)
			names = append(names, e.ID)
		}
	}
	switch {
	case len(run) == 1:
		return run[0], nil
	case len(run) > 1:
		return records.ExportSummary{},
			fault.Permanentf("several exports run, name one: %s", strings.Join(names, ", "))
	case len(list) == 1:
		return list[0], nil
	case len(list) > 1:
		return records.ExportSummary{},
			fault.Permanentf(
				"no export runs: name a plan or an export, fhirsynapse exports lists them")
	case f.name != "":
		return records.ExportSummary{}, fault.Permanentf("plan %s has no export yet", f.name)
	}
	return records.ExportSummary{}, fault.Permanentf("the journal has no exports yet")
}

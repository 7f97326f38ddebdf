package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"fhirsynapse/internal/batch"
	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline/records"
)

// run does an export and prints the result.
func (f *startFlags) run(ctx context.Context, s Streams, runs Runs, r batch.StartRequest) error {
	w := newWatch(s)
	r.Watch = w.tell
	began := w.n.now()
	report, err := runs.Start(ctx, r)
	w.end()
	report.Seconds = w.n.now().Sub(began).Seconds()
	if len(report.Types) > 0 || err == nil {
		err = errors.Join(err, startOutput(s.Out, r, report, f.asJSON))
	}
	farewell(s, report, err)
	if err == nil {
		err = report.Check()
	}
	if err == nil && report.State == records.Incomplete {
		err = Incompletef(
			"the export is incomplete: %s; correct the data at the server and export again, or accept the loss with --allow-errors", report.Shortfall)
	}
	return f.told(s, r, report, err)
}

// farewell reports the state of the job at the server if a person may have to act.
func farewell(s Streams, r batch.StartReport, err error) {
	var stop *batch.StopError
	stopped := errors.As(err, &stop)
	switch {
	case r.Job != "" && r.Unreleased != nil:
		fmt.Fprintf(s.Err,
			"fhirsynapse: the job was not cancelled at the server: %s\nfhirsynapse: cancel it by hand: curl -X DELETE '%s'\n",
			printable(r.Unreleased.Error()), printable(r.Job))
	case r.Job != "" && stopped:
		fmt.Fprintln(s.Err, "fhirsynapse: the job was cancelled at the server")
	case stopped && stop.Asking:
		fmt.Fprintln(s.Err,
			"fhirsynapse: the server had not answered the kick-off yet: an export that nobody follows may be running there")
	}
}

// told returns the error for a person: one line, with the names of the flags. Text from the server
// goes to the terminal only.
func (f *startFlags) told(
	s Streams, r batch.StartRequest, report batch.StartReport, err error,
) error {
	if err == nil {
		return nil
	}
	f.showServerText(s, err)
	var failed *batch.FailedError
	var stop *batch.StopError
	text := err.Error()
	switch {
	case errors.As(err, &stop) && stop.Patience > 0:
		text = fmt.Sprintf("the export has not ended within --timeout %v", stop.Patience)
		if stop.Last != nil {
			text += "; the last failure was " + stop.Last.String()
		}
	case errors.As(err, &stop):
		text = "the export was broken off"
		if stop.Last != nil {
			text += "; the last failure was " + stop.Last.String()
		}
	case errors.As(err, &failed):
		text = "the export has failed: " + failed.Error()
		if failed.Whose != "" {
			text += " (" + failed.Whose + ")"
		}
	}
	return startError{text: inFlags(r, text, report), err: err}
}

// showServerText prints the server's text about a failure, to a terminal or on request only,
// because it may hold health data.
func (f *startFlags) showServerText(s Streams, err error) {
	words := fault.ServerText(err)
	switch {
	case words == "":
	case s.ErrIsTerminal || f.words:
		fmt.Fprintln(s.Err, "fhirsynapse: the server wrote:")
		for line := range strings.Lines(words) {
			fmt.Fprintf(s.Err, "  %s\n", printable(strings.TrimRight(line, "\r\n")))
		}
	default:
		fmt.Fprintln(s.Err,
			"fhirsynapse: what the server wrote is shown at a terminal only, or with --show-server-text: it may hold health data")
	}
}

// startError is an error of start with the names of the flags.
type startError struct {
	text string
	err  error
}

func (e startError) Error() string { return e.text }
func (e startError) Unwrap() error { return e.err }

// inFlags replaces the names of configuration files, which the person has not written, by the names
// of the flags.
func inFlags(r batch.StartRequest, text string, report batch.StartReport) string {
	return strings.NewReplacer(
		"write auth for this source", "give --auth, see fhirsynapse start --help",
		"check auth of this source", "check --auth and its flags",
		"; the next export asks for the same window of these types again, and the window grows until the server exports it without error. "+
			"Look at the error files in the landing area and correct the data at the server, or accept the loss with allowErrors: true in the plan",
		"; correct the data at the server and export again, or accept the loss with --allow-errors",
		"accepted, since the plan allows errors", "accepted by --allow-errors",
		"name it in statusHosts", "name it with --status-host",
		"of the types of the plan", "of the types that are exported",
		fmt.Sprintf("more than the plan's %g %%", 100*r.MaxBad),
		fmt.Sprintf("more than --max-bad %g %%", 100*r.MaxBad),
		"see the quarantine container under ",
		"they lie with their reasons in "+report.QuarantineFolder+"/",
	).Replace(text)
}

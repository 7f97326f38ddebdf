package cli

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"fhirsynapse/internal/batch"
	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline/records"
)

// watch shows a person the progress of an export of start, and the reason why it waits.
type watch struct {
	n *narrator

	mu      sync.Mutex
	state   records.State
	since   time.Time // time of the last change of state or progress
	before  batch.ExportProgress
	job     string // printed already
	trouble string // printed already
}

// newWatch starts a watch; end stops it.
func newWatch(s Streams) *watch {
	w := &watch{n: newNarrator(s)}
	began := w.n.now()
	w.since = began
	w.n.mu.Lock()
	defer w.n.mu.Unlock()
	w.n.line = func(now time.Time) string {
		return "opening the warehouse, for " + span(now.Sub(began))
	}
	return w
}

// tell shows one state of the export.
func (w *watch) tell(p batch.ExportProgress) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.n.now()
	if p.State != w.state || p.Server != w.before.Server || p.Landed != w.before.Landed ||
		p.Prepared != w.before.Prepared {
		w.since = now
	}
	w.state, w.before = p.State, p
	if p.Job != "" && p.Job != w.job {
		w.job = p.Job
		w.n.say("the server has accepted the export; its job is %s", printable(p.Job))
	}
	kind := string(p.State) + printable(p.Server)
	if p.State == records.Loading {
		kind = string(p.State)
	}
	if p.State == records.Failed || p.State == records.Cancelled ||
		p.Trouble != nil && p.Trouble.Next.IsZero() {
		return // the command's error has the text
	}
	if p.Trouble == nil {
		w.trouble = ""
	} else if cause := p.Trouble.Doing + ": " + p.Trouble.Cause(); cause != w.trouble {
		w.trouble = cause
		w.n.say("%s; it is tried again", printable(p.Trouble.String()))
	}
	since := w.since
	w.n.wait(kind, func(now time.Time) string { return waitLine(p, now, since) })
}

// end stops the watch.
func (w *watch) end() { w.n.end() }

// waitLine describes the progress of an export, how long nothing has changed, the failure and the
// next step. It replaces control characters in the server's text, because they could move the
// cursor.
func waitLine(p batch.ExportProgress, now, since time.Time) string {
	line := stateLine(p)
	switch t := p.Trouble; {
	case t != nil:
		failures := "1 try has failed"
		if t.Tries > 1 {
			failures = fmt.Sprintf("%d tries have failed in %s", t.Tries, span(now.Sub(t.Since)))
		}
		line += fmt.Sprintf("; %s: %s", t.Doing, failures)
		if next := t.Next.Sub(now); next >= time.Second {
			line += ", the next comes in " + span(next)
		} else {
			line += ", the next is under way"
		}
		if t.Others > 0 {
			line += fmt.Sprintf("; %d more things fail", t.Others)
		}
		line += "; cause: " + fault.Clip(t.Cause())
	case p.State.Final():
	case now.Sub(since) >= time.Second:
		line += ", for " + span(now.Sub(since))
		if next := p.NextPoll.Sub(now); p.State == records.Exporting && next >= time.Second {
			line += "; it is asked again in " + span(next)
		}
	}
	return printable(line)
}

// stateLine describes the progress of an export.
func stateLine(p batch.ExportProgress) string {
	switch p.State {
	case records.Requested:
		return "asking the server for an export"
	case records.Exporting:
		if p.Server != "" {
			return "the server is exporting: " + p.Server
		}
		return "the server is exporting"
	case records.Loading:
		return fmt.Sprintf("%d of %d files have arrived, %.1f MB, %d prepared", p.Landed, p.Files,
			megabytes(p.Bytes), p.Prepared)
	case records.Loaded:
		return fmt.Sprintf("loaded: %d files, %.1f MB", p.Files, megabytes(p.Bytes))
	case records.Incomplete:
		return fmt.Sprintf("incomplete: %d files, %.1f MB; the server could not export everything",
			p.Files, megabytes(p.Bytes))
	default:
		return "the export has ended: " + string(p.State)
	}
}

// span formats a duration for people.
func span(d time.Duration) string { return d.Round(time.Second).String() }

func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, s)
}

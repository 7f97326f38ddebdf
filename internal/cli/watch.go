package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"fhirsynapse/internal/once"
	"fhirsynapse/internal/pipeline"
)

// watch shows the progress of an export: one line that changes for a person, and
// for a log a line when something has changed, not too often.
type watch struct {
	w     io.Writer
	draws bool
	now   func() time.Time

	said  string
	state pipeline.State
	at    time.Time
}

func newWatch(s Streams) *watch {
	w := &watch{w: s.Err, draws: s.ErrIsTerminal, now: s.Now}
	if w.now == nil {
		w.now = func() time.Time { return time.Time{} }
	}
	return w
}

// tell takes one state of things.
func (w *watch) tell(p once.Progress) {
	line := startLine(p)
	if line == w.said {
		return
	}
	if w.draws {
		// Back to the beginning of the line, and everything behind it away.
		fmt.Fprintf(w.w, "\r\x1b[K%.*s", narrow, line)
		w.said = line
		return
	}
	// Files come fast, everything else is news.
	if now := w.now(); p.State != w.state || p.State != pipeline.Loading || now.Sub(w.at) >= plainEvery {
		fmt.Fprintf(w.w, "fhirsynapse: %s\n", line)
		w.said, w.state, w.at = line, p.State, now
	}
}

// narrow keeps a line on one row of a terminal.
const narrow = 78

// end takes the line away.
func (w *watch) end() {
	if w.draws && w.said != "" {
		fmt.Fprint(w.w, "\r\x1b[K")
	}
}

// startLine says how far an export got. The server's text is a stranger's: what
// would move the cursor is left out.
func startLine(p once.Progress) string {
	var line string
	switch p.State {
	case pipeline.Requested:
		line = "asking the server for an export"
	case pipeline.Exporting:
		line = "the server is exporting"
		if server := printable(p.Server); server != "" {
			line += ": " + server
		}
	case pipeline.Loading:
		line = fmt.Sprintf("%d of %d files landed, %.1f MB, %d prepared", p.Landed, p.Files, megabytes(p.Bytes), p.Prepared)
	case pipeline.Loaded:
		line = fmt.Sprintf("loaded: %d files, %.1f MB", p.Files, megabytes(p.Bytes))
	case pipeline.Incomplete:
		line = fmt.Sprintf("incomplete: %d files, %.1f MB; the server could not export everything", p.Files, megabytes(p.Bytes))
	case pipeline.Failed, pipeline.Cancelled:
		line = "the export has ended: " + string(p.State)
	}
	if p.Trouble != "" {
		line += "; trying again: " + printable(p.Trouble)
	}
	return line
}

func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, s)
}

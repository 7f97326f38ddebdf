package cli

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// silence is the longest time without a word from a command that waits, and crowd the
// shortest between two lines of the same kind in a log.
const (
	silence = 9 * time.Second
	crowd   = 5 * time.Second
)

// narrator keeps a person informed while a command waits: at once when something has
// changed, and every few seconds when nothing has. A terminal shows one line that
// changes, with lasting lines above it; a log gets plain lines only.
type narrator struct {
	w     io.Writer
	draws bool
	now   func() time.Time
	stop  chan struct{}
	lines sync.WaitGroup

	mu    sync.Mutex
	kind  string // lines of one kind follow each other slowly in a log
	line  func(now time.Time) string
	drawn string // the line on the screen
	at    time.Time
}

// newNarrator starts a narrator; end stops it.
func newNarrator(s Streams) *narrator {
	n := &narrator{w: s.Err, draws: s.ErrIsTerminal, now: s.Now, stop: make(chan struct{})}
	if n.now == nil {
		n.now = func() time.Time { return time.Time{} }
	}
	n.at = n.now()
	ticks, stop := s.ticks(time.Second)
	n.lines.Go(func() {
		defer stop()
		for {
			select {
			case <-n.stop:
				return
			case <-ticks:
				n.tick()
			}
		}
	})
	return n
}

// ticks returns a channel that ticks every so often, until stop is called.
func (s Streams) ticks(every time.Duration) (ticks <-chan time.Time, stop func()) {
	if s.Ticks != nil {
		return s.Ticks(every)
	}
	t := time.NewTicker(every)
	return t.C, t.Stop
}

// say prints a line that stays.
func (n *narrator) say(format string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.clear()
	fmt.Fprintf(n.w, "fhirsynapse: %s\n", fmt.Sprintf(format, args...))
	n.at = n.now()
}

// wait sets what the command is waiting for. The line is asked for again and again,
// since it tells how long that has taken.
func (n *narrator) wait(kind string, line func(now time.Time) string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	fresh := kind != n.kind
	n.kind, n.line = kind, line
	if now := n.now(); n.draws || fresh || now.Sub(n.at) >= crowd {
		n.show(now)
	}
}

// tick shows how the wait goes on.
func (n *narrator) tick() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if now := n.now(); n.line != nil && (n.draws || now.Sub(n.at) >= silence) {
		n.show(now)
	}
}

// show prints the line; n.mu is held.
func (n *narrator) show(now time.Time) {
	line := n.line(now)
	if !n.draws {
		fmt.Fprintf(n.w, "fhirsynapse: %s\n", line)
		n.at = now
		return
	}
	if short := []rune(line); len(short) > narrow {
		line = string(short[:narrow-1]) + "…"
	}
	if line != n.drawn {
		n.clear()
		fmt.Fprint(n.w, line)
		n.drawn, n.at = line, now
	}
}

// narrow keeps a line on one row of a terminal.
const narrow = 78

// clear takes the line off the screen; n.mu is held.
func (n *narrator) clear() {
	if n.drawn != "" {
		// Back to the beginning of the line, and everything behind it away.
		fmt.Fprint(n.w, "\r\x1b[K")
		n.drawn = ""
	}
}

// end stops the narrator and clears its line.
func (n *narrator) end() {
	close(n.stop)
	n.lines.Wait()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.clear()
}

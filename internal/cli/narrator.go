package cli

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// silence is the longest time without a line from a command that waits. crowd is the shortest time
// between two lines of the same kind in a log.
const (
	silence = 9 * time.Second
	crowd   = 5 * time.Second
)

// narrator reports to a person while a command waits: at once when something has changed, else
// every few seconds. A terminal shows one line that changes, below lasting lines; a log gets plain
// lines only.
type narrator struct {
	w     io.Writer
	draws bool
	now   func() time.Time
	stop  chan struct{}
	lines sync.WaitGroup

	mu    sync.Mutex
	kind  string // a log gets at most one line of a kind per crowd
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

// ticks returns a channel that ticks at an interval, until stop is called.
func (s Streams) ticks(every time.Duration) (ticks <-chan time.Time, stop func()) {
	if s.Ticks != nil {
		return s.Ticks(every)
	}
	t := time.NewTicker(every)
	return t.C, t.Stop
}

// say prints a lasting line.
func (n *narrator) say(format string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.clear()
	fmt.Fprintf(n.w, "fhirsynapse: %s\n", fmt.Sprintf(format, args...))
	n.at = n.now()
}

// wait sets the line that describes the wait. narrator calls line again and again, because the text
// includes the elapsed time.
func (n *narrator) wait(kind string, line func(now time.Time) string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	fresh := kind != n.kind
	n.kind, n.line = kind, line
	if now := n.now(); n.draws || fresh || now.Sub(n.at) >= crowd {
		n.show(now)
	}
}

// tick prints the line again, if it is due.
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

// clear removes the line from the screen; n.mu is held.
func (n *narrator) clear() {
	if n.drawn != "" {
		// Moves to the beginning of the line, and clears everything after it.
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

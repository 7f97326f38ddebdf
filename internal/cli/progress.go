package cli

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
)

// plainEvery is the time between two progress lines of a load in a log.
const plainEvery = 5 * time.Second

// progress shows a bar to a person, or writes a line to a log from time to time.
type progress struct {
	w       io.Writer
	bar     *progressbar.ProgressBar // for a terminal, once the total is known
	draws   bool
	now     func() time.Time
	started time.Time
	stop    chan struct{}
	lines   sync.WaitGroup

	mu               sync.Mutex
	total, read, bad int64
}

func newProgress(s Streams) *progress {
	p := &progress{w: s.Err, draws: s.ErrIsTerminal, now: s.Now, stop: make(chan struct{})}
	if p.now == nil {
		p.now = func() time.Time { return time.Time{} }
	}
	p.started = p.now()
	ticks := s.Ticks
	if ticks == nil {
		ticks = func(every time.Duration) (<-chan time.Time, func()) {
			t := time.NewTicker(every)
			return t.C, t.Stop
		}
	}
	c, stop := ticks(plainEvery)
	p.lines.Go(func() {
		defer stop()
		p.print(c)
	})
	return p
}

// print writes a line at each tick.
func (p *progress) print(ticks <-chan time.Time) {
	for {
		select {
		case <-p.stop:
			return
		case <-ticks:
			if p.draws {
				p.redraw()
			} else {
				fmt.Fprintf(p.w, "fhirsynapse: %s\n", p.line())
			}
		}
	}
}

// redraw updates the bar's description while no bytes are read.
func (p *progress) redraw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil {
		p.bar.Describe(p.describe())
	} else {
		fmt.Fprintf(p.w, "fhirsynapse: looking at the files, %s\n", p.elapsed())
	}
}

func (p *progress) elapsed() time.Duration { return p.now().Sub(p.started).Round(time.Second) }

// describe names the current phase: everything is read before anything is committed.
func (p *progress) describe() string {
	if p.total > 0 && p.read >= p.total {
		return fmt.Sprintf("commit, %s, %s", p.elapsed(), badLines(p.bad))
	}
	return "load, " + badLines(p.bad)
}

// line describes the progress of the load: bytes, speed, time left, bad lines.
func (p *progress) line() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.total == 0 {
		return fmt.Sprintf("looking at the files, %s", p.elapsed())
	}
	if p.read >= p.total {
		return fmt.Sprintf("all %.1f MB are read, the tables are being committed, %s, %s",
			megabytes(p.total), p.elapsed(), badLines(p.bad))
	}
	seconds := p.now().Sub(p.started).Seconds()
	left := "unknown time"
	if p.read > 0 && p.total > 0 {
		left = time.Duration(
			seconds * float64(p.total-p.read) / float64(p.read) * float64(time.Second)).Round(
			time.Second).String()
	}
	return fmt.Sprintf("%.1f of %.1f MB unpacked, %.1f MB/s, %s left, %s",
		megabytes(p.read), megabytes(p.total), perSecond(p.read, seconds), left, badLines(p.bad))
}

func badLines(n int64) string {
	if n == 1 {
		return "1 bad line"
	}
	return fmt.Sprintf("%d bad lines", n)
}

func megabytes(bytes int64) float64 { return float64(bytes) / 1e6 }

// perSecond returns a speed in MB/s.
func perSecond(bytes int64, seconds float64) float64 {
	if seconds <= 0 {
		return 0
	}
	return megabytes(bytes) / seconds
}

// Total implements Progress.
func (p *progress) Total(bytes int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.total, p.read, p.bad = bytes, 0, 0
	if p.bar != nil {
		_ = p.bar.Clear()
	}
	if p.draws {
		// The bar shows the bytes done, the total, MB/s, the elapsed time and the time left.
		p.bar = progressbar.NewOptions64(bytes, progressbar.OptionSetWriter(p.w),
			progressbar.OptionShowBytes(true),
			progressbar.OptionShowTotalBytes(true), progressbar.OptionSetDescription(p.describe()),
			progressbar.OptionFullWidth(),
			progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())
	}
}

// Add implements Progress.
func (p *progress) Add(bytes int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.read += bytes
	if p.bar != nil {
		if p.read > p.total { // the size of packed files was an estimate
			p.total = p.read
			p.bar.ChangeMax64(p.total + 1)
		}
		_ = p.bar.Add64(bytes) // an error of the bar must not stop the load
	}
}

// Bad implements Progress.
func (p *progress) Bad(lines int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bad += lines
	if p.bar != nil {
		p.bar.Describe(p.describe())
	}
}

// done removes the bar and returns the seconds since the beginning.
func (p *progress) done() float64 {
	close(p.stop)
	p.lines.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil {
		_ = p.bar.Finish()
	}
	return p.now().Sub(p.started).Seconds()
}

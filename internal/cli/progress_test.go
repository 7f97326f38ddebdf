package cli

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// screen is a stream that reports each write.
type screen struct {
	mu      sync.Mutex
	text    strings.Builder
	written chan struct{}
}

func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text.Write(b)
	if s.written != nil {
		s.written <- struct{}{}
	}
	return len(b), nil
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

func TestALogGetsALineNowAndThen(t *testing.T) {
	t.Parallel()
	out := &screen{written: make(chan struct{}, 1)}
	ticks := make(chan time.Time)
	stopped := false
	var every time.Duration
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var mu sync.Mutex
	clock := start
	at := func(seconds int) {
		mu.Lock()
		defer mu.Unlock()
		clock = start.Add(time.Duration(seconds) * time.Second)
	}
	p := newProgress(Streams{
		Err: out,
		Now: func() time.Time { mu.Lock(); defer mu.Unlock(); return clock },
		Ticks: func(d time.Duration) (<-chan time.Time, func()) {
			every = d
			return ticks, func() { stopped = true }
		},
	})
	tick := func() { ticks <- start; <-out.written }
	at(5)
	tick() // before the total is known
	p.Total(200e6)
	p.Add(40e6)
	p.Add(10e6)
	at(10)
	p.Bad(1)
	tick()
	p.Add(150e6)
	p.Bad(2)
	at(20)
	tick()
	if s := p.done(); s != 20 {
		t.Errorf("%v seconds", s)
	}
	want := "fhirsynapse: looking at the files, 5s\n" +
		"fhirsynapse: 50.0 of 200.0 MB unpacked, 5.0 MB/s, 30s left, 1 bad line\n" +
		"fhirsynapse: all 200.0 MB are read, the tables are being committed, 20s, 3 bad lines\n"
	if d := cmp.Diff(want, out.String()); d != "" {
		t.Error(d)
	}
	if !stopped || every != plainEvery {
		t.Errorf("stopped %v, a tick every %s", stopped, every)
	}
}

func TestAPersonGetsABar(t *testing.T) {
	t.Parallel()
	out := &screen{}
	p := newProgress(Streams{Err: out, ErrIsTerminal: true, Now: func() time.Time {
		return time.Time{}
	}})
	p.Add(1) // before there is a bar
	p.Total(100e6)
	p.Bad(2)
	p.Add(50e6)
	p.done()
	for _, want := range []string{"\r", "load, 2 bad lines"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in %q", want, out.String())
		}
	}
	if strings.Contains(out.String(), "\n") {
		t.Errorf("the bar leaves lines behind: %q", out.String())
	}
}

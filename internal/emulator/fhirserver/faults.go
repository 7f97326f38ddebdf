package fhirserver

import (
	"bytes"
	"context"
	"net/http"
	"strconv"
	"sync"
	"time"

	"fhirsynapse/internal/emulator/fhirserver/jobs"
)

// faults holds the faults that a test has switched on. Counters count down to zero.
type faults struct {
	mu            sync.Mutex
	kickOffs      countdown
	kickOffStatus int
	throttled     countdown
	retryAfter    time.Duration
	searches      countdown
	searchWait    time.Duration
	cuts          countdown
	truncated     countdown
	failed        countdown
	failure       jobs.Failure
	orphans       countdown
	empties       countdown
	hold          chan struct{}
	slow          time.Duration
	outage        bool
}

type countdown int

func (c *countdown) next() bool {
	if *c <= 0 {
		return false
	}
	*c--
	return true
}

// FailKickOffs refuses the next n export requests with a status.
func (f *faults) FailKickOffs(n, status int) {
	f.set(func(f *faults) { f.kickOffs, f.kickOffStatus = countdown(n), status })
}

// CutKickOffs starts the jobs of the next n export requests, and then drops the connection without
// an answer. The result is orphan jobs.
func (f *faults) CutKickOffs(n int) { f.set(func(f *faults) { f.cuts = countdown(n) }) }

// ThrottlePolls answers the next n polls with 429 and Retry-After, in seconds.
func (f *faults) ThrottlePolls(n int, retryAfter time.Duration) {
	f.set(func(f *faults) { f.throttled, f.retryAfter = countdown(n), retryAfter })
}

// ThrottleSearches answers the next n pages of searches with 429 and Retry-After, in seconds.
func (f *faults) ThrottleSearches(n int, retryAfter time.Duration) {
	f.set(func(f *faults) { f.searches, f.searchWait = countdown(n), retryAfter })
}

// FailJobs fails the next n jobs after they have written their files.
func (f *faults) FailJobs(n, status int, reason string) {
	f.set(func(f *faults) {
		f.failed, f.failure = countdown(n), jobs.Failure{Status: status, Reason: reason}
	})
}

// HoldJobs keeps all jobs that start from now on running after they have written their files, until
// release is called. release may be called again.
func (f *faults) HoldJobs() (release func()) {
	hold := make(chan struct{})
	f.set(func(f *faults) { f.hold = hold })
	return sync.OnceFunc(func() {
		f.set(func(f *faults) {
			if f.hold == hold {
				f.hold = nil
			}
		})
		close(hold)
	})
}

// LeaveOrphans makes the next n jobs leave an unlisted blob in their folder: half a file of a type
// that their manifest lists.
func (f *faults) LeaveOrphans(n int) { f.set(func(f *faults) { f.orphans = countdown(n) }) }

// AddEmptyFiles adds a file of length zero to the manifests of the next n jobs.
func (f *faults) AddEmptyFiles(n int) { f.set(func(f *faults) { f.empties = countdown(n) }) }

// Slow delays every answer from now on; zero ends the delay.
func (f *faults) Slow(by time.Duration) { f.set(func(f *faults) { f.slow = by }) }

// Outage answers every request with 503 while on. Jobs continue.
func (f *faults) Outage(on bool) { f.set(func(f *faults) { f.outage = on }) }

// TruncateAnswers cuts the connection in the middle of the next n answers with a body.
func (f *faults) TruncateAnswers(n int) {
	f.set(func(f *faults) { f.truncated = countdown(n) })
}

// RewriteBlob writes one file of a finished job again (number as in the manifest, from 0), with the
// same bytes and new ETags. It returns the path inside the container.
func (s *Server) RewriteBlob(ctx context.Context, jobID string, file int) (string, error) {
	return s.runner.Rewrite(ctx, jobID, file)
}

func (f *faults) set(change func(*faults)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

func (f *faults) kickOff() (status int) {
	f.set(func(f *faults) {
		if f.kickOffs.next() {
			status = f.kickOffStatus
		}
	})
	return status
}

func (f *faults) cut() (cut bool) {
	f.set(func(f *faults) { cut = f.cuts.next() })
	return cut
}

func (f *faults) poll() (wait time.Duration, throttled bool) {
	f.set(func(f *faults) { wait, throttled = f.retryAfter, f.throttled.next() })
	return wait, throttled
}

func (f *faults) searched() (wait time.Duration, throttled bool) {
	f.set(func(f *faults) { wait, throttled = f.searchWait, f.searches.next() })
	return wait, throttled
}

func (f *faults) trouble() (t jobs.Trouble) {
	f.set(func(f *faults) {
		t.Hold, t.Orphan, t.Empty = f.hold, f.orphans.next(), f.empties.next()
		if f.failed.next() {
			failure := f.failure
			t.Failure = &failure
		}
	})
	return t
}

// faulty applies the faults of the whole server before next.
func (f *faults) faulty(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var slow time.Duration
		var outage, truncating bool
		f.set(func(f *faults) { slow, outage, truncating = f.slow, f.outage, f.truncated > 0 })
		if slow > 0 {
			timer := time.NewTimer(slow)
			defer timer.Stop()
			select {
			case <-timer.C:
			case <-r.Context().Done():
				return
			}
		}
		switch {
		case outage:
			refuse(w, http.StatusServiceUnavailable,
				issue{
					codeOf(http.StatusServiceUnavailable), "The server is switched off on purpose.",
				})
		case truncating:
			f.truncate(w, r, next)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// truncate starts the answer with its full Content-Length, and then cuts it.
func (f *faults) truncate(w http.ResponseWriter, r *http.Request, next http.Handler) {
	whole := &recorder{header: w.Header(), status: http.StatusOK}
	next.ServeHTTP(whole, r)
	cut := false
	if whole.body.Len() > 0 {
		f.set(func(f *faults) { cut = f.truncated.next() })
	}
	w.Header().Set("Content-Length", strconv.Itoa(whole.body.Len()))
	w.WriteHeader(whole.status)
	if !cut {
		_, _ = w.Write(whole.body.Bytes()) // the client may be gone
		return
	}
	_, _ = w.Write(whole.body.Bytes()[:whole.body.Len()/2])
	_ = http.NewResponseController(w).Flush() // a test's recorder cannot flush, and need not
	panic(http.ErrAbortHandler)
}

// recorder holds an answer back.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header            { return r.header }
func (r *recorder) WriteHeader(status int)         { r.status = status }
func (r *recorder) Write(text []byte) (int, error) { return r.body.Write(text) }

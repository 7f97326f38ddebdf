// Package statuspage serves the pages on which a person sees the exports, the tables, the cohorts
// and the quarantine of an app, and starts and cancels exports.
//
// The pages show names, numbers, times and reasons. They show no resource, no patient's id and no
// word of a server. They are HTML from the standard library's templates with inline SVG, and work
// without JavaScript; every page is JSON too. The host in front decides who may call them.
//
// The package reads the journal, the lake and the ledger through small interfaces, and writes
// nothing but what a person asks for.
package statuspage

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
	"fhirsynapse/internal/statuspage/history"
)

// Plans lists the plans of the configuration. It fails while the configuration cannot be read.
type Plans interface {
	Plans(ctx context.Context) ([]pipeline.Plan, error)
}

// Operator does what a person asks for on a page.
type Operator interface {
	// Start begins an export of a plan and returns its id. An id returned with an error names an
	// export that is in the journal already.
	Start(ctx context.Context, plan string, window records.Window) (id string, err error)
	// Cancel ends an export.
	Cancel(ctx context.Context, export string) error
}

// Options holds the inputs of a Site. All fields are required but Public and Patience.
type Options struct {
	Journal  records.Journal
	Lake     pipeline.Lake
	Ledger   history.Ledger
	Plans    Plans
	Operator Operator
	Counter  Counter
	Now      func() time.Time
	Log      *slog.Logger
	// Version describes the build.
	Version string
	// Public is set if the host in front is reached under names other than this machine's. Else
	// another name in a request is an attack by a web page, and is refused.
	Public bool
	// Patience is how long a page waits for the warehouse; 0 means a tenth of a second.
	Patience time.Duration
}

// Site serves the pages.
type Site struct{ *reader }

// reader makes the pages from what it reads.
type reader struct {
	Options
	store      records.Store
	accountant *history.Accountant
	counts     *counts
}

// New returns the pages of an app. It does no I/O.
func New(o Options) *Site {
	return &Site{&reader{
		Options: o, store: records.Store{Journal: o.Journal},
		accountant: &history.Accountant{Journal: o.Journal, Lake: o.Lake},
		counts:     newCounts(o),
	}}
}

// Status returns the handler of the pages. The path of a request is the part of its URL after the
// address of the first page: "" or "/exports/nightly-000012".
func (s *Site) Status() http.Handler {
	return s.guarded(func(w http.ResponseWriter, r *http.Request) error {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			return problem{http.StatusMethodNotAllowed, "this page is only read", ""}
		}
		ctx, done := context.WithTimeoutCause(r.Context(), pageWait,
			fault.Transientf("the storage or the database did not answer within %v", pageWait))
		defer done()
		v, err := s.page(r.WithContext(ctx))
		if cause := context.Cause(ctx); err != nil && cause != nil {
			err = cause
		}
		if err != nil {
			return err
		}
		return s.render(w, r, v)
	})
}

// pageWait bounds the time for which a browser waits for a page.
const pageWait = time.Minute

// page makes the page that a request asks for.
func (s *Site) page(r *http.Request) (view, error) {
	ctx, q := r.Context(), r.URL.Query()
	parts := strings.FieldsFunc(r.URL.Path, func(c rune) bool { return c == '/' })
	switch {
	case len(parts) == 0:
		return s.plansPage(ctx, number(q.Get("page")))
	case slices.Equal(parts, []string{"exports"}):
		return s.exportsPage(ctx, q.Get("plan"), number(q.Get("page")))
	case len(parts) == 2 && parts[0] == "exports":
		return s.exportPage(ctx, parts[1])
	case len(parts) == 3 && parts[0] == "exports" && parts[2] == "files":
		return s.filesPage(ctx, parts[1], q.Get("type"), number(q.Get("page")))
	case len(parts) == 3 && parts[0] == "exports" && parts[2] == "quarantine":
		return s.badLinesPage(ctx, parts[1])
	case slices.Equal(parts, []string{"quarantine"}):
		return s.quarantinePage(ctx, number(q.Get("page")))
	case slices.Equal(parts, []string{"cohorts"}):
		return s.cohortsPage(ctx)
	case slices.Equal(parts, []string{"tables"}):
		return s.tablesPage(ctx, number(q.Get("page")))
	case slices.Equal(parts, []string{"activity"}):
		return s.activityPage(ctx, number(q.Get("page")))
	}
	return nil, problem{http.StatusNotFound, "there is no such page", ""}
}

// problem is an error with its HTTP status.
type problem struct {
	Status int
	What   string
	Remedy string
}

func (p problem) Error() string { return p.What }

// problemOf describes an error for a person.
func problemOf(err error) problem {
	if p, ok := errors.AsType[problem](err); ok {
		return p
	}
	p := problem{http.StatusBadGateway, fault.Clip(err.Error()), fault.Remedy(err)}
	p.What = strings.TrimSuffix(p.What, ": "+p.Remedy)
	switch {
	case errors.Is(err, fs.ErrNotExist) || fault.Of(err) == fault.BadData:
		p.Status = http.StatusNotFound
	case fault.Of(err) == fault.Permanent:
		p.Status = http.StatusConflict
	}
	return p
}

// guarded adds the headers of every answer, refuses requests of other sites, and shows errors.
func (s *Site) guarded(do func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		secure(w.Header())
		err := s.fromOurSite(r)
		if err == nil {
			err = do(w, r)
		}
		if err == nil {
			return
		}
		p := problemOf(err)
		if p.Status >= http.StatusInternalServerError {
			s.Log.LogAttrs(r.Context(), slog.LevelWarn, "status page failed",
				slog.String("class", fault.Of(err).String()), slog.String("error", err.Error()))
		}
		s.renderProblem(w, r, p)
	})
}

// number reads the number of a page of a list; the first is 1.
func number(text string) int {
	n := 0
	for _, c := range text {
		if c < '0' || c > '9' || n > 1_000_000 {
			return 1
		}
		n = 10*n + int(c-'0')
	}
	return max(n, 1)
}

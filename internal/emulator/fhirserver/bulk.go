package fhirserver

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"fhirsynapse/internal/emulator/fhirserver/jobs"
	"fhirsynapse/internal/emulator/fhirserver/signin"
)

// Spellings of a Content-Location.
const (
	LocationAbsolute = "absolute" // as the guide requires
	LocationPath     = "path"     // /bulk-status/1
	LocationRelative = "relative" // bulk-status/1 or ../bulk-status/1, against the kick-off's URL
)

// Bulk configures a server of dialect bulk. The zero value follows version 3 of the guide and
// admits everybody; no field breaks a MUST of the guide, because Faults do that.
type Bulk struct {
	// Guide is the version of the guide, 1 to 3; zero means 3.
	Guide int
	// Methods of a kick-off; nil means GET and POST.
	Methods []string
	// Without lists parameters that the server does not know, in addition to the parameters of
	// later versions of the guide.
	Without []string
	// Ignores lists parameters that the server accepts and ignores.
	Ignores []string
	// NoRepeats refuses a repeated parameter.
	NoRepeats bool
	// StrictHeaders refuses a kick-off without Accept.
	StrictHeaders bool
	// SinceNotBefore refuses an older _since.
	SinceNotBefore time.Time
	// OneAtATime refuses a kick-off with 429 until the previous job is deleted.
	OneAtATime bool
	// Location selects the spelling of the Content-Location; empty means LocationAbsolute.
	Location string
	// QueryStatus puts the job into the query of its status URL, percent-encoded, and accepts no
	// other spelling.
	QueryStatus bool
	// RetryAfter is the header of a 202, unchanged; empty means none.
	RetryAfter string
	// Progress lists the X-Progress values of consecutive polls; the last one repeats.
	Progress []string
	// PageSize is the number of files on a page of the manifest; zero means all.
	PageSize int
	// SignIn guards the server; nil admits everybody.
	SignIn *signin.SignIn
	// OpenFiles sets requiresAccessToken to false although sign-in is required, and refuses tokens,
	// as storage with signed URLs does.
	OpenFiles bool
	// FileLife is the time for which a file's URL is valid; zero means forever. The manifest states
	// it in Expires, and has new URLs each time it is read.
	FileLife time.Duration
	// ExpiredStatus answers an expired file URL; zero means 403.
	ExpiredStatus int
	// NoGzip sends files uncompressed to clients that accept gzip.
	NoGzip bool
	// NoRanges always sends files from the beginning.
	NoRanges bool
	// Faults holds the server's faults; SetFaults changes them.
	Faults Faults
}

// Files stores the files that dialect bulk serves.
type Files interface {
	jobs.Blobs
	// Open returns the committed content of a blob, and its ETag without quotes.
	Open(container, path string) (content io.ReadSeekCloser, etag string, err error)
}

// bulk implements the dialect of servers that follow the Bulk Data guide.
type bulk struct {
	rules
	files  Files
	runner *jobs.Runner

	mu        sync.Mutex
	faults    Faults
	asked     map[string]int // requests since SetFaults, by kind
	total     Asked
	downloads int    // running downloads
	current   string // the job that OneAtATime waits for
}

// rules holds the accepted parameters and the spelling of statuses.
type rules struct {
	Bulk
	o Options
}

func newBulk(o Options, runner *jobs.Runner) (*bulk, error) {
	b := &bulk{
		rules: rules{*o.Bulk, o}, runner: runner, faults: o.Bulk.Faults, asked: map[string]int{},
	}
	b.Guide = cmp.Or(b.Guide, 3)
	b.Location = cmp.Or(b.Location, LocationAbsolute)
	b.ExpiredStatus = cmp.Or(b.ExpiredStatus, http.StatusForbidden)
	if b.Methods == nil {
		b.Methods = []string{http.MethodGet, http.MethodPost}
	}
	var errs []error
	if b.Guide < 1 || b.Guide > 3 {
		errs = append(errs,
			fmt.Errorf("fhirserver has versions 1 to 3 of the Bulk Data guide, not %d", b.Guide))
	}
	if !slices.Contains([]string{LocationAbsolute, LocationPath, LocationRelative}, b.Location) {
		errs = append(errs, fmt.Errorf("fhirserver spells no Content-Location %q", b.Location))
	}
	var ok bool
	if b.files, ok = o.Blobs.(Files); !ok {
		errs = append(errs,
			errors.New("fhirserver hands out its files itself in dialect bulk: its Blobs must open them, as jobs.Memory and jobs.Folder do"))
	}
	return b, errors.Join(errs...)
}

func (b *bulk) dialect() dialect {
	return dialect{
		name: "bulk", methods: b.Methods, requests: b, statuses: b, beside: b.beside, open: b.open,
	}
}

const (
	bulkStatusPath = "/bulk-status/"
	bulkQueryPath  = "/$bulk-status"
	bulkFilesPath  = "/bulk-files/"
)

// beside serves the files and the authorization server.
func (b *bulk) beside(w http.ResponseWriter, r *http.Request) bool {
	switch {
	case strings.HasPrefix(r.URL.Path, bulkFilesPath):
		b.file(w, r)
	case b.SignIn != nil && r.URL.Path == signin.ConfigurationPath:
		b.SignIn.Configuration(w, base(r))
	case b.SignIn != nil && r.URL.Path == signin.TokenPath:
		b.SignIn.Token(w, r, base(r)+signin.TokenPath)
	default:
		return false
	}
	return true
}

// open reports whether a route needs no sign-in. Files have their own rule.
func (b *bulk) open(r *http.Request) bool {
	path := r.URL.Path
	return path == signin.ConfigurationPath || path == signin.TokenPath || path == "/metadata" ||
		strings.HasPrefix(path, bulkFilesPath)
}

func (b *bulk) requiresToken() bool { return b.SignIn != nil && !b.OpenFiles }

// statusURL implements requests.
func (b *bulk) statusURL(r *http.Request, job string) string {
	if b.OneAtATime {
		b.mu.Lock()
		b.current = job
		b.mu.Unlock()
	}
	path := bulkStatusPath + job
	if b.QueryStatus {
		path = bulkQueryPath + "?" + statusQuery(job)
	}
	switch b.Location {
	case LocationPath:
		return path
	case LocationRelative:
		return strings.Repeat("../", strings.Count(strings.Trim(r.URL.Path, "/"), "/")) + path[1:]
	}
	return base(r) + path
}

// statusQuery contains characters that change if a client decodes and encodes them again.
func statusQuery(job string) string { return "job=%24" + job + "%3D%3d&_x=a%20b" }

// jobID implements requests.
func (b *rules) jobID(r *http.Request) (string, bool) {
	if !b.QueryStatus {
		return strings.CutPrefix(r.URL.Path, bulkStatusPath)
	}
	if r.URL.Path != bulkQueryPath {
		return "", false
	}
	query, _, _ := strings.Cut(r.URL.RawQuery, "&page=")
	id, _, _ := strings.Cut(strings.TrimPrefix(query, "job=%24"), "%")
	if query != statusQuery(id) {
		return "no job", true
	}
	return id, true
}

// busy reports whether OneAtATime has a job that nobody deleted.
func (b *bulk) busy() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.current == "" {
		return false
	}
	_, there := b.runner.Job(b.current)
	return there
}

// running implements statuses.
func (b *rules) running(w http.ResponseWriter, poll int) {
	if b.RetryAfter != "" {
		w.Header().Set("Retry-After", b.RetryAfter)
	}
	if n := len(b.Progress); n > 0 {
		w.Header().Set("X-Progress", b.Progress[min(poll, n)-1])
	}
	accepted(w)
}

// failed implements statuses.
func (b *bulk) failed(w http.ResponseWriter, f *jobs.Failure) {
	refuse(w, f.Status, issue{codeOf(f.Status), f.Reason})
}

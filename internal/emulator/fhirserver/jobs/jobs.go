// Package jobs does the exports of the FHIR server stand-in: it chooses the
// versions, splits them into child jobs and files, writes the files into blobs
// the way the Azure server does, and keeps the result for the manifest.
//
// It follows microsoft/fhir-server: what a job takes depends on its level and on
// whether it runs in parallel (see plan.go), a file is named
// <Type>-<child job>-<sequence>.ndjson, and each blob is created empty and then
// committed three times. A request by the Bulk Data guide instead (ByGuide) takes
// what the guide says and gives deletes as files of Bundles. It knows nothing of HTTP.
package jobs

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"fhirsynapse/internal/emulator/fhirserver/search"
	"fhirsynapse/internal/emulator/fhirserver/store"
)

// Levels of an export.
const (
	LevelSystem  = "system"
	LevelPatient = "patient"
	LevelGroup   = "group"
)

// Request is one accepted export request.
type Request struct {
	URL         string // as it was asked
	Level       string
	Group       string   // id, for LevelGroup
	Types       []string // empty means all
	Filters     []*search.Query
	Since, Till time.Time // zero means not given
	Container   string    // empty means one of the job's own
	MaxCount    int       // resources a file, at least 1
	Parallel    bool
	History     bool
	Deleted     bool // tombstones among the resources

	// ByGuide follows the Bulk Data guide and not the Azure server: the window
	// [Since, Till) is that of each resource at every level, as it stood at Till.
	ByGuide bool
	// Patients narrows the levels patient and group to these ids; nil means all.
	Patients []string
	// Elements leaves nothing else of a resource; empty means all of it.
	Elements []string
	// DeleteBundles gives what was deleted inside the window as files of Bundles.
	DeleteBundles bool
}

// Trouble is what goes wrong with one job, for tests.
type Trouble struct {
	// Failure ends the job, after it has written its files.
	Failure *Failure
	// Hold keeps the job running until the channel is closed.
	Hold <-chan struct{}
	// Orphan leaves a blob of a given-up attempt that the manifest does not list.
	Orphan bool
	// Empty adds a file without lines to the manifest.
	Empty bool
	// Stray is a line that the first file ends with and its count does not know.
	Stray []byte
	// Outcomes are the lines of an error file.
	Outcomes [][]byte
}

// Failure is the end of a failed job.
type Failure struct {
	Status int
	Reason string
}

// Output is one file of a finished job.
type Output struct {
	Type  string
	URL   string
	Count int

	path  string
	child *child
}

// Path is the file's place inside its job's container.
func (o Output) Path() string { return o.path }

// Options of a Runner. Store, Blobs, Now and Log are needed.
type Options struct {
	Store *store.Store
	Blobs Blobs
	Now   func() time.Time
	Log   *slog.Logger
	// OnCommit hears of every creation and commit of a blob, as storage events
	// would; it may be called from several goroutines at once.
	OnCommit func(container, path, etag string, size int64, api string)
	// Workers is the number of child jobs of a job that run at once; default 2.
	Workers int
}

// Runner runs jobs, each in a goroutine of its own, until it is closed.
type Runner struct {
	o     Options
	group sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	lastID  int64
	jobs    map[string]*Job // that can be asked for
	running map[*Job]struct{}
}

// Job is one export job.
type Job struct {
	ID        string
	Container string
	Folder    string // inside the container; empty when the container is the job's own
	Created   time.Time
	Request   Request

	trouble Trouble
	cancel  context.CancelFunc
	done    chan struct{}
	output  []Output
	deleted []Output
	errors  []Output
	failure *Failure
	strayed atomic.Bool // the line of Trouble.Stray is written
}

// New makes a runner.
func New(o Options) *Runner {
	if o.OnCommit == nil {
		o.OnCommit = func(string, string, string, int64, string) {}
	}
	o.Workers = cmp.Or(o.Workers, 2)
	return &Runner{o: o, jobs: map[string]*Job{}, running: map[*Job]struct{}{}}
}

// Close cancels the jobs that run and waits for them.
func (r *Runner) Close() {
	r.mu.Lock()
	r.closed = true
	for j := range r.running {
		j.cancel()
	}
	r.mu.Unlock()
	r.group.Wait()
}

// Start begins a job, which ends with the runner and not with ctx: the request
// that asked for it does not wait. Equal requests are two jobs, as on the Azure
// server. On a closed runner the job never ends.
func (r *Runner) Start(ctx context.Context, req Request, trouble Trouble) *Job {
	r.mu.Lock()
	defer r.mu.Unlock()
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r.lastID++
	j := &Job{
		ID:      strconv.FormatInt(r.lastID, 10),
		Created: r.o.Now().UTC().Truncate(time.Millisecond),
		Request: req,
		trouble: trouble,
		cancel:  cancel,
		done:    make(chan struct{}),
	}
	j.Container = "export-" + j.ID
	if req.Container != "" {
		j.Container, j.Folder = req.Container, j.Created.Format("20060102T150405")+"-"+j.ID
	}
	r.jobs[j.ID] = j
	if !r.closed {
		r.running[j] = struct{}{}
		r.group.Go(func() { r.run(ctx, j) })
	}
	return j
}

// Job finds a job that was not cancelled.
func (r *Runner) Job(id string) (*Job, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	j, ok := r.jobs[id]
	return j, ok
}

// Cancel ends a job and forgets it; its blobs stay. False means there is none.
func (r *Runner) Cancel(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	j, ok := r.jobs[id]
	if ok {
		j.cancel()
		delete(r.jobs, id)
	}
	return ok
}

// Done is closed when the job has ended, well or not.
func (j *Job) Done() <-chan struct{} { return j.done }

// Result is the outcome of a job that is done: its files, sorted by type, or
// its failure.
func (j *Job) Result() ([]Output, *Failure) { return j.output, j.failure }

// Deleted are the files of Bundles of a job that is done.
func (j *Job) Deleted() []Output { return j.deleted }

// Errors are the files of OperationOutcomes of a job that is done.
func (j *Job) Errors() []Output { return j.errors }

func (r *Runner) run(ctx context.Context, j *Job) {
	defer func() {
		j.cancel()
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.running, j)
	}()
	output, err := r.export(ctx, j)
	if err == nil && j.trouble.Hold != nil {
		select {
		case <-j.trouble.Hold:
		case <-ctx.Done():
		}
	}
	if ctx.Err() != nil {
		return // cancelled: nobody can ask for the result
	}
	switch {
	case err != nil:
		j.failure = failureOf(err)
	case j.trouble.Failure != nil:
		j.failure = j.trouble.Failure
	default:
		slices.SortStableFunc(output, func(a, b Output) int { return cmp.Compare(a.Type, b.Type) })
		j.output = output
	}
	if j.failure != nil {
		r.o.Log.LogAttrs(ctx, slog.LevelWarn, "export job failed", slog.String("job", j.ID), slog.Int("status", j.failure.Status))
	} else {
		r.o.Log.LogAttrs(ctx, slog.LevelDebug, "export job done", slog.String("job", j.ID), slog.Int("files", len(j.output)))
	}
	close(j.done)
}

// failureOf is what the server makes of an error: the storage's status is the
// job's, where it speaks of rights and places.
func failureOf(err error) *Failure {
	var failed *jobError
	if errors.As(err, &failed) {
		return &failed.Failure
	}
	var storage *StorageError
	if errors.As(err, &storage) && (storage.Status == 403 || storage.Status == 404) {
		return &Failure{Status: storage.Status, Reason: "Unable to write to the storage account."}
	}
	return &Failure{Status: 500, Reason: "Unknown error."}
}

// jobError ends a job with a status of the server's choice.
type jobError struct{ Failure }

func (e *jobError) Error() string { return e.Reason }

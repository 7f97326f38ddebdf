// Package jobs runs the exports of the FHIR server emulator: it chooses the versions, splits
// them into child jobs and files, writes the files into blobs as the Azure server does, and
// keeps the result for the manifest.
//
// It follows microsoft/fhir-server: the content of a job depends on its level and on whether it
// runs in parallel (see plan.go), a file is named <Type>-<child job>-<sequence>.ndjson, and each
// blob is created empty and then committed three times. A request by the Bulk Data guide
// (ByGuide) follows the guide instead, and reports deletes as files of Bundles. The package does
// not use HTTP.
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
	URL         string // as requested
	Level       string
	Group       string   // id, for LevelGroup
	Types       []string // empty means all
	Filters     []*search.Query
	Since, Till time.Time // zero means not set
	Container   string    // empty means the job's own container
	MaxCount    int       // resources per file, at least 1
	Parallel    bool
	History     bool
	// Redact removes what identifies a patient.
	Redact bool
	// Refusal ends the job before it writes a file; nil lets it run.
	Refusal *Failure
	Deleted bool // include tombstones

	// ByGuide follows the Bulk Data guide instead of the Azure server: at every level, the window
	// [Since, Till) applies to each resource, in its state at Till.
	ByGuide bool
	// Patients limits the levels patient and group to these ids; nil means all.
	Patients []string
	// Elements limits each resource to these elements; empty means all.
	Elements []string
	// DeleteBundles reports the deletes inside the window as files of Bundles.
	DeleteBundles bool
}

// Trouble holds the faults of one job, for tests.
type Trouble struct {
	// Failure ends the job after it has written its files.
	Failure *Failure
	// Hold keeps the job running until the channel is closed.
	Hold <-chan struct{}
	// Orphan leaves an unlisted blob of an abandoned attempt.
	Orphan bool
	// Empty adds a file without lines to the manifest.
	Empty bool
	// Stray is a line at the end of the first file, not included in its count.
	Stray []byte
	// Outcomes holds the lines of an error file.
	Outcomes [][]byte
}

// Failure is the result of a failed job.
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

// Path returns the file's path inside its job's container.
func (o Output) Path() string { return o.path }

// Options configures a Runner. Store, Blobs, Now and Log are required.
type Options struct {
	Store *store.Store
	Blobs Blobs
	Now   func() time.Time
	Log   *slog.Logger
	// OnCommit is called for every creation and commit of a blob, like a storage event. It may be
	// called from several goroutines at once.
	OnCommit func(container, path, etag string, size int64, api string)
	// Workers is the number of child jobs of a job that run concurrently; default 2.
	Workers int
}

// Runner runs jobs, each in its own goroutine, until it is closed.
type Runner struct {
	o     Options
	group sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	lastID  int64
	jobs    map[string]*Job // jobs that are not canceled
	running map[*Job]struct{}
}

// Job is one export job.
type Job struct {
	ID        string
	Container string
	Folder    string // inside the container; empty if the container is the job's own
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

// New returns a runner.
func New(o Options) *Runner {
	if o.OnCommit == nil {
		o.OnCommit = func(string, string, string, int64, string) {}
	}
	o.Workers = cmp.Or(o.Workers, 2)
	return &Runner{o: o, jobs: map[string]*Job{}, running: map[*Job]struct{}{}}
}

// Close cancels the running jobs and waits for them.
func (r *Runner) Close() {
	r.mu.Lock()
	r.closed = true
	for j := range r.running {
		j.cancel()
	}
	r.mu.Unlock()
	r.group.Wait()
}

// Start starts a job. The job ends with the runner and not with ctx, because the request does not
// wait for it; equal requests start two jobs, as on the Azure server, and on a closed runner the
// job never ends.
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

// Job returns a job that was not canceled.
func (r *Runner) Job(id string) (*Job, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	j, ok := r.jobs[id]
	return j, ok
}

// Cancel ends and forgets a job, and keeps its blobs. It reports whether the job existed.
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

// Done returns a channel that is closed when the job has ended, with or without success.
func (j *Job) Done() <-chan struct{} { return j.done }

// Result returns the files of an ended job, sorted by type, or its failure.
func (j *Job) Result() ([]Output, *Failure) { return j.output, j.failure }

// Deleted returns the files of Bundles of an ended job.
func (j *Job) Deleted() []Output { return j.deleted }

// Errors returns the files of OperationOutcomes of an ended job.
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
		return // canceled: nobody can ask for the result
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
		r.o.Log.LogAttrs(ctx, slog.LevelWarn, "export job failed", slog.String("job", j.ID),
			slog.Int("status", j.failure.Status))
	} else {
		r.o.Log.LogAttrs(ctx, slog.LevelDebug, "export job done", slog.String("job", j.ID),
			slog.Int("files", len(j.output)))
	}
	close(j.done)
}

// failureOf returns the server's Failure for an error. An error of the storage about permissions or
// locations keeps its status.
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

// jobError ends a job with a status that the server chooses.
type jobError struct{ Failure }

func (e *jobError) Error() string { return e.Reason }

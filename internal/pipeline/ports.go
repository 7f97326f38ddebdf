package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"
)

// ErrChanged is returned by Lake.Open when the blob is no longer at the ETag
// asked for.
var ErrChanged = errors.New("rewritten since it was listed")

// Area is one of the three places of the lake; an adapter maps it to a container.
type Area string

// The areas.
const (
	// Landing is where the FHIR server writes: <export folder>/<Type>-*.ndjson.
	// The pipeline only reads it.
	Landing Area = "landing"
	// Staging holds what prepare made of a file.
	Staging Area = "staging"
	// Quarantine holds bad lines with their reasons.
	Quarantine Area = "quarantine"
)

// File is one blob as a listing shows it.
type File struct {
	Path     string    // inside the area, with slashes, no leading one
	ETag     string    // opaque, without quotes; changes with every commit of the blob
	Size     int64     // bytes
	Modified time.Time // by the storage's clock
}

// Lake is the storage account that the FHIR server exports into.
// A missing blob is fs.ErrNotExist everywhere.
type Lake interface {
	// List yields the blobs whose path starts with prefix, in order of path.
	// It stops after the first error. A prefix without blobs yields nothing.
	List(ctx context.Context, area Area, prefix string) iter.Seq2[File, error]
	// Stat describes one blob.
	Stat(ctx context.Context, area Area, path string) (File, error)
	// Open streams a blob as it stood at etag, or as it is now when etag is
	// empty. It fails with ErrChanged when the blob has another etag; a blob
	// that is rewritten while it is read fails the read, or yields the old bytes
	// to the end, but never a mixture.
	Open(ctx context.Context, area Area, path, etag string) (io.ReadCloser, error)
	// Put writes a blob, whole or not at all, over whatever was there. When r
	// fails, Put fails with r's error and nothing becomes visible.
	Put(ctx context.Context, area Area, path string, r io.Reader) (File, error)
}

// Landings creates the blobs of files that a server keeps to itself. The Lake's
// landing area shows them.
type Landings interface {
	// Create writes a blob where there is none, whole or not at all; where there is
	// one it fails with fs.ErrExist and leaves it as it is. When r fails, Create
	// fails with r's error.
	Create(ctx context.Context, area Area, path string, r io.Reader) (File, error)
}

// Remover removes blobs that nobody needs any more.
type Remover interface {
	// Remove removes a blob; one that is gone already is no error.
	Remove(ctx context.Context, area Area, path string) error
}

// Message is one step to be done, now or later.
type Message struct {
	// ID lets the queue drop a message that it has already taken within its
	// duplicate window (an hour or more).
	ID   string
	Body []byte
	// At is when the message becomes visible; zero means at once.
	At time.Time
}

// Queue sends steps. Delivery is at least once and in any order.
type Queue interface {
	// Send returns when every message is durable. After an error any number of
	// them may have been sent: sending again with the same ids is harmless.
	Send(ctx context.Context, messages ...Message) error
}

// Accepted is the server's promise to do an export.
type Accepted struct {
	StatusURL string
	// Folder identifies the export's blobs in the landing area: their first path
	// segment is "<anything>-<Folder>" or Folder itself. Empty for servers that
	// keep the files to themselves.
	Folder string
	// ServerTime is the server's clock when it answered; zero when it did not show it.
	ServerTime time.Time
	// Exchange is what was said, for the record.
	Exchange Exchange
}

// Status is the state of a job at the server.
type Status struct {
	Manifest *Manifest     // nil while the job runs
	RetryIn  time.Duration // the server's wish; zero when it has none
	Progress string        // share or count of what is done, for people; no text of the server
	// ProgressMark changes when the server reports other progress; empty when it
	// reports none.
	ProgressMark string
}

// ErrUnknownJob is returned by Server.Status for a job that the server does not
// know: cancelled, expired, or so new that a replica has not heard of it.
var ErrUnknownJob = errors.New("the server does not know this job")

// ErrDeclined is wrapped by Server.KickOff's error when the server has answered
// that it does not start a job now: none is running, and a later try is no second.
var ErrDeclined = errors.New("the server did not start the job")

// ErrUnavailable is wrapped by Server.KickOff's error when the server could not be
// reached, or answered that it cannot work now. No job runs, as after ErrDeclined.
var ErrUnavailable = fmt.Errorf("%w: it is not available", ErrDeclined)

// ErrUnfollowed is wrapped by Server.KickOff's error when the server has started a
// job and has not said how to follow it.
var ErrUnfollowed = errors.New("its job cannot be followed")

// ErrExpired is wrapped by Downloader.Download's error when the server does not
// give the file at its URL, any more or yet: the manifest, read again, may have a
// fresh URL.
var ErrExpired = errors.New("the server does not give the file at this URL")

// ErrThrottled is wrapped by Downloader.Download's error when it is not the turn
// of this file. That is no failure, and says so as often as the server likes.
var ErrThrottled = errors.New("the server wants fewer downloads at once")

// Source is the FHIR server of a plan, with the abilities that not every server has. A
// wrapper replaces one field and keeps the others.
type Source struct {
	Server
	// Files reads the files that the server keeps; nil for a server that writes them into
	// our lake.
	Files Downloader
	// Traces finds jobs by the folders that they leave in our landing area; nil where
	// nothing is to be found.
	Traces Tracer
	// Issues reads error files; nil for a source that cannot.
	Issues IssueReader
}

// Server is a FHIR server that exports in bulk.
// Errors are classified: a job that the server gave up is Permanent.
type Server interface {
	// Now is the server's clock, to the millisecond.
	Now(ctx context.Context) (time.Time, error)
	// KickOff starts a job. It is not idempotent: a second call is a second job.
	// After a Transient error a job may run, unless it is ErrDeclined; after another
	// one none does, unless it is ErrUnfollowed.
	KickOff(ctx context.Context, r Request) (Accepted, error)
	// Status asks once.
	Status(ctx context.Context, statusURL string) (Status, error)
	// Cancel ends a job; one that is unknown or ended already is no error.
	Cancel(ctx context.Context, statusURL string) error
}

// Downloader reads the files of a server that keeps them to itself.
type Downloader interface {
	// Download streams one file of a manifest, decoded, and takes up links that
	// break. What it yields is whole, or ends in an error. It may wait a little for
	// its turn.
	Download(ctx context.Context, f OutputFile, requiresToken bool) (io.ReadCloser, error)
	// Deletes reads a file of the manifest's Deleted, and yields a line of the
	// Azure form for each resource. It stops after the first error.
	Deletes(r io.Reader) iter.Seq2[Tombstone, error]
}

// IssueReader reads the error files of a server.
type IssueReader interface {
	// Issues counts what the error file f reports. It reads no text that a person
	// wrote. An unreadable line counts as an error.
	Issues(f OutputFile, r io.Reader) ([]Issue, error)
}

// Tombstone is one deleted resource as one line of NDJSON, without line end.
type Tombstone struct {
	Type string
	Line []byte
	// Foreign says that the delete names a resource of another server. It has no Line.
	Foreign bool
}

// Tracer knows the folders of a server that writes into our landing area: a job leaves
// one even when its promise was lost on the way.
type Tracer interface {
	// Prefixes lists the prefixes under which the folder of a job must be that was
	// started between the two instants, by either clock.
	Prefixes(from, to time.Time) []string
	// Traced is the promise that belongs to a folder, and false for a folder of
	// another form.
	Traced(folder string) (Accepted, bool)
	// Answers says whether a manifest answers a request.
	Answers(m Manifest, r Request) bool
}

// Warehouse holds the tables. Several plans share it, each in its own schema.
type Warehouse interface {
	// Commit makes one batch visible, all of it or nothing, and reports what
	// became of each of its files. Files that the ledger already has are left
	// out; committing a batch again changes nothing. See the design's section
	// on commit for the order of things.
	Commit(ctx context.Context, b Batch) error
	// Ledger lists the committed files of an export.
	Ledger(ctx context.Context, schema, export string) ([]LedgerEntry, error)
}

// Batch is all prepared files of one export and type.
type Batch struct {
	Schema  string
	Plan    string
	Export  string
	Type    string // resource type
	ViewSet int
	// Attempt names the staging tables of this try; unique, [0-9a-f]+.
	Attempt string
	Files   []PreparedFile
}

// PreparedFile is one file after prepare.
type PreparedFile struct {
	File        // in the landing area
	Dir  string // in the staging area, without trailing slash: <view>.parquet, head.parquet
	Done Done
}

// Done is what prepare says of a file: the content of done.json.
// Lines = resources + Blank + Quarantined + Filtered, where the resources are
// the lines of head.parquet.
type Done struct {
	Lines       int64 `json:"lines"` // all lines, blank ones included
	Blank       int64 `json:"blank"`
	Quarantined int64 `json:"quarantined"`
	Filtered    int64 `json:"filtered"`
	Deleted     int64 `json:"deleted"` // tombstones among the resources
	ValueCounts
	// Rows counts the rows per table; a table without rows has no Parquet file.
	Rows map[string]int64 `json:"rows"`
	// Heads is the number of rows of head.parquet; 0 means there is no such file.
	Heads int64 `json:"heads"`
}

// LedgerEntry says what became of one committed file.
type LedgerEntry struct {
	Path string `json:"path"`
	ETag string `json:"etag"`
	Type string `json:"type"`
	Counts
}

// Flattening is one file to be flattened.
type Flattening struct {
	Plan   string
	Export string
	Type   string
	Path   string // of the file, for the quarantine
	// LastUpdated stands in for resources that carry none; zero means it is not
	// known yet, and a resource without one fails with ErrNoInstant.
	LastUpdated time.Time
	// Dir is where the Parquet files go in the staging area; quarantined lines
	// go to Dir+".ndjson" in the quarantine area.
	Dir string
	// Foreign says what becomes of lines of other resource types.
	Foreign Foreign
	// Others are the types that ForeignElsewhere leaves out.
	Others []string
}

// Foreign says what a Flattener does with the lines of a resource type that was not asked
// for.
type Foreign int

// What becomes of lines of other types.
const (
	// ForeignBad quarantines them: a file of a manifest has one type.
	ForeignBad Foreign = iota
	// ForeignStops ends with ErrMixed at the first line that names another type.
	ForeignStops
	// ForeignElsewhere leaves out the lines of the types in Others, without counting them:
	// each of these types is flattened with ForeignSkipped. Others are bad.
	ForeignElsewhere
	// ForeignSkipped leaves out all lines that do not name the type, without counting them.
	ForeignSkipped
)

// ErrMixed is returned by Flattener.Flatten with ForeignStops for a file that has lines of
// several resource types.
var ErrMixed = errors.New("the file has lines of several resource types")

// ErrNoInstant says that a resource has no meta.lastUpdated and the job's
// transactionTime is not known yet.
var ErrNoInstant = errors.New("a resource has no meta.lastUpdated, and the manifest is not here yet")

// Flattener turns NDJSON into the prepared form of the plan's present views.
type Flattener interface {
	// ViewSet fingerprints the plan's views: equal text, equal tables.
	ViewSet(plan string) (string, error)
	// HasViews reports whether any view of the plan reads a resource type. Lines of a
	// type without views are counted and leave no rows.
	HasViews(plan, resourceType string) (bool, error)
	// Flatten reads r to its end and writes one Parquet file per table with rows,
	// and head.parquet. Bad lines are counted and quarantined, never an error.
	// The same input gives the same files.
	Flatten(ctx context.Context, f Flattening, r io.Reader) (Done, error)
}

package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"
)

// ErrChanged reports that a blob has another ETag than Lake.Open asked for.
var ErrChanged = errors.New("rewritten since it was listed")

// Area is one of the three places of the lake. An adapter maps it to a container.
type Area string

// The areas.
const (
	// Landing holds the files that the FHIR server writes: <export folder>/<Type>-*.ndjson. The
	// pipeline only reads it.
	Landing Area = "landing"
	// Staging holds the prepared form of files.
	Staging Area = "staging"
	// Quarantine holds bad lines with their reasons.
	Quarantine Area = "quarantine"
)

// File is one blob of a listing.
type File struct {
	Path     string    // inside the area, with slashes but no leading slash
	ETag     string    // opaque, without quotes; changes with every commit of the blob
	Size     int64     // bytes
	Modified time.Time // by the storage's clock
}

// Lake is the storage account that the FHIR server exports into. All methods return
// fs.ErrNotExist for a missing blob.
type Lake interface {
	// List yields the blobs whose path starts with prefix, in order of path; none is not an
	// error. It stops after the first error.
	List(ctx context.Context, area Area, prefix string) iter.Seq2[File, error]
	// Stat describes one blob.
	Stat(ctx context.Context, area Area, path string) (File, error)
	// Open streams a blob at etag, or its present version if etag is empty; it returns
	// ErrChanged if the blob has another etag. If the blob is rewritten during the read, the
	// read fails or yields the old bytes to the end, but never a mixture.
	Open(ctx context.Context, area Area, path, etag string) (io.ReadCloser, error)
	// Put writes a blob, whole or not at all, over an existing one. If r fails, Put returns r's
	// error and nothing becomes visible.
	Put(ctx context.Context, area Area, path string, r io.Reader) (File, error)
}

// Landings creates the blobs of files that a server keeps. The Lake's landing area shows them.
type Landings interface {
	// Create writes a new blob, whole or not at all. If the blob exists it returns fs.ErrExist
	// and does not change the blob; if r fails it returns r's error.
	Create(ctx context.Context, area Area, path string, r io.Reader) (File, error)
}

// Remover deletes blobs.
type Remover interface {
	// Remove removes a blob. A missing blob is not an error.
	Remove(ctx context.Context, area Area, path string) error
}

// Message is one step to be done, now or later.
type Message struct {
	// ID lets the queue drop a message that it has already taken within its duplicate window
	// (an hour or more).
	ID   string
	Body []byte
	// At is when the message becomes visible; zero means at once.
	At time.Time
}

// Queue sends steps. Delivery is at least once and in any order.
type Queue interface {
	// Send returns when every message is durable. After an error any number of them may have
	// been sent: sending them again with the same ids is harmless.
	Send(ctx context.Context, messages ...Message) error
}

// Accepted is the server's answer to a kick-off that it accepted.
type Accepted struct {
	StatusURL string
	// Folder identifies the export's blobs in the landing area: their first path segment is
	// "<anything>-<Folder>" or Folder itself. It is empty for servers that keep the files.
	Folder string
	// ServerTime is the server's clock when it answered; zero if the server did not show it.
	ServerTime time.Time
	// Exchange is the request and the answer, for the record.
	Exchange Exchange
}

// Status is the state of a job at the server.
type Status struct {
	Manifest *Manifest     // nil while the job runs
	RetryIn  time.Duration // the wait that the server asks for; zero if none
	Progress string        // share or count of finished work, for people; no text of the server
	// ProgressMark changes when the server reports other progress; empty if it reports none.
	ProgressMark string
}

// ErrUnknownJob is returned by Server.Status for a job that the server does not know:
// cancelled, expired, or so new that a replica does not know it yet.
var ErrUnknownJob = errors.New("the server does not know this job")

// ErrDeclined is wrapped by Server.KickOff's error if the server answered that it does not
// start a job now. No job runs, so a later try cannot start a second one.
var ErrDeclined = errors.New("the server did not start the job")

// ErrUnavailable is wrapped by Server.KickOff's error if the server could not be reached, or
// answered that it cannot work now. No job runs, as after ErrDeclined.
var ErrUnavailable = fmt.Errorf("%w: it is not available", ErrDeclined)

// ErrUnfollowed is wrapped by Server.KickOff's error if the server has started a job but
// returned no way to follow it.
var ErrUnfollowed = errors.New("its job cannot be followed")

// ErrExpired is wrapped by Downloader.Download's error if the server no longer serves the file
// at its URL, or not yet. The manifest, read again, may have a fresh URL.
var ErrExpired = errors.New("the server does not give the file at this URL")

// ErrThrottled is wrapped by Downloader.Download's error if the file has to wait for its turn.
// This is not a failure, and the server may repeat it without limit.
var ErrThrottled = errors.New("the server wants fewer downloads at once")

// Source is the FHIR server of a plan, with the abilities that not every server has. A wrapper
// replaces one field and keeps the others.
type Source struct {
	Server
	// Files reads the files that the server keeps; nil for a server that writes them into our
	// lake.
	Files Downloader
	// Traces finds jobs by the folders that they leave in our landing area; nil if the server
	// leaves none.
	Traces Tracer
	// Issues reads error files; nil for a source that cannot.
	Issues IssueReader
}

// Server is a FHIR server that exports in bulk. Its errors are classified: a job that the
// server gave up is Permanent.
type Server interface {
	// Now returns the server's clock, to the millisecond.
	Now(ctx context.Context) (time.Time, error)
	// KickOff starts a job. It is not idempotent: a second call starts a second job.
	//
	// After a Transient error a job may run, unless it is ErrDeclined. After any other error no
	// job runs, unless it is ErrUnfollowed.
	KickOff(ctx context.Context, r Request) (Accepted, error)
	// Status asks the server once.
	Status(ctx context.Context, statusURL string) (Status, error)
	// Cancel ends a job. A job that is unknown or has ended is not an error.
	Cancel(ctx context.Context, statusURL string) error
}

// Cohorts keeps the Groups of cohorts at their servers.
type Cohorts interface {
	// Parts brings the Groups of a cohort up to date, and returns the parts that have members, at
	// least one. It may run again at any time, also after a kill; its errors name no patient.
	Parts(ctx context.Context, cohort string) ([]CohortPart, error)
	// Members reads the patients of parts of a cohort.
	Members(ctx context.Context, cohort string, parts []CohortPart) (Members, error)
}

// CohortPart is the part of a cohort that one job exports: the members of a Group, or a share of
// patients whom the source names in the kick-off.
type CohortPart struct {
	Group string
	Share int // from 1; 0 for a Group
	// Digest identifies the members without naming them; empty if it is not known.
	Digest string
}

// Downloader reads the files of a server that keeps them.
type Downloader interface {
	// Download streams one file of a manifest, decoded, and resumes broken connections. The
	// stream is complete or ends in an error; Download may wait a little for its turn.
	Download(ctx context.Context, f OutputFile, requiresToken bool) (io.ReadCloser, error)
	// Deletes reads a file of the manifest's Deleted, and yields a line of the Azure form for
	// each resource. It stops after the first error.
	Deletes(r io.Reader) iter.Seq2[Tombstone, error]
}

// IssueReader reads the error files of a server.
type IssueReader interface {
	// Issues counts the issues of the error file f. It reads no text that a person wrote, and
	// counts an unreadable line as an error.
	Issues(f OutputFile, r io.Reader) ([]Issue, error)
}

// Tombstone is one deleted resource as one line of NDJSON, without line end.
type Tombstone struct {
	Type string
	Line []byte
	// Foreign marks the delete of a resource on another server. Line is empty then.
	Foreign bool
}

// Tracer knows the folders of a server that writes into our landing area. A job leaves a
// folder even if the answer to its kick-off was lost.
type Tracer interface {
	// Prefixes lists the prefixes for the folder of a job that was started between the two
	// times, by either clock.
	Prefixes(from, to time.Time) []string
	// Traced returns the accepted job that belongs to a folder, and false for a folder of
	// another form.
	Traced(folder string) (Accepted, bool)
	// Answers reports whether a manifest answers a request.
	Answers(m Manifest, r Request) bool
}

// Warehouse holds the tables. Several plans share it, each in its own schema.
type Warehouse interface {
	// Commit makes one batch visible, all of it or nothing, and records the outcome of each
	// file, in the order that the design's section on commit describes. It leaves out files
	// that the ledger already has, so committing a batch again changes nothing.
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
	// Attempt names the stage tables of this try; unique, [0-9a-f]+.
	Attempt string
	Files   []PreparedFile
	// KnownDeletes is set if the files have deletes of resources that do not belong to the plan. A
	// delete of a resource that the tables never had changes nothing then.
	KnownDeletes bool
	// Replaces removes all resources of the type that are in the tables, with their heads, in the
	// same transaction: the files take their place. If the ledger has a file of the export and type
	// already, nothing is removed. Not every engine can.
	Replaces bool
	// Notify, unless nil, takes sentences for a person about the tables, after the commit.
	Notify func(notice string)
}

// PreparedFile is one file after prepare.
type PreparedFile struct {
	File        // in the landing area
	Dir  string // in the staging area, without trailing slash: <view>.parquet, head.parquet
	Done Done
}

// Done is the result of prepare for a file: the content of done.json. Lines = resources +
// Blank + Quarantined + Filtered; the resources are the rows of head.parquet.
type Done struct {
	Lines       int64 `json:"lines"` // all lines, blank ones included
	Blank       int64 `json:"blank"`
	Quarantined int64 `json:"quarantined"`
	Filtered    int64 `json:"filtered"`
	Deleted     int64 `json:"deleted"` // tombstones among the resources
	ValueCounts
	// Rows counts the rows per table. A table without rows has no Parquet file.
	Rows map[string]int64 `json:"rows"`
	// Heads is the number of rows of head.parquet; 0 means that the file does not exist.
	Heads int64 `json:"heads"`
	// Longest are the longest texts of the rows, by table.column. It is nil if an older version has
	// prepared the file, and then they are unknown.
	Longest map[string]Extent `json:"longest"`
}

// Extent is the longest text of a column.
type Extent struct {
	// Characters counts UTF-16 units, Bytes counts UTF-8.
	Characters int `json:"characters"`
	Bytes      int `json:"bytes"`
	// Wide is set if a date or time has characters that ASCII lacks.
	Wide bool `json:"wide,omitempty"`
}

// Widened returns the extent of the texts of both.
func (e Extent) Widened(o Extent) Extent {
	return Extent{max(e.Characters, o.Characters), max(e.Bytes, o.Bytes), e.Wide || o.Wide}
}

// LedgerEntry is the outcome of one committed file.
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
	// LastUpdated replaces a missing meta.lastUpdated. Zero means unknown, and then a resource
	// without meta.lastUpdated fails with ErrNoInstant.
	LastUpdated time.Time
	// Dir is the folder for the Parquet files in the staging area. Quarantined lines go to
	// Dir+".ndjson" in the quarantine area.
	Dir string
	// Foreign selects how lines of other resource types are handled.
	Foreign Foreign
	// Others lists the types that ForeignElsewhere leaves out.
	Others []string
	// Members are the patients of the export's cohort; nil means everybody. A resource in the
	// compartments of other patients alone is filtered. Tombstones and resources that belong to no
	// compartment by their type are kept.
	Members Members
}

// Members is a set of patient ids. They are health data.
type Members map[string]struct{}

// Has reports whether a patient is a member.
func (m Members) Has(id []byte) bool {
	_, is := m[string(id)]
	return is
}

// Foreign selects how a Flattener handles the lines of other resource types.
type Foreign int

// Ways to handle lines of other types.
const (
	// ForeignBad quarantines the lines: a file of a manifest has one type.
	ForeignBad Foreign = iota
	// ForeignStops ends with ErrMixed at the first line that names another type.
	ForeignStops
	// ForeignElsewhere leaves out the lines of the types in Others, without counting them: each
	// of these types is flattened with ForeignSkipped. Lines of all other types are bad.
	ForeignElsewhere
	// ForeignSkipped leaves out all lines that do not name the type, without counting them.
	ForeignSkipped
)

// ErrMixed is returned by Flattener.Flatten with ForeignStops for a file that has lines of
// several resource types.
var ErrMixed = errors.New("the file has lines of several resource types")

// ErrNoInstant is returned by Flattener.Flatten for a resource without meta.lastUpdated while
// the job's transactionTime is unknown.
var ErrNoInstant = errors.New(
	"a resource has no meta.lastUpdated, and the manifest is not here yet")

// Flattener converts NDJSON into the prepared form of the plan's present views.
type Flattener interface {
	// ViewSet returns a fingerprint of the plan's views: equal text means equal tables.
	ViewSet(plan string) (string, error)
	// HasViews reports whether any view of the plan reads a resource type. Lines of a type
	// without views are counted and make no rows.
	HasViews(plan, resourceType string) (bool, error)
	// Flatten reads r to its end and writes one Parquet file per table with rows, and
	// head.parquet; the same input makes the same files. Bad lines are counted and quarantined,
	// never an error.
	Flatten(ctx context.Context, f Flattening, r io.Reader) (Done, error)
}

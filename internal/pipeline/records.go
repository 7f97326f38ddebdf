package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"fhirsynapse/internal/fault"
)

// planRecord is the journal's document of a plan: which export is in flight.
type planRecord struct {
	Seq         int       `json:"seq"`
	Current     string    `json:"current,omitempty"`
	RequestedAt time.Time `json:"requestedAt"`
	// PausedAt is when a person paused the plan; zero while it runs.
	PausedAt time.Time `json:"pausedAt,omitzero"`
	// WantedAt is when a person asked for an export that has not begun; zero when
	// nobody did.
	WantedAt time.Time `json:"wantedAt,omitzero"`
	// Released is the export whose jobs were given back to the server last.
	Released string `json:"released,omitempty"`
	// Swept is the number of the last export whose prepared files were removed, and
	// those of all before it.
	Swept int `json:"swept,omitempty"`
	// Retry is why the last tick could not go on with the plan; nil when it could.
	Retry *Retry `json:"retry,omitempty"`
}

// Export is the journal's document of one run of a plan.
type Export struct {
	ID          string    `json:"id"`
	Plan        string    `json:"plan"`
	Schema      string    `json:"schema"`
	State       State     `json:"state"`
	Jobs        []Request `json:"jobs"` // what each job asks; job n is Jobs[n-1]
	RequestedAt time.Time `json:"requestedAt"`
	// Rests is the loaded exports that this one builds on: it brings what is new since.
	Rests []string `json:"rests,omitempty"`
	// Lacks is loaded exports that the tables did not have when this one was requested.
	Lacks []string `json:"lacks,omitempty"`
	// TouchedAt is when the export last got further; the watchdog reads it.
	TouchedAt  time.Time `json:"touchedAt"`
	FinishedAt time.Time `json:"finishedAt,omitzero"`
	// Round counts how often the watchdog sent the steps of this export again: it
	// makes their message ids new, so that the queue does not drop them.
	Round   int      `json:"round"`
	Failure *Failure `json:"failure,omitempty"`
	// Retry is what is being tried again; nil when nothing is.
	Retry *Retry `json:"retry,omitempty"`
	// Notices tell a person what had to be assumed about this export.
	Notices []string `json:"notices,omitempty"`
	// StalledSince is when the watchdog first found the export silent; zero while it
	// gets further.
	StalledSince time.Time `json:"stalledSince,omitzero"`
	// Shortfall says what the server could not export; nil when it reports no error.
	Shortfall *Shortfall `json:"shortfall,omitempty"`
	// Committed has, by resource type, the digest of the files that are in the tables.
	Committed map[string]string `json:"committed,omitempty"`
	// Values has what became of values, by resource type and by file of deletes.
	Values map[string]PreparedValues `json:"values,omitempty"`
}

// Failure tells a person why an export failed.
type Failure struct {
	Step  string `json:"step"`
	Cause string `json:"cause"`
	// Whose says on which side the cause lies, and Remedy what to do about it; both
	// are empty where nobody knows.
	Whose  string `json:"whose,omitempty"`
	Remedy string `json:"remedy,omitempty"`
	// Text is where the server's own words are in the quarantine area.
	Text string `json:"text,omitempty"`
}

// Job is the journal's document of one $export request.
type Job struct {
	ID     string `json:"id"`
	Export string `json:"export"`
	N      int    `json:"n"`
	// KickOffAt is when the kick-off was last tried: the intent.
	KickOffAt time.Time `json:"kickOffAt,omitzero"`
	KickOffs  int       `json:"kickOffs"`
	// LostSince is when the first kick-off was made whose answer nobody wrote down,
	// and Lost how many there are: each may be a job at the server that nobody follows.
	LostSince time.Time `json:"lostSince,omitzero"`
	Lost      int       `json:"lost,omitempty"`
	// Adopted says that the job was found by its folder after its promise was lost.
	Adopted bool `json:"adopted,omitempty"`
	// RetryAt is when a kick-off that the server declined is made again.
	RetryAt time.Time `json:"retryAt,omitzero"`
	// UnavailableSince is when the server was first not available for the kick-off, and
	// Unavailable how often it was not since.
	UnavailableSince time.Time `json:"unavailableSince,omitzero"`
	Unavailable      int       `json:"unavailable,omitempty"`
	// Exchange is the kick-off that was accepted.
	Exchange  *Exchange `json:"exchange,omitempty"`
	StatusURL string    `json:"statusUrl,omitempty"`
	// GivenBack says that the export has ended and that nobody asks the server about the
	// job again: StatusURL and Exchange have lost their queries, which may be secrets.
	GivenBack bool   `json:"givenBack,omitempty"`
	Folder    string `json:"folder,omitempty"`
	// AcceptedAt is when the server promised to do it.
	AcceptedAt time.Time `json:"acceptedAt,omitzero"`
	// ServerTime is the server's clock at that time; zero when it did not show it.
	ServerTime time.Time `json:"serverTime,omitzero"`
	// PollN is the poll that is due next, at PollAt; lower ones are of an older chain.
	PollN    int       `json:"pollN"`
	PollAt   time.Time `json:"pollAt,omitzero"`
	Progress string    `json:"progress,omitempty"`
	// ProgressMark changes when the server reports other progress.
	ProgressMark string `json:"progressMark,omitempty"`
	// MovedAt is when the server last showed that it is at work.
	MovedAt time.Time `json:"movedAt,omitzero"`
	// ManifestAt is when the manifest came; it is a document of its own.
	ManifestAt      time.Time `json:"manifestAt,omitzero"`
	TransactionTime time.Time `json:"transactionTime,omitzero"`
	// Notices tell a person what had to be assumed about the manifest.
	Notices []string `json:"notices,omitempty"`
	Files   int      `json:"files"`
}

func (j Job) collected() bool { return !j.ManifestAt.IsZero() }

// folderRecord leads from a folder of the landing area to the job that owns it.
type folderRecord struct {
	Export string `json:"export"`
	Job    int    `json:"job"`
}

// Keys of the journal.
func planKey(plan string) string          { return "plans/" + plan }
func exportKey(plan string, n int) string { return fmt.Sprintf("exports/%s/%06d", plan, n) }
func jobKey(job string) string            { return "jobs/" + job }
func folderKey(folder string) string      { return "folders/" + folder }
func manifestKey(job string) string       { return "manifests/" + job }
func rawManifestKey(job string) string    { return "manifests/" + job + ".raw" }
func manifestPartKey(job string, n int) string {
	return fmt.Sprintf("manifests/%s.part-%04d", job, n)
}
func freshManifestKey(job string) string  { return "manifests/" + job + ".fresh" }
func deletesKey(job string, n int) string { return fmt.Sprintf("deletes/%s/%06d", job, n) }
func issuesFolder(job string) string      { return "issues/" + job + "/" }
func issuesKey(job string, n int) string  { return fmt.Sprintf("%s%06d", issuesFolder(job), n) }
func viewSetsKey(plan string) string      { return "viewsets/" + plan }
func leaseKey(schema, typ string) string  { return "leases/" + schema + "/" + typ }

func exportID(plan string, n int) string { return fmt.Sprintf("%s-%06d", plan, n) }
func jobID(export string, n int) string  { return fmt.Sprintf("%s.%d", export, n) }

// exportKeyOf finds the key in an id.
func exportKeyOf(id string) (string, error) {
	if plan, n, ok := cutExportID(id); ok {
		return exportKey(plan, n), nil
	}
	return "", fault.BadDataf("%q is no export id: it reads <plan>-<number of six digits>", id)
}

// cutExportID takes an id apart: plan names may hold dashes, numbers not.
func cutExportID(id string) (plan string, n int, ok bool) {
	i := strings.LastIndexByte(id, '-')
	if i < 1 {
		return "", 0, false
	}
	if _, err := fmt.Sscanf(id[i+1:], "%d", &n); err != nil || exportID(id[:i], n) != id {
		return "", 0, false
	}
	return id[:i], n, true
}

// fetchStamp is a transaction time in the name of a folder, to the digit that a
// version has.
const fetchStamp = "20060102T150405.000000000Z"

// fetchFolder is where the files of a job are fetched to: its id, and the instant that
// they are of. Export numbers start again after a journal is lost; the timestamp keeps
// files of an earlier export from being mistaken for new ones.
func fetchFolder(job string, transactionTime time.Time) string {
	if transactionTime.IsZero() {
		return job
	}
	return job + "-" + strings.Replace(transactionTime.UTC().Format(fetchStamp), ".", "", 1)
}

// cutFetchFolder takes the name apart; the instant is zero where there is none.
func cutFetchFolder(folder string) (job string, transactionTime time.Time) {
	i := strings.LastIndexByte(folder, '-')
	const fraction = len("000000000Z")
	if stamp := folder[i+1:]; i > 0 && len(stamp) == len(fetchStamp)-1 {
		t, err := time.Parse(fetchStamp, stamp[:len(stamp)-fraction]+"."+stamp[len(stamp)-fraction:])
		if err == nil {
			return folder[:i], t
		}
	}
	return folder, time.Time{}
}

// TransactionTimeOf is the instant of what is in a file that was fetched, as the name
// of its folder tells it: that of its lines without one. A copy of the folder may lie in
// others.
func TransactionTimeOf(path string) (t time.Time, ok bool) {
	folders := strings.Split(path, "/")
	for _, folder := range slices.Backward(folders[:len(folders)-1]) {
		if _, t := cutFetchFolder(folder); isJobFolder(folder) && !t.IsZero() {
			return t, true
		}
	}
	return time.Time{}, false
}

// isJobFolder says that a folder of the landing area was made by us, for files
// that were fetched.
func isJobFolder(folder string) bool {
	folder, _ = cutFetchFolder(folder)
	i := strings.LastIndexByte(folder, '.')
	if i < 0 {
		return false
	}
	_, _, ok := cutExportID(folder[:i])
	return ok
}

// document is one JSON document of the journal with the ETag it was read at.
type document[T any] struct {
	key   string
	etag  string
	value T
}

// read gives the document of a key, or fs.ErrNotExist.
func read[T any](ctx context.Context, j Journal, key string) (document[T], error) {
	d := document[T]{key: key}
	e, err := j.Read(ctx, key)
	if err != nil {
		return d, fmt.Errorf("read journal %s: %w", key, err)
	}
	if err := json.Unmarshal(e.Data, &d.value); err != nil {
		return d, fault.Permanentf("read journal %s: it is no document of ours: %w", key, err)
	}
	d.etag = e.ETag
	return d, nil
}

// readOrNew is read, with the zero value for a document that does not exist.
func readOrNew[T any](ctx context.Context, j Journal, key string) (document[T], error) {
	d, err := read[T](ctx, j, key)
	if errors.Is(err, fs.ErrNotExist) {
		return document[T]{key: key}, nil
	}
	return d, err
}

// write stores the document where it was read; ErrConflict when it has changed.
func (d *document[T]) write(ctx context.Context, j Journal) error {
	data, err := json.Marshal(d.value)
	if err != nil {
		return fmt.Errorf("write journal %s: %w", d.key, err)
	}
	etag, err := j.Write(ctx, d.key, d.etag, data)
	if err != nil {
		return fmt.Errorf("write journal %s: %w", d.key, err)
	}
	d.etag = etag
	return nil
}

// swapTries bounds compare-and-swap: more rivals than this at one document and
// the step is better sent again.
const swapTries = 16

// errUnchanged ends an update without a write.
var errUnchanged = errors.New("nothing to change")

// update reads a document, changes it and writes it back, again as long as
// others are faster. change may run several times; errUnchanged ends it quietly.
func update[T any](ctx context.Context, j Journal, key string, change func(*T) error) (T, error) {
	for range swapTries {
		d, err := readOrNew[T](ctx, j, key)
		if err != nil {
			return d.value, err
		}
		if err := change(&d.value); errors.Is(err, errUnchanged) {
			return d.value, nil
		} else if err != nil {
			return d.value, err
		}
		if err := d.write(ctx, j); !errors.Is(err, ErrConflict) {
			return d.value, err
		}
	}
	var zero T
	return zero, fault.Transientf("write journal %s: others were faster %d times", key, swapTries)
}

func (p *Pipeline) export(ctx context.Context, id string) (Export, error) {
	key, err := exportKeyOf(id)
	if err != nil {
		return Export{}, err
	}
	d, err := read[Export](ctx, p.Journal, key)
	return d.value, err
}

// updateExport changes an export that exists and has not ended.
func (p *Pipeline) updateExport(ctx context.Context, id string, change func(*Export) error) (Export, error) {
	key, err := exportKeyOf(id)
	if err != nil {
		return Export{}, err
	}
	e, err := update(ctx, p.Journal, key, func(e *Export) error {
		if e.State.Final() {
			return errUnchanged
		}
		before := e.State
		if err := change(e); err != nil {
			return err
		}
		if !before.May(e.State) {
			return fault.Permanentf("export %s: it is %s and cannot become %s", id, before, e.State)
		}
		return nil
	})
	if err == nil && e.ID != "" { // one that never came to be may yet
		p.exports.put(id, e, p.Now())
	}
	return e, err
}

func (p *Pipeline) job(ctx context.Context, export string, n int) (Job, error) {
	id := jobID(export, n)
	d, err := readOrNew[Job](ctx, p.Journal, jobKey(id))
	if d.value.ID == "" {
		d.value = Job{ID: id, Export: export, N: n}
	}
	return d.value, err
}

func (p *Pipeline) updateJob(ctx context.Context, export string, n int, change func(*Job) error) (Job, error) {
	id := jobID(export, n)
	return update(ctx, p.Journal, jobKey(id), func(j *Job) error {
		if j.ID == "" {
			*j = Job{ID: id, Export: export, N: n}
		}
		return change(j)
	})
}

// jobs reads every job of an export.
func (p *Pipeline) jobs(ctx context.Context, e Export) ([]Job, error) {
	jobs := make([]Job, len(e.Jobs))
	for i := range e.Jobs {
		j, err := p.job(ctx, e.ID, i+1)
		if err != nil {
			return nil, err
		}
		jobs[i] = j
	}
	return jobs, nil
}

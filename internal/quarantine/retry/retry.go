// Package retry loads quarantined lines again, after a fix of a view, a setting or the program.
//
// The lines are read from their file in the landing area, byte for byte, flattened like the file
// and committed as a file of their own: the same path with an ETag that names the attempt, in an
// export of their own, EXPORT.retry. So each line counts once in each of the two exports of the
// ledger. Versions decide as ever: a line that is older than the row of its resource changes
// nothing.
//
// A file of the quarantine gets its mark after its lines are in the tables. A retry that was killed
// before commits nothing twice: the next one has the same name, which the ledger knows.
package retry

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
	"fhirsynapse/internal/quarantine"
)

// Retryer loads quarantined lines again. All fields are needed.
type Retryer struct {
	// Lake is the lake of Flattener and Warehouse.
	Lake      *Lake
	Flattener pipeline.Flattener
	Warehouse pipeline.Warehouse
	Journal   pipeline.Journal
	Now       func() time.Time
	// Token returns a new random name of hexadecimal digits.
	Token func() string
}

// Report is the result of a retry, by file.
type Report struct {
	Export string `json:"export"`
	// As is the export of the lines in the ledger.
	As    string       `json:"as"`
	Files []FileReport `json:"files"`
	pipeline.Counts
}

// FileReport is the result for one file of the quarantine.
type FileReport struct {
	Type string `json:"type"`
	// From is the path in the landing area.
	From string `json:"from"`
	pipeline.Counts
	// Left are the lines that are still bad.
	Left []Left `json:"left"`
}

// suffix ends the name of the export of retried lines.
const suffix = ".retry"

// Retry loads the selected lines that no retry has loaded before. After an error the report has the
// files that are done.
func (r Retryer) Retry(ctx context.Context, s quarantine.Selection) (Report, error) {
	out := Report{Export: s.Export, As: s.Export + suffix, Files: []FileReport{}}
	w, err := r.open(ctx, s.Export)
	if err != nil {
		return out, err
	}
	for f, err := range quarantine.FilesOf(ctx, r.Lake, s) {
		if err != nil {
			return out, err
		}
		if !w.committed[[2]string{f.From, f.FromETag()}] {
			continue // prepared, and written again by the server before the commit
		}
		done, err := w.file(ctx, s, f)
		if err != nil {
			return out, fmt.Errorf("retry %s: %w", f.From, err)
		}
		if done == nil {
			continue
		}
		out.Files = append(out.Files, *done)
		out.Add(done.Counts)
	}
	return out, nil
}

// work is the retry of one export.
type work struct {
	Retryer
	export    records.Export
	jobs      []records.Job
	set       int
	members   pipeline.Members
	committed map[[2]string]bool // path and ETag of the files that the tables have
}

func (r Retryer) open(ctx context.Context, id string) (*work, error) {
	store := records.Store{Journal: r.Journal}
	e, err := store.Export(ctx, id)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fault.Permanentf(
			"export %s: there is no such export in the journal: fhirsynapse exports lists them", id)
	case err != nil:
		return nil, err
	case !e.State.Final():
		return nil, &fault.Error{
			Class: fault.Permanent, Err: fmt.Errorf("export %s is still %s", id, e.State),
			Remedy: "wait for its end: fhirsynapse exports watch " + id,
		}
	case !e.State.Committed():
		return nil, &fault.Error{
			Class: fault.Permanent,
			Err:   fmt.Errorf("export %s is %s: its files are not in the tables", id, e.State),
			Remedy: "start the plan again, which loads all lines: fhirsynapse exports start " +
				e.Plan,
		}
	}
	if err := records.CheckTables(ctx, r.Journal, e.Schema); err != nil {
		return nil, err
	}
	w := &work{Retryer: r, export: e, committed: map[[2]string]bool{}}
	if w.jobs, err = store.Jobs(ctx, e); err != nil {
		return nil, err
	}
	print, err := r.Flattener.ViewSet(e.Plan)
	if err != nil {
		return nil, fmt.Errorf("view set of plan %s: %w", e.Plan, err)
	}
	if w.set, err = store.ViewSet(ctx, e.Plan, print); err != nil {
		return nil, err
	}
	ledger, err := r.Warehouse.Ledger(ctx, e.Schema, id)
	if err != nil {
		return nil, fmt.Errorf("read the ledger of export %s: %w", id, err)
	}
	for _, f := range ledger {
		w.committed[[2]string{f.Path, f.ETag}] = true
	}
	w.members, err = w.readMembers(ctx)
	return w, err
}

// readMembers reads the patients of the export's cohort; nil if it has none.
func (w *work) readMembers(ctx context.Context) (pipeline.Members, error) {
	if w.export.Members == nil {
		return nil, nil
	}
	members, err := pipeline.ReadMembers(ctx, w.Lake, w.export)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &fault.Error{
			Class: fault.Permanent,
			Err: fmt.Errorf(
				"the list of the members of cohort %s at that time is no longer in the staging area",
				w.export.Cohort),
			Remedy: "ask for the resources again: fhirsynapse exports start " + w.export.Plan +
				" --full",
		}
	}
	return members, err
}

// file retries the selected lines of one file of the quarantine. It returns nil if no line is left
// to retry.
func (w *work) file(
	ctx context.Context, s quarantine.Selection, f quarantine.File,
) (*FileReport, error) {
	numbers, err := quarantine.Numbers(ctx, w.Lake, s, f)
	if err != nil {
		return nil, err
	}
	mark, err := quarantine.ReadMark(ctx, w.Lake, f)
	if err != nil {
		return nil, err
	}
	for {
		lines := pending(numbers, mark)
		if len(lines) == 0 {
			return nil, nil //nolint:nilnil // nothing to do
		}
		report, known, err := w.attempt(ctx, f, lines, len(mark.Attempts)+1)
		if err != nil {
			return nil, err
		}
		a := quarantine.Attempt{
			At: w.Now().UTC(), ViewSet: w.set, Counts: report.Counts,
			Loaded: loaded(lines, report.Left),
		}
		// A killed attempt may have used other settings. Its lines count as not loaded then, and
		// are tried again: a line that is in the tables already changes nothing.
		differs := known && report.Quarantined != int64(len(report.Left))
		if differs {
			a.Loaded = []int64{}
		}
		mark.Attempts = append(mark.Attempts, a)
		if err := quarantine.WriteMark(ctx, w.Lake, f, mark); err != nil {
			return nil, err
		}
		if !differs {
			return report, nil
		}
	}
}

// loaded returns the lines that were bad and are good now.
func loaded(lines []int64, left []Left) []int64 {
	bad := map[int64]bool{}
	for _, l := range left {
		bad[l.Line] = true
	}
	out := []int64{}
	for _, n := range lines {
		if !bad[n] {
			out = append(out, n)
		}
	}
	return out
}

// attempt flattens and commits lines as the nth attempt for a file. known is set if the ledger had
// the attempt already.
func (w *work) attempt(
	ctx context.Context, f quarantine.File, lines []int64, n int,
) (report *FileReport, known bool, err error) {
	e := w.export
	file := pipeline.File{
		Path: f.From,
		// The folder of the view set is a part of it, because each has a file of the quarantine.
		ETag: fmt.Sprintf("%s.%s.retry-%d-%s", f.FromETag(), f.ViewSet(), n,
			records.Digest(named(lines))),
		Modified: f.Modified,
	}
	c := &chosen{path: f.From, etag: f.FromETag(), lines: lines}
	c.dir = fmt.Sprintf("%s%s/%s/v%d/%s@%s", e.ID, suffix, f.Type, w.set, file.Path, file.ETag)
	w.Lake.show(file, c)
	in, err := w.Lake.Open(ctx, pipeline.Landing, file.Path, file.ETag)
	if err != nil {
		return nil, false, gone(f, err)
	}
	done, err := w.Flattener.Flatten(ctx, pipeline.Flattening{
		Plan: e.Plan, Export: e.ID + suffix, Type: f.Type, Path: file.Path,
		LastUpdated: w.transactionTime(f.From), Dir: c.dir, Members: w.members,
	}, in)
	if closeErr := in.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return nil, false, gone(f, err)
	}
	_, known, err = w.entry(ctx, file)
	if err != nil {
		return nil, false, err
	}
	if err := w.Warehouse.Commit(ctx, pipeline.Batch{
		Schema: e.Schema, Plan: e.Plan, Export: e.ID + suffix, Type: f.Type, ViewSet: w.set,
		Attempt: w.Token(),
		Files:   []pipeline.PreparedFile{{File: file, Dir: c.dir, Done: done}},
	}); err != nil {
		return nil, false, err
	}
	counts, there, err := w.entry(ctx, file)
	if err == nil && !there {
		err = fault.Transientf("the ledger does not show the lines after their commit")
	}
	left := append([]Left{}, c.bad...)
	return &FileReport{Type: f.Type, From: f.From, Counts: counts, Left: left}, known, err
}

// entry returns the counts of a file of the retry in the ledger.
func (w *work) entry(ctx context.Context, f pipeline.File) (pipeline.Counts, bool, error) {
	all, err := w.Warehouse.Ledger(ctx, w.export.Schema, w.export.ID+suffix)
	if err != nil {
		return pipeline.Counts{}, false, fmt.Errorf("read the ledger of %s: %w",
			w.export.ID+suffix, err)
	}
	for _, e := range all {
		if e.Path == f.Path && e.ETag == f.ETag {
			return e.Counts, true, nil
		}
	}
	return pipeline.Counts{}, false, nil
}

// gone explains that the file of the landing area is not the one that was loaded.
func gone(f quarantine.File, err error) error {
	if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, pipeline.ErrChanged) {
		return err
	}
	return &fault.Error{
		Class: fault.Permanent,
		Err:   errors.New("the file is no longer in the landing area as it was loaded"),
		Remedy: "load the copies of the lines: fhirsynapse quarantine show " + f.Export + " " +
			f.Type + " --lines, see docs/operations.md",
	}
}

// transactionTime returns the time for lines without one of their own.
func (w *work) transactionTime(path string) time.Time {
	if t, ok := records.TransactionTimeOf(path); ok {
		return t
	}
	folder, _, _ := strings.Cut(path, "/")
	for _, j := range w.jobs {
		if j.Folder != "" && (folder == j.Folder || strings.HasSuffix(folder, "-"+j.Folder)) {
			return j.TransactionTime
		}
	}
	return time.Time{}
}

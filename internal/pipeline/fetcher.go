package pipeline

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"fhirsynapse/internal/fault"
)

// errorFileTries bounds the patience for error files: they are kept for people, and
// no export fails for the want of one.
const errorFileTries = 5

// fetches lists the fetch steps of a job's files that are not in the lake yet.
func (p *Pipeline) fetches(ctx context.Context, e Export, j Job, m Manifest, d deletes, work []surveyed) ([]Step, error) {
	if !m.foreign() {
		return nil, nil
	}
	step := func(n int) Step {
		return Step{Kind: StepFetch, Export: e.ID, Job: j.N, File: n, Round: e.Round}
	}
	var steps []Step
	if len(m.Errors) > 0 {
		known := map[string]bool{}
		for key, err := range p.Journal.List(ctx, issuesKey(j.ID, 0)[:len(issuesKey(j.ID, 0))-6]) {
			if err != nil {
				return nil, err
			}
			known[key] = true
		}
		for i := range m.Errors {
			if n := m.number(errorFile, i); !known[issuesKey(j.ID, n)] {
				steps = append(steps, step(n))
			}
		}
	}
	for _, n := range d.missing {
		steps = append(steps, step(n))
	}
	for i, f := range work {
		if f.Foreign && f.blob.ETag == "" && i < len(m.Output) {
			steps = append(steps, step(m.number(outputFile, i)))
		}
	}
	return steps, nil
}

// fetching is one fetch step with what it works on.
type fetching struct {
	step   Step
	export Export
	job    string
	source Source
	files  Downloader
	file   OutputFile
}

// fetch streams one file that the server keeps into the lake, and sends what
// follows from it. It touches no disk, and holds no more than the lake's buffers.
func (p *Pipeline) fetch(ctx context.Context, s Step) error {
	e, err := p.export(ctx, s.Export)
	if err != nil {
		return fmt.Errorf("%s: %w", s, err)
	}
	f := fetching{step: s, export: e, job: jobID(s.Export, s.Job)}
	m, err := p.manifest(ctx, f.job)
	if err != nil {
		return fmt.Errorf("%s: %w", s, err)
	}
	file, kind, ok := m.file(s.File)
	if !ok || !file.Foreign {
		return fault.BadDataf("%s: the manifest has no such file", s)
	}
	// An error file is still worth having when the export has been loaded.
	if e.State.Final() && (e.State != Loaded || kind != errorFile) {
		return nil
	}
	if s.Round < e.Round && kind != errorFile {
		return nil // the watchdog has sent a newer one
	}
	f.file = file
	if f.source, err = p.Source(e.Plan); err != nil {
		return fmt.Errorf("%s: %w", s, err)
	}
	if f.files, ok = f.source.(Downloader); !ok || p.Landings == nil {
		return fault.Permanentf("%s: the source of plan %s is no longer one that keeps its files: put it back to load this export", s, e.Plan)
	}
	switch kind {
	case deletedFile:
		err = p.fetchDeletes(ctx, f)
	case errorFile:
		err = p.fetchErrors(ctx, f)
	case outputFile:
		err = p.fetchOutput(ctx, f)
	}
	if err == nil {
		return nil
	}
	// Tries and turns are counted by one chain of steps. The watchdog must not begin
	// another one, or no count comes to its end.
	p.stillAtWork(ctx, e)
	if errors.Is(err, ErrThrottled) {
		return p.anotherTurn(ctx, f, err)
	}
	return fmt.Errorf("%s: %w", s, err)
}

// stillAtWork tells the watchdog that an export is not silent, as often as that
// takes.
func (p *Pipeline) stillAtWork(ctx context.Context, e Export) {
	if p.Now().Sub(e.TouchedAt) < p.SilentAfter/3 {
		return
	}
	ctx, done := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer done()
	if _, err := p.updateExport(ctx, e.ID, func(e *Export) error {
		e.TouchedAt = p.Now()
		return nil
	}); err != nil {
		p.Log.WarnContext(ctx, "sign of life not written", "export", e.ID, "error", err)
	}
}

// anotherTurn sends a fetch again that was told to wait: no try was made, so none
// is counted. The export's deadline bounds it.
func (p *Pipeline) anotherTurn(ctx context.Context, f fetching, cause error) error {
	j, err := p.job(ctx, f.step.Export, f.step.Job)
	if err != nil {
		return fmt.Errorf("%s: %w", f.step, err)
	}
	if p.Now().Sub(j.ManifestAt) > p.ExportTimeout {
		return &fault.Error{
			Class: fault.Permanent, Whose: fault.TheirServer, Err: fmt.Errorf("%s: not downloaded within %v: %w", f.step, p.ExportTimeout, cause),
			Remedy: "ask for fewer types at once, or for a higher limit at the server",
		}
	}
	again := f.step
	again.N++
	return p.send(ctx, p.Now().Add(min(max(fault.After(cause), time.Second), longestWait)), again)
}

// fetchOutput lands one file of resources and sends its prepare step.
func (p *Pipeline) fetchOutput(ctx context.Context, f fetching) error {
	blob, err := p.land(ctx, f, f.file.Path)
	if err != nil {
		return err
	}
	return p.send(ctx, time.Time{}, Step{
		Kind: StepPrepare, Export: f.export.ID, Job: f.step.Job, Type: f.file.Type, Path: blob.Path, ETag: blob.ETag, Round: f.step.Round,
	})
}

// land streams a file to its path, unless it is there. A file of the wrong count
// is read a second time before it fails: it may have been cut on the way.
func (p *Pipeline) land(ctx context.Context, f fetching, path string) (File, error) {
	if f.step.Try+f.step.N+f.step.Round > 0 {
		blob, err := p.Lake.Stat(ctx, Landing, path)
		if there, err := exists(err); there || err != nil {
			return blob, err
		}
	}
	began := p.Now()
	var blob File
	var counted *tally
	err := p.twice(func() error {
		r, err := p.download(ctx, f)
		if err != nil {
			return err
		}
		counted = &tally{r: p.beating(ctx, f.export, r), want: f.file.Count}
		blob, err = p.Landings.Create(ctx, Landing, path, counted)
		if closeErr := r.Close(); err == nil {
			err = closeErr
		}
		return err
	})
	if errors.Is(err, fs.ErrExist) {
		return p.Lake.Stat(ctx, Landing, path) // someone else was faster
	}
	if err != nil {
		return blob, err
	}
	p.Log.InfoContext(ctx, "fetched", "export", f.export.ID, "type", f.file.Type, "file", path, "bytes", blob.Size, "lines", counted.lines,
		"took", p.Now().Sub(began))
	return blob, nil
}

// twice does it again at once when the count was wrong.
func (p *Pipeline) twice(do func() error) error {
	err := do()
	if errors.Is(err, errCount) {
		if err = do(); errors.Is(err, errCount) {
			return &fault.Error{Class: fault.Permanent, Whose: fault.TheirServer, Err: fmt.Errorf("read twice: %w", err), Remedy: "start the export again"}
		}
	}
	return err
}

// download opens a file, with a fresh URL where its own has ended.
func (p *Pipeline) download(ctx context.Context, f fetching) (io.ReadCloser, error) {
	m, err := p.manifest(ctx, f.job)
	if err != nil {
		return nil, err
	}
	r, err := f.files.Download(ctx, f.file, m.RequiresToken)
	if !errors.Is(err, ErrExpired) {
		return r, err
	}
	fresh, rereadErr := p.reread(ctx, f)
	if rereadErr != nil {
		return nil, fmt.Errorf("%w; and the manifest, read again: %w", err, rereadErr)
	}
	if fresh.URL == f.file.URL {
		return nil, err
	}
	return f.files.Download(ctx, fresh, m.RequiresToken)
}

// reread asks for the manifest again and gives the file's present entry. Fresh URLs
// are kept in memory and serve the files that come after.
func (p *Pipeline) reread(ctx context.Context, f fetching) (OutputFile, error) {
	p.rereading.Lock()
	defer p.rereading.Unlock()
	old, err := p.manifest(ctx, f.job)
	if err != nil {
		return f.file, err
	}
	if known, _, _ := old.file(f.step.File); known.URL != f.file.URL {
		return known, nil // someone else has asked meanwhile
	}
	j, err := p.job(ctx, f.step.Export, f.step.Job)
	if err != nil {
		return f.file, err
	}
	status, err := f.source.Status(ctx, j.StatusURL)
	switch {
	case err != nil:
		return f.file, err
	case status.Manifest == nil:
		return f.file, fault.Transientf("the server says that the job still runs")
	}
	m := *status.Manifest
	m.place(f.job)
	if !sameFiles(old, m) {
		return f.file, &fault.Error{Class: fault.Permanent, Whose: fault.TheirServer, Err: errors.New("the server lists other files now"), Remedy: "start the export again"}
	}
	if err := p.keepFresh(ctx, f.job, m); err != nil {
		return f.file, err
	}
	p.remember(f.job, m)
	known, _, _ := m.file(f.step.File)
	return known, nil
}

// keepFresh keeps the last manifest that was read again, as it was received.
func (p *Pipeline) keepFresh(ctx context.Context, job string, m Manifest) error {
	_, err := update(ctx, p.Journal, freshManifestKey(job), func(v *verbatim) error {
		*v = verbatimOf(m)
		return nil
	})
	return err
}

// sameFiles says that two manifests list the same files in the same order, the URLs
// apart.
func sameFiles(a, b Manifest) bool {
	if len(a.Output) != len(b.Output) || len(a.Deleted) != len(b.Deleted) || len(a.Errors) != len(b.Errors) {
		return false
	}
	for n := 1; ; n++ {
		x, _, ok := a.file(n)
		if !ok {
			return true
		}
		y, _, _ := b.file(n)
		if x.Type != y.Type || x.Count != y.Count {
			return false
		}
	}
}

// fetchErrors keeps an error file and counts what it says. Its absence is recorded,
// and fails nothing.
func (p *Pipeline) fetchErrors(ctx context.Context, f fetching) error {
	issues, err := p.issuesOf(ctx, f)
	if err != nil {
		if fault.Of(err) == fault.Transient && f.step.Try < errorFileTries {
			return err
		}
		p.Log.WarnContext(ctx, "error file of the server not kept", "export", f.export.ID, "job", f.job, "number", f.step.File, "error", err)
		issues = map[string]int64{"unavailable": 1}
	}
	data, err := json.Marshal(issues)
	if err != nil {
		return err
	}
	_, err = p.Journal.Write(ctx, issuesKey(f.job, f.step.File), "", data)
	if errors.Is(err, ErrConflict) {
		return nil
	}
	if err == nil {
		p.Log.WarnContext(ctx, "error file of the server", "export", f.export.ID, "job", f.job, "file", f.file.Path, "issues", issues)
	}
	return err
}

func (p *Pipeline) issuesOf(ctx context.Context, f fetching) (map[string]int64, error) {
	f.file.Count = -1 // of no use: nothing is loaded from it
	if _, err := p.land(ctx, f, f.file.Path); err != nil {
		return nil, err
	}
	r, err := p.Lake.Open(ctx, Landing, f.file.Path, "")
	if err != nil {
		return nil, err
	}
	issues, err := f.files.Issues(r)
	if closeErr := r.Close(); err == nil {
		err = closeErr
	}
	return issues, err
}

// Issues sums what the error files of an export say, by severity and code.
func (p *Pipeline) Issues(ctx context.Context, export string) (map[string]int64, error) {
	total := map[string]int64{}
	for key, err := range p.Journal.List(ctx, "issues/"+export+".") {
		if err != nil {
			return nil, fmt.Errorf("issues of export %s: %w", export, err)
		}
		d, err := read[map[string]int64](ctx, p.Journal, key)
		if err != nil {
			return nil, fmt.Errorf("issues of export %s: %w", export, err)
		}
		for kind, n := range d.value {
			total[kind] += n
		}
	}
	return total, nil
}

// beating is a reader that tells the watchdog of a long download.
func (p *Pipeline) beating(ctx context.Context, e Export, r io.Reader) io.Reader {
	return readerFunc(func(b []byte) (int, error) {
		n, err := r.Read(b)
		if p.Now().Sub(e.TouchedAt) >= p.SilentAfter/3 {
			p.stillAtWork(ctx, e)
			e.TouchedAt = p.Now()
		}
		return n, err
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

// errCount says that a file has another number of lines than the manifest.
var errCount = errors.New("the manifest counts otherwise")

// tally counts the lines of what it reads, blank ones left out, and fails at the
// end when they are not as many as was said.
type tally struct {
	r     io.Reader
	want  int64 // -1: nobody said
	lines int64
	begun bool // the present line has something on it
	first bool // a byte order mark may only be at the very beginning
}

const byteOrderMark = "\xef\xbb\xbf"

func (t *tally) Read(b []byte) (int, error) {
	n, err := t.r.Read(b)
	part := b[:n]
	if !t.first && n > 0 {
		t.first = true
		part = bytes.TrimPrefix(part, []byte(byteOrderMark))
	}
	for len(part) > 0 {
		i := bytes.IndexByte(part, '\n')
		line := part
		if i >= 0 {
			line = part[:i]
		}
		if !t.begun && len(bytes.TrimLeft(line, " \t\r")) > 0 {
			t.begun = true
			t.lines++
		}
		if i < 0 {
			break
		}
		t.begun = false
		part = part[i+1:]
	}
	if err == io.EOF && t.want >= 0 && t.lines != t.want {
		return n, fmt.Errorf("%w: %d resources, the file has %d", errCount, t.want, t.lines)
	}
	return n, err
}

// deletes is what became of a job's files of deletes.
type deletes struct {
	files   []OutputFile // of tombstones, in the landing area
	missing []int        // numbers of the files that were not split yet
}

// deletesOf reads what the splits of a job have left. It is kept in memory once
// they are complete.
func (p *Pipeline) deletesOf(ctx context.Context, job string, m Manifest) (deletes, error) {
	if len(m.Deleted) == 0 {
		return deletes{}, nil
	}
	p.mu.Lock()
	d, known := p.deletes[job]
	p.mu.Unlock()
	if known {
		return d, nil
	}
	for i := range m.Deleted {
		n := m.number(deletedFile, i)
		doc, err := read[[]OutputFile](ctx, p.Journal, deletesKey(job, n))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			d.missing = append(d.missing, n)
		case err != nil:
			return d, err
		default:
			d.files = append(d.files, doc.value...)
		}
	}
	if len(d.missing) > 0 {
		return d, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.deletes) >= keptManifests {
		clear(p.deletes)
	}
	p.deletes[job] = d
	return d, nil
}

// fetchDeletes splits one file of deletes into files of tombstones, one or more a
// type, and sends their prepare steps. The document that lists them comes last:
// with it the split counts. The same file makes the same parts, whoever does it.
func (p *Pipeline) fetchDeletes(ctx context.Context, f fetching) error {
	doc, err := read[[]OutputFile](ctx, p.Journal, deletesKey(f.job, f.step.File))
	files := doc.value
	if there, err := exists(err); err != nil {
		return err
	} else if !there {
		err := p.twice(func() error {
			files, err = p.split(ctx, f)
			return err
		})
		if err != nil {
			return err
		}
		data, err := json.Marshal(files)
		if err != nil {
			return err
		}
		if _, err := p.Journal.Write(ctx, deletesKey(f.job, f.step.File), "", data); err != nil && !errors.Is(err, ErrConflict) {
			return err
		}
		p.Log.InfoContext(ctx, "deletes split", "export", f.export.ID, "job", f.job, "number", f.step.File, "files", len(files))
	}
	steps := make([]Step, len(files))
	for i, t := range files {
		steps[i] = Step{Kind: StepPrepare, Export: f.export.ID, Job: f.step.Job, Type: t.Type, Path: t.Path, Round: f.step.Round}
	}
	if err := p.send(ctx, time.Time{}, steps...); err != nil {
		return err
	}
	return p.finish(ctx, f.export.ID, "")
}

// heldTombstones bounds the memory of a split: some hundred thousand deletes.
const heldTombstones = 16 << 20

// split reads one file of deletes to its end.
func (p *Pipeline) split(ctx context.Context, f fetching) ([]OutputFile, error) {
	r, err := p.download(ctx, f)
	if err != nil {
		return nil, err
	}
	s := splitter{p: p, f: f, held: map[string]*tombstones{}}
	err = s.run(ctx, &tally{r: p.beating(ctx, f.export, r), want: f.file.Count})
	if closeErr := r.Close(); err == nil {
		err = closeErr
	}
	return s.files, err
}

type tombstones struct {
	lines bytes.Buffer
	count int64
	part  int
}

// splitter holds tombstones by type and writes the longest of them when they grow
// too many.
type splitter struct {
	p     *Pipeline
	f     fetching
	held  map[string]*tombstones
	size  int
	files []OutputFile
}

func (s *splitter) run(ctx context.Context, r io.Reader) error {
	for t, err := range s.f.files.Deletes(r) {
		if err != nil {
			return err
		}
		if !resourceType.MatchString(t.Type) {
			return fault.Permanentf("the deletes name a resource of no type")
		}
		held := s.held[t.Type]
		if held == nil {
			held = &tombstones{}
			s.held[t.Type] = held
		}
		held.lines.Write(t.Line)
		held.lines.WriteByte('\n')
		held.count++
		if s.size += len(t.Line) + 1; s.size > heldTombstones {
			if err := s.write(ctx, s.longest()); err != nil {
				return err
			}
		}
	}
	for typ := s.longest(); typ != ""; typ = s.longest() {
		if err := s.write(ctx, typ); err != nil {
			return err
		}
	}
	return nil
}

// longest is the type with the most bytes held; the first by name among equals.
func (s *splitter) longest() string {
	best, size := "", 0
	for typ, held := range s.held {
		if n := held.lines.Len(); n > size || (n == size && n > 0 && typ < best) {
			best, size = typ, n
		}
	}
	return best
}

// write puts the tombstones of a type, over those of an earlier try.
func (s *splitter) write(ctx context.Context, typ string) error {
	held := s.held[typ]
	held.part++
	path := fmt.Sprintf("%s/%s-deleted-%06d-%d.ndjson", s.f.job, typ, s.f.step.File, held.part)
	if _, err := s.p.Lake.Put(ctx, Landing, path, strings.NewReader(held.lines.String())); err != nil {
		return err
	}
	s.files = append(s.files, OutputFile{Type: typ, Path: path, Count: held.count})
	s.size -= held.lines.Len()
	held.lines.Reset()
	held.count = 0
	return nil
}

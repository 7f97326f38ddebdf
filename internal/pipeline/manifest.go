package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"

	"fhirsynapse/internal/fault"
)

// maxDocument bounds a document of the journal. Only what a server said verbatim
// may be longer.
const maxDocument = 60 << 10

// keptManifests bounds the memory for manifests: one of 10,000 files is a few MB.
const keptManifests = 8

// manifestRecord is the journal's document of a manifest. The files of a long one
// are in parts, each a document of its own.
type manifestRecord struct {
	Manifest
	Parts int `json:"parts,omitempty"`
}

// manifestPart is a run of a manifest's files.
type manifestPart struct {
	Output  []OutputFile `json:"output,omitempty"`
	Deleted []OutputFile `json:"deleted,omitempty"`
	Errors  []OutputFile `json:"errors,omitempty"`
}

// verbatim is what the server answered, page by page.
type verbatim struct {
	Manifest string   `json:"manifest"`
	Pages    []string `json:"pages,omitempty"`
}

func verbatimOf(m Manifest) verbatim {
	v := verbatim{Manifest: string(m.Raw)}
	for _, p := range m.Pages {
		v.Pages = append(v.Pages, string(p))
	}
	return v
}

// keepManifest stores the manifest as read and as received. The first one stays:
// it is the one whose files the steps were sent for.
func (p *Pipeline) keepManifest(ctx context.Context, e Export, j Job, m Manifest) error {
	var types []string
	for _, f := range m.Output {
		types = append(types, f.Type)
	}
	if err := e.checkTypes(types); err != nil {
		return err
	}
	var strange []error
	for _, f := range m.Output {
		if f.Path == "" && !f.Foreign {
			strange = append(strange, &fault.Error{
				Class: fault.Permanent, Whose: fault.OurSetting,
				Err:    fmt.Errorf("the manifest lists a %s file that is not in our landing container", f.Type),
				Remedy: "check that the plan's container is the one the FHIR service exports to",
			})
		}
	}
	if len(strange) > 0 {
		return fmt.Errorf("%d of %d files: %w", len(strange), len(m.Output), strange[0])
	}
	if m.foreign() && p.Landings == nil {
		return fault.Permanentf("the manifest lists files that the server keeps, and this program has nowhere to fetch them to")
	}
	m.place(j.ID)
	raw, err := json.Marshal(verbatimOf(m))
	if err != nil {
		return err
	}
	write := func(d keyed) error {
		if _, err := p.Journal.Write(ctx, d.key, "", d.data); err != nil && !errors.Is(err, ErrConflict) {
			return fmt.Errorf("write journal %s: %w", d.key, err)
		}
		return nil
	}
	if err := write(keyed{rawManifestKey(j.ID), raw}); err != nil {
		return err
	}
	// The head comes last: with it the manifest is there.
	for d, err := range documents(j.ID, m) {
		if err != nil {
			return err
		}
		if err := write(d); err != nil {
			return err
		}
	}
	return nil
}

// place gives each file that has to be fetched its path in the landing area.
func (m *Manifest) place(job string) {
	folder := fetchFolder(job, m.TransactionTime)
	for i := range m.Output {
		if f := &m.Output[i]; f.Foreign {
			f.Path = fmt.Sprintf("%s/%s-%06d.ndjson", folder, f.Type, i+1)
		}
	}
	for i := range m.Errors {
		if f := &m.Errors[i]; f.Foreign {
			f.Path = fmt.Sprintf("%s/OperationOutcome-%06d.ndjson", folder, i+1)
		}
	}
}

func (m *Manifest) foreign() bool {
	for _, list := range [][]OutputFile{m.Output, m.Deleted, m.Errors} {
		for _, f := range list {
			if f.Foreign {
				return true
			}
		}
	}
	return false
}

// fileKind is a list of the manifest.
type fileKind int

const (
	outputFile fileKind = iota
	deletedFile
	errorFile
)

// number is the number of a list's file i among all files of the manifest.
func (m *Manifest) number(kind fileKind, i int) int {
	switch kind {
	case deletedFile:
		i += len(m.Output)
	case errorFile:
		i += len(m.Output) + len(m.Deleted)
	case outputFile:
	}
	return i + 1
}

// file is the file of a number: the files of Output come first, then those of
// Deleted, then those of Errors.
func (m *Manifest) file(n int) (f OutputFile, kind fileKind, ok bool) {
	n--
	for kind, list := range [][]OutputFile{m.Output, m.Deleted, m.Errors} {
		if n >= 0 && n < len(list) {
			return list[n], fileKind(kind), true
		}
		n -= len(list)
	}
	return OutputFile{}, 0, false
}

// keyed is a document to be written.
type keyed struct {
	key  string
	data []byte
}

// documents are those of a manifest, one after the other, the head last.
func documents(job string, m Manifest) iter.Seq2[keyed, error] {
	return func(yield func(keyed, error) bool) {
		head := manifestRecord{Manifest: m}
		if len(m.Output)+len(m.Deleted)+len(m.Errors) <= maxDocument/leastEntry {
			whole, err := json.Marshal(head)
			if err != nil || len(whole) <= maxDocument {
				yield(keyed{manifestKey(job), whole}, err)
				return
			}
		}
		for part, err := range manifestParts(m) {
			var data []byte
			if err == nil {
				head.Parts++
				data, err = json.Marshal(part)
			}
			if !yield(keyed{manifestPartKey(job, head.Parts), data}, err) || err != nil {
				return
			}
		}
		head.Output, head.Deleted, head.Errors = nil, nil, nil
		data, err := json.Marshal(head)
		yield(keyed{manifestKey(job), data}, err)
	}
}

// leastEntry is less than the bytes of any file in a document.
const leastEntry = 20

// manifestParts cuts the lists of a manifest into documents of at most maxDocument.
func manifestParts(m Manifest) iter.Seq2[manifestPart, error] {
	return func(yield func(manifestPart, error) bool) {
		var part manifestPart
		size := 0
		for n := 1; ; n++ {
			f, kind, ok := m.file(n)
			if !ok {
				break
			}
			data, err := json.Marshal(f)
			if err != nil {
				yield(part, err)
				return
			}
			if size > 0 && size+len(data) > maxDocument-1<<10 {
				if !yield(part, nil) {
					return
				}
				part, size = manifestPart{}, 0
			}
			list := [...]*[]OutputFile{&part.Output, &part.Deleted, &part.Errors}[kind]
			*list = append(*list, f)
			size += len(data) + 1
		}
		yield(part, nil)
	}
}

// manifest reads the manifest of a job; it is kept in memory, where its URLs may
// be fresher than in the journal.
func (p *Pipeline) manifest(ctx context.Context, job string) (Manifest, error) {
	p.mu.Lock()
	m, ok := p.manifests[job]
	p.mu.Unlock()
	if ok {
		return m, nil
	}
	d, err := read[manifestRecord](ctx, p.Journal, manifestKey(job))
	if err != nil {
		return m, err
	}
	m = d.value.Manifest
	for n := range d.value.Parts {
		part, err := read[manifestPart](ctx, p.Journal, manifestPartKey(job, n+1))
		if err != nil {
			return m, err
		}
		m.Output = append(m.Output, part.value.Output...)
		m.Deleted = append(m.Deleted, part.value.Deleted...)
		m.Errors = append(m.Errors, part.value.Errors...)
	}
	p.remember(job, m)
	return m, nil
}

func (p *Pipeline) remember(job string, m Manifest) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, known := p.manifests[job]; !known && len(p.manifests) >= keptManifests {
		clear(p.manifests)
	}
	p.manifests[job] = m
}

package records

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"time"
)

// maxDocument bounds a document of the journal, in bytes. Only a server's verbatim answer may
// be longer.
const maxDocument = 60 << 10

// manifestRecord is the journal's document of a manifest. A long list of files is split into
// parts, each a document of its own.
type manifestRecord struct {
	Manifest
	Parts int `json:"parts,omitempty"`
}

// manifestPart holds consecutive files of a manifest.
type manifestPart struct {
	Output  []OutputFile `json:"output,omitempty"`
	Deleted []OutputFile `json:"deleted,omitempty"`
	Errors  []OutputFile `json:"errors,omitempty"`
}

// verbatim holds the server's answer, page by page.
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

// KeepManifest stores the manifest of a job as read and as received. The first one stays,
// because the steps were sent for its files.
func (s Store) KeepManifest(ctx context.Context, job string, m Manifest) error {
	raw, err := json.Marshal(verbatimOf(m))
	if err != nil {
		return err
	}
	if err := s.create(ctx, rawManifestKey(job), raw); err != nil {
		return err
	}
	// The head comes last: once it exists, the manifest counts as stored.
	for d, err := range documents(job, m) {
		if err != nil {
			return err
		}
		if err := s.create(ctx, d.key, d.data); err != nil {
			return err
		}
	}
	return nil
}

// Place sets the path in the landing area of each file that has to be fetched.
func (m *Manifest) Place(job string) {
	folder := FetchFolder(job, m.TransactionTime)
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

// HasForeign reports whether a file of the manifest has to be copied into the lake.
func (m *Manifest) HasForeign() bool {
	for _, list := range [][]OutputFile{m.Output, m.Deleted, m.Errors} {
		for _, f := range list {
			if f.Foreign {
				return true
			}
		}
	}
	return false
}

// FileKind selects a list of the manifest.
type FileKind int

// The kinds of file of a manifest.
const (
	OutputKind FileKind = iota
	DeletedKind
	ErrorKind
)

// Number returns the number of file i of a list among all files of the manifest.
func (m *Manifest) Number(kind FileKind, i int) int {
	switch kind {
	case DeletedKind:
		i += len(m.Output)
	case ErrorKind:
		i += len(m.Output) + len(m.Deleted)
	case OutputKind:
	}
	return i + 1
}

// File returns the file with a number: first the files of Output, then of Deleted, then of
// Errors.
func (m *Manifest) File(n int) (f OutputFile, kind FileKind, ok bool) {
	n--
	for kind, list := range [][]OutputFile{m.Output, m.Deleted, m.Errors} {
		if n >= 0 && n < len(list) {
			return list[n], FileKind(kind), true
		}
		n -= len(list)
	}
	return OutputFile{}, 0, false
}

// keyed is a document to be written, with its key.
type keyed struct {
	key  string
	data []byte
}

// documents yields the documents of a manifest one by one, the head last.
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

// leastEntry is a lower bound for the bytes of a file in a document.
const leastEntry = 20

// manifestParts splits the lists of a manifest into documents of at most maxDocument bytes.
func manifestParts(m Manifest) iter.Seq2[manifestPart, error] {
	return func(yield func(manifestPart, error) bool) {
		var part manifestPart
		size := 0
		for n := 1; ; n++ {
			f, kind, ok := m.File(n)
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

// Manifest reads the manifest of a job. It returns fs.ErrNotExist if there is none.
func (s Store) Manifest(ctx context.Context, job string) (Manifest, error) {
	d, err := Read[manifestRecord](ctx, s.Journal, manifestKey(job))
	m := d.Value.Manifest
	if err != nil {
		return m, err
	}
	for n := range d.Value.Parts {
		part, err := Read[manifestPart](ctx, s.Journal, manifestPartKey(job, n+1))
		if err != nil {
			return m, err
		}
		m.Output = append(m.Output, part.Value.Output...)
		m.Deleted = append(m.Deleted, part.Value.Deleted...)
		m.Errors = append(m.Errors, part.Value.Errors...)
	}
	return m, nil
}

// KeepFresh stores the manifest that was last read again, as received.
func (s Store) KeepFresh(ctx context.Context, job string, m Manifest) error {
	_, err := Update(ctx, s.Journal, freshManifestKey(job), func(v *verbatim) error {
		*v = verbatimOf(m)
		return nil
	})
	return err
}

// OutputFile is one entry of a manifest.
type OutputFile struct {
	Type string `json:"type"`
	URL  string `json:"url"`
	// Path is the blob in the landing area, if URL names a blob of ours.
	Path string `json:"path,omitempty"`
	// Count is the number of resources in the file; -1 if the server did not report it.
	Count int64 `json:"count"`
	// Foreign is set if the server keeps the file: it has to be fetched to Path.
	Foreign bool `json:"foreign,omitempty"`
}

// Manifest lists the files of a finished job.
type Manifest struct {
	// TransactionTime is zero if the server's own cannot be used: see Notices.
	TransactionTime time.Time    `json:"transactionTime"`
	Output          []OutputFile `json:"output"`
	// Errors lists the server's error files. They are kept and summarised, never loaded.
	Errors []OutputFile `json:"errors,omitempty"`
	// Deleted lists files of Bundles that name deleted resources.
	Deleted []OutputFile `json:"deleted,omitempty"`
	// RequiresToken is set if downloads of the files need an access token.
	RequiresToken bool `json:"requiresToken,omitempty"`
	// Request is the kick-off as the server understood it.
	Request string `json:"request,omitempty"`
	// Issues lists the issues that the manifest itself reports.
	Issues []Issue `json:"issues,omitempty"`
	// Notices tell a person which assumptions the client made about this export.
	Notices []string `json:"notices,omitempty"`
	// Expires is when the files can no longer be downloaded; zero if the server did not report
	// it.
	Expires time.Time `json:"expires,omitzero"`
	// Raw is the server's answer, byte for byte, and Pages holds its further pages. Both are
	// nil if the answer is long or holds text that people wrote.
	Raw   []byte   `json:"-"`
	Pages [][]byte `json:"-"`
}

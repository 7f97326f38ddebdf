// Package quarantine reads the quarantine area: bad lines with their reasons, messages that are not
// ours, and the words of servers.
//
// The listing and the reasons hold no health data. Lines and texts do, and are copied only on
// demand.
package quarantine

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
)

// Line is a bad line in a file of the quarantine area.
type Line struct {
	Line   int64  `json:"line"`
	Offset int64  `json:"offset"`
	Reason string `json:"reason"`
	Text   string `json:"text"`
}

// Kind describes the content of a file of the quarantine area.
type Kind string

// The kinds.
const (
	Lines      Kind = "lines"       // bad lines of one file of an export
	ServerText Kind = "server text" // the words of a server about a failure
	Message    Kind = "message"     // a message that the handler could not read
	Unprepared Kind = "failed file" // the record of a file at which an export failed
	Other      Kind = "other"       // a file that this program has not written
)

// File is one file of the quarantine area.
type File struct {
	Kind   Kind   `json:"kind"`
	Export string `json:"export,omitempty"`
	Type   string `json:"type,omitempty"`
	// From is the path of the file in the landing area that has the bad lines.
	From string `json:"from,omitempty"`
	Path string `json:"path"`
	Size int64  `json:"bytes"`
	// Lines is the number of bad lines; nil if nobody has counted them.
	Lines *int64 `json:"lines,omitempty"`
	// Retried is the number of lines that retries have loaded; nil if there was no retry.
	Retried  *int64    `json:"retried,omitempty"`
	Modified time.Time `json:"modified"`
	// Reason is why a message is kept, or why a file failed.
	Reason string `json:"reason,omitempty"`
	// Message describes a message; nil for other kinds.
	Message *MessageFacts `json:"message,omitempty"`

	etag string
}

var viewSetFolder = regexp.MustCompile(`^v[0-9]+$`)

// fileOf describes a file by its path.
func fileOf(f pipeline.File) File {
	out := File{Kind: Other, Path: f.Path, Size: f.Size, Modified: f.Modified, etag: f.ETag}
	parts := strings.SplitN(f.Path, "/", 4)
	if id, ok := strings.CutSuffix(f.Path, messageEnding); ok && len(parts) == 2 &&
		strings.HasPrefix(id, pipeline.MessagesFolder) {
		out.Kind, out.Message = Message, &MessageFacts{ID: MessageID(id)}
		return out
	}
	if _, _, ok := records.CutExportID(parts[0]); !ok || len(parts) < 3 {
		return out
	}
	out.Export = parts[0]
	stem, ndjson := strings.CutSuffix(f.Path, linesEnding)
	switch {
	case len(parts) == 4 && viewSetFolder.MatchString(parts[2]) &&
		strings.HasSuffix(f.Path, markEnding):
		out.Kind, out.Type = Retried, parts[1]
	case len(parts) == 3 && strings.HasPrefix(parts[1], parts[0]+".") &&
		strings.HasPrefix(parts[2], "server-"):
		out.Kind = ServerText
	case len(parts) == 3 && strings.HasPrefix(parts[1], parts[0]+".") &&
		strings.HasPrefix(parts[2], pipeline.FailedFilePrefix):
		out.Kind = Unprepared
	case len(parts) == 4 && viewSetFolder.MatchString(parts[2]) && ndjson:
		out.Kind, out.Type = Lines, parts[1]
		out.From = strings.TrimPrefix(stem, strings.Join(parts[:3], "/")+"/")
		if i := strings.LastIndexByte(out.From, '@'); i >= 0 {
			out.From = out.From[:i]
		}
	}
	return out
}

// Query selects files of the quarantine area.
type Query struct {
	// Name is a plan or an export; empty means everything.
	Name string
	// Most bounds the files that are returned, and apart from them the messages. The newest come
	// first.
	Most int
	// Count counts the lines of large files too, which are read for that.
	Count bool
	// Queue is the name of the queue of steps, for messages.
	Queue string
	// Progress counts the files while they are listed; nil means nobody looks.
	Progress *Progress
}

// Progress counts the work of a command, for a person who waits. All methods accept nil.
type Progress struct{ files, lines atomic.Int64 }

// String describes the work up to now.
func (p *Progress) String() string {
	if p == nil {
		return ""
	}
	return fmt.Sprintf("%d files, %d lines", p.files.Load(), p.lines.Load())
}

// Read counts one more file.
func (p *Progress) Read() { p.file() }

func (p *Progress) file() {
	if p != nil {
		p.files.Add(1)
	}
}

func (p *Progress) line(n int) {
	if p != nil {
		p.lines.Add(int64(n))
	}
}

// Sum counts files.
type Sum struct{ Files, Bytes int64 }

// Listing is the answer to a Query.
type Listing struct {
	Files []File
	// Found sums all files, by kind, including those that Most leaves out.
	Found map[Kind]Sum
}

// countLimit bounds the size of a file that List reads to count its lines.
const countLimit = 1 << 20

// List lists the newest files of the quarantine area, and after them the newest messages. It holds
// at most four times Most of them.
func List(ctx context.Context, lake pipeline.Lake, q Query) (Listing, error) {
	prefix, plan := q.Name, q.Name
	if _, _, isExport := records.CutExportID(q.Name); isExport {
		prefix, plan = q.Name+"/", ""
	} else if plan != "" {
		prefix += "-"
	}
	out := Listing{Found: map[Kind]Sum{}}
	marked := map[string]bool{}
	var messages []File
	for f, err := range lake.List(ctx, pipeline.Quarantine, prefix) {
		if err != nil {
			return out, err
		}
		file := fileOf(f)
		if of, _, _ := records.CutExportID(file.Export); plan != "" && of != plan {
			continue
		}
		if file.Kind == Retried {
			marked[strings.TrimSuffix(file.Path, markEnding)+linesEnding] = true
			continue
		}
		q.Progress.file()
		sum := out.Found[file.Kind]
		out.Found[file.Kind] = Sum{sum.Files + 1, sum.Bytes + file.Size}
		list := &out.Files
		if file.Kind == Message {
			list = &messages
		}
		if *list = append(*list, file); len(*list) >= 2*q.Most {
			*list = newest(*list, q.Most)
		}
	}
	out.Files = append(newest(out.Files, q.Most), newest(messages, q.Most)...)
	for i := range out.Files {
		f := &out.Files[i]
		if !marked[f.Path] {
			continue
		}
		m, err := ReadMark(ctx, lake, *f)
		if err != nil {
			return out, err
		}
		n := m.LoadedLines()
		f.Retried = &n
	}
	return out, readAll(ctx, lake, out.Files, q)
}

func newest(files []File, most int) []File {
	slices.SortFunc(files, func(a, b File) int {
		return cmp.Or(b.Modified.Compare(a.Modified), strings.Compare(a.Path, b.Path))
	})
	return files[:min(most, len(files))]
}

// readers bounds the files that are read at one time.
const readers = 8

// readAll counts the lines of files and reads the reasons of others, a few at a time.
func readAll(ctx context.Context, lake pipeline.Lake, files []File, q Query) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var wg sync.WaitGroup
	slots := make(chan struct{}, readers)
	for i := range files {
		f := &files[i]
		read := f.read
		switch f.Kind {
		case Lines:
			if f.Size > countLimit && !q.Count {
				continue
			}
			read = f.count
		case Message:
			f.Message.Queue = q.Queue
		case Unprepared:
		default:
			continue
		}
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if err := read(ctx, lake, q.Progress); err != nil &&
				!errors.Is(err, fs.ErrNotExist) && !errors.Is(err, pipeline.ErrChanged) {
				stop(err)
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// count counts the bad lines of a file.
func (f *File) count(ctx context.Context, lake pipeline.Lake, p *Progress) (err error) {
	r, err := lake.Open(ctx, pipeline.Quarantine, f.Path, f.etag)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	buf := make([]byte, 64<<10)
	for n := int64(0); ; {
		read, err := r.Read(buf)
		found := bytes.Count(buf[:read], []byte("\n"))
		n += int64(found)
		p.line(found)
		if err == io.EOF {
			f.Lines = &n
			return nil
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", f.Path, err)
		}
	}
}

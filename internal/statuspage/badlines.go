package statuspage

import (
	"context"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"time"

	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/quarantine"
)

// quarantineView sums up the bad lines of the last 30 days.
type quarantineView struct {
	// Types counts the lines by type, Exports by export and type.
	Types   []typeLines   `json:"types"`
	Exports []exportLines `json:"exports"`
	// More is the number of exports that are left out.
	More  int   `json:"more,omitempty"`
	Pages pages `json:"pages"`
	// Messages could not be read by the handler.
	Messages keptMessages `json:"messages"`
}

// keptMessages counts the messages in the quarantine and has the reasons of the first ones.
type keptMessages struct {
	Count int64         `json:"count"`
	More  bool          `json:"more,omitempty"` // not all were counted
	First []keptMessage `json:"first"`
	// Readable is set if this version can read one of the first ones.
	Readable bool `json:"readable,omitempty"`
}

type keptMessage struct {
	ID     string    `json:"id"`
	Since  time.Time `json:"since"`
	Step   string    `json:"step,omitempty"`
	Export string    `json:"export,omitempty"`
	Reason string    `json:"reason"`
}

func (quarantineView) template() string       { return "quarantine" }
func (quarantineView) title() string          { return "Quarantine" }
func (quarantineView) refresh() time.Duration { return later }

// typeLines counts bad lines of a type.
type typeLines struct {
	Type  string `json:"type"`
	Lines int64  `json:"lines"`
}

// exportLines counts bad lines of an export.
type exportLines struct {
	Export string      `json:"export"`
	At     time.Time   `json:"at"`
	Types  []typeLines `json:"types"`
	Lines  int64       `json:"lines"`
}

// Bounds of the sums of the quarantine.
const (
	mostExports  = 50
	mostMessages = 5
)

func (s *reader) keptMessages(ctx context.Context) (keptMessages, error) {
	out := keptMessages{First: []keptMessage{}}
	kept, err := quarantine.SumMessages(ctx, s.Lake, mostMessages)
	if err != nil {
		return out, fmt.Errorf("messages in the quarantine: %w", err)
	}
	out.Count, out.More = kept.Count, kept.More
	for _, f := range kept.First {
		out.First = append(out.First, keptMessage{
			ID: f.Message.ID, Since: f.Modified, Step: f.Message.Step, Export: f.Message.Export,
			Reason: f.Reason,
		})
		out.Readable = out.Readable || f.Message.Step != ""
	}
	return out, nil
}

func (s *reader) quarantinePage(ctx context.Context, page int) (view, error) {
	past, pages, err := s.past(ctx, page, nil)
	if err != nil {
		return nil, err
	}
	v := quarantineView{Types: []typeLines{}, Exports: []exportLines{}, Pages: pages}
	if v.Messages, err = s.keptMessages(ctx); err != nil {
		return nil, err
	}
	byType := map[string]int64{}
	for _, p := range past {
		for _, e := range p.entries {
			row := exportLines{Export: exportID(p.name, e), At: e.FinishedAt}
			for typ, c := range e.Types {
				if c.Quarantined > 0 {
					row.Types = append(row.Types, typeLines{typ, c.Quarantined})
					row.Lines += c.Quarantined
					byType[typ] += c.Quarantined
				}
			}
			if row.Lines > 0 {
				slices.SortFunc(row.Types, byLines)
				v.Exports = append(v.Exports, row)
			}
		}
	}
	for typ, n := range byType {
		v.Types = append(v.Types, typeLines{typ, n})
	}
	slices.SortFunc(v.Types, byLines)
	slices.SortFunc(v.Exports, func(a, b exportLines) int { return b.At.Compare(a.At) })
	if v.More = len(v.Exports) - mostExports; v.More > 0 {
		v.Exports = v.Exports[:mostExports]
	}
	v.More = max(v.More, 0)
	return v, nil
}

func byLines(a, b typeLines) int {
	if a.Lines != b.Lines {
		return int(min(max(b.Lines-a.Lines, -1), 1))
	}
	return strings.Compare(a.Type, b.Type)
}

// badLinesView counts the bad lines of an export by type and reason.
type badLinesView struct {
	Export  string              `json:"export"`
	Lines   int64               `json:"lines"`
	Reasons []quarantine.Reason `json:"reasons"`
	// Failed are the files at which the export failed.
	Failed []failedFile `json:"failed,omitempty"`
	// Texts is the number of files with the words of a server.
	Texts int `json:"texts"`
	// Unread is the number of quarantined files that were not read.
	Unread int `json:"unread,omitempty"`
}

// failedFile is a file that could not be fetched or prepared.
type failedFile struct {
	Type   string `json:"type,omitempty"`
	File   string `json:"file"`
	Reason string `json:"reason"`
}

func (badLinesView) template() string       { return "badlines" }
func (v badLinesView) title() string        { return "Quarantine of export " + v.Export }
func (badLinesView) refresh() time.Duration { return later }

func (s *reader) badLinesPage(ctx context.Context, id string) (view, error) {
	if _, err := s.store.Export(ctx, id); err != nil {
		return nil, fmt.Errorf("quarantine of export %s: %w", id, err)
	}
	lake := &firstFiles{Lake: s.Lake}
	r, err := quarantine.Explain(ctx, lake, quarantine.Selection{Export: id})
	if err != nil {
		return nil, fmt.Errorf("quarantine of export %s: %w", id, err)
	}
	v := badLinesView{
		Export: id, Reasons: r.Reasons, Texts: len(r.Texts), Unread: lake.left,
	}
	for _, f := range r.Failed {
		v.Failed = append(v.Failed, failedFile{f.Type, f.From, f.Reason})
	}
	if v.Reasons == nil {
		v.Reasons = []quarantine.Reason{}
	}
	for _, reason := range r.Reasons {
		v.Lines += reason.Lines
	}
	return v, nil
}

// Limits of what the page of an export's quarantine reads.
const (
	mostBadFiles = 40
	mostBadBytes = 32 << 20
)

// firstFiles is a lake that shows the first files of a listing, and counts the others.
type firstFiles struct {
	pipeline.Lake
	files int
	bytes int64
	left  int
}

// List implements pipeline.Lake.
func (l *firstFiles) List(
	ctx context.Context, area pipeline.Area, prefix string,
) iter.Seq2[pipeline.File, error] {
	return func(yield func(pipeline.File, error) bool) {
		for f, err := range l.Lake.List(ctx, area, prefix) {
			if err == nil && strings.HasSuffix(f.Path, ".ndjson") {
				if l.files >= mostBadFiles || l.files > 0 && l.bytes+f.Size > mostBadBytes {
					l.left++
					continue
				}
				l.files++
				l.bytes += f.Size
			}
			if !yield(f, err) || err != nil {
				return
			}
		}
	}
}

// Open implements pipeline.Lake.
func (l *firstFiles) Open(
	ctx context.Context, area pipeline.Area, path, etag string,
) (io.ReadCloser, error) {
	return l.Lake.Open(ctx, area, path, etag)
}

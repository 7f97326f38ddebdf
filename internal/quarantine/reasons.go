package quarantine

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
)

// Selection selects bad lines of one export.
type Selection struct {
	Export string
	// Type selects a resource type; empty means all.
	Type string
	// Reason is a part of the reasons; empty means all.
	Reason string
	// Progress counts the files and lines that are read; nil means nobody looks.
	Progress *Progress
}

// has counts a line and reports whether it is selected.
func (s Selection) has(l Line) bool {
	s.Progress.line(1)
	return strings.Contains(l.Reason, s.Reason)
}

// Reason is a reason with the lines that have it. It names places and no content.
type Reason struct {
	Type   string `json:"type"`
	Reason string `json:"reason"`
	Lines  int64  `json:"lines"`
	Files  int64  `json:"files"`
	// Where lists the first lines of the first files.
	Where []Where `json:"where"`

	last string // path of the last file
}

// Where lists lines of one file in the landing area.
type Where struct {
	Path  string  `json:"path"`
	Lines []int64 `json:"lines"`
	// More is the number of further lines.
	More int64 `json:"more,omitempty"`
}

// Bounds of the answer.
const (
	mostFiles   = 3
	mostNumbers = 10
	mostReasons = 1000 // of a type; further reasons count as otherReasons
	mostFailed  = 8
)

const otherReasons = "other reasons"

// Report describes the quarantine of one export.
type Report struct {
	Reasons []Reason
	// Failed are the files at which the export failed.
	Failed []File
	// Texts are the paths of a server's words.
	Texts []string
	// Types are all resource types with bad lines, including those that were not selected.
	Types []string
	// Schema is the schema of the export's tables; empty if the journal no longer has it.
	Schema string
}

// Explain groups the bad lines of an export by type and reason, the most frequent first.
func Explain(ctx context.Context, lake pipeline.Lake, s Selection) (Report, error) {
	var out Report
	groups := map[string]*Reason{}
	for f, err := range files(ctx, lake, s.Export) {
		if err != nil {
			return out, err
		}
		switch {
		case f.Kind == ServerText:
			out.Texts = append(out.Texts, f.Path)
		case f.Kind == Unprepared && len(out.Failed) < mostFailed:
			if err := f.read(ctx, lake, nil); err != nil {
				return out, err
			}
			out.Failed = append(out.Failed, f)
		}
		if f.Kind != Lines {
			continue
		}
		if !slices.Contains(out.Types, f.Type) {
			out.Types = append(out.Types, f.Type)
		}
		if s.Type != "" && s.Type != f.Type {
			continue
		}
		s.Progress.file()
		if err := eachLine(ctx, lake, f, func(l Line, _ []byte) error {
			if s.has(l) {
				tally(groups, f, l)
			}
			return nil
		}); err != nil {
			return out, err
		}
	}
	for _, g := range groups {
		out.Reasons = append(out.Reasons, *g)
	}
	slices.SortFunc(out.Reasons, func(a, b Reason) int {
		return cmp.Or(strings.Compare(a.Type, b.Type), cmp.Compare(b.Lines, a.Lines),
			strings.Compare(a.Reason, b.Reason))
	})
	return out, nil
}

// tally adds a line to its group.
func tally(groups map[string]*Reason, f File, l Line) {
	kind := kindOf(l.Reason)
	if groups[f.Type+"\n"+kind] == nil && len(groups) >= mostReasons {
		kind = otherReasons
	}
	g := groups[f.Type+"\n"+kind]
	if g == nil {
		g = &Reason{Type: f.Type, Reason: kind, Where: []Where{}}
		groups[f.Type+"\n"+kind] = g
	}
	g.Lines++
	last := len(g.Where) - 1
	if g.last != f.Path {
		g.last = f.Path
		g.Files++
		if g.Files <= mostFiles {
			g.Where = append(g.Where, Where{Path: f.From})
			last++
		}
	}
	switch w := &g.Where[last]; {
	case g.Files > mostFiles:
	case len(w.Lines) < mostNumbers:
		w.Lines = append(w.Lines, l.Line)
	default:
		w.More++
	}
}

var (
	place     = regexp.MustCompile(`^byte [0-9]+: `)
	keyLength = regexp.MustCompile(`a key (has|of) [0-9]+ bytes`)
)

// kindOf removes from a reason the numbers that differ from line to line.
func kindOf(reason string) string {
	return keyLength.ReplaceAllString(place.ReplaceAllString(reason, ""), "a key $1 N bytes")
}

// CopyLines writes the selected lines as they are stored, which is health data, and returns their
// number.
func CopyLines(
	ctx context.Context, lake pipeline.Lake, s Selection, w io.Writer,
) (n int64, err error) {
	for f, err := range files(ctx, lake, s.Export) {
		if err != nil {
			return n, err
		}
		if f.Kind != Lines || s.Type != "" && s.Type != f.Type {
			continue
		}
		s.Progress.file()
		if err := eachLine(ctx, lake, f, func(l Line, raw []byte) error {
			if !s.has(l) {
				return nil
			}
			n++
			if _, err := w.Write(append(raw, '\n')); err != nil {
				return fmt.Errorf("write the lines: %w", err)
			}
			return nil
		}); err != nil {
			return n, err
		}
	}
	return n, nil
}

// Text is the words of a server about a failure. They may be health data.
type Text struct {
	Path string `json:"path"`
	Text string `json:"text"`
}

// textLimit bounds a text that CopyTexts writes, in bytes.
const textLimit = 1 << 20

// CopyTexts writes the words of servers about an export's failures, each text as a line of JSON,
// and returns their number.
func CopyTexts(
	ctx context.Context, lake pipeline.Lake, export string, w io.Writer,
) (n int64, err error) {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	for f, err := range files(ctx, lake, export) {
		if err != nil {
			return n, err
		}
		if f.Kind != ServerText {
			continue
		}
		text, err := readText(ctx, lake, f)
		if err != nil {
			return n, err
		}
		n++
		if err := e.Encode(Text{f.Path, text}); err != nil {
			return n, fmt.Errorf("write the texts: %w", err)
		}
	}
	return n, nil
}

func readText(ctx context.Context, lake pipeline.Lake, f File) (text string, err error) {
	r, err := lake.Open(ctx, pipeline.Quarantine, f.Path, f.etag)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	data, err := io.ReadAll(io.LimitReader(r, textLimit))
	if err != nil {
		return "", fmt.Errorf("read %s: %w", f.Path, err)
	}
	return strings.TrimSuffix(string(data), "\n"), nil
}

// files yields the files of an export.
func files(
	ctx context.Context, lake pipeline.Lake, export string,
) func(yield func(File, error) bool) {
	return func(yield func(File, error) bool) {
		for f, err := range lake.List(ctx, pipeline.Quarantine, export+"/") {
			if !yield(fileOf(f), err) || err != nil {
				return
			}
		}
	}
}

// eachLine reads a file line by line. raw is valid until use returns. The error of a damaged file
// has none of its content.
func eachLine(
	ctx context.Context, lake pipeline.Lake, f File, use func(l Line, raw []byte) error,
) (err error) {
	r, err := lake.Open(ctx, pipeline.Quarantine, f.Path, f.etag)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	in := &reader{Reader: r}
	d := json.NewDecoder(in)
	for n := 1; ; n++ {
		var raw json.RawMessage
		var l Line
		err := d.Decode(&raw)
		switch {
		case err == io.EOF:
			return nil
		case in.err != nil:
			return fmt.Errorf("read %s: %w", f.Path, in.err)
		case err != nil || json.Unmarshal(raw, &l) != nil:
			return fault.BadDataf(
				"read %s in the quarantine: its line %d is not a bad line as this program stores them",
				f.Path, n)
		}
		if err := use(l, raw); err != nil {
			return err
		}
	}
}

// reader keeps the error of reading apart from the errors of parsing.
type reader struct {
	io.Reader
	err error
}

func (r *reader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err != nil && err != io.EOF {
		r.err = err
	}
	return n, err
}

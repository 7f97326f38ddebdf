package retry

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/quarantine"
)

// Lake shows chosen lines of files of the landing area as files of their own, and keeps the lines
// that are still bad out of the quarantine, which has them already. The flattener and the warehouse
// of a retry work on it.
type Lake struct {
	pipeline.Lake

	mu     sync.Mutex
	chosen map[string]*chosen // by path@etag of the shown file
}

// NewLake returns a Lake without chosen lines.
func NewLake(of pipeline.Lake) *Lake { return &Lake{Lake: of, chosen: map[string]*chosen{}} }

// chosen are lines of one file of the landing area.
type chosen struct {
	path, etag string  // of the whole file
	lines      []int64 // numbers in the whole file, sorted
	dir        string  // for the prepared form
	bad        []Left  // found by the flattener, in the order of the lines
}

// Left is a line that is still bad, with its present reason.
type Left struct {
	Line   int64  `json:"line"`
	Reason string `json:"reason"`
}

func (l *Lake) show(as pipeline.File, c *chosen) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.chosen[as.Path+"@"+as.ETag] = c
}

// Open implements pipeline.Lake.
func (l *Lake) Open(
	ctx context.Context, area pipeline.Area, path, etag string,
) (io.ReadCloser, error) {
	l.mu.Lock()
	c := l.chosen[path+"@"+etag]
	l.mu.Unlock()
	if area != pipeline.Landing || c == nil {
		return l.Lake.Open(ctx, area, path, etag)
	}
	whole, err := l.Lake.Open(ctx, pipeline.Landing, c.path, c.etag)
	if err != nil {
		return nil, err
	}
	r, w := io.Pipe()
	go func() {
		err := pick(w, whole, c.lines)
		_ = w.CloseWithError(errors.Join(err, whole.Close())) // never fails
	}()
	return r, nil
}

// Put implements pipeline.Lake. It takes the bad lines of a shown file for the record of the retry.
func (l *Lake) Put(
	ctx context.Context, area pipeline.Area, path string, r io.Reader,
) (pipeline.File, error) {
	if area == pipeline.Quarantine {
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, c := range l.chosen {
			if path == c.dir+".ndjson" {
				return pipeline.File{Path: path}, c.take(r)
			}
		}
	}
	return l.Lake.Put(ctx, area, path, r)
}

// take reads bad lines without their texts.
func (c *chosen) take(r io.Reader) error {
	c.bad = nil
	d := json.NewDecoder(r)
	for {
		var line quarantine.Line
		err := d.Decode(&line)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the lines that are still bad: %w", err)
		}
		if line.Line < 1 || line.Line > int64(len(c.lines)) {
			return fault.Permanentf("a line that nobody has chosen is bad: %d", line.Line)
		}
		c.bad = append(c.bad, Left{c.lines[line.Line-1], line.Reason})
	}
}

// pick copies the lines with the given numbers, byte for byte, each with a line end. Memory does
// not grow with the length of a line.
func pick(w io.Writer, r io.Reader, numbers []int64) error {
	const buffer = 64 << 10
	in := bufio.NewReaderSize(r, buffer)
	for n, at := int64(1), 0; at < len(numbers); n++ {
		to := io.Discard
		if n == numbers[at] {
			to = w
			at++
		}
		there, err := copyLine(to, in)
		if err == nil && !there {
			err = fault.Permanentf("the file ends before it")
		}
		if err != nil {
			return fmt.Errorf("read line %d: %w", n, err)
		}
	}
	return nil
}

// copyLine copies a line with a line end. It reports false at the end of the file.
func copyLine(w io.Writer, in *bufio.Reader) (there bool, err error) {
	for {
		part, err := in.ReadSlice('\n')
		there = there || len(part) > 0
		if _, writeErr := w.Write(part); writeErr != nil {
			return there, writeErr //nolint:wrapcheck // the reader has gone
		}
		switch {
		case err == nil:
			return true, nil
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case !errors.Is(err, io.EOF) || !there:
			return there, ignoreEnd(err)
		}
		_, err = io.WriteString(w, "\n")
		return true, err //nolint:wrapcheck // the reader has gone
	}
}

func ignoreEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// pending returns the numbers of the selected lines that no attempt has loaded.
func pending(lines []int64, m quarantine.Mark) []int64 {
	done := map[int64]bool{}
	for _, a := range m.Attempts {
		for _, n := range a.Loaded {
			done[n] = true
		}
	}
	out := slices.DeleteFunc(slices.Clone(lines), func(n int64) bool { return done[n] })
	slices.Sort(out)
	return slices.Compact(out)
}

// named writes numbers for a digest.
func named(numbers []int64) string {
	return strings.Trim(fmt.Sprint(numbers), "[]")
}

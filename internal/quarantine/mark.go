package quarantine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"strings"
	"time"

	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
)

// Retried is the mark of a file of bad lines whose lines were loaded again.
const Retried Kind = "retried"

const (
	linesEnding = ".ndjson"
	markEnding  = ".retried.json"
)

// Mark records the retries of a file of bad lines. It holds numbers and no content.
type Mark struct {
	Attempts []Attempt `json:"attempts"`
	was      []byte
}

// Attempt is one retry.
type Attempt struct {
	At      time.Time `json:"at"`
	ViewSet int       `json:"viewSet"`
	// Loaded are the numbers of the lines that are not bad any more.
	Loaded []int64 `json:"loaded"`
	pipeline.Counts
}

// LoadedLines returns the number of lines that retries have loaded.
func (m Mark) LoadedLines() (n int64) {
	for _, a := range m.Attempts {
		n += int64(len(a.Loaded))
	}
	return n
}

func markPath(f File) string { return strings.TrimSuffix(f.Path, linesEnding) + markEnding }

// FromETag returns the ETag of the file of the landing area that has the bad lines.
func (f File) FromETag() string {
	stem := strings.TrimSuffix(f.Path, linesEnding)
	return stem[strings.LastIndexByte(stem, '@')+1:]
}

// ViewSet returns the folder of the view set that refused the lines, such as v1.
func (f File) ViewSet() string {
	if parts := strings.SplitN(f.Path, "/", 4); len(parts) == 4 {
		return parts[2]
	}
	return ""
}

// FilesOf yields the files of bad lines of a selection.
func FilesOf(ctx context.Context, lake pipeline.Lake, s Selection) iter.Seq2[File, error] {
	return func(yield func(File, error) bool) {
		for f, err := range files(ctx, lake, s.Export) {
			if err == nil && (f.Kind != Lines || s.Type != "" && s.Type != f.Type) {
				continue
			}
			if !yield(f, err) {
				return
			}
		}
	}
}

// Numbers returns the numbers of the selected lines of a file.
func Numbers(
	ctx context.Context, lake pipeline.Lake, s Selection, f File,
) (numbers []int64, err error) {
	s.Progress.file()
	err = eachLine(ctx, lake, f, func(l Line, _ []byte) error {
		if s.has(l) {
			numbers = append(numbers, l.Line)
		}
		return nil
	})
	return numbers, err
}

// ReadMark reads the mark of a file of bad lines; a file without one has no attempts.
func ReadMark(ctx context.Context, lake pipeline.Lake, f File) (m Mark, err error) {
	r, err := lake.Open(ctx, pipeline.Quarantine, markPath(f), "")
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	if m.was, err = io.ReadAll(r); err == nil {
		err = records.Decode(m.was, &m)
	}
	if err != nil {
		return m, fmt.Errorf("read %s in the quarantine: %w", markPath(f), err)
	}
	return m, nil
}

// WriteMark writes the mark of a file of bad lines.
func WriteMark(ctx context.Context, lake pipeline.Lake, f File, m Mark) error {
	data, err := records.Encode(m.was, m)
	if err != nil {
		return fmt.Errorf("write the mark: %w", err)
	}
	_, err = lake.Put(ctx, pipeline.Quarantine, markPath(f), bytes.NewReader(data))
	return err
}

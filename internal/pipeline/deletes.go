package pipeline

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline/records"
)

// fetchDeletes splits one file of deletes into files of tombstones, one or more per type and
// always the same ones, and sends their prepare steps. The document that lists them is written
// last and completes the split.
func (fe *fetcher) fetchDeletes(ctx context.Context, f fetching) error {
	files, err := fe.records.Deletes(ctx, f.job, f.step.File)
	if there, err := exists(err); err != nil {
		return err
	} else if !there {
		err := fe.retryOnWrongCount(func() error {
			files, err = fe.split(ctx, f)
			return err
		})
		if err != nil {
			return err
		}
		if err := fe.records.KeepDeletes(ctx, f.job, f.step.File, files); err != nil {
			return err
		}
		fe.Log.InfoContext(ctx, "deletes split", "export", f.export.ID, "job", f.job, "number",
			f.step.File, "files", len(files))
	}
	steps := make([]Step, len(files))
	for i, t := range files {
		steps[i] = Step{
			Kind: StepPrepare, Export: f.export.ID, Job: f.step.Job, Type: t.Type, Path: t.Path,
			Round: f.step.Round,
		}
	}
	if err := fe.send(ctx, time.Time{}, steps...); err != nil {
		return err
	}
	return fe.finish.check(ctx, f.export.ID, "")
}

// heldTombstones bounds the memory of a split in bytes: some hundred thousand deletes.
const heldTombstones = 16 << 20

// split reads one file of deletes to its end.
func (fe *fetcher) split(ctx context.Context, f fetching) ([]OutputFile, error) {
	r, err := fe.download(ctx, f)
	if err != nil {
		return nil, err
	}
	s := splitter{fetcher: fe, f: f, held: map[string]*tombstones{}}
	err = s.run(ctx, &lineCounter{r: fe.withHeartbeat(ctx, f.export, r), want: f.file.Count})
	if closeErr := r.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		part := fmt.Sprintf("%s/deletes/%d", f.job, f.step.File)
		err = fe.recordValues(ctx, f.export.ID, part,
			records.PreparedValues{ValueCounts: ValueCounts{ForeignDeletes: s.foreign}})
	}
	return s.files, err
}

type tombstones struct {
	lines bytes.Buffer
	count int64
	part  int
}

// splitter holds tombstones by type, and writes the type with the most bytes when they exceed
// heldTombstones.
type splitter struct {
	fetcher *fetcher
	f       fetching
	held    map[string]*tombstones
	size    int
	files   []OutputFile
	// foreign counts the deletes of resources of another server.
	foreign map[string]int64
}

func (s *splitter) run(ctx context.Context, r io.Reader) error {
	for t, err := range s.f.source.Files.Deletes(r) {
		if err != nil {
			return err
		}
		if records.CheckTypes([]string{t.Type}) != nil {
			return fault.Permanentf("the deletes name a resource of no type")
		}
		if t.Foreign {
			records.Count(&s.foreign, t.Type, 1)
			continue
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

// longest returns the type with the most bytes held; among equals, the first by name.
func (s *splitter) longest() string {
	best, size := "", 0
	for typ, held := range s.held {
		if n := held.lines.Len(); n > size || (n == size && n > 0 && typ < best) {
			best, size = typ, n
		}
	}
	return best
}

// write writes the tombstones of a type, over the file of an earlier try.
func (s *splitter) write(ctx context.Context, typ string) error {
	held := s.held[typ]
	held.part++
	m, err := s.fetcher.files.manifest(ctx, s.f.job)
	if err != nil {
		return err
	}
	path := fmt.Sprintf("%s/%s-deleted-%06d-%d.ndjson",
		records.FetchFolder(s.f.job, m.TransactionTime), typ, s.f.step.File, held.part)
	if _, err := s.fetcher.Lake.Put(ctx, Landing, path,
		strings.NewReader(held.lines.String())); err != nil {
		return err
	}
	s.files = append(s.files, OutputFile{Type: typ, Path: path, Count: held.count})
	s.size -= held.lines.Len()
	held.lines.Reset()
	held.count = 0
	return nil
}

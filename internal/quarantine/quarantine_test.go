package quarantine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"testing"
	"time"

	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/quarantine"
)

// lake implements pipeline.Lake with n files, each newer than the one before.
type lake struct {
	pipeline.Lake
	n, opened int
	content   string
	size      int64
	err       error
}

func (l *lake) List(
	context.Context, pipeline.Area, string,
) iter.Seq2[pipeline.File, error] {
	return func(yield func(pipeline.File, error) bool) {
		for i := range l.n {
			if !yield(pipeline.File{
				Path: fmt.Sprintf("p-%06d/Patient/v1/f.ndjson@1.ndjson", i), Size: l.size,
				Modified: time.Unix(int64(i), 0),
			}, nil) {
				return
			}
		}
	}
}

func (l *lake) Open(context.Context, pipeline.Area, string, string) (io.ReadCloser, error) {
	l.opened++
	return io.NopCloser(strings.NewReader(l.content)), l.err
}

func TestTheNewestFilesAreListed(t *testing.T) {
	t.Parallel()
	l := &lake{n: 10_000, size: 5 << 20}
	list, err := quarantine.List(t.Context(), l, quarantine.Query{Most: 3})
	if err != nil || len(list.Files) != 3 || list.Files[0].Export != "p-009999" ||
		list.Files[2].Export != "p-009997" {
		t.Errorf("%d files, %v", len(list.Files), err)
	}
	if sum := list.Found[quarantine.Lines]; sum.Files != 10_000 || l.opened != 0 {
		t.Errorf("found %+v, opened %d", sum, l.opened)
	}
}

func TestCountsFailWithTheStorage(t *testing.T) {
	t.Parallel()
	away := errors.New("away")
	for err, want := range map[error]error{away: away, pipeline.ErrChanged: nil} {
		list, got := quarantine.List(t.Context(), &lake{n: 1, err: err}, quarantine.Query{Most: 1})
		if !errors.Is(got, want) || list.Files[0].Lines != nil {
			t.Errorf("%v: %v", err, got)
		}
	}
}

// However the reasons differ, few are held.
func TestReasonsAreBounded(t *testing.T) {
	t.Parallel()
	var content strings.Builder
	e := json.NewEncoder(&content)
	for i := range 3000 {
		if err := e.Encode(quarantine.Line{
			Line: int64(i), Reason: fmt.Sprintf("byte %d: reason %d", i, i),
		}); err != nil {
			t.Fatal(err)
		}
		if err := e.Encode(quarantine.Line{
			Line: int64(i), Reason: fmt.Sprintf("column k: a key of %d bytes is not ASCII", i),
		}); err != nil {
			t.Fatal(err)
		}
	}
	r, err := quarantine.Explain(t.Context(), &lake{n: 5, content: content.String()},
		quarantine.Selection{})
	if err != nil || len(r.Reasons) > 1001 {
		t.Fatalf("%d reasons, %v", len(r.Reasons), err)
	}
	x, sum := r.Reasons[0], int64(0)
	if x.Reason != "column k: a key of N bytes is not ASCII" || x.Lines != 15_000 || x.Files != 5 ||
		len(x.Where) != 3 || len(x.Where[0].Lines) != 10 || x.Where[0].More != 2990 {
		t.Errorf("the most frequent is %+v", x)
	}
	for _, x := range r.Reasons {
		sum += x.Lines
	}
	if sum != 30_000 {
		t.Errorf("%d lines have a reason", sum)
	}
}

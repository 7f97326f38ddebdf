package pipeline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"fhirsynapse/internal/pipeline/records"
)

// withHeartbeat returns a reader that, while r is read, shows the watchdog that a long
// download is still running.
func (fe *fetcher) withHeartbeat(ctx context.Context, e records.Export, r io.Reader) io.Reader {
	return readerFunc(func(b []byte) (int, error) {
		n, err := r.Read(b)
		if fe.Now().Sub(e.TouchedAt) >= fe.SilentAfter/3 {
			fe.stillAtWork(ctx, e)
			e.TouchedAt = fe.Now()
		}
		return n, err
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

// errCount reports that the number of lines in a file differs from the manifest.
var errCount = errors.New("the manifest counts otherwise")

// lineCounter counts the lines that it reads, without blank ones. At the end it returns
// errCount if the number differs from want.
type lineCounter struct {
	r     io.Reader
	want  int64 // -1: unknown
	lines int64
	begun bool // the present line is not blank
	first bool // only the first bytes may be a byte order mark
}

const byteOrderMark = "\xef\xbb\xbf"

func (t *lineCounter) Read(b []byte) (int, error) {
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

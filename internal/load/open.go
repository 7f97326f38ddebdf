package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/gzip"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
)

// open streams a file's lines, unpacked where its name ends in .gz.
func (d folder) open(ctx context.Context, f pipeline.File) (io.ReadCloser, error) {
	raw, err := d.lake.Open(ctx, pipeline.Landing, f.Path, f.ETag)
	if err != nil {
		return nil, err
	}
	counted := &counting{ReadCloser: raw, read: d.read}
	if !strings.HasSuffix(f.Path, ".gz") {
		return counted, nil
	}
	z, err := gzip.NewReader(counted)
	if err != nil {
		return nil, errors.Join(fault.Permanentf("open %s: it is no gzip file: %w", f.Path, err), raw.Close())
	}
	return &unpacked{Reader: z, path: f.Path, under: counted}, nil
}

type counting struct {
	io.ReadCloser
	read func(int64)
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	if c.read != nil {
		c.read(int64(n))
	}
	return n, err
}

// unpacked names the file when its packing turns out broken half way.
type unpacked struct {
	*gzip.Reader
	path  string
	under io.Closer
}

func (u *unpacked) Read(p []byte) (int, error) {
	n, err := u.Reader.Read(p)
	switch {
	case err == nil || err == io.EOF: //nolint:errorlint // a Reader's end is io.EOF itself
		return n, err
	case errors.Is(err, gzip.ErrChecksum), errors.Is(err, gzip.ErrHeader), errors.Is(err, io.ErrUnexpectedEOF):
		return n, fault.Permanentf("unpack %s: it is damaged or cut off: %w", u.path, err)
	}
	return n, fmt.Errorf("unpack %s: %w", u.path, err)
}

func (u *unpacked) Close() error { return errors.Join(u.Reader.Close(), u.under.Close()) }

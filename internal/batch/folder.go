package batch

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/klauspost/compress/gzip"

	"fhirsynapse/internal/batch/localfs"
	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
)

// folder is the folder to load.
type folder struct {
	lake      pipeline.Lake
	lineLimit int
	// hasViews reports whether any view reads a resource type.
	hasViews func(resourceType string) (bool, error)
	// read is called with the number of bytes read since the last call, after unpacking. It may be
	// nil.
	read func(bytes int64)
}

// stream is an open file of the folder, unpacked.
type stream struct {
	*bufio.Reader
	closers []io.Closer
	size    *counting // bytes read, after unpacking
	hint    int64     // the size after unpacking, according to the file
}

// Close closes the file.
func (s *stream) Close() error {
	var errs []error
	for _, c := range s.closers {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// gzipMagic begins every gzip file, whatever its name.
var gzipMagic = []byte{0x1f, 0x8b}

// open streams a file's lines, unpacked if its content is gzip. It calls told with the number of
// bytes that were read; told may be nil.
func (d folder) open(
	ctx context.Context, f pipeline.File, told func(bytes int64),
) (*stream, error) {
	raw, err := d.lake.Open(ctx, pipeline.Landing, f.Path, f.ETag)
	if err != nil {
		return nil, err
	}
	packed := &counting{r: raw}
	buffered := bufio.NewReaderSize(packed, readBuffer)
	s := &stream{closers: []io.Closer{raw}, size: &counting{r: buffered, told: told}, hint: f.Size}
	head, err := buffered.Peek(len(gzipMagic))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, errors.Join(fmt.Errorf("read %s: %w", f.Path, err), raw.Close())
	}
	if bytes.Equal(head, gzipMagic) {
		z, err := gzip.NewReader(buffered)
		if err != nil {
			return nil, errors.Join(fault.Permanentf("unpack %s: it is damaged or cut off: %w",
				f.Path, err), raw.Close())
		}
		s.closers, s.hint = []io.Closer{z, raw}, unpackedSizeOf(raw, f.Size)
		s.size.r = &unpacked{Reader: z, path: f.Path, packed: packed}
	}
	s.Reader = bufio.NewReaderSize(s.size, readBuffer)
	return s, nil
}

// unpackedSizeOf reads the size at the end of a gzip file (RFC 1952, ISIZE). It is a hint: it
// counts modulo 4 GiB, and only the last member of a file of several.
func unpackedSizeOf(raw io.Reader, size int64) int64 {
	at, ok := raw.(io.ReaderAt)
	var last [4]byte
	if !ok || size < int64(len(last)) {
		return size
	}
	if _, err := at.ReadAt(last[:], size-int64(len(last))); err != nil {
		return size
	}
	n := int64(binary.LittleEndian.Uint32(last[:]))
	for n < size-size/1000-64 { // gzip adds less than this to a file that it cannot make smaller
		n += 1 << 32
	}
	// the last of several members is small, for example in a file that was written piece by piece
	if n/maxRatio > size {
		return size
	}
	return n
}

const readBuffer = 64 << 10

// counting counts the bytes read.
type counting struct {
	r    io.Reader
	n    int64
	told func(int64)
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	if c.told != nil {
		c.told(int64(n))
	}
	return n, err
}

// A packed file is refused once it has unpacked to more than freeSize bytes and to more than
// maxRatio times its size. NDJSON of FHIR packs ten to fifty times smaller, and DEFLATE allows a
// thousand.
const (
	freeSize = 256 << 20
	maxRatio = 400
)

// unpacked adds the file's path to the error of a file with damaged packing.
type unpacked struct {
	*gzip.Reader
	path   string
	packed *counting
	n      int64
}

func (u *unpacked) Read(p []byte) (int, error) {
	n, err := u.Reader.Read(p)
	u.n += int64(n)
	switch {
	case u.n > freeSize && u.n/maxRatio > u.packed.n:
		return n, fault.Permanentf(
			"unpack %s: it unpacks to more than %d times its size, which no export does: unpack it yourself if it is right", u.path, maxRatio)
	case err == nil || err == io.EOF: //nolint:errorlint // a Reader's end is io.EOF itself
		return n, err
	case errors.Is(err, gzip.ErrChecksum), errors.Is(err, gzip.ErrHeader),
		errors.Is(err, io.ErrUnexpectedEOF):
		return n, fault.Permanentf("unpack %s: it is damaged or cut off: %w", u.path, err)
	}
	return n, fmt.Errorf("unpack %s: %w", u.path, err)
}

// documents is a lake with the files of a folder, unpacked, in its landing area. Their names are
// the names in the ledger.
type documents struct{ *localfs.Lake }

// Documents returns the lake for a warehouse that reads the lines of the files itself.
func Documents(lake *localfs.Lake) pipeline.Lake { return documents{lake} }

// Open implements pipeline.Lake.
func (d documents) Open(
	ctx context.Context, area pipeline.Area, path, etag string,
) (io.ReadCloser, error) {
	if area != pipeline.Landing {
		return d.Lake.Open(ctx, area, path, etag)
	}
	if i := strings.LastIndexByte(path, '#'); i > 0 {
		if _, err := d.Stat(ctx, area, path); errors.Is(err, fs.ErrNotExist) {
			path = path[:i]
		}
	}
	return folder{lake: d.Lake}.open(ctx, pipeline.File{Path: path, ETag: etag}, nil)
}

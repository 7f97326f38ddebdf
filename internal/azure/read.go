package azure

import (
	"context"
	"fmt"
	"io"
	"io/fs"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
)

// readRetries bounds how often one Read resumes after a broken connection.
const readRetries = 3

// Open implements pipeline.Lake. A broken read is resumed at its offset if the blob has not
// changed.
func (l *Lake) Open(
	ctx context.Context, area pipeline.Area, path, etag string,
) (io.ReadCloser, error) {
	r, err := l.place(area).open(ctx, path, etag)
	if err != nil {
		return nil, err
	}
	return r, nil
}

func (p place) open(ctx context.Context, path, etag string) (*content, error) {
	options := &blob.DownloadStreamOptions{}
	if etag != "" {
		options.AccessConditions = &blob.AccessConditions{
			ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfMatch: quoted(etag)},
		}
	}
	resp, err := p.client.NewBlobClient(path).DownloadStream(ctx, options)
	if err != nil {
		return nil, p.cannotOpen(ctx, path, err)
	}
	body := resp.NewRetryReader(ctx, &blob.RetryReaderOptions{
		MaxRetries: readRetries, EarlyCloseAsError: true,
	})
	c := &content{
		place: p, path: path, body: body, etag: bare(resp.ETag), size: value(resp.ContentLength),
	}
	if isFolder(resp.Metadata) {
		_ = c.Close()
		return nil, &fs.PathError{Op: "read", Path: p.container + "/" + path, Err: fs.ErrNotExist}
	}
	if c.etag == "" {
		// Without an ETag a broken read could be resumed in another blob.
		_ = c.Close()
		return nil, fault.Transientf("read blob %s/%s: the answer has no ETag", p.container, path)
	}
	return c, nil
}

// cannotOpen distinguishes a changed blob from a missing one. A condition on a missing blob fails
// with 404 or, in Azurite, with 412.
func (p place) cannotOpen(ctx context.Context, path string, err error) error {
	if bloberror.HasCode(err, bloberror.ConditionNotMet) {
		if _, serr := p.client.NewBlobClient(path).GetProperties(ctx, nil); isMissing(serr) {
			err = serr
		}
	}
	return p.fail("read", path, err)
}

// content reads a blob of one ETag and counts the bytes.
type content struct {
	place place
	path  string
	etag  string
	body  io.ReadCloser
	size  int64
	n     int64
	err   error
}

func (c *content) Read(b []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.body.Read(b)
	c.n += int64(n)
	switch {
	case c.n > c.size:
		// The read was resumed at the blob's start.
		err = fault.Transientf("read blob %s/%s: more than its %d bytes arrived", c.place.container,
			c.path, c.size)
	case err == nil:
	case c.n == c.size:
		err = io.EOF // all bytes are here, so the connection does not matter
	case err == io.EOF: //nolint:errorlint // io.Reader's contract is the bare value
		err = &fault.Error{
			Class: fault.Transient, Err: fmt.Errorf("read blob %s/%s: %w after %d of %d bytes",
				c.place.container, c.path, io.ErrUnexpectedEOF, c.n, c.size),
		}
	default:
		err = c.fail(err)
	}
	c.err = err
	return n, err
}

// fail describes an error in the middle of a blob. A missing blob counts as changed, because it
// existed when the read began.
func (c *content) fail(err error) error {
	if isMissing(err) {
		return fmt.Errorf("read blob %s/%s, which was deleted meanwhile: %w", c.place.container,
			c.path, pipeline.ErrChanged)
	}
	return c.place.fail("read", c.path, err)
}

func (c *content) Close() error { return c.body.Close() }

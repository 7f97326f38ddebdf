package azure

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/service"

	"fhirsynapse/internal/pipeline"
)

// A Put sends uploadBuffers blocks at a time and reads one ahead. The service allows 50,000 blocks,
// so a blob can have 195 GiB. The first blocks are smaller, because a file is flattened into a
// dozen blobs at once and most of them stay small.
const (
	blockSize     = 4 << 20
	firstBlocks   = 1 << 20
	smallBlocks   = 32
	uploadBuffers = 2
)

// Roles for the remedies.
const (
	reader      = "Storage Blob Data Reader"
	contributor = "Storage Blob Data Contributor"
)

// Containers names the containers of the lake's areas.
type Containers struct {
	Landing, Staging, Quarantine string
}

// Lake implements pipeline.Lake: one storage account, one container per area.
type Lake struct {
	client   *service.Client
	areas    Containers
	origin   origin
	pageSize int32 // of listings; 0 means the service's default, 5,000
}

var _ pipeline.Lake = (*Lake)(nil)

// NewLake returns a lake of three containers of an account. It does no I/O; the containers must
// exist when the lake is used.
func NewLake(client *service.Client, areas Containers) *Lake {
	return &Lake{client: client, areas: areas, origin: originOf(client.URL())}
}

// StagingURL returns the public URL of the staging area, without a trailing slash.
func (l *Lake) StagingURL() string { return l.place(pipeline.Staging).client.URL() }

// DataLakeURL returns the staging area's URL at the data lake endpoint, where a managed identity
// can read Parquet. It returns "" outside Azure, where the endpoint does not exist.
func (l *Lake) DataLakeURL() string { return dataLakeURL(l.StagingURL()) }

func dataLakeURL(blob string) string {
	u, err := url.Parse(blob)
	if err != nil || u.Scheme != "https" || !strings.Contains(u.Host, ".blob.") {
		return ""
	}
	u.Host = strings.Replace(u.Host, ".blob.", ".dfs.", 1)
	u.RawQuery = ""
	return u.String()
}

// EnsureContainers creates missing containers on developers' machines. In Azure the deployment
// creates them, and the app has no right to.
func (l *Lake) EnsureContainers(ctx context.Context) error {
	var errs []error
	for _, name := range []string{l.areas.Landing, l.areas.Staging, l.areas.Quarantine} {
		errs = append(errs, ensure(ctx, l.client.NewContainerClient(name), name))
	}
	return errors.Join(errs...)
}

func ensure(ctx context.Context, c *container.Client, name string) error {
	_, err := c.Create(ctx, nil)
	if err == nil || bloberror.HasCode(err, bloberror.ContainerAlreadyExists) {
		return nil
	}
	return fmt.Errorf("create container %s: %w", name, classifyBlob(err, name, contributor))
}

// place is one area and its name in errors.
type place struct {
	client    *container.Client
	container string
	role      string
}

func (l *Lake) place(area pipeline.Area) place {
	p := place{role: contributor}
	switch area {
	case pipeline.Landing:
		p.container, p.role = l.areas.Landing, reader
	case pipeline.Staging:
		p.container = l.areas.Staging
	case pipeline.Quarantine:
		p.container = l.areas.Quarantine
	}
	p.client = l.client.NewContainerClient(p.container)
	return p
}

// fail adds the verb and the blob to an error.
func (p place) fail(verb, path string, err error) error {
	switch {
	case isMissing(err):
		err = &fs.PathError{Op: verb, Path: p.container + "/" + path, Err: fs.ErrNotExist}
		return err
	case bloberror.HasCode(err, bloberror.ConditionNotMet):
		err = pipeline.ErrChanged
	default:
		err = classifyBlob(err, p.container, p.role)
	}
	return fmt.Errorf("%s blob %s/%s: %w", verb, p.container, path, err)
}

// isMissing distinguishes a missing blob from a missing container. It goes by status, because the
// codes of a missing path differ between flat and hierarchical accounts.
func isMissing(err error) bool {
	var re *azcore.ResponseError
	return errors.As(err, &re) && re.StatusCode == http.StatusNotFound &&
		!hasCode(re, bloberror.ContainerNotFound)
}

// Stat implements pipeline.Lake.
func (l *Lake) Stat(ctx context.Context, area pipeline.Area, path string) (pipeline.File, error) {
	p := l.place(area)
	r, err := p.client.NewBlobClient(path).GetProperties(ctx, nil)
	if err != nil {
		return pipeline.File{}, p.fail("stat", path, err)
	}
	if isFolder(r.Metadata) {
		return pipeline.File{}, &fs.PathError{
			Op: "stat", Path: p.container + "/" + path, Err: fs.ErrNotExist,
		}
	}
	return pipeline.File{
		Path: path, ETag: bare(r.ETag), Size: value(r.ContentLength),
		Modified: value(r.LastModified),
	}, nil
}

// Put implements pipeline.Lake. The blob appears with the last request, which commits its blocks;
// the service drops the blocks of a failed Put after a week.
func (l *Lake) Put(
	ctx context.Context, area pipeline.Area, path string, r io.Reader,
) (pipeline.File, error) {
	return l.write(ctx, area, path, r, writing{})
}

// Create implements pipeline.Landings. The blob's metadata hold the CRC-32C of the content, so that
// a reader can verify it. MD5, which Blob Storage has a field for, would cost more than the rest of
// a fetch.
func (l *Lake) Create(
	ctx context.Context, area pipeline.Area, path string, r io.Reader,
) (pipeline.File, error) {
	return l.write(ctx, area, path, r, writing{
		onlyNew: true, sum: crc32.New(crc32.MakeTable(crc32.Castagnoli)),
	})
}

// Remove deletes a blob. A missing blob is not an error.
func (l *Lake) Remove(ctx context.Context, area pipeline.Area, path string) error {
	return l.remove(ctx, area, path, nil)
}

// RemoveAt deletes a blob that has the given ETag, and returns pipeline.ErrChanged if the blob has
// another one. A missing blob is not an error.
func (l *Lake) RemoveAt(ctx context.Context, area pipeline.Area, path, etag string) error {
	return l.remove(ctx, area, path, &blob.DeleteOptions{
		AccessConditions: &blob.AccessConditions{
			ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfMatch: quoted(etag)},
		},
	})
}

func (l *Lake) remove(
	ctx context.Context, area pipeline.Area, path string, o *blob.DeleteOptions,
) error {
	p := l.place(area)
	p.role = contributor
	_, err := p.client.NewBlobClient(path).Delete(ctx, o)
	switch {
	case err == nil || isMissing(err):
		return nil
	case o != nil && bloberror.HasCode(err, bloberror.ConditionNotMet):
		if _, err := l.Stat(ctx, area, path); errors.Is(err, fs.ErrNotExist) {
			return nil // Azurite answers so for a missing blob
		}
	}
	return p.fail("remove", path, err)
}

func (l *Lake) write(
	ctx context.Context, area pipeline.Area, path string, r io.Reader, w writing,
) (pipeline.File, error) {
	p := l.place(area)
	p.role = contributor
	w.contentType = contentType(path)
	src := &source{ctx: ctx, r: r}
	f, err := upload(ctx, p.client.NewBlockBlobClient(path), src, w)
	switch {
	case w.onlyNew &&
		bloberror.HasCode(err, bloberror.BlobAlreadyExists, bloberror.ConditionNotMet):
		return pipeline.File{}, &fs.PathError{
			Op: "create", Path: p.container + "/" + path, Err: fs.ErrExist,
		}
	case src.err != nil:
		return pipeline.File{}, fmt.Errorf("write blob %s/%s: %w", p.container, path, src.err)
	case err != nil:
		return pipeline.File{}, p.fail("write", path, err)
	}
	f.Path, f.Size = path, src.n
	return f, nil
}

func contentType(path string) *string {
	t := "application/octet-stream"
	switch {
	case strings.HasSuffix(path, ".ndjson"):
		t = "application/fhir+ndjson"
	case strings.HasSuffix(path, ".json"):
		t = "application/json"
	}
	return &t
}

// source is the reader of a Put. It keeps the reader's error for the caller and returns another one
// to upload: an error that wraps io.EOF or io.ErrUnexpectedEOF must not end the data.
type source struct {
	ctx context.Context
	r   io.Reader
	n   int64
	err error
}

var errSource = errors.New("the data to be written cannot be read")

func (s *source) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := s.r.Read(p)
	s.n += int64(n)
	if err != nil && err != io.EOF { // a wrapped EOF is a failure, see source
		s.err = err
		return n, errSource
	}
	return n, err
}

// bare returns an ETag without its quotes; quoted adds them.
func bare(e *azcore.ETag) string {
	if e == nil {
		return ""
	}
	return strings.Trim(strings.TrimPrefix(string(*e), "W/"), `"`)
}

func quoted(etag string) *azcore.ETag {
	e := azcore.ETag(`"` + etag + `"`)
	return &e
}

func value[T int64 | time.Time | string](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

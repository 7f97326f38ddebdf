// Package azureblob writes the files of the FHIR server emulator into a storage account or Azurite,
// exactly as the Azure server's SDK does: first an empty blob, then uncommitted blocks of 4 MiB,
// then commits of the block list. Each call requires that the blob is unchanged since the previous
// call.
package azureblob

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"

	"fhirsynapse/internal/emulator/fhirserver/jobs"
)

// blockSize is the buffer size of the .NET SDK's block blob write stream.
const blockSize = 4 << 20

// Account implements jobs.Blobs on a storage account.
type Account struct{ client *azblob.Client }

// New returns an Account that uses client, which must be allowed to create containers and blobs.
func New(client *azblob.Client) *Account { return &Account{client: client} }

// Ensure makes a container, or accepts an existing container.
func (a *Account) Ensure(ctx context.Context, container string) error {
	_, err := a.client.CreateContainer(ctx, container, nil)
	if err != nil && !bloberror.HasCode(err, bloberror.ContainerAlreadyExists) {
		return storageError(err)
	}
	return nil
}

// URL returns the blob's address in the account. It does not escape the path's slashes, as the .NET
// SDK does not; the Go SDK escapes them.
func (a *Account) URL(container, path string) string {
	u := a.client.ServiceClient().NewContainerClient(container).URL()
	for segment := range strings.SplitSeq(path, "/") {
		u += "/" + url.PathEscape(segment)
	}
	return u
}

// Create replaces any previous blob by an empty blob.
func (a *Account) Create(ctx context.Context, container, path string) (jobs.Blob, error) {
	b := &stream{to: a.block(container, path)}
	res, err := b.to.Upload(ctx, streaming.NopCloser(bytes.NewReader(nil)), nil)
	if err != nil {
		return nil, storageError(err)
	}
	b.etag = res.ETag
	return b, nil
}

func (a *Account) block(container, path string) *blockblob.Client {
	return a.client.ServiceClient().NewContainerClient(container).NewBlockBlobClient(path)
}

type stream struct {
	to     *blockblob.Client
	etag   *azcore.ETag
	buf    []byte
	blocks []string
	size   int64
}

func (s *stream) ETag() string {
	if s.etag == nil {
		return ""
	}
	return strings.Trim(string(*s.etag), `"`)
}

func (s *stream) Write(ctx context.Context, data []byte) error {
	for len(data) > 0 {
		n := min(len(data), blockSize-len(s.buf))
		s.buf = append(s.buf, data[:n]...)
		data = data[n:]
		if len(s.buf) == blockSize {
			if err := s.stage(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *stream) stage(ctx context.Context) error {
	if len(s.buf) == 0 {
		return nil
	}
	id := base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%08d", len(s.blocks)))
	if _, err := s.to.StageBlock(ctx, id, streaming.NopCloser(bytes.NewReader(s.buf)),
		nil); err != nil {
		return storageError(err)
	}
	s.blocks = append(s.blocks, id)
	s.size += int64(len(s.buf))
	s.buf = s.buf[:0]
	return nil
}

func (s *stream) Commit(ctx context.Context) (int64, error) {
	if err := s.stage(ctx); err != nil {
		return 0, err
	}
	res, err := s.to.CommitBlockList(ctx, s.blocks, &blockblob.CommitBlockListOptions{
		AccessConditions: &blob.AccessConditions{
			ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfMatch: s.etag},
		},
	})
	if err != nil {
		return 0, storageError(err)
	}
	s.etag = res.ETag
	return s.size, nil
}

// storageError returns an error with the HTTP status, or other errors unchanged.
func storageError(err error) error {
	var refused *azcore.ResponseError
	if errors.As(err, &refused) {
		return &jobs.StorageError{Status: refused.StatusCode, Err: errors.New(refused.ErrorCode)}
	}
	return err
}

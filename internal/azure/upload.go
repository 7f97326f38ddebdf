package azure

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"fhirsynapse/internal/pipeline"
)

// writing describes how to write a blob.
type writing struct {
	contentType *string
	onlyNew     bool      // if it does not exist
	sum         hash.Hash // of the content, for the metadata; nil means none
}

// checksumKey is the metadata key for the checksum of a fetched blob.
const checksumKey = "crc32c"

func (w writing) headers() *blob.HTTPHeaders {
	return &blob.HTTPHeaders{BlobContentType: w.contentType}
}

func (w writing) metadata() map[string]*string {
	if w.sum == nil {
		return nil
	}
	sum := hex.EncodeToString(w.sum.Sum(nil))
	return map[string]*string{checksumKey: &sum}
}

func (w writing) conditions() *blob.AccessConditions {
	if !w.onlyNew {
		return nil
	}
	star := azcore.ETagAny
	return &blob.AccessConditions{
		ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfNoneMatch: &star},
	}
}

// upload writes the data of src in one request, or as blocks that the last request commits. The
// SDK's UploadStream is not used: it unmaps its buffers when a request fails, while net/http may
// still read from them, and that kills the process.
func upload(
	ctx context.Context, to *blockblob.Client, src io.Reader, w writing,
) (pipeline.File, error) {
	if w.sum != nil {
		src = io.TeeReader(src, w.sum)
	}
	first, err := io.ReadAll(io.LimitReader(src, firstBlocks))
	if err != nil {
		return pipeline.File{}, err
	}
	if len(first) < firstBlocks {
		resp, err := to.Upload(ctx, streaming.NopCloser(bytes.NewReader(first)),
			&blockblob.UploadOptions{
				HTTPHeaders: w.headers(), Metadata: w.metadata(), AccessConditions: w.conditions(),
			})
		if err != nil {
			return pipeline.File{}, err
		}
		return pipeline.File{ETag: bare(resp.ETag), Modified: value(resp.LastModified)}, nil
	}
	ids, err := stage(ctx, to, first, src)
	if err != nil {
		return pipeline.File{}, err
	}
	resp, err := to.CommitBlockList(ctx, ids, &blockblob.CommitBlockListOptions{
		HTTPHeaders: w.headers(), Metadata: w.metadata(), AccessConditions: w.conditions(),
	})
	if err != nil {
		return pipeline.File{}, err
	}
	return pipeline.File{ETag: bare(resp.ETag), Modified: value(resp.LastModified)}, nil
}

// sizeOf returns the size of a blob's i-th block in bytes.
func sizeOf(i int) int {
	if i < smallBlocks {
		return firstBlocks
	}
	return blockSize
}

// stage uploads first and the rest of src as blocks, and returns their ids in order.
func stage(
	ctx context.Context, to *blockblob.Client, first []byte, src io.Reader,
) ([]string, error) {
	// The ids of a blob must have one length. The prefix separates Puts.
	prefix := uuid.New()
	var ids []string
	free := make(chan []byte, uploadBuffers)
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(uploadBuffers)
	send := func(block []byte) {
		id := base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%s%08d", prefix, len(ids)))
		ids = append(ids, id)
		g.Go(func() error {
			if _, err := to.StageBlock(gctx, id, streaming.NopCloser(bytes.NewReader(block)),
				nil); err != nil {
				return err // the failed request may still read from the buffer
			}
			select {
			case free <- block[:cap(block)]:
			default:
			}
			return nil
		})
	}
	send(first[:len(first):len(first)])
	var readErr error
	for readErr == nil && gctx.Err() == nil {
		var buf []byte
		select {
		case buf = <-free:
		default:
		}
		if size := sizeOf(len(ids)); cap(buf) < size {
			buf = make([]byte, size)
		} else {
			buf = buf[:size]
		}
		var n int
		if n, readErr = io.ReadFull(src, buf); n > 0 {
			send(buf[:n])
		}
	}
	err := g.Wait()
	if readErr != nil && !errors.Is(readErr, io.EOF) && !errors.Is(readErr, io.ErrUnexpectedEOF) {
		return nil, readErr
	}
	if err == nil {
		err = ctx.Err()
	}
	return ids, err
}

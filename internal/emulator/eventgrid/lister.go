package eventgrid

import (
	"context"
	"iter"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
)

// ContainerLister lists a container of a storage account.
type ContainerLister struct {
	Client *container.Client
}

// Blobs implements Lister. Folders of a hierarchical namespace are left out.
func (l ContainerLister) Blobs(ctx context.Context) iter.Seq2[Blob, error] {
	return func(yield func(Blob, error) bool) {
		pager := l.Client.NewListBlobsFlatPager(nil)
		for pager.More() {
			page, err := pager.NextPage(ctx)
			if err != nil {
				yield(Blob{}, err)
				return
			}
			if page.Segment == nil {
				continue
			}
			for _, item := range page.Segment.BlobItems {
				if b, ok := blobOf(item); ok && !yield(b, nil) {
					return
				}
			}
		}
	}
}

func blobOf(item *container.BlobItem) (Blob, bool) {
	if item == nil || item.Name == nil || item.Properties == nil {
		return Blob{}, false
	}
	p := item.Properties
	if p.ResourceType != nil && *p.ResourceType == "directory" {
		return Blob{}, false
	}
	b := Blob{Path: *item.Name, ContentType: defaultContentType}
	if p.ETag != nil {
		b.ETag = string(*p.ETag)
	}
	if p.ContentLength != nil {
		b.Size = *p.ContentLength
	}
	if p.ContentType != nil && *p.ContentType != "" {
		b.ContentType = *p.ContentType
	}
	return b, true
}

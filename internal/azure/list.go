package azure

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"fhirsynapse/internal/pipeline"
)

// List implements pipeline.Lake. Flat accounts list in order, and pages are passed on. A
// hierarchical account walks its directories in another order ("a/x" before "a-b") and lists them
// as blobs: from the first directory on, the rest of the listing is collected and sorted.
func (l *Lake) List(
	ctx context.Context, area pipeline.Area, prefix string,
) iter.Seq2[pipeline.File, error] {
	return l.place(area).list(ctx, prefix, l.pageSize)
}

func (p place) list(
	ctx context.Context, prefix string, pageSize int32,
) iter.Seq2[pipeline.File, error] {
	options := &container.ListBlobsFlatOptions{Include: container.ListBlobsInclude{Metadata: true}}
	if prefix != "" {
		options.Prefix = &prefix
	}
	if pageSize > 0 {
		options.MaxResults = &pageSize
	}
	return func(yield func(pipeline.File, error) bool) {
		var rest []pipeline.File
		hierarchical := false
		for pager := p.client.NewListBlobsFlatPager(options); pager.More(); {
			page, err := pager.NextPage(ctx)
			if err != nil {
				yield(pipeline.File{},
					fmt.Errorf("list %s/%s: %w", p.container, prefix,
						classifyBlob(err, p.container, p.role)))
				return
			}
			for _, item := range page.Segment.BlobItems {
				switch f := file(item); {
				case isFolder(item.Metadata):
					hierarchical = true
				case hierarchical:
					rest = append(rest, f)
				case !yield(f, nil):
					return
				}
			}
		}
		slices.SortFunc(rest, func(a, b pipeline.File) int {
			return strings.Compare(a.Path, b.Path)
		})
		for _, f := range rest {
			if !yield(f, nil) {
				return
			}
		}
	}
}

func file(b *container.BlobItem) pipeline.File {
	f := pipeline.File{Path: value(b.Name)}
	if b.Properties != nil {
		f.ETag, f.Size, f.Modified = bare(b.Properties.ETag), value(b.Properties.ContentLength),
			value(b.Properties.LastModified)
	}
	return f
}

// isFolder reports whether a blob is a directory of a hierarchical account: an empty blob with this
// metadata.
func isFolder(metadata map[string]*string) bool {
	for k, v := range metadata {
		if strings.EqualFold(k, "hdi_isfolder") && v != nil && strings.EqualFold(*v, "true") {
			return true
		}
	}
	return false
}

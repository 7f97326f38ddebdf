package batch

import (
	"context"
	"io"
	"iter"

	"fhirsynapse/internal/pipeline"
)

// splitLake has its landing area in a storage account, which is only read, and the other areas on
// this machine.
type splitLake struct {
	pipeline.Lake
	landing pipeline.Lake
}

func (s splitLake) of(area pipeline.Area) pipeline.Lake {
	if area == pipeline.Landing {
		return s.landing
	}
	return s.Lake
}

// List implements pipeline.Lake.
func (s splitLake) List(
	ctx context.Context, area pipeline.Area, prefix string,
) iter.Seq2[pipeline.File, error] {
	return s.of(area).List(ctx, area, prefix)
}

// Stat implements pipeline.Lake.
func (s splitLake) Stat(
	ctx context.Context, area pipeline.Area, path string,
) (pipeline.File, error) {
	return s.of(area).Stat(ctx, area, path)
}

// Open implements pipeline.Lake.
func (s splitLake) Open(
	ctx context.Context, area pipeline.Area, path, etag string,
) (io.ReadCloser, error) {
	return s.of(area).Open(ctx, area, path, etag)
}

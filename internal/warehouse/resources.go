package warehouse

import (
	"context"
	"fmt"
	"iter"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/ndjson"
	"fhirsynapse/internal/pipeline"
)

// Resource is one line of a landed file with the results of prepare.
type Resource struct {
	flatten.Head
	// JSON is valid until the next resource.
	JSON []byte
}

// Resources iterates over the lines of a landed file that prepare has accepted as resources, in
// order. A file that differs from its prepared state is Permanent, or pipeline.ErrChanged.
// lineLimit is as in ndjson.Lines.
func Resources(
	ctx context.Context, lake pipeline.Lake, f pipeline.PreparedFile, lineLimit int,
) iter.Seq2[Resource, error] {
	return func(yield func(Resource, error) bool) {
		if f.Done.Heads == 0 {
			return
		}
		n, err := int64(0), error(nil)
		for r, failed := range resources(ctx, lake, f, lineLimit) {
			if failed != nil {
				err = failed
				break
			}
			n++
			if !yield(r, nil) {
				return
			}
		}
		if err == nil && n != f.Done.Heads {
			err = fault.Permanentf("file %s has %d resources, %d were counted: prepare it again",
				f.Path, n, f.Done.Heads)
		}
		if err != nil {
			yield(Resource{}, err)
		}
	}
}

func resources(
	ctx context.Context, lake pipeline.Lake, f pipeline.PreparedFile, lineLimit int,
) iter.Seq2[Resource, error] {
	return func(yield func(Resource, error) bool) {
		in, err := lake.Open(ctx, pipeline.Landing, f.Path, f.ETag)
		if err != nil {
			yield(Resource{}, fmt.Errorf("open %s: %w", f.Path, err))
			return
		}
		defer in.Close()
		next, stop := iter.Pull2(flatten.Heads(ctx, lake, f.Dir))
		defer stop()
		head, err, more := next()
		for line, lineErr := range ndjson.Lines(in, lineLimit) {
			switch {
			case !more:
				return
			case err != nil:
				yield(Resource{}, err)
				return
			case line.Number < head.Line:
				continue // blank, filtered or quarantined
			case lineErr != nil || line.Number > head.Line:
				yield(Resource{},
					fault.Permanentf(
						"file %s: line %d was prepared and cannot be read: prepare the file again",
						f.Path, head.Line))
				return
			}
			if !yield(Resource{head, line.JSON}, nil) {
				return
			}
			head, err, more = next()
		}
	}
}

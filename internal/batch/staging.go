package batch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"golang.org/x/sync/errgroup"

	"fhirsynapse/internal/pipeline"
)

// Container holds the files that the warehouse reads, in its staging area.
type Container interface {
	List(ctx context.Context, area pipeline.Area, prefix string) iter.Seq2[pipeline.File, error]
	Put(ctx context.Context, area pipeline.Area, path string, r io.Reader) (pipeline.File, error)
	// Remove deletes a blob; a missing blob is not an error.
	Remove(ctx context.Context, area pipeline.Area, path string) error
}

// Staging is a container, with the URL at which the warehouse reads it.
type Staging struct {
	Container
	URL string
}

// stagingFolder is a folder of a container for one run, and the lake for its commits. The lake
// reads prepared files on this machine, and puts the files that the warehouse reads into the
// folder.
type stagingFolder struct {
	pipeline.Lake
	to     Container
	folder string
	url    string // the folder's URL for the warehouse
}

// openStagingFolder reads the container first, so that a wrong name or a missing right is found
// before anything is flattened.
func openStagingFolder(
	ctx context.Context, local pipeline.Lake, name string, open func(url string) (Staging, error),
) (*stagingFolder, error) {
	to, err := open(name)
	if err != nil {
		return nil, err
	}
	folder := LoadPlan + "-" + token()
	for _, err := range to.List(ctx, pipeline.Staging, folder+"/") {
		if err != nil {
			return nil, fmt.Errorf("look into the staging container: %w", err)
		}
		break
	}
	return &stagingFolder{local, to, folder, to.URL + "/" + folder}, nil
}

// Put implements pipeline.Lake.
func (s *stagingFolder) Put(
	ctx context.Context, area pipeline.Area, path string, r io.Reader,
) (pipeline.File, error) {
	f, err := s.to.Put(ctx, area, s.folder+"/"+path, r)
	f.Path = path
	return f, err
}

const (
	removals       = 16 // at the same time
	removalTimeout = time.Minute
)

// remove empties the folder, even after the run was stopped.
func (s *stagingFolder) remove(ctx context.Context) error {
	ctx, done := context.WithTimeout(context.WithoutCancel(ctx), removalTimeout)
	defer done()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(removals)
	var listing error
	for f, err := range s.to.List(ctx, pipeline.Staging, s.folder+"/") {
		if err != nil {
			listing = err
			break
		}
		g.Go(func() error { return s.to.Remove(ctx, pipeline.Staging, f.Path) })
	}
	if err := errors.Join(listing, g.Wait()); err != nil {
		return fmt.Errorf("empty folder %s of the staging container: %w", s.folder, err)
	}
	return nil
}

package jobs

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"
)

// commits is the number of times that the Azure SDK's stream commits the same bytes: on Flush, in
// StreamWriter.Close, and on dispose.
const commits = 3

// ErrNotDone reports that a job still runs, failed, or is unknown.
var ErrNotDone = errors.New("no finished job of that id")

// export writes all files of a job.
func (r *Runner) export(ctx context.Context, j *Job) ([]Output, error) {
	if f := j.Request.Refusal; f != nil {
		return nil, &jobError{*f}
	}
	if err := r.o.Blobs.Ensure(ctx, j.Container); err != nil {
		return nil, fmt.Errorf("ensure the container: %w", err)
	}
	children, err := r.plan(j)
	if err != nil {
		return nil, err
	}
	outputs := make([][]Output, len(children))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(r.o.Workers)
	for i, c := range children {
		g.Go(func() error {
			var err error
			outputs[i], err = r.writeChild(gctx, j, c)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	output := slices.Concat(outputs...)
	if j.trouble.Empty && len(output) > 0 {
		w := &fileWriter{r: r, j: j, c: r.child(nil), typ: output[0].Type}
		if err := w.open(ctx); err != nil {
			return nil, err
		}
		if err := w.finish(ctx, &output); err != nil {
			return nil, err
		}
	}
	if err := r.writeExtras(ctx, j); err != nil {
		return nil, err
	}
	if j.trouble.Orphan && len(output) > 0 {
		// Write what remains of an attempt that lost its job half way.
		half := output[0].child.versions
		if _, err := r.writeChild(ctx, j, r.child(half[:(len(half)+1)/2])); err != nil {
			return nil, err
		}
	}
	return output, nil
}

// writeChild writes one child job's files: per type, MaxCount resources each.
func (r *Runner) writeChild(ctx context.Context, j *Job, c *child) ([]Output, error) {
	var output []Output
	files := map[string]*fileWriter{}
	var order []*fileWriter
	for _, v := range c.versions {
		w := files[v.Type]
		if w == nil {
			w = &fileWriter{r: r, j: j, c: c, typ: v.Type}
			files[v.Type] = w
			order = append(order, w)
		}
		line, err := r.o.Store.Line(v)
		if err == nil && len(j.Request.Elements) > 0 {
			line, err = subset(v.Type, line, j.Request.Elements)
		}
		if err == nil && j.Request.Redact && v.Type == "Patient" {
			line, err = redact(line)
		}
		if err != nil {
			return nil, err
		}
		if err := w.add(ctx, line, &output); err != nil {
			return nil, err
		}
	}
	for _, w := range order {
		if w.blob != nil {
			if err := w.finish(ctx, &output); err != nil {
				return nil, err
			}
		}
	}
	return output, nil
}

// fileWriter writes the files of one type of one child job, one after the other.
type fileWriter struct {
	r     *Runner
	j     *Job
	c     *child
	typ   string
	seq   int
	path  string
	blob  Blob
	count int
}

// add writes a line, and finishes a full file.
func (w *fileWriter) add(ctx context.Context, line []byte, output *[]Output) error {
	if err := w.write(ctx, line); err != nil {
		return err
	}
	if w.count < w.j.Request.MaxCount {
		return nil
	}
	return w.finish(ctx, output)
}

func (w *fileWriter) open(ctx context.Context) error {
	w.seq++
	w.path = fmt.Sprintf("%s-%d-%d.ndjson", w.typ, w.c.id, w.seq)
	if w.j.Folder != "" {
		w.path = w.j.Folder + "/" + w.path
	}
	var err error
	if w.blob, err = w.r.o.Blobs.Create(ctx, w.j.Container, w.path); err != nil {
		return fmt.Errorf("create blob %s: %w", w.path, err)
	}
	w.r.o.OnCommit(w.j.Container, w.path, w.blob.ETag(), 0, APIPutBlob)
	return nil
}

func (w *fileWriter) write(ctx context.Context, line []byte) error {
	if w.blob == nil {
		if err := w.open(ctx); err != nil {
			return err
		}
	}
	if err := w.blob.Write(ctx, line); err != nil {
		return fmt.Errorf("write blob %s: %w", w.path, err)
	}
	if err := w.blob.Write(ctx, []byte{'\n'}); err != nil {
		return fmt.Errorf("write blob %s: %w", w.path, err)
	}
	w.count++
	return nil
}

func (w *fileWriter) finish(ctx context.Context, output *[]Output) error {
	if stray := w.j.trouble.Stray; stray != nil && w.j.strayed.CompareAndSwap(false, true) {
		if err := w.blob.Write(ctx, append(stray, '\n')); err != nil {
			return fmt.Errorf("write blob %s: %w", w.path, err)
		}
	}
	for range commits {
		size, err := w.blob.Commit(ctx)
		if err != nil {
			return fmt.Errorf("commit blob %s: %w", w.path, err)
		}
		w.r.o.OnCommit(w.j.Container, w.path, w.blob.ETag(), size, APIPutBlockList)
	}
	*output = append(*output, Output{
		Type: w.typ, URL: w.r.o.Blobs.URL(w.j.Container, w.path), Count: w.count, path: w.path,
		child: w.c,
	})
	w.blob, w.count = nil, 0
	return nil
}

// Rewrite runs the child job of one file of a finished job again, as the server does with a child
// job that it considers lost: the same paths and bytes, new ETags. It returns the path of that file
// inside the container.
func (r *Runner) Rewrite(ctx context.Context, id string, file int) (string, error) {
	j, ok := r.Job(id)
	if !ok {
		return "", ErrNotDone
	}
	select {
	case <-j.done:
	default:
		return "", ErrNotDone
	}
	if file < 0 || file >= len(j.output) {
		return "", fmt.Errorf("job %s has no file %d: %w", id, file, ErrNotDone)
	}
	o := j.output[file]
	if _, err := r.writeChild(ctx, j, o.child); err != nil {
		return "", fmt.Errorf("rewrite %s: %w", o.path, err)
	}
	return o.path, nil
}

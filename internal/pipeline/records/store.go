package records

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"fhirsynapse/internal/fault"
)

// Store reads and writes the documents of a journal by subject.
type Store struct{ Journal Journal }

// Plan reads the document of a plan; a missing document is returned as a new one.
func (s Store) Plan(ctx context.Context, name string) (Document[PlanRecord], error) {
	return ReadOrNew[PlanRecord](ctx, s.Journal, planKey(name))
}

// UpdatePlan changes the document of a plan.
func (s Store) UpdatePlan(ctx context.Context, name string, change func(*PlanRecord) error) error {
	_, err := Update(ctx, s.Journal, planKey(name), change)
	return err
}

// PlanNames yields the plans that the journal knows. It stops after the first error.
func (s Store) PlanNames(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for key, err := range s.Journal.List(ctx, planKey("")) {
			if !yield(strings.TrimPrefix(key, planKey("")), err) || err != nil {
				return
			}
		}
	}
}

// Export reads an export. It returns fs.ErrNotExist if there is none.
func (s Store) Export(ctx context.Context, id string) (Export, error) {
	key, err := exportKeyOf(id)
	if err != nil {
		return Export{}, err
	}
	d, err := Read[Export](ctx, s.Journal, key)
	return d.Value, err
}

// CreateExport writes an export that has no document yet. It returns ErrConflict if there is
// one.
func (s Store) CreateExport(ctx context.Context, e Export) error {
	key, err := exportKeyOf(e.ID)
	if err != nil {
		return err
	}
	d := Document[Export]{Key: key, Value: e}
	return d.Write(ctx, s.Journal)
}

// UpdateExport changes an export that exists and has not ended. It refuses a move that its
// state does not allow.
func (s Store) UpdateExport(
	ctx context.Context, id string, change func(*Export) error,
) (Export, error) {
	key, err := exportKeyOf(id)
	if err != nil {
		return Export{}, err
	}
	return Update(ctx, s.Journal, key, func(e *Export) error {
		if e.State.Final() {
			return ErrUnchanged
		}
		before := e.State
		if err := change(e); err != nil {
			return err
		}
		if !before.May(e.State) {
			return fault.Permanentf("export %s: it is %s and cannot become %s", id, before, e.State)
		}
		return nil
	})
}

// LastExports lists the keys of a plan's exports, the newest first, at most n.
func (s Store) LastExports(ctx context.Context, plan string, n int) ([]string, error) {
	var keys []string
	for key, err := range s.Journal.List(ctx, exportFolder(plan)) {
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	keys = keys[max(0, len(keys)-n):]
	slices.Reverse(keys)
	return keys, nil
}

// Job reads a job. A job without a document is returned with its id and numbers only.
func (s Store) Job(ctx context.Context, export string, n int) (Job, error) {
	id := JobID(export, n)
	d, err := ReadOrNew[Job](ctx, s.Journal, jobKey(id))
	if d.Value.ID == "" {
		d.Value = Job{ID: id, Export: export, N: n}
	}
	return d.Value, err
}

// Jobs reads every job of an export.
func (s Store) Jobs(ctx context.Context, e Export) ([]Job, error) {
	jobs := make([]Job, len(e.Jobs))
	for i := range e.Jobs {
		j, err := s.Job(ctx, e.ID, i+1)
		if err != nil {
			return nil, err
		}
		jobs[i] = j
	}
	return jobs, nil
}

// UpdateJob changes a job. It creates the document on first use.
func (s Store) UpdateJob(
	ctx context.Context, export string, n int, change func(*Job) error,
) (Job, error) {
	id := JobID(export, n)
	return Update(ctx, s.Journal, jobKey(id), func(j *Job) error {
		if j.ID == "" {
			*j = Job{ID: id, Export: export, N: n}
		}
		return change(j)
	})
}

// Owner reads which job owns a folder of the landing area; the zero value means none.
func (s Store) Owner(ctx context.Context, folder string) (Owner, error) {
	d, err := ReadOrNew[Owner](ctx, s.Journal, folderKey(folder))
	return d.Value, err
}

// Claim makes a job the owner of a folder, unless the folder has an owner.
func (s Store) Claim(ctx context.Context, folder string, owner Owner) error {
	d := Document[Owner]{Key: folderKey(folder), Value: owner}
	if err := d.Write(ctx, s.Journal); err != nil && !errors.Is(err, ErrConflict) {
		return err
	}
	return nil
}

// ViewSet numbers the present views of a plan by their fingerprint. The first set is 1, and an
// earlier set that returns gets a new number.
func (s Store) ViewSet(ctx context.Context, plan, print string) (n int, err error) {
	_, err = Update(ctx, s.Journal, viewSetsKey(plan), func(sets *[]string) error {
		if n = len(*sets); n > 0 && (*sets)[n-1] == print {
			return ErrUnchanged
		}
		*sets = append(*sets, print)
		n = len(*sets)
		return nil
	})
	return n, err
}

// Lease reads the lease on the tables of a resource type.
func (s Store) Lease(ctx context.Context, schema, typ string) (Document[Lease], error) {
	return ReadOrNew[Lease](ctx, s.Journal, leaseKey(schema, typ))
}

// create writes a document, unless it exists.
func (s Store) create(ctx context.Context, key string, data []byte) error {
	if _, err := s.Journal.Write(ctx, key, "", data); err != nil && !errors.Is(err, ErrConflict) {
		return fmt.Errorf("write journal %s: %w", key, err)
	}
	return nil
}

// Deletes reads the files of tombstones that one file of deletes was split into. It returns
// fs.ErrNotExist if it was not split yet.
func (s Store) Deletes(ctx context.Context, job string, n int) ([]OutputFile, error) {
	d, err := Read[[]OutputFile](ctx, s.Journal, DeletesKey(job, n))
	return d.Value, err
}

// KeepDeletes records the files that a file of deletes was split into. This record completes
// the split.
func (s Store) KeepDeletes(ctx context.Context, job string, n int, files []OutputFile) error {
	data, err := json.Marshal(files)
	if err != nil {
		return err
	}
	return s.create(ctx, DeletesKey(job, n), data)
}

// ViewSets returns the fingerprints of a plan's views, in the order of their numbers from 1.
func ViewSets(ctx context.Context, j Journal, plan string) ([]string, error) {
	d, err := ReadOrNew[[]string](ctx, j, viewSetsKey(plan))
	return d.Value, err
}

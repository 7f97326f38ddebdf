package pipeline

import (
	"context"
	"errors"
	"io/fs"

	"fhirsynapse/internal/pipeline/records"
)

// deletes is the state of a job's files of deletes.
type deletes struct {
	files   []OutputFile // of tombstones, in the landing area
	missing []int        // numbers of the files that were not split yet
}

// deletesOf returns the results of a job's splits. It keeps them in memory once they are
// complete.
func (su *surveyor) deletesOf(ctx context.Context, job string, m Manifest) (deletes, error) {
	if len(m.Deleted) == 0 {
		return deletes{}, nil
	}
	su.mu.Lock()
	d, known := su.deletes[job]
	su.mu.Unlock()
	if known {
		return d, nil
	}
	for i := range m.Deleted {
		n := m.Number(records.DeletedKind, i)
		files, err := su.records.Deletes(ctx, job, n)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			d.missing = append(d.missing, n)
		case err != nil:
			return d, err
		default:
			d.files = append(d.files, files...)
		}
	}
	if len(d.missing) > 0 {
		return d, nil
	}
	su.mu.Lock()
	defer su.mu.Unlock()
	if len(su.deletes) >= keptManifests {
		clear(su.deletes)
	}
	su.deletes[job] = d
	return d, nil
}

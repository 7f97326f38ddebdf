package jobs

import (
	"context"
	"encoding/json"
	"slices"

	"fhirsynapse/internal/emulator/fhirserver/search"
	"fhirsynapse/internal/emulator/fhirserver/store"
)

// deletesPerBundle is the number of deletes per line.
const deletesPerBundle = 100

// writeExtras writes the files that a manifest lists in addition to its output: the deletes, as
// Bundles, and the errors.
func (r *Runner) writeExtras(ctx context.Context, j *Job) error {
	var bundles [][]byte
	if j.Request.DeleteBundles {
		deletes, err := r.deletes(j)
		if err != nil {
			return err
		}
		for part := range slices.Chunk(deletes, deletesPerBundle) {
			bundle, err := deleteBundle(part)
			if err != nil {
				return err
			}
			bundles = append(bundles, bundle)
		}
	}
	var err error
	if j.deleted, err = r.writeLines(ctx, j, "Bundle", bundles); err != nil {
		return err
	}
	j.errors, err = r.writeLines(ctx, j, "OperationOutcome", j.trouble.Outcomes)
	return err
}

func (r *Runner) writeLines(
	ctx context.Context, j *Job, typ string, lines [][]byte,
) ([]Output, error) {
	if len(lines) == 0 {
		return nil, nil
	}
	var output []Output
	w := &fileWriter{r: r, j: j, c: r.child(nil), typ: typ}
	for _, line := range lines {
		if err := w.add(ctx, line, &output); err != nil {
			return nil, err
		}
	}
	if w.blob == nil {
		return output, nil
	}
	err := w.finish(ctx, &output)
	return output, err
}

// deletes returns the resources that were deleted inside the window and did not come back. Below
// the system level, the last content determines the patient, because a tombstone has none.
func (r *Runner) deletes(j *Job) ([]store.Version, error) {
	owned, err := r.ownership(j)
	if err != nil {
		return nil, err
	}
	var deleted []store.Version
	for _, typ := range j.types(r.o.Store.Types()) {
		last := map[string]store.Version{}
		if owned != nil {
			for _, v := range r.o.Store.In(typ, store.Window{Till: j.till(), History: true}) {
				last[v.ID] = v
			}
		}
		for _, v := range r.o.Store.In(typ, store.Window{
			Since: j.Request.Since, Till: j.till(), AsOf: true, Deleted: true,
		}) {
			if !v.Deleted {
				continue
			}
			mine := owned == nil
			if content, ok := last[v.ID]; ok && owned != nil {
				line, err := r.o.Store.Line(content)
				if err != nil {
					return nil, err
				}
				mine = slices.ContainsFunc(search.Patients(typ, v.ID, line), owned)
			}
			if mine {
				deleted = append(deleted, v)
			}
		}
	}
	return deleted, nil
}

// ownership returns a filter for the patients of a job's data; nil means all data.
func (r *Runner) ownership(j *Job) (func(patient string) bool, error) {
	switch j.Request.Level {
	case LevelPatient:
		return j.wants, nil
	case LevelGroup:
		members, err := r.members(j)
		return func(p string) bool { return j.wants(p) && slices.Contains(members, p) }, err
	}
	return nil, nil
}

type deletion struct {
	Request struct {
		Method string `json:"method"`
		URL    string `json:"url"`
	} `json:"request"`
}

// deleteBundle returns one line of the guide's deleted files.
func deleteBundle(versions []store.Version) ([]byte, error) {
	entries := make([]deletion, len(versions))
	for i, v := range versions {
		entries[i].Request.Method, entries[i].Request.URL = "DELETE", v.Type+"/"+v.ID
	}
	return json.Marshal(struct {
		ResourceType string     `json:"resourceType"`
		Type         string     `json:"type"`
		Entry        []deletion `json:"entry"`
	}{"Bundle", "transaction", entries})
}

package jobs

import (
	"fmt"
	"slices"
	"time"

	"fhirsynapse/internal/emulator/fhirserver/search"
	"fhirsynapse/internal/emulator/fhirserver/store"
)

// child is one child job with its versions, in the order of writing.
type child struct {
	id       int64
	versions []store.Version
}

// plan chooses the versions of a job and distributes them to child jobs.
//
// A parallel system export takes the data in its state at the end of its window, [since, till).
// Every other export searches the newest versions with ge since and le till, both included, and
// therefore omits data that changed after till.
func (r *Runner) plan(j *Job) ([]*child, error) {
	switch {
	case j.Request.Level == LevelGroup:
		return r.planGroup(j)
	case j.Request.Level == LevelPatient:
		return r.planPatients(j)
	case j.Request.Parallel:
		return r.planParallel(j), nil
	}
	return r.planSerial(j)
}

func (j *Job) till() time.Time {
	if j.Request.Till.IsZero() {
		return j.Created
	}
	return j.Request.Till
}

func (j *Job) types(all []string) []string {
	if len(j.Request.Types) > 0 {
		return j.Request.Types
	}
	return all
}

// planParallel makes one child job per range of at most MaxCount resources of one type.
func (r *Runner) planParallel(j *Job) []*child {
	var children []*child
	for _, typ := range j.types(r.o.Store.Types()) {
		versions := r.o.Store.In(typ, store.Window{
			Since: j.Request.Since, Till: j.till(), AsOf: true,
			History: j.Request.History, Deleted: j.Request.Deleted,
		})
		for part := range slices.Chunk(versions, j.Request.MaxCount) {
			children = append(children, r.child(part))
		}
	}
	return children
}

// planSerial makes one child job of everything. Each filter is a separate search, so a resource
// that two filters find occurs twice.
func (r *Runner) planSerial(j *Job) ([]*child, error) {
	var all []store.Version
	for _, typ := range j.types(r.o.Store.Types()) {
		versions := r.o.Store.In(typ, j.searchWindow())
		found, err := r.filter(j, typ, versions)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return []*child{r.child(all)}, nil
}

func (j *Job) searchWindow() store.Window {
	if j.Request.ByGuide {
		return store.Window{Since: j.Request.Since, Till: j.till(), AsOf: true}
	}
	w := store.Window{Since: j.Request.Since, Till: j.till(), TillIncluded: true}
	if j.Request.Level == LevelSystem {
		w.History, w.Deleted = j.Request.History, j.Request.Deleted
	}
	return w
}

func (r *Runner) filter(j *Job, typ string, versions []store.Version) ([]store.Version, error) {
	var queries []*search.Query
	for _, q := range j.Request.Filters {
		if q.Type == typ {
			queries = append(queries, q)
		}
	}
	if len(queries) == 0 {
		return versions, nil
	}
	var found []store.Version
	seen := map[string]bool{}
	for _, q := range queries {
		for _, v := range versions {
			line, err := r.o.Store.Line(v)
			if err != nil {
				return nil, err
			}
			if again := j.Request.ByGuide && seen[v.ID]; q.Match(line) && !again {
				seen[v.ID] = true
				found = append(found, v)
			}
		}
	}
	return found, nil
}

// patientWindow returns the window in which a patient must be to be exported at all. The Azure
// server applies _since here, so it omits the data of an unchanged patient.
func (j *Job) patientWindow(w store.Window) store.Window {
	if j.Request.ByGuide {
		return store.Window{Till: j.till(), AsOf: true}
	}
	return w
}

func (j *Job) wants(patient string) bool {
	return j.Request.Patients == nil || slices.Contains(j.Request.Patients, patient)
}

// planPatients makes child jobs of ranges of Patients inside the window.
func (r *Runner) planPatients(j *Job) ([]*child, error) {
	patients := r.o.Store.In("Patient",
		j.patientWindow(store.Window{Since: j.Request.Since, Till: j.till(), AsOf: true}))
	patients = slices.DeleteFunc(patients, func(v store.Version) bool { return !j.wants(v.ID) })
	compartments, err := r.compartments(j)
	if err != nil {
		return nil, err
	}
	var children []*child
	for part := range slices.Chunk(patients, j.Request.MaxCount) {
		var versions []store.Version
		for _, p := range part {
			versions = append(versions, compartments[p.ID]...)
		}
		children = append(children, r.child(versions))
	}
	return children, nil
}

// planGroup makes one child job of the members inside the window.
func (r *Runner) planGroup(j *Job) ([]*child, error) {
	members, err := r.members(j)
	if err != nil {
		return nil, err
	}
	inWindow := map[string]bool{}
	for _, p := range r.o.Store.In("Patient", j.patientWindow(j.searchWindow())) {
		inWindow[p.ID] = j.wants(p.ID)
	}
	compartments, err := r.compartments(j)
	if err != nil {
		return nil, err
	}
	var versions []store.Version
	for _, id := range members {
		if inWindow[id] {
			versions = append(versions, compartments[id]...)
		}
	}
	return []*child{r.child(versions)}, nil
}

func (r *Runner) members(j *Job) ([]string, error) {
	group, err := r.present("Group", j.Request.Group)
	if err != nil {
		return nil, err
	}
	if group == nil {
		return nil, &jobError{Failure{
			Status: 400, Reason: fmt.Sprintf("The requested group with id %s was not found.",
				j.Request.Group),
		}}
	}
	var nestedErr error
	members, err := search.Members(group, j.Created, func(id string) []byte {
		nested, err := r.present("Group", id)
		if err != nil {
			nestedErr = err
		}
		return nested
	})
	if nestedErr != nil {
		return nil, nestedErr
	}
	if err != nil {
		return nil, &jobError{Failure{Status: 400, Reason: err.Error()}}
	}
	return members, nil
}

// compartments returns each patient's data, found in one pass. A resource in the compartments of
// two patients is found twice.
func (r *Runner) compartments(j *Job) (map[string][]store.Version, error) {
	byPatient := map[string][]store.Version{}
	for _, typ := range j.types(r.o.Store.Types()) {
		if !search.InCompartment(typ) {
			continue
		}
		versions, err := r.filter(j, typ, r.o.Store.In(typ, j.searchWindow()))
		if err != nil {
			return nil, err
		}
		for _, v := range versions {
			line, err := r.o.Store.Line(v)
			if err != nil {
				return nil, err
			}
			for _, patient := range search.Patients(typ, v.ID, line) {
				byPatient[patient] = append(byPatient[patient], v)
			}
		}
	}
	return byPatient, nil
}

func (r *Runner) present(typ, id string) ([]byte, error) {
	v, ok := r.o.Store.Current(typ, id)
	if !ok || v.Deleted {
		return nil, nil
	}
	return r.o.Store.Line(v)
}

func (r *Runner) child(versions []store.Version) *child {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lastID++
	return &child{id: r.lastID, versions: versions}
}

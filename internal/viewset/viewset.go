// Package viewset makes compiled ViewDefinitions into what prepare works with:
// tables, evaluators per resource type, and a fingerprint that tells one set of
// views from another.
package viewset

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"

	"fhirsynapse/internal/prepared"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/native"
	"fhirsynapse/views"
)

// Set is one set of views, the same for every plan. It implements
// prepared.PlanViews.
type Set struct {
	tables      []prepared.Table
	engines     map[string]*native.Engine
	fingerprint string
}

// Load compiles the bundled views and those of folder, which add to them or take
// their place; an empty folder means the bundled ones alone. The faults of all
// files are reported at once.
func Load(folder string) (*Set, error) {
	var extra fs.FS
	if folder != "" {
		extra = os.DirFS(folder)
	}
	compiled, err := views.Load(extra)
	if err != nil {
		return nil, err
	}
	sources, err := texts(views.FS(), extra)
	if err != nil {
		return nil, err
	}
	return New(compiled, sources...)
}

// New makes a set of compiled views. Sources are the texts that they come from:
// a change there is a new set, even when the tables stay as they are.
func New(compiled []*sof.View, sources ...string) (*Set, error) {
	s := &Set{engines: map[string]*native.Engine{}}
	byType := map[string][]*sof.View{}
	for _, v := range compiled {
		s.tables = append(s.tables, prepared.Table{Name: v.Name, Resource: v.Resource, Columns: v.Columns})
		byType[v.Resource] = append(byType[v.Resource], v)
	}
	for typ, of := range byType {
		e, err := native.New(of)
		if err != nil {
			return nil, fmt.Errorf("views of %s: %w", typ, err)
		}
		s.engines[typ] = e
	}
	s.fingerprint = prepared.Fingerprint(s.tables, sources...)
	return s, nil
}

func texts(folders ...fs.FS) ([]string, error) {
	files := map[string]string{}
	for _, folder := range folders {
		if folder == nil {
			continue
		}
		names, err := fs.Glob(folder, "*.json")
		if err != nil {
			return nil, fmt.Errorf("list the views: %w", err)
		}
		for _, name := range names {
			text, err := fs.ReadFile(folder, name)
			if err != nil {
				return nil, fmt.Errorf("read the view: %w", err)
			}
			files[name] = string(text)
		}
	}
	var out []string
	for _, name := range slices.Sorted(maps.Keys(files)) {
		out = append(out, name, files[name])
	}
	return out, nil
}

// Tables implements prepared.PlanViews.
func (s *Set) Tables(string) ([]prepared.Table, error) { return s.tables, nil }

// ViewSet implements prepared.PlanViews.
func (s *Set) ViewSet(string) (string, error) { return s.fingerprint, nil }

// Engine implements prepared.PlanViews. A type without views has resources and
// no rows.
func (s *Set) Engine(_, resource string) (func() prepared.Evaluator, error) {
	e := s.engines[resource]
	if e == nil {
		var err error
		if e, err = native.New(nil); err != nil {
			return nil, fmt.Errorf("views of %s: %w", resource, err)
		}
	}
	return func() prepared.Evaluator { return evaluator{e.Evaluator()} }, nil
}

type evaluator struct{ native *native.Evaluator }

func (e evaluator) Eval(line []byte, emit func(view int, row [][]byte) error) (prepared.Resource, error) {
	r, err := e.native.Eval(line, emit)
	return prepared.Resource{
		Type: r.Type, ID: r.ID, VersionID: r.VersionID, LastUpdated: r.LastUpdated, Deleted: r.Deleted, Subsetted: r.Subsetted,
	}, err
}

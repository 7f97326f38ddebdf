package app

import (
	"sync"

	"fhirsynapse/internal/config"
	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/flatview"
	"fhirsynapse/internal/sof/schema"
	"fhirsynapse/internal/storage"
	"fhirsynapse/views"
)

// Views compiles the bundled views and the views in folder, for all plans. A view in folder
// replaces the bundled view of the same name; an empty folder adds none.
func Views(folder string, options ...sof.Option) (flatten.PlanViews, error) {
	set, err := views.WithFolder(folder, options...)
	if err != nil {
		return nil, err
	}
	return flatten.Native(func(string) ([]*sof.View, error) { return set, nil }), nil
}

// planViews compiles the views for each plan at its first use: plans differ in how they read
// references, and the plans of a cohort also have the compartments of patients. Tables are stored
// as the plan says, or else as the warehouse's address does.
func planViews(
	folder string, exports config.Exports, warehouse storage.Options,
) flatten.PlanViews {
	var mu sync.Mutex
	type kind struct {
		references sof.References
		members    bool
	}
	sets := map[kind][]*sof.View{}
	native := flatten.Native(func(plan string) ([]*sof.View, error) {
		k := kind{exports.References(plan), exports.HasMembers(plan)}
		mu.Lock()
		defer mu.Unlock()
		if set, ok := sets[k]; ok {
			return set, nil
		}
		set, err := views.WithFolder(folder, sof.WithReferences(k.references))
		if err != nil {
			return nil, err
		}
		if k.members {
			more, err := compartments(sof.WithReferences(k.references))
			if err != nil {
				return nil, err
			}
			set = append(set[:len(set):len(set)], more...)
		}
		sets[k] = set
		return set, nil
	})
	return flatten.Stored{Native: native, Storage: func(plan string) storage.Options {
		return exports.StorageOf[plan].Or(warehouse)
	}}
}

// compartments returns the views of the patients of resources, one for each type of the Patient
// compartment.
func compartments(options ...sof.Option) ([]*sof.View, error) {
	var set []*sof.View
	for _, resource := range schema.R4().Names(schema.Resource) {
		text, err := flatview.Compartment(resource)
		if err != nil {
			return nil, err
		}
		if text == nil {
			continue
		}
		v, err := sof.Compile(flatview.CompartmentName(resource)+".json", text, options...)
		if err != nil {
			return nil, err
		}
		set = append(set, v)
	}
	return set, nil
}

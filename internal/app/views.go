package app

import (
	"sync"

	"fhirsynapse/internal/config"
	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/flatview"
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

// planViews compiles the views for each plan at its first use, because plans differ in how they
// read references. Tables are stored as the plan says, or else as the warehouse's address does.
func planViews(
	folder string, exports config.Exports, warehouse storage.Options,
) flatten.PlanViews {
	var mu sync.Mutex
	sets := map[sof.References][]*sof.View{}
	native := flatten.Native(func(plan string) ([]*sof.View, error) {
		r := exports.References(plan)
		mu.Lock()
		defer mu.Unlock()
		if set, ok := sets[r]; ok {
			return set, nil
		}
		set, err := views.WithFolder(folder, sof.WithReferences(r))
		if err == nil {
			sets[r] = set
		}
		return set, err
	})
	return flatten.Stored{Native: native, Storage: func(plan string) storage.Options {
		return exports.StorageOf[plan].Or(warehouse)
	}}
}

// compartment returns the views of the patients of resources, with the references of each plan.
func compartment(exports config.Exports) func(plan, resource string) (*sof.View, error) {
	return func(plan, resource string) (*sof.View, error) {
		text, err := flatview.Compartment(resource)
		if err != nil || text == nil {
			return nil, err
		}
		return sof.Compile("compartment.json", text, sof.WithReferences(exports.References(plan)))
	}
}

package flatten

import (
	"maps"
	"slices"

	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
	"fhirsynapse/internal/sof/native/jsontape"
)

// mostNames bounds the names of unknown elements that are kept of a file.
const mostNames = 100

// Below the top level of resources, every line of a small file and a sample of a large one are
// compared. A difference of FHIR versions shows on most lines with the element.
const (
	nestedFirst = 1000      // lines at the start of a file
	nestedEvery = 64        // interval of the lines after them
	nestedSize  = 256 << 10 // bytes of a line
)

// comparesNested reports whether a line is compared below its top level.
func comparesNested(number int64, size int) bool {
	return (number <= nestedFirst || number%nestedEvery == 0) && size <= nestedSize
}

// differences counts the members of resources that R4 does not have or has in another form.
type differences struct {
	resources int64
	counts    [jsontape.DifferenceKinds]map[string]*int64 // by name
	unnamed   int64
}

// add counts the differences of a resource.
func (d *differences) add(of []jsontape.Difference) {
	d.resources++
	for i := range of {
		names := d.counts[of[i].Kind]
		if n := names[string(of[i].Name)]; n != nil {
			*n++
			continue
		}
		if len(of[i].Name) == 0 ||
			of[i].Kind == jsontape.UnknownElement && len(names) >= mostNames {
			d.unnamed++
			continue
		}
		if names == nil {
			names = map[string]*int64{}
			d.counts[of[i].Kind] = names
		}
		n := int64(1)
		names[string(of[i].Name)] = &n
	}
}

// tally adds the counts to the totals of a file.
func (d *differences) tally(done *pipeline.Done, resource string) {
	records.Count(&done.OtherVersion, resource, d.resources)
	for kind, names := range d.counts {
		for _, name := range slices.Sorted(maps.Keys(names)) {
			n := *names[name]
			path := resource + "." + name
			switch jsontape.DifferenceKind(kind) { //nolint:exhaustive // the other kinds have no count of their own
			case jsontape.UnknownElement:
				records.CountUnknown(&done.Unknown, resource, name, n, mostNames)
				continue
			case jsontape.ListForOne:
				records.Count(&done.Lists, path, n)
			case jsontape.OneForList:
				records.Count(&done.NoLists, path, n)
			}
			records.Count(&done.Shapes, path, n)
		}
	}
	if d.unnamed > 0 {
		records.CountUnknown(&done.Unknown, resource, "", d.unnamed, mostNames)
	}
}

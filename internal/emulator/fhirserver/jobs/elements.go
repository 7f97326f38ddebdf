package jobs

import (
	"slices"
	"strings"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"
)

// subsetted is the tag of an incomplete resource.
const subsetted = `{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}`

// subset keeps the elements that _elements names, each as name or Type.name, and marks the resource
// as incomplete. The emulator does not know which elements are mandatory: it always keeps only
// resourceType, id and meta.
func subset(typ string, line []byte, elements []string) ([]byte, error) {
	keep := []string{"resourceType", "id", "meta"}
	limited := false
	for _, e := range elements {
		if of, name, found := strings.Cut(e, "."); !found {
			keep, limited = append(keep, e, "_"+e), true
		} else if of == typ {
			keep, limited = append(keep, name, "_"+name), true
		}
	}
	if !limited {
		return line, nil
	}
	out := []byte{'{'}
	gjson.ParseBytes(line).ForEach(func(name, value gjson.Result) bool {
		if slices.Contains(keep, name.Str) {
			if len(out) > 1 {
				out = append(out, ',')
			}
			out = append(append(append(out, name.Raw...), ':'), value.Raw...)
		}
		return true
	})
	return sjson.SetRawBytes(append(out, '}'), "meta.tag.-1", []byte(subsetted))
}

package jobs

import (
	"slices"
	"strings"

	"fhirsynapse/internal/emulator/fhirserver/rawjson"
)

// subsetted is the tag of a resource that is not whole.
const subsetted = `{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}`

// subset leaves the elements that _elements names, each as name or Type.name, and
// marks the rest as missing. Which elements are mandatory the stand-in does not
// know: only resourceType, id and meta always stay.
func subset(typ string, line []byte, elements []string) ([]byte, error) {
	o, err := rawjson.Parse(line)
	if err != nil {
		return nil, err
	}
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
	for _, m := range slices.Clone(o.Members()) {
		if !slices.Contains(keep, m.Key) {
			if err := o.Remove(m.Key); err != nil {
				return nil, err
			}
		}
	}
	meta := o.Get("meta")
	if meta == nil {
		return textOf(o, o.InsertAfter("id", "meta", []byte(`{"tag":[`+subsetted+`]}`)))
	}
	m, err := rawjson.Parse(meta)
	if err != nil {
		return nil, err
	}
	tags := append(rawjson.At(meta, "tag"), []byte(subsetted))
	text := []byte{'['}
	for i, t := range tags {
		if i > 0 {
			text = append(text, ',')
		}
		text = append(text, t...)
	}
	if err := m.Set("tag", append(text, ']')); err != nil {
		return nil, err
	}
	return textOf(o, o.Set("meta", m.Text()))
}

func textOf(o *rawjson.Object, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	return o.Text(), nil
}

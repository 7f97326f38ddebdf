package records

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// otherNames replaces the names of elements that are not kept.
const otherNames = "*"

const (
	// mostUnknown bounds the names of unknown elements in a sum.
	mostUnknown = 1000
	// mostElementsTold bounds the elements that the sentence of a resource type names.
	mostElementsTold = 12
)

// CountUnknown counts an element that R4 does not have. It counts the element as "*" if the
// name is empty because it must not be shown, or if it is new and the map has most names
// already.
func CountUnknown(of *map[string]int64, typ, name string, n int64, most int) {
	key := typ + "." + name
	if _, ok := (*of)[key]; name == "" || !ok && len(*of) >= most {
		key = typ + "." + otherNames
	}
	Count(of, key, n)
}

// withoutNames counts unknown elements by type only.
func withoutNames(unknown map[string]int64) (out map[string]int64) {
	for path, n := range unknown {
		typ, _, _ := strings.Cut(path, ".")
		CountUnknown(&out, typ, "", n, 0)
	}
	return out
}

// elementSentences reports which resources have elements of another FHIR version, one line per
// type. resources has the number of resources by type; types may be missing.
func (c ValueCounts) elementSentences(resources map[string]int64) []string {
	var out []string
	for _, typ := range slices.Sorted(maps.Keys(c.OtherVersion)) {
		n := Grouped(c.OtherVersion[typ])
		if all := resources[typ]; all >= c.OtherVersion[typ] && all > 0 {
			n += " of " + Grouped(all)
		}
		out = append(out,
			fmt.Sprintf("%s %s have elements of another FHIR version: %s; this program reads R4 (4.0.1), and columns of such elements may be NULL",
				n, typ, strings.Join(c.elementsOf(typ), ", ")))
	}
	return out
}

// elementsOf names the elements of a type that R4 does not have, the most frequent first.
func (c ValueCounts) elementsOf(typ string) []string {
	type told struct {
		text string
		n    int64
	}
	var all []told
	add := func(format, path string, n int64) {
		if strings.HasPrefix(path, typ+".") && n > 0 {
			all = append(all, told{fmt.Sprintf(format+" in %s", path, Grouped(n)), n})
		}
	}
	for path, n := range c.Shapes {
		add("%s is a list", path, c.Lists[path])
		add("%s is no list", path, c.NoLists[path])
		add("%s is of another kind", path, n-c.Lists[path]-c.NoLists[path])
	}
	for path, n := range c.Unknown {
		if path != typ+"."+otherNames {
			add("%s is unknown", path, n)
		}
	}
	slices.SortFunc(all, func(a, b told) int {
		return cmp.Or(cmp.Compare(b.n, a.n), strings.Compare(a.text, b.text))
	})
	rest := c.Unknown[typ+"."+otherNames]
	var out []string
	for i, t := range all {
		if i >= mostElementsTold {
			out = append(out, fmt.Sprintf("%d more", len(all)-i))
			break
		}
		out = append(out, t.text)
	}
	if rest > 0 {
		out = append(out, Grouped(rest)+" elements are unknown")
		if len(all) > 0 {
			out[len(out)-1] = Grouped(rest) + " other elements are unknown"
		}
	}
	return out
}

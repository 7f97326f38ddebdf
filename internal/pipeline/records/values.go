package records

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// ValueCounts counts the values that differ between the tables and the resources. The keys are
// table.column unless a field's comment names another key, so they hold no health data.
type ValueCounts struct {
	// Nulled counts values that are NULL because they do not fit the column's type.
	Nulled map[string]int64 `json:"nulled,omitempty"`
	// NoTime counts dates without a time of day in a column of timestamps.
	NoTime map[string]int64 `json:"noTime,omitempty"`
	// NoDay counts dates without a day in a date column.
	NoDay map[string]int64 `json:"noDay,omitempty"`
	// Rounded counts decimals with more places than the column has.
	Rounded map[string]int64 `json:"rounded,omitempty"`
	// TooSmall counts decimals that are NULL because rounding would make them 0.
	TooSmall map[string]int64 `json:"tooSmall,omitempty"`
	// Clipped counts texts that were cut because their table is a columnstore.
	Clipped map[string]int64 `json:"clipped,omitempty"`
	// URNs counts urn:uuid references, which have no key by default.
	URNs map[string]int64 `json:"urns,omitempty"`
	// Unkeyed counts conditional, contained and malformed references.
	Unkeyed map[string]int64 `json:"unkeyed,omitempty"`
	// Foreign counts references to another server.
	Foreign map[string]int64 `json:"foreign,omitempty"`
	// OtherVersion counts resources with elements of another FHIR version, by type.
	OtherVersion map[string]int64 `json:"otherVersion,omitempty"`
	// Shapes counts elements that have another shape than in R4, by type.element.
	Shapes map[string]int64 `json:"shapes,omitempty"`
	// Lists counts the elements of Shapes that are a list where R4 has one value.
	Lists map[string]int64 `json:"lists,omitempty"`
	// NoLists counts the elements of Shapes that are one value where R4 has a list.
	NoLists map[string]int64 `json:"noLists,omitempty"`
	// Unknown counts elements that R4 does not have, by type.element. The element is "*" if the
	// name must not be shown, or if there are too many names.
	Unknown map[string]int64 `json:"unknown,omitempty"`
	// OddIDs counts ids that break FHIR's rule, by resource type.
	OddIDs map[string]int64 `json:"oddIds,omitempty"`
	// ForeignDeletes counts deletes of resources of another server, by resource type.
	ForeignDeletes map[string]int64 `json:"foreignDeletes,omitempty"`
}

// Count adds n to one counter and makes its map on first use.
func Count(of *map[string]int64, key string, n int64) {
	if n == 0 {
		return
	}
	if *of == nil {
		*of = map[string]int64{}
	}
	(*of)[key] += n
}

// Add adds the counts of o.
func (c *ValueCounts) Add(o ValueCounts) {
	to := c.maps()
	for i, m := range o.maps() {
		for key, n := range *m {
			if to[i] == &c.Unknown {
				typ, name, _ := strings.Cut(key, ".")
				CountUnknown(to[i], typ, strings.TrimSuffix(name, otherNames), n, mostUnknown)
				continue
			}
			Count(to[i], key, n)
		}
	}
}

// Empty reports whether nothing was counted.
func (c ValueCounts) Empty() bool {
	return !slices.ContainsFunc(c.maps(), func(m *map[string]int64) bool { return len(*m) > 0 })
}

// Misfits returns how many values are NULL because they do not fit their column.
func (c ValueCounts) Misfits() (n int64) {
	for _, m := range []map[string]int64{c.Nulled, c.TooSmall} {
		for _, v := range m {
			n += v
		}
	}
	return n
}

func (c *ValueCounts) maps() []*map[string]int64 {
	return []*map[string]int64{
		&c.Nulled, &c.NoTime, &c.NoDay, &c.Rounded, &c.TooSmall, &c.Clipped, &c.URNs, &c.Unkeyed,
		&c.Foreign, &c.OtherVersion, &c.Shapes, &c.Lists, &c.NoLists, &c.Unknown, &c.OddIDs,
		&c.ForeignDeletes,
	}
}

// Sentences describes the counts for a person, one line each. rows (by table) and resources
// (by type) add "of how many" to the lines; entries may be missing.
func (c ValueCounts) Sentences(rows, resources map[string]int64) []string {
	var out []string
	columns := func(m map[string]int64, verdict func(column string) string) {
		for _, column := range slices.Sorted(maps.Keys(m)) {
			n := Grouped(m[column])
			table, _, _ := strings.Cut(column, ".")
			if all := rows[table]; all >= m[column] && all > 0 {
				n += " of " + Grouped(all)
			}
			out = append(out, fmt.Sprintf("%s %s %s", n, column, verdict(column)))
		}
	}
	always := func(verdict string) func(string) string {
		return func(string) string { return verdict }
	}
	see := func(verdict, suffix string) func(string) string {
		return func(column string) string {
			if recorded, ok := strings.CutSuffix(column, suffix); ok {
				return verdict + " (see " + recorded + ")"
			}
			return verdict
		}
	}
	columns(c.Nulled, always("are NULL: the value does not fit the type of the column"))
	columns(c.TooSmall,
		always("are NULL: the value is not 0, but the column's decimal places would make it 0"))
	columns(c.Rounded, always("are rounded: the value has more decimal places than the column"))
	columns(c.Clipped,
		always("are cut to 4,000 characters: the table is a columnstore, and the value is longer"))
	columns(c.NoTime, see("are NULL: the date has no time of day", "_utc"))
	columns(c.NoDay, see("are NULL: the date has no day", "_day"))
	columns(c.URNs,
		always("are NULL: the reference is a urn:uuid (its UUID is the id with --urn-references ids, or urnReferences: ids in a plan)"))
	columns(c.Unkeyed,
		always("are NULL: the reference names no resource by type and id (conditional, contained or malformed)"))
	columns(c.Foreign, always("are NULL: the reference is a URL of another server"))
	for _, typ := range slices.Sorted(maps.Keys(c.OddIDs)) {
		out = append(out,
			fmt.Sprintf("%s %s have ids outside FHIR's rule (1 to 64 letters, digits, '-' and '.'): they are loaded as they are", Grouped(c.OddIDs[typ]), typ))
	}
	for _, typ := range slices.Sorted(maps.Keys(c.ForeignDeletes)) {
		out = append(out,
			fmt.Sprintf("%s deletes of %s name another server: they delete nothing",
				Grouped(c.ForeignDeletes[typ]), typ))
	}
	return append(out, c.elementSentences(resources)...)
}

// Grouped formats a count with commas between thousands.
func Grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// PreparedValues holds the counts of a part of an export, with the rows of its tables and the
// resources of its types.
type PreparedValues struct {
	ValueCounts
	Rows      map[string]int64 `json:"rows,omitempty"`
	Resources map[string]int64 `json:"resources,omitempty"`
}

// Add adds the counts and the rows of o.
func (v *PreparedValues) Add(o PreparedValues) {
	v.ValueCounts.Add(o.ValueCounts)
	for table, n := range o.Rows {
		Count(&v.Rows, table, n)
	}
	for typ, n := range o.Resources {
		Count(&v.Resources, typ, n)
	}
}

// Trim removes the names of unknown elements, which come from resources, and the rows of
// tables without counts.
func (v *PreparedValues) Trim() {
	v.Unknown = withoutNames(v.Unknown)
	counted := map[string]bool{}
	for _, m := range v.maps() {
		for key := range *m {
			table, _, _ := strings.Cut(key, ".")
			counted[table] = true
		}
	}
	maps.DeleteFunc(v.Rows, func(table string, _ int64) bool { return !counted[table] })
}

// Sentences describes the counts for a person, one line each.
func (v PreparedValues) Sentences() []string { return v.ValueCounts.Sentences(v.Rows, v.Resources) }

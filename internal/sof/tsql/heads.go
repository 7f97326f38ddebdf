package tsql

import (
	"fmt"

	"fhirsynapse/internal/sof"
)

// The extension of meta that makes a resource a tombstone. Azure exports a soft-deleted resource in
// this form.
const (
	deletedURL   = "http://azurehealthcareapis.com/data-extensions/deleted-state"
	deletedValue = "soft-deleted"
)

// versionLength has room for a version: an instant, 20 digits, a versionId of at most 64 characters
// and a digit, with slashes.
const versionLength = 118

// Heads writes the SELECT of the metadata of documents of a resource type: the keys of the shape,
// _id, _version as package flatten writes it, and _deleted, a bit. Documents without lastUpdated
// get the argument, an instant such as 2026-01-31T08:00:00.000000000Z.
func Heads(resource string, e Engine, s Shape, lastUpdated string) (string, error) {
	v, err := sof.Compile("heads.json",
		fmt.Appendf(nil, `{"name":"heads","resource":%q,"select":[{"column":[
		{"name":"last_updated","path":"meta.lastUpdated"},
		{"name":"version_id","path":"meta.versionId"},
		{"name":"deleted","path":"meta.extension.where(url = '%s' and value.ofType(string) = '%s').exists()"}]}]}`,
			resource, deletedURL, deletedValue))
	if err != nil {
		return "", fmt.Errorf("heads of %s: %w", resource, err)
	}
	s.ID = true
	w := newWriter(v, e, s)
	c, kind := w.begin()
	c.at.where = append(c.at.where, w.sameText(kind, w.lit(resource), &resource))
	cells := v.Rows.(*sof.Project).Cells
	updated, version := w.values.one(cells[0].Value, c),
		w.items.text(w.values.one(cells[1].Value, c))
	deleted := w.conditions.pred(cells[2].Value, c)
	m := w.comparisons.moment(updated, false, c)
	bit := fmt.Sprintf("CASE WHEN %s THEN 1 ELSE 0 END", deleted)
	number := w.computed(c, "v",
		item{
			fmt.Sprintf("CASE WHEN %s = %s THEN TRY_CAST(%s AS decimal(38, 0)) END",
				w.withoutDigits(version), w.lit(""), version), "number",
		}) + ".[number]"
	const zeros = "00000000000000000000"
	padded := fmt.Sprintf(
		"RIGHT(%s + CAST(CASE WHEN %s < 100000000000000000000 THEN %s ELSE 0 END AS %s), 20)",
		w.lit(zeros), number, number, w.shortText())
	text := fmt.Sprintf(
		"ISNULL(%s + %s, %s) + %s + %s + %s + ISNULL(%s, %s) + CASE WHEN %s THEN %s ELSE %s END",
		m.text, w.lit("Z"), w.lit(lastUpdated), w.lit("/"), padded, w.lit("/"), version, w.lit(""),
		deleted, w.lit("/1"), w.lit("/0"))
	c.at.items = append(c.at.items, item{w.narrow(text, versionLength), "_version"},
		item{fmt.Sprintf("CAST(%s AS bit)", bit), "_deleted"})
	return w.print()
}

// withoutDigits returns a text with its digits removed.
func (w phrases) withoutDigits(text string) string {
	for digit := '0'; digit <= '9'; digit++ {
		text = fmt.Sprintf("REPLACE(%s, %s, %s)", text, w.lit(string(digit)), w.lit(""))
	}
	return text
}

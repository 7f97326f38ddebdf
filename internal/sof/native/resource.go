package native

import (
	"bytes"

	"fhirsynapse/internal/sof/native/jsontape"
)

// Resource holds a line's own data about its resource. The slices are valid until the next Eval;
// nil means missing.
type Resource struct {
	Type, ID, VersionID, LastUpdated []byte
	// Deleted marks a tombstone, in the form of Azure's exports of soft-deleted resources.
	Deleted bool
	// Subsetted marks a resource with elements left out by the server.
	Subsetted bool
	// Misses counts the references without a key in the rows.
	Misses []Miss
	// Differences are members that R4 does not have or has in another form, the first 100. They are
	// collected for the engine's type.
	Differences []jsontape.Difference
}

// The extension of meta that makes a resource a tombstone.
const (
	deletedURL   = "http://azurehealthcareapis.com/data-extensions/deleted-state"
	deletedValue = "soft-deleted"
)

// subsettedSystem is the code system of the tag SUBSETTED.
const subsettedSystem = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue"

// meta reads the elements that every engine needs.
type meta struct {
	// slots of the root
	resourceType, id, metaField int
	// numbers of names
	versionID, lastUpdated, tag, code, system, extension, url, valueString int
}

func (m *meta) outline(root *jsontape.Shape) {
	root.Field("resourceType")
	root.Field("id")
	s := root.Field("meta")
	s.Field("versionId")
	s.Field("lastUpdated")
	tag := s.Field("tag")
	tag.Field("code")
	tag.Field("system")
	x := s.Find().Field("extension")
	x.Field("url")
	x.Field("valueString")
}

func (m *meta) number(n *jsontape.Layout, root *jsontape.Shape) {
	m.resourceType, m.id, m.metaField = root.SlotOf("resourceType"), root.SlotOf("id"),
		root.SlotOf("meta")
	m.versionID, m.lastUpdated, m.tag = n.Number("versionId"), n.Number("lastUpdated"),
		n.Number("tag")
	m.code, m.system = n.Number("code"), n.Number("system")
	m.extension, m.url, m.valueString = n.Number("extension"), n.Number("url"),
		n.Number("valueString")
}

func (v *Evaluator) resource(root int32) Resource {
	m := &v.engine.resourceOf
	slots := v.tape.Slots[v.tape.Nodes[root].First:]
	r := Resource{Type: v.stringAt(slots[m.resourceType] - 1), ID: v.stringAt(slots[m.id] - 1)}
	at := slots[m.metaField] - 1
	if at < 0 {
		return r
	}
	r.VersionID = v.stringAt(v.member(at, m.versionID))
	r.LastUpdated = v.stringAt(v.member(at, m.lastUpdated))
	for n := v.firstOf(v.member(at, m.tag)); n >= 0; n = v.tape.Nodes[n].Next {
		system := v.stringAt(v.member(n, m.system))
		if string(v.stringAt(v.member(n, m.code))) == "SUBSETTED" &&
			(system == nil || string(system) == subsettedSystem ||
				bytes.HasSuffix(system, []byte("/v3/ObservationValue"))) {
			r.Subsetted = true
		}
	}
	for n := v.firstOf(v.member(at, m.extension)); n >= 0; n = v.tape.Nodes[n].Next {
		if string(v.stringAt(v.member(n, m.url))) == deletedURL &&
			string(v.stringAt(v.member(n, m.valueString))) == deletedValue {
			r.Deleted = true
		}
	}
	return r
}

// firstOf returns the first item of an array, or the node itself; -1 for none.
func (v *reader) firstOf(n int32) int32 {
	if n >= 0 && v.tape.Nodes[n].Kind == jsontape.KindArray {
		return v.tape.Nodes[n].First
	}
	return n
}

// stringAt returns the decoded text of a string node; nil for anything else.
func (v *reader) stringAt(n int32) []byte {
	if n < 0 || v.tape.Nodes[n].Kind != jsontape.KindString {
		return nil
	}
	d := &v.tape.Nodes[n]
	raw := v.tape.Line[d.Start:d.End:d.End]
	if !d.Escaped {
		return raw
	}
	return v.decode(raw)
}

func (v *reader) decode(raw []byte) []byte {
	v.room(len(raw))
	from := len(v.arena)
	v.arena = jsontape.AppendUnescaped(v.arena, raw)
	return v.arena[from:len(v.arena):len(v.arena)]
}

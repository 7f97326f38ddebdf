package native

import "bytes"

// Resource is what a line says of itself. The slices are valid until the next
// Eval; nil means the line has none.
type Resource struct {
	Type, ID, VersionID, LastUpdated []byte
	// Deleted marks a tombstone: the form in which Azure exports a soft-deleted
	// resource.
	Deleted bool
	// Subsetted marks a resource that the server has shortened.
	Subsetted bool
	// Misses counts the references of the rows that have no key.
	Misses []Miss
	// Differences are members of a resource of the engine's type that R4 does not have,
	// or has in another shape, the first 100.
	Differences []Difference
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

func (m *meta) outline(root *shape) {
	root.field("resourceType")
	root.field("id")
	s := root.field("meta")
	s.field("versionId")
	s.field("lastUpdated")
	tag := s.field("tag")
	tag.field("code")
	tag.field("system")
	x := s.find().field("extension")
	x.field("url")
	x.field("valueString")
}

func (m *meta) number(n nameNumbers, root *shape) {
	m.resourceType, m.id, m.metaField = root.slotOf("resourceType"), root.slotOf("id"), root.slotOf("meta")
	m.versionID, m.lastUpdated, m.tag = n.of("versionId"), n.of("lastUpdated"), n.of("tag")
	m.code, m.system = n.of("code"), n.of("system")
	m.extension, m.url, m.valueString = n.of("extension"), n.of("url"), n.of("valueString")
}

func (v *Evaluator) resource(root int32) Resource {
	m := &v.engine.resourceOf
	slots := v.tape.slots[v.tape.nodes[root].first:]
	r := Resource{Type: v.stringAt(slots[m.resourceType] - 1), ID: v.stringAt(slots[m.id] - 1)}
	at := slots[m.metaField] - 1
	if at < 0 {
		return r
	}
	r.VersionID = v.stringAt(v.member(at, m.versionID))
	r.LastUpdated = v.stringAt(v.member(at, m.lastUpdated))
	for n := v.firstOf(v.member(at, m.tag)); n >= 0; n = v.tape.nodes[n].next {
		system := v.stringAt(v.member(n, m.system))
		if string(v.stringAt(v.member(n, m.code))) == "SUBSETTED" &&
			(system == nil || string(system) == subsettedSystem || bytes.HasSuffix(system, []byte("/v3/ObservationValue"))) {
			r.Subsetted = true
		}
	}
	for n := v.firstOf(v.member(at, m.extension)); n >= 0; n = v.tape.nodes[n].next {
		if string(v.stringAt(v.member(n, m.url))) == deletedURL &&
			string(v.stringAt(v.member(n, m.valueString))) == deletedValue {
			r.Deleted = true
		}
	}
	return r
}

// firstOf is the first item of an array, or the node itself; -1 for none.
func (v *Evaluator) firstOf(n int32) int32 {
	if n >= 0 && v.tape.nodes[n].kind == kindArray {
		return v.tape.nodes[n].first
	}
	return n
}

// stringAt is the decoded text of a string node; nil for anything else.
func (v *Evaluator) stringAt(n int32) []byte {
	if n < 0 || v.tape.nodes[n].kind != kindString {
		return nil
	}
	d := &v.tape.nodes[n]
	raw := v.tape.line[d.start:d.end:d.end]
	if !d.escaped {
		return raw
	}
	return v.decode(raw)
}

func (v *Evaluator) decode(raw []byte) []byte {
	v.room(len(raw))
	from := len(v.arena)
	v.arena = appendUnescaped(v.arena, raw)
	return v.arena[from:len(v.arena):len(v.arena)]
}

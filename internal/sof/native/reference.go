package native

import (
	"bytes"
	"slices"

	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/native/jsontape"
)

// Unkeyed is the reason why a reference has no key.
type Unkeyed uint8

// The reasons.
const (
	// Keyed references have a key, or another type than asked for.
	Keyed Unkeyed = iota
	// URN references name a UUID, which by default is not a resource's id.
	URN
	// Unresolved references are conditional, contained or malformed.
	Unresolved
	// Foreign references are URLs of another server.
	Foreign
)

// Miss counts the rows of a view whose column lacks the key of a reference.
type Miss struct {
	View, Column int
	Why          Unkeyed
	Rows         int64
}

// countMisses counts the cells of the row that lack a key.
func (v *Evaluator) countMisses() {
	for _, c := range v.engine.views[v.view].references {
		if why := v.missed[c]; why != Keyed {
			v.miss(Miss{View: v.view, Column: c, Why: why})
		}
	}
}

func (v *Evaluator) miss(m Miss) {
	for i := range v.misses {
		if old := &v.misses[i]; old.View == m.View && old.Column == m.Column && old.Why == m.Why {
			old.Rows++
			return
		}
	}
	m.Rows = 1
	v.misses = append(v.misses, m)
}

type referenceKeyOp struct {
	in        op
	key       keyReader
	reference []hop
	legs      []leg // to the text of the reference, if in is a plain path
}

func newReferenceKey(in op, e *sof.ReferenceKey, reference hop) *referenceKeyOp {
	o := &referenceKeyOp{
		in: in, key: keyReader{target: e.Target, urns: e.URNs}, reference: []hop{reference},
	}
	if e.Base != "" {
		o.key.base = e.Base + "/"
	}
	o.legs = legsOf(in)
	if n := len(o.legs); n > 0 && o.legs[n-1].limit > 1 {
		o.legs[n-1].steps = append(slices.Clone(o.legs[n-1].steps), reference)
	} else if n > 0 {
		o.legs = append(o.legs, leg{o.reference, 2})
	}
	return o
}

// pick is the short way for a single Reference.
func (o *referenceKeyOp) pick(v *Evaluator, this *item, limit int) (item, int, error) {
	id, single := o.single(v, this.node)
	switch {
	case !single:
		return whole{o}.pick(v, this, limit)
	case id == nil:
		return item{}, 0, nil
	}
	return textItem(id), 1, nil
}

// single returns the key if the focus has at most one Reference; nil if it has no key.
func (o *referenceKeyOp) single(v *Evaluator, at int32) (id []byte, single bool) {
	if o.legs == nil {
		return nil, false
	}
	for i := range o.legs {
		f := finding{limit: o.legs[i].limit}
		f.follow(v, at, o.legs[i].steps)
		switch {
		case f.n == 0:
			return nil, true
		case f.n > 1:
			return nil, false
		}
		at = f.node
	}
	if ref := v.stringAt(at); ref != nil {
		return v.keyOf(&o.key, ref), true
	}
	return nil, true
}

func (o *referenceKeyOp) eval(v *Evaluator, this *item) error {
	base := len(v.stack)
	if err := o.in.eval(v, this); err != nil {
		return err
	}
	top := len(v.stack)
	for i := base; i < top; i++ {
		v.follow(v.stack[i].node, o.reference)
	}
	kept := base
	for i := top; i < len(v.stack); i++ {
		it := v.stack[i]
		if it.kind != jsontape.KindString {
			continue
		}
		if id := v.keyOf(&o.key, v.str(&it)); id != nil {
			v.stack[kept] = item{typ: stringType, text: id, node: -1, kind: jsontape.KindString}
			kept++
		}
	}
	v.stack = v.stack[:kept]
	return nil
}

// keyOf returns the key of a reference, or nil, and records why there is none.
func (v *Evaluator) keyOf(r *keyReader, ref []byte) []byte {
	id, why := r.read(ref)
	if why != Keyed {
		v.unkeyed = why
	}
	return id
}

// keyReader reads the key of a literal reference.
type keyReader struct {
	target string // the wanted type; empty means any
	base   string // the server's base URL with a trailing slash; empty means unknown
	urns   bool   // the UUID of a urn:uuid reference is an id
}

var urnUUID = []byte("urn:uuid:")

// read returns the id in a literal reference: relative (Patient/1), or absolute at the base
// (https://host/fhir/Patient/1), either with a version (/_history/2). Contained (#x), urn: and
// conditional references (Patient?x=y) point to no row, and absolute ones of another base to a row
// of another server.
func (r *keyReader) read(ref []byte) (id []byte, why Unkeyed) {
	// One pass, because references are short and frequent.
	slashes, slash := 0, 0
	for i, c := range ref {
		switch c {
		case '?', '#':
			return nil, r.unresolved(ref[:i])
		case '/':
			slashes, slash = slashes+1, i
		}
	}
	var typ []byte
	if slashes == 1 {
		typ, id = ref[:slash], ref[slash+1:]
	} else {
		if bytes.HasPrefix(ref, urnUUID) {
			if id = ref[len(urnUUID):]; r.urns && isUUID(id) {
				return id, Keyed
			}
			return nil, URN
		}
		var rest []byte
		if rest, typ, id = lastTwo(ref); string(typ) == "_history" {
			rest, typ, id = lastTwo(rest)
		}
		if len(rest) > 0 && !r.atBase(ref, len(rest)) {
			why = Foreign
			if !isAbsolute(ref) {
				why = Unresolved
			}
		}
	}
	switch {
	case len(ref) == 0:
		return nil, Keyed
	case len(id) == 0 || !isType(typ):
		return nil, Unresolved
	case r.target != "" && r.target != string(typ):
		return nil, Keyed
	case why != Keyed:
		return nil, why
	}
	return id, Keyed
}

// atBase reports whether the type of a reference begins directly after the base URL.
func (r *keyReader) atBase(ref []byte, rest int) bool {
	return r.base != "" && rest+1 == len(r.base) && string(ref[:rest+1]) == r.base
}

// unresolved classifies a contained or conditional reference. before is its text before the ? or #;
// a condition on another type than asked for lacks no key.
func (r *keyReader) unresolved(before []byte) Unkeyed {
	if r.target != "" && isType(before) && string(before) != r.target {
		return Keyed
	}
	return Unresolved
}

// isAbsolute reports whether a reference begins with a URL scheme.
func isAbsolute(ref []byte) bool {
	scheme, _, ok := bytes.Cut(ref, []byte("://"))
	return ok && !bytes.ContainsAny(scheme, "/.") && len(scheme) > 0
}

func isType(typ []byte) bool {
	if len(typ) == 0 || typ[0] < 'A' || typ[0] > 'Z' {
		return false
	}
	for _, c := range typ {
		if c|0x20 < 'a' || c|0x20 > 'z' {
			return false
		}
	}
	return true
}

// isUUID reports whether a text has only characters of a UUID and a FHIR id.
func isUUID(id []byte) bool {
	for _, c := range id {
		if (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return len(id) > 0
}

// lastTwo returns the last two segments of a path and the rest. Without a slash there is only one
// segment.
func lastTwo(path []byte) (rest, before, last []byte) {
	i := bytes.LastIndexByte(path, '/')
	if i < 0 {
		return nil, nil, path
	}
	j := bytes.LastIndexByte(path[:i], '/')
	return path[:max(j, 0)], path[j+1 : i], path[i+1:]
}

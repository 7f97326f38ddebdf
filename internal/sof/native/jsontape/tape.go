package jsontape

// nodeSize and slotSize are the sizes of a node and of a slot in bytes.
const (
	nodeSize = 20
	slotSize = 4
)

// Keep bounds the memory that is kept between lines, in bytes.
const Keep = 4 << 20

// hasRoom ensures that the node of one more value fits, before the value at an offset of the line
// is read. It is false after a fault.
func (t *Tape) hasRoom(at int) bool { return len(t.Nodes) < cap(t.Nodes) || t.growNodes(at) }

// growNodes makes room for more nodes. at is the number of bytes read so far.
func (t *Tape) growNodes(at int) bool {
	n := t.larger(cap(t.Nodes), len(t.Nodes)+1, at, nodeSize, len(t.Slots)*slotSize)
	if n == 0 {
		return false
	}
	nodes := make([]Node, len(t.Nodes), n)
	copy(nodes, t.Nodes)
	t.Nodes = nodes
	return true
}

// growSlots makes room for the slots of one more object.
func (t *Tape) growSlots(at, more int) bool {
	n := t.larger(cap(t.Slots), len(t.Slots)+more, at, slotSize, len(t.Nodes)*nodeSize)
	if n == 0 {
		return false
	}
	slots := make([]int32, len(t.Slots), n)
	copy(slots, t.Slots)
	t.Slots = slots
	return true
}

// larger returns the number of elements to make room for, at least needed ones, while inUse bytes
// are used for others. It is 0 after a fault, if they exceed the limit.
func (t *Tape) larger(old, needed, at, size, inUse int) int {
	const large = 1 << 20
	n := max(2*old, needed, 64)
	if old*size >= large {
		// A large line has many similar members, so the rest of its need is estimated from the part
		// already read. Growing step by step would take twice the memory.
		n = max(int(float64(needed)*float64(len(t.Line))/float64(at+1)*1.05), old+old/4, needed)
	}
	n = min(n, (t.most-inUse)/size)
	if n < needed {
		t.limit = true
		t.fail(at, "the line is too large")
		return 0
	}
	t.allocated(n * size)
	return n
}

// Shrink frees the memory that only a large line needs.
func (t *Tape) Shrink() {
	if cap(t.Nodes)*nodeSize > Keep {
		t.Nodes = nil
	}
	if cap(t.Slots)*slotSize > Keep {
		t.Slots = nil
	}
	if len(t.Line) > Keep {
		t.differences = nil // they may refer to its names
	}
	t.shrinkSurvey()
}

// shrinkSurvey frees the memory that only the reading of a large line needs.
func (t *lexer) shrinkSurvey() {
	if cap(t.quotes)*8 > Keep {
		t.quotes, t.odd = nil, nil
	}
}

package jsontape

// nodeSize and slotSize are the bytes of a node and of a slot.
const (
	nodeSize = 20
	slotSize = 4
)

// Keep is how many bytes of memory are kept from one line to the next.
const Keep = 4 << 20

// hasRoom makes sure that the node of one more value fits, before the value at an
// offset of the line is read. It is false after a fault.
func (t *Tape) hasRoom(at int) bool { return len(t.Nodes) < cap(t.Nodes) || t.growNodes(at) }

// growNodes makes room for more nodes; at is how much of the line has been read.
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

// larger returns how many elements of a size to make room for, at least so many
// as are needed, where other bytes are in use. It is 0 after a fault: they are too
// many.
func (t *Tape) larger(old, needed, at, size, inUse int) int {
	const large = 1 << 20
	n := max(2*old, needed, 64)
	if old*size >= large {
		// A large line is many members like each other: what the rest of it needs
		// is known from what was read, and growing step by step would take twice
		// the memory.
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

// Shrink gives up the memory that only a large line needs.
func (t *Tape) Shrink() {
	if cap(t.Nodes)*nodeSize > Keep {
		t.Nodes = nil
	}
	if cap(t.Slots)*slotSize > Keep {
		t.Slots = nil
	}
	if len(t.Line) > Keep {
		t.differences = nil // they may hold its names
	}
	t.shrinkSurvey()
}

// shrinkSurvey gives up what only reading a large line needs.
func (t *lexer) shrinkSurvey() {
	if cap(t.quotes)*8 > Keep {
		t.quotes, t.odd = nil, nil
	}
}

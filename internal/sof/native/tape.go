package native

// nodeSize and slotSize are the bytes of a node and of a slot.
const (
	nodeSize = 20
	slotSize = 4
)

// keep is how many bytes of memory are kept from one line to the next.
const keep = 4 << 20

// hasRoom makes sure that the node of one more value fits, before the value at an
// offset of the line is read. It is false after a fault.
func (t *tape) hasRoom(at int) bool { return len(t.nodes) < cap(t.nodes) || t.growNodes(at) }

// growNodes makes room for more nodes; at is how much of the line has been read.
func (t *tape) growNodes(at int) bool {
	n := t.larger(cap(t.nodes), len(t.nodes)+1, at, nodeSize, len(t.slots)*slotSize)
	if n == 0 {
		return false
	}
	nodes := make([]node, len(t.nodes), n)
	copy(nodes, t.nodes)
	t.nodes = nodes
	return true
}

// growSlots makes room for the slots of one more object.
func (t *tape) growSlots(at, more int) bool {
	n := t.larger(cap(t.slots), len(t.slots)+more, at, slotSize, len(t.nodes)*nodeSize)
	if n == 0 {
		return false
	}
	slots := make([]int32, len(t.slots), n)
	copy(slots, t.slots)
	t.slots = slots
	return true
}

// larger returns how many elements of a size to make room for, at least so many
// as are needed, where other bytes are in use. It is 0 after a fault: they are too
// many.
func (t *tape) larger(old, needed, at, size, inUse int) int {
	const large = 1 << 20
	n := max(2*old, needed, 64)
	if old*size >= large {
		// A large line is many members like each other: what the rest of it needs
		// is known from what was read, and growing step by step would take twice
		// the memory.
		n = max(int(float64(needed)*float64(len(t.line))/float64(at+1)*1.05), old+old/4, needed)
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

// shrink gives up the memory that only a large line needs.
func (t *tape) shrink() {
	if cap(t.nodes)*nodeSize > keep {
		t.nodes = nil
	}
	if cap(t.slots)*slotSize > keep {
		t.slots = nil
	}
	t.shrinkSurvey()
}

// shrinkSurvey gives up what only reading a large line needs.
func (t *lexer) shrinkSurvey() {
	if cap(t.quotes)*8 > keep {
		t.quotes, t.odd = nil, nil
	}
}

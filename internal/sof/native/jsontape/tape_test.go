package jsontape

import (
	"strings"
	"testing"
)

// newTape returns a tape that keeps the members a and b of the outermost object.
func newTape(t *testing.T, most int) (*Tape, *Shape) {
	t.Helper()
	root := NewShape()
	root.Field("a")
	root.Field("b")
	layout, err := root.Freeze()
	if err != nil {
		t.Fatal(err)
	}
	tape := layout.NewTape(most, func(int) {}, nil)
	return &tape, root
}

func TestAShrunkTapeHoldsLittle(t *testing.T) {
	t.Parallel()
	tape, root := newTape(t, 80<<20)
	line := `{"a":["\n"` + strings.Repeat(`,"long\t"`, 1<<18) + `],"x":"` +
		strings.Repeat("x", 40<<20) + `"}`
	if tape.Read([]byte(line), root) < 0 {
		t.Fatal(tape.Fault())
	}
	tape.Shrink()
	for part, held := range map[string]int{
		"nodes": cap(tape.Nodes) * nodeSize, "slots": cap(tape.Slots) * slotSize,
		"quotes": cap(tape.quotes) * 8, "odd": cap(tape.odd) * 8,
	} {
		if held > Keep {
			t.Errorf("%s: %d bytes are held after a line of %d", part, held, len(line))
		}
	}
}

// Parts of a line can be read again, also of a line whose survey has been freed.
func TestReread(t *testing.T) {
	t.Parallel()
	tape, root := newTape(t, 80<<20)
	for _, fill := range []int{1, 40 << 20} {
		line := `{"x":"` + strings.Repeat("x", fill) + `","y":{"b":"c"}}`
		if tape.Read([]byte(line), root) < 0 {
			t.Fatal(tape.Fault())
		}
		at := strings.Index(line, `{"b"`)
		end, n := tape.Reread(at, root)
		if end != len(line)-1 || n < 0 {
			t.Fatal(tape.Fault())
		}
		b := tape.Nodes[tape.Slots[int(tape.Nodes[n].First)+root.SlotOf("b")]-1]
		if got := line[b.Start:b.End]; got != "c" || b.Kind != KindString {
			t.Errorf("%q", got)
		}
	}
}

func TestAFaultSaysWhereItIs(t *testing.T) {
	t.Parallel()
	tape, root := newTape(t, 1000)
	for line, want := range map[string]struct {
		offset int
		reason string
		limit  bool
	}{
		`{"a":tru}`:        {5, "expected a JSON value", false},
		`{"a":1,"a":2}`:    {7, "the same member twice", false},
		`{"a":1} x`:        {8, "text after the end of the JSON object", false},
		"{\"a\":\"\xff\"}": {6, "invalid UTF-8", false},
		`{"c":["\q"]}`:     {7, "unknown escape sequence", false},
		`[]`:               {0, "expected a JSON object", false},
		`{"a":[` + strings.Repeat("1,", 99) + `1]}`: {102, "the line is too large", true},
	} {
		n := tape.Read([]byte(line), root)
		offset, reason, limit := tape.Fault()
		if n >= 0 || offset != want.offset || reason != want.reason || limit != want.limit {
			t.Errorf("%s: %d, %q, %v", line, offset, reason, limit)
		}
	}
}

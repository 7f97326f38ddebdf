package records

import (
	"fmt"
	"slices"
	"strings"
)

// State is the state of an export.
type State string

// The states of an export, in the order of a successful one.
const (
	Requested State = "requested" // intent is in the journal; the server may or may not know
	Exporting State = "exporting" // the server exports; blobs land and are prepared
	Loading   State = "loading"   // every manifest is here; files are prepared and committed
	Loaded    State = "loaded"    // every file is in the ledger, the watermark has moved
	// Incomplete: every file is in the ledger, but the server reports that it could not export
	// everything. The watermarks of the affected types do not move.
	Incomplete State = "incomplete"
	Failed     State = "failed"    // needs a person; the cause is in the journal
	Cancelled  State = "cancelled" // a person ended it
)

// States lists every state.
var States = []State{Requested, Exporting, Loading, Loaded, Incomplete, Failed, Cancelled}

// moves lists all transitions of an export. A state may always stay the same.
var moves = map[State][]State{
	Requested:  {Exporting, Failed, Cancelled},
	Exporting:  {Loading, Failed, Cancelled},
	Loading:    {Loaded, Incomplete, Failed, Cancelled},
	Loaded:     {},
	Incomplete: {},
	Failed:     {},
	Cancelled:  {},
}

// Final reports whether an export in this state has ended and never changes again.
func (s State) Final() bool { return len(moves[s]) == 0 }

// UnmarshalText returns ErrNewer for a state that this version does not know.
func (s *State) UnmarshalText(text []byte) error {
	if *s = State(text); *s != "" && !slices.Contains(States, *s) {
		return Newer("one of the states")
	}
	return nil
}

// Committed reports whether every file from the server is in the tables.
func (s State) Committed() bool { return s == Loaded || s == Incomplete }

// May reports whether an export may move from state s to state next.
func (s State) May(next State) bool { return s == next || slices.Contains(moves[s], next) }

// Diagram draws the moves for the documentation, as Mermaid text.
func Diagram() string {
	var b strings.Builder
	b.WriteString("stateDiagram-v2\n")
	fmt.Fprintf(&b, "    [*] --> %s\n", Requested)
	for _, from := range States {
		for _, to := range moves[from] {
			fmt.Fprintf(&b, "    %s --> %s\n", from, to)
		}
		if from.Final() {
			fmt.Fprintf(&b, "    %s --> [*]\n", from)
		}
	}
	return b.String()
}

// Package records has the documents that the pipeline keeps in its journal, and everything
// that reads or changes them: their keys, the compare-and-swap, the moves between states, and
// what an operator asks (list, start, cancel, pause).
//
// It reaches no server, no lake and no table. The agents of package pipeline do the work and
// write here what they are about to do, and what they have done.
package records

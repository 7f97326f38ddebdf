// Package records holds the documents that the pipeline keeps in its journal, and everything
// that reads or changes them: their keys, the compare-and-swap, the moves between states, and
// the commands of an operator (list, start, cancel, pause).
//
// It reaches no server, no lake and no table. The agents of package pipeline do the work: they
// record here each intent before the act, and the result after it.
package records

// Package serverless is the warehouse on the serverless pool of Synapse, which has
// no tables of its own: the lines of a batch are published as files, and views
// read them.
//
//	<schema>/<Type>/part=<number>-<attempt>/<file>.lines   id, version, deleted, export and resource of each line
//	                                       /_ready.json    the part is whole
//	                                       /_done-<export>.json   the part is committed: its ledger
//
// The view _newest_<Type> gives the newest version of each id, tombstones hidden,
// of the parts that are whole: up to a bound, but for those that an attempt left
// unfinished. Moving the bound is one statement, so that all views of a type move
// together. The views of the plan read from it, by the bodies of package tsql.
//
// The order is: lines, _ready, the bound, _done. A batch that is published twice
// changes nothing, since the newest version of an id is one row. Two committers of
// one type are kept apart by the lease alone; should they meet, each moves the bound
// again until the listing stands still, so that none hides the other's part.
//
// The pool is not asked which lines won, so the ledger counts all resources of a
// file as applied.
package serverless

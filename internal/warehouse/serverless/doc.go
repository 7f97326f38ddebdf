// Package serverless is the warehouse on the serverless pool of Synapse, which has
// no tables of its own: the lines of a batch are published as files, and views
// read them.
//
//	<schema>/<Type>/part=<number>-<attempt>/<file>.lines   id, version, deleted, export and resource of each line
//	                                       /<file>.large   the same of resources that are too large for a snapshot
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
// Where it is asked for, the pool writes down the newest versions now and then:
//
//	<schema>/<Type>/snapshot=<number>-<attempt>/_intent.json   which parts it is to stand for
//	                                           /data/*.parquet written by the pool: tombstones, too, but nothing large
//	                                           /_ready.json    it is whole, and is read in place of those parts
//	                                           /_retired.json  a later one is read; removed after the grace period
//
// The parts stay, as the ledger and as what a snapshot can be made of again. A
// snapshot that fails changes nothing for readers and fails no commit; the next is
// tried after as many parts as after one that succeeds. What a try has left, files
// or an external table, a later one removes. Which snapshot is read follows from the
// listing, as the bound does, and moves in the same statement.
//
// The pool is not asked which lines won, so the ledger counts all resources of a
// file as applied.
package serverless

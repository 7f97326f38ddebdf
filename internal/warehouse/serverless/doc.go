// Package serverless implements the warehouse on the serverless pool of Synapse, which has no
// tables. The lines of a batch are published as files, and views read them.
//
//	<schema>/<Type>/part=<number>-<attempt>/
//	  <file>.lines          id, version, deleted, export and resource of each line
//	  <file>.large          the same of resources that are too large for a snapshot
//	  _ready.json           the part is whole
//	  _done-<export>.json   the part is committed: its ledger
//
// The view _newest_<Type> returns the newest version of each id without tombstones, from the
// complete parts up to a bound, except for parts of unfinished attempts. One statement moves the
// bound, so that all views of a type move together. The views of the plan read from it, with the
// SELECT bodies of package tsql.
//
// The order is: lines, _ready, the bound, _done. A batch that is published twice changes nothing,
// because the newest version of an id is one row. Only the lease separates two committers of one
// type. If they run at the same time, each moves the bound again until the listing does not change,
// so that neither hides the other's part.
//
// Optionally the pool writes the newest versions into a snapshot now and then:
//
//	<schema>/<Type>/snapshot=<number>-<attempt>/
//	  _intent.json     the parts that it replaces
//	  data/*.parquet   written by the pool: tombstones, too, but nothing large
//	  _ready.json      it is complete, and is read instead of those parts
//	  _retired.json    a later one is read; removed after the grace period
//
// The parts stay, as the ledger and as the source of later snapshots. A failed snapshot changes
// nothing for readers and fails no commit; the next try comes after the usual number of parts. A
// later try removes the files or external table of a failed one. Which snapshot is read follows
// from the listing, like the bound, and changes in the same statement.
//
// A plan with members also has, for each concluded export, the memberships so far:
//
//	<schema>/members/<requested>-<export>-<attempt>.lines   cohort, patient, from, to
//
// The view etl_cohort_member reads the last one by its name, so that an export that was requested
// earlier changes nothing. The view _cohort_<Type> is between _newest_<Type> and the views of the
// plan, and leaves out the resources of others.
//
// The pool does not report which lines won, so the ledger counts all resources of a file as
// applied.
package serverless

// Package statements writes the commit of a batch as T-SQL: the tables, the stage
// of an attempt, the transaction and the ledger, once for all engines with tables.
// What engines do differently is data, see [Engine]. It runs nothing.
//
// The order of a commit, and why it is right, is in docs/pipeline.md. In short:
// a staged line is one of a file, (_file, _line); winners are chosen inside the
// transaction, after the exclusion and after lines of files that the ledger has are
// dropped; every later statement reads only winners and stage.
//
// Columns of ours begin with an underscore, which a view's may not, except in the
// ledger, which has no others. There is no MERGE, no common table expression, no
// UPDATE .. FROM and no variable: not every engine has them. In DELETE .. IN
// (SELECT ..) the inner column is always qualified: a name that the inner table
// lacks would silently mean the outer table's, and empty it.
package statements

// Package statements generates the T-SQL of a commit: the tables, the stage of an attempt, the
// transaction and the ledger, for all engines with tables. Differences between engines are data,
// see [Engine]. The package runs nothing.
//
// docs/pipeline.md explains the order of a commit. In short: a staged line is identified by (_file,
// _line). Winners are chosen inside the transaction, after the exclusion and after the lines of
// known files are dropped. Later statements read only winners and stage.
//
// Reserved columns begin with an underscore, which a view's columns may not, except in the ledger,
// which has no view columns. MERGE, common table expressions, UPDATE .. FROM and variables are not
// used, because some engines lack them. In DELETE .. IN (SELECT ..) the inner column is always
// qualified: a name that the inner table lacks would refer to the outer table and empty it.
package statements

// Package tables runs the T-SQL of a commit on tables in memory, behind package
// sqlserver: an engine's stand-in for tests of what the statements do, not only of
// how they read.
//
// It is small and strict. A batch is parsed by sqlc-dev/teesql; a statement, a
// clause or a function that it does not know is an error, never a guess. Text is
// compared bytewise, as in the collation that our columns have; values must fit
// their columns; primary keys hold. Readers see what is committed, and what they
// wrote themselves, as under READ_COMMITTED_SNAPSHOT. Committers exclude each other
// by sp_getapplock, or by the row that they both update: the second waits for the
// first's end.
//
// It is no proof that a product takes a statement, or plans it well.
package tables

// Package tables runs the T-SQL of a commit on tables in memory, behind package sqlserver. It lets
// tests check the effect of the statements, not only their text.
//
// It is small and strict. sqlc-dev/teesql parses a batch; an unknown statement, clause or function
// is an error, never a guess. Text is compared bytewise, as in the collation of our columns; values
// must fit their columns; primary keys are enforced. Readers see committed data and their own
// changes, as under READ_COMMITTED_SNAPSHOT. Committers exclude each other by sp_getapplock, or by
// a row that both update: the second transaction waits for the end of the first.
//
// It does not prove that a product accepts a statement, or plans it well.
package tables

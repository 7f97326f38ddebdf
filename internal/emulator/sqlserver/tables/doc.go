// Package tables runs the T-SQL of a commit on tables in memory, behind package sqlserver. It lets
// tests check the effect of the statements, not only their text.
//
// It is small and strict. Package syntax parses a batch and package eval runs its queries; an
// unknown statement, clause or function is an error, never a guess. A column without a collation of
// its own has the default collation of the database, which disregards case except on Fabric. Values
// must fit their columns; primary keys are enforced. Readers see committed data and their own
// changes, as under READ_COMMITTED_SNAPSHOT. Committers exclude each other by sp_getapplock, or by
// a row that both update: the second transaction waits for the end of the first.
//
// It does not prove that a product accepts a statement, or plans it well.
package tables

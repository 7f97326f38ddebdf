// Package prepared is the prepared form of an NDJSON file: what prepare leaves in
// the staging area and commit puts into the tables.
//
//	<dir>/head.parquet      id, version, last_updated, deleted, line: one row a resource
//	<dir>/<table>.parquet   _id, _line, _version, and the view's columns: the rows of one view
//	<dir>.ndjson            in the quarantine area: the bad lines with their reasons
//
// The version is in every row so that a commit need not join the rows to the heads:
// of a file whose resources all win, they go into the table as they are.
//
// [Flattener] writes it, streaming and in parallel; [Heads] and [Rows] read it.
// The same input gives the same bytes. A file without rows does not exist.
//
// Where a line cannot be loaded it is counted and quarantined, and the rest goes
// on: it is no JSON, not valid UTF-8, over the limit, another resource type, or
// its id, its meta.lastUpdated or its meta.versionId cannot be used. Where a value
// does not fit the type of its column it becomes NULL and is counted. Decimals are
// computed from their text, without floats; digits beyond the scale are rounded
// half away from zero, as SQL does.
package prepared

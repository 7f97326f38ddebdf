// Package flatten defines the prepared form of an NDJSON file: prepare writes it to the staging
// area, and commit copies it into the tables.
//
//	<dir>/head.parquet      id, version, last_updated, deleted, line: one row per resource
//	<dir>/<table>.parquet   _id, _line, _version, and the view's columns: the rows of one view
//	<dir>.ndjson            in the quarantine area: the bad lines with their reasons
//
// Each row has the version, so that a commit need not join rows to heads: if all resources of a
// file win, its rows go into the table unchanged.
//
// [Flattener] writes the form, streaming and in parallel. [Heads] and [Rows] read it. The same
// input gives the same bytes. A file without rows is not written.
//
// A line that cannot be loaded is counted and quarantined, and the rest goes on: it is not JSON,
// not valid UTF-8, over the limit, of another resource type, or its id, meta.lastUpdated or
// meta.versionId is unusable. A value that does not fit its column's type becomes NULL and is
// counted. Decimals are computed from their text, without floats; digits beyond the scale are
// rounded half to even.
package flatten

// Package sqlserver is a stand-in for a SQL Server, for tests: the server side of
// TDS 7.4 as far as go-mssqldb speaks it, in this process and on loopback.
//
// It holds login by password, security token or directory token, SQL batches,
// remote procedure calls, transactions, bulk copy and cancellation. It has no TLS,
// no MARS and no SQL: what a batch answers is the business of a [Session], which
// the caller supplies. Every request is recorded, and faults are given: an error
// by number, or a connection cut before or after a request (see [Options]).
//
// What the protocol needs was read in MS-TDS; what the driver makes of it was seen.
package sqlserver

// Package sqlserver emulates a SQL Server, for tests: the server side of TDS 7.4 to the extent
// that go-mssqldb uses it, in this process and on loopback.
//
// It supports login by password, security token or directory token, SQL batches, remote procedure
// calls, transactions, bulk copy and cancellation. It does not support TLS, MARS or SQL: a
// [Session], which the caller supplies, answers batches. The server records every request, and
// tests can cause faults: an error by number, or a cut of the connection before or after a request
// (see [Options]).
//
// The implementation follows MS-TDS, and the observed behavior of the driver.
package sqlserver

// Package mssql is the warehouse on engines that speak T-SQL over TDS and have
// tables: SQL Server and Azure SQL, the dedicated pool of Synapse, Fabric. What it
// sends is written by package statements; this package connects, stages, runs the
// transaction, and says what errors mean.
//
// A commit uses one connection. Its stage is made outside of the transaction, in
// tables of the attempt alone. After any error the connection is dropped, which
// rolls back, and the next try reads the ledger first: so an answer that was lost
// on COMMIT is no second commit. A few tries happen here; what takes longer to pass
// is Transient, and the pipeline's business.
package mssql

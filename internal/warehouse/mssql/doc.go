// Package mssql implements the warehouse on engines with tables that speak T-SQL over TDS: SQL
// Server and Azure SQL, the dedicated pool of Synapse, Fabric. Package statements generates the
// SQL. This package connects, stages, runs the transaction and classifies errors.
//
// A commit uses one connection. Its stage is created outside of the transaction, in tables of the
// attempt. After any error the connection is dropped, which rolls back, and the next try reads the
// ledger first; so a lost answer to COMMIT does not cause a second commit. The package retries a
// few times. Errors that last longer are Transient, and the pipeline retries.
package mssql

// Package tds is how the warehouses that speak T-SQL reach their server: the
// connection string, the sign-in, one pinned connection for as long as it is used,
// and what the server's errors mean. It knows no statement.
package tds

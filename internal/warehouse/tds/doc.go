// Package tds connects the T-SQL warehouses to their server: connection string, sign-in, pinned
// connections and the classes of server errors. It contains no statements.
package tds

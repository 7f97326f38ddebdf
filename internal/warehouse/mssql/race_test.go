//go:build race

package mssql_test

// The race detector makes these tests many times slower. `make test` runs them without it too, and
// then at every request.
const stride = 3

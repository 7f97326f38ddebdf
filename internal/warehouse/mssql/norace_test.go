//go:build !race

package mssql_test

// stride is the distance between the requests at which a test breaks the connection. It is odd, so
// that requests before and after which it is cut take turns.
const stride = 1

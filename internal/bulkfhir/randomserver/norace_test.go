//go:build !race

package randomserver_test

// share divides the number of servers.
const share = 1

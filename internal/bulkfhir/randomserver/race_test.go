//go:build race

package randomserver_test

// The race detector makes exports many times slower. `make test` also runs all servers without it.
const share = 10

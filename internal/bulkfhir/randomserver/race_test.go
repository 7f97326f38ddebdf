//go:build race

package randomserver_test

// With the race detector an export takes many times as long; `make test` runs all
// servers without it, too.
const share = 10

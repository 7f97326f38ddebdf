//go:build race

package pipeline_test

// The race detector makes the tests many times slower. `make test` runs them without it too, and
// then at every call and in all histories.
const (
	share  = 10
	stride = 7
)

//go:build race

package pipeline_test

// The race detector makes histories ten times slower. `make test` also tries all without it.
const share = 10

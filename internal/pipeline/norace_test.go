//go:build !race

package pipeline_test

// share divides the number of histories that TestModel tries.
const share = 1

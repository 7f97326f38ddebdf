//go:build !race

package pipeline_test

const (
	// share divides the number of histories that TestModel tries.
	share = 1
	// stride is the distance of the calls at which a test breaks off.
	stride = 1
)

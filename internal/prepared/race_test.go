//go:build race

package prepared_test

// raceEnabled says that the race detector takes several times the memory.
const raceEnabled = true

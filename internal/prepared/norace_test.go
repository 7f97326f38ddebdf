//go:build !race

package prepared_test

const raceEnabled = false

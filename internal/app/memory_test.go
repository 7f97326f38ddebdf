package app

import (
	"runtime/debug"
	"testing"
)

// The process has one collector, so this test does not run in parallel with others.
func TestRoomIsGivenAndTakenBack(t *testing.T) { //nolint:paralleltest // as above
	percent := func() int {
		p := debug.SetGCPercent(100)
		debug.SetGCPercent(p)
		return p
	}
	was := percent()
	defer debug.SetGCPercent(was)
	for _, tt := range []struct {
		name           string
		environ        []string
		beside, behind int
	}{
		{"by itself", nil, garbageBesideTables, garbageOfFlattening},
		{"GOGC=70", []string{"GOGC=70"}, 70, 70},
	} {
		debug.SetGCPercent(tt.behind)
		given := 0
		done := makeRoom(tt.environ, func() { given++ })()
		if p := percent(); p != tt.beside || given != 1 {
			t.Errorf("%s: %d percent beside tables, room was given %d times", tt.name, p, given)
		}
		done()
		if p := percent(); p != tt.behind {
			t.Errorf("%s: %d percent afterwards", tt.name, p)
		}
	}
}

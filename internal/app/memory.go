package app

import (
	"runtime/debug"
	"strings"
)

// Garbage that the collector lets come together, in percent of the memory in use.
// Flattening makes much of it and has the memory to itself; a warehouse in this
// process takes what is left of 300 MiB.
const (
	garbageOfFlattening = 400
	garbageBesideTables = 100
	heapLimit           = 128 << 20
)

// tuneMemory trades memory that is there for time in the garbage collector, unless
// the environment decides.
func tuneMemory(environ []string) {
	if tuned(environ) {
		return
	}
	debug.SetGCPercent(garbageOfFlattening)
	debug.SetMemoryLimit(heapLimit)
}

func tuned(environ []string) bool {
	for _, pair := range environ {
		if strings.HasPrefix(pair, "GOGC=") || strings.HasPrefix(pair, "GOMEMLIMIT=") {
			return true
		}
	}
	return false
}

// makeRoom is warehouse.OpenOptions.MakeRoom for a process that tuneMemory has tuned.
func makeRoom(environ []string, giveUp func()) func() (done func()) {
	return func() func() {
		giveUp()
		if tuned(environ) {
			debug.FreeOSMemory()
			return func() {}
		}
		before := debug.SetGCPercent(garbageBesideTables)
		debug.FreeOSMemory()
		return func() { debug.SetGCPercent(before) }
	}
}

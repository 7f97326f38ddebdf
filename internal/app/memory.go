package app

import (
	"runtime/debug"
	"strings"
)

// Garbage that the collector lets accumulate, in percent of the memory in use, and the memory limit
// in bytes. Flattening makes much garbage and has the memory to itself; a warehouse in this process
// takes the rest of 300 MiB.
const (
	garbageOfFlattening = 400
	garbageBesideTables = 100
	heapLimit           = 128 << 20
)

// tuneMemory uses free memory to save time in the garbage collector, unless the environment sets
// GOGC or GOMEMLIMIT.
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

// makeRoom returns warehouse.OpenOptions.MakeRoom for a process that tuneMemory has tuned.
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

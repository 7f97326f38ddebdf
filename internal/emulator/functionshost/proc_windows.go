package functionshost

import (
	"os"
	"os/exec"
)

// isolate does nothing: Windows has no process groups of this kind.
func isolate(*exec.Cmd, bool) {}

// killGroup ends the handler.
func killGroup(pid int) {
	if p, err := os.FindProcess(pid); err == nil {
		_ = p.Kill()
	}
}

// ending returns false: unknown here.
func ending(int) bool { return false }

// peakMemory returns 0: unknown here.
func peakMemory(int) int64 { return 0 }

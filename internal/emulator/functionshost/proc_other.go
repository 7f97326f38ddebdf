//go:build unix && !linux

package functionshost

import (
	"os/exec"
	"syscall"
)

// isolate gives the handler its own process group. Only Linux can also tie its
// life to ours.
func isolate(cmd *exec.Cmd, _ bool) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// killGroup ends the handler and whatever it has started.
func killGroup(pid int) { _ = syscall.Kill(-pid, syscall.SIGKILL) }

// ending is unknown here.
func ending(int) bool { return false }

// peakMemory is unknown here.
func peakMemory(int) int64 { return 0 }

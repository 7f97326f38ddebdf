//go:build unix && !linux

package functionshost

import (
	"os/exec"
	"syscall"
)

// isolate sets a process group for the handler. Only Linux can also end it with our process.
func isolate(cmd *exec.Cmd, _ bool) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// killGroup ends the handler and all processes that it has started.
func killGroup(pid int) { _ = syscall.Kill(-pid, syscall.SIGKILL) }

// ending returns false: unknown here.
func ending(int) bool { return false }

// peakMemory returns 0: unknown here.
func peakMemory(int) int64 { return 0 }

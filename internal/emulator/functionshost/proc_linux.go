package functionshost

import (
	"bytes"
	"os"
	"os/exec"
	"strconv"
	"syscall"
)

// isolate sets a process group for the handler and, if tied is set, ends the handler with our
// process. Linux ties it to the thread that starts the child, see launch.
func isolate(cmd *exec.Cmd, tied bool) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if tied {
		cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	}
}

// killGroup ends the handler and all processes that it has started.
func killGroup(pid int) { _ = syscall.Kill(-pid, syscall.SIGKILL) }

// ending reports whether a process has ended, or has begun to end: Linux first releases its memory,
// then closes its files, and then notifies its parent.
func ending(pid int) bool {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	return err != nil || !bytes.Contains(text, []byte("VmHWM:"))
}

// peakMemory returns the largest resident size of a running process in bytes, or 0 if unknown. It
// does not use rusage after the end: Linux starts a child's maxrss with the value of its parent, as
// they share memory until exec.
func peakMemory(pid int) int64 {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0
	}
	_, after, ok := bytes.Cut(text, []byte("VmHWM:"))
	if !ok {
		return 0 // a zombie has none
	}
	f := bytes.Fields(after)
	if len(f) == 0 {
		return 0
	}
	kb, err := strconv.ParseInt(string(f[0]), 10, 64)
	if err != nil {
		return 0
	}
	return kb << 10
}

//go:build unix

package workdir

import (
	"errors"
	"os"
	"syscall"
)

// tryLock locks an open file unless it is locked already, by this process or another. File systems
// without locks return an error.
func tryLock(f *os.File) (held bool, err error) {
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}

//go:build unix

package workdir

import (
	"errors"
	"os"
	"syscall"
)

// tryLock locks an open file, unless another one has it locked, of this process too. The
// error is of file systems without locks.
func tryLock(f *os.File) (held bool, err error) {
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}

//go:build !unix

package workdir

import (
	"errors"
	"os"
)

// tryLock fails: without locks no folder is taken for abandoned.
func tryLock(*os.File) (held bool, err error) { return false, errors.ErrUnsupported }

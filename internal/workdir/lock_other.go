//go:build !unix

package workdir

import (
	"errors"
	"os"
)

// tryLock fails. Without locks no folder counts as abandoned.
func tryLock(*os.File) (held bool, err error) { return false, errors.ErrUnsupported }

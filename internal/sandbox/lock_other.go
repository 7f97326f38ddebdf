//go:build !unix

package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
)

const lockName = "lock"

// Lock keeps a second run out of dir while this process lives; unlock releases the lock.
func Lock(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	path := filepath.Join(dir, lockName)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf(
			"another demo runs in %s, or was killed there: wait for it, or delete %s", dir, path)
	}
	return func() { _ = f.Close(); _ = os.Remove(path) }, nil
}

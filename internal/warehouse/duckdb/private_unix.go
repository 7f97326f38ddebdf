//go:build unix

package duckdb

import (
	"sync"
	"syscall"
)

// makeFilesPrivate makes new files readable by their owner only. DuckDB creates its database, log
// and temporary files with mode 0666 less the umask.
var makeFilesPrivate = sync.OnceFunc(func() { syscall.Umask(0o077) })

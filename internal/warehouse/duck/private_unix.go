//go:build unix

package duck

import (
	"sync"
	"syscall"
)

// makeFilesPrivate has the process make files that only their owner may read. DuckDB
// makes its database, log and temporary files with the mode 0666 less the umask.
var makeFilesPrivate = sync.OnceFunc(func() { syscall.Umask(0o077) })

package duck

import (
	"os"
	"slices"
	"sync"
	"time"

	"fhirsynapse/internal/pipeline"
)

// ledgers remembers what the ledger said of the latest exports. Opening a database
// of a hundred tables takes as long as committing to it, and the pipeline asks
// before and after every commit.
//
// An answer is good as long as the file is the one that gave it. Should another
// process write at the same instant of the file's clock, an answer lacks its
// entries until the next write: the pipeline then sends a commit too many, which
// finds in its transaction that there is nothing to do.
type ledgers struct {
	mu   sync.Mutex
	kept []remembered
}

type remembered struct {
	schema, export string
	at             stamp
	entries        []pipeline.LedgerEntry
}

// mostLedgers bounds the memory: an export of 10,000 files has 2 MB of entries.
const mostLedgers = 4

// stamp tells one state of a database file from another.
type stamp struct {
	size     int64
	modified time.Time
}

// stampOf is the state of a file; false when there is none, or when part of it is
// still in the log beside it.
func stampOf(path string) (stamp, bool) {
	info, err := os.Stat(path)
	if err != nil {
		return stamp{}, false
	}
	if _, err := os.Stat(path + ".wal"); err == nil {
		return stamp{}, false
	}
	return stamp{info.Size(), info.ModTime()}, true
}

// look gives the entries of an export, if they are those of the file as it is.
func (l *ledgers) look(path, schema, export string) ([]pipeline.LedgerEntry, bool) {
	now, ok := stampOf(path)
	if !ok {
		return nil, false
	}
	return l.at(now, schema, export)
}

// at gives the entries that an export had in a state.
func (l *ledgers) at(state stamp, schema, export string) ([]pipeline.LedgerEntry, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.kept {
		if r.schema == schema && r.export == export && r.at == state {
			return slices.Clone(r.entries), true
		}
	}
	return nil, false
}

// learn takes over what was remembered while the file was being written, now that
// it is whole.
func (l *ledgers) learn(at stamp, from *ledgers) {
	from.mu.Lock()
	defer from.mu.Unlock()
	for _, r := range from.kept {
		l.remember(at, r.schema, r.export, r.entries)
	}
}

// remember keeps the entries that a file had in a state.
func (l *ledgers) remember(at stamp, schema, export string, entries []pipeline.LedgerEntry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kept = slices.DeleteFunc(l.kept, func(r remembered) bool { return r.schema == schema && r.export == export })
	l.kept = append(l.kept, remembered{schema, export, at, slices.Clone(entries)})
	if len(l.kept) > mostLedgers {
		l.kept = slices.Delete(l.kept, 0, 1)
	}
}

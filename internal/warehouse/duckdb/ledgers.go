package duckdb

import (
	"os"
	"slices"
	"sync"
	"time"

	"fhirsynapse/internal/pipeline"
)

// ledgers caches the ledger's answers for the latest exports. Opening a database of a hundred
// tables takes as long as committing to it, and the pipeline asks before and after every commit.
//
// An answer is valid while the file's stamp is unchanged. If another process writes at the same
// time stamp, an answer lacks its entries until the next write: the pipeline then sends a needless
// commit, whose transaction finds nothing to do.
type ledgers struct {
	mu   sync.Mutex
	kept []remembered
}

type remembered struct {
	schema, export string
	at             stamp
	entries        []pipeline.LedgerEntry
}

// mostLedgers bounds the memory. An export of 10,000 files has 2 MB of entries.
const mostLedgers = 4

// stamp identifies one state of a database file.
type stamp struct {
	size     int64
	modified time.Time
}

// stampOf returns the state of a file. It returns false if the file does not exist or if a part of
// it is still in the log.
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

// look returns the entries of an export, if they belong to the file's current state.
func (l *ledgers) look(path, schema, export string) ([]pipeline.LedgerEntry, bool) {
	now, ok := stampOf(path)
	if !ok {
		return nil, false
	}
	return l.at(now, schema, export)
}

// at returns the entries of an export in a state.
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

// learn copies the entries that were remembered while the file was being written.
func (l *ledgers) learn(at stamp, from *ledgers) {
	from.mu.Lock()
	defer from.mu.Unlock()
	for _, r := range from.kept {
		l.remember(at, r.schema, r.export, r.entries)
	}
}

// remember keeps the entries for a state of the file.
func (l *ledgers) remember(at stamp, schema, export string, entries []pipeline.LedgerEntry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kept = slices.DeleteFunc(l.kept, func(r remembered) bool {
		return r.schema == schema && r.export == export
	})
	l.kept = append(l.kept, remembered{schema, export, at, slices.Clone(entries)})
	if len(l.kept) > mostLedgers {
		l.kept = slices.Delete(l.kept, 0, 1)
	}
}

package onstart

import (
	"context"
	"path/filepath"
	"sync"

	"fhirsynapse/internal/batch"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/prepared"
)

// Files are the kinds that write a file a table.
func Files() Kinds {
	kinds := Kinds{}
	for _, format := range []prepared.Format{prepared.Parquet, prepared.CSV, prepared.NDJSON} {
		kinds[string(format)] = Kind{
			Places: func(rest string) (parent, quarantine string) {
				rest = filepath.Clean(rest)
				return filepath.Dir(rest), rest + ".quarantine"
			},
			Open: func(_ context.Context, s Site) (Target, error) { return filesTarget(s, format), nil },
		}
	}
	return kinds
}

// filesTarget takes note of what was prepared, and writes the tables from the files of
// the export when all have come.
func filesTarget(s Site, format prepared.Format) Target {
	return Target{
		Warehouse: &notes{ledger: map[[2]string]pipeline.LedgerEntry{}},
		Schema:    "main",
		Check:     func(context.Context) error { return nil },
		Finish: func(ctx context.Context, files string) error {
			x := batch.Extractor{
				Lake:      batch.NewFolders(files, filepath.Join(s.Work, "extract"), filepath.Join(s.Work, "bad")),
				Flattener: s.Flattener, Format: format, Dir: filepath.Clean(s.Request.Rest), Now: s.Now, Token: token,
				MaxBad: s.Request.MaxBad, Quarantine: s.Quarantine,
			}
			_, err := x.Extract(ctx)
			return err
		},
	}
}

// notes is a warehouse without tables: it keeps the ledger of one run.
type notes struct {
	mu     sync.Mutex
	ledger map[[2]string]pipeline.LedgerEntry
}

// Commit implements pipeline.Warehouse.
func (n *notes) Commit(_ context.Context, b pipeline.Batch) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, f := range b.Files {
		n.ledger[[2]string{b.Export, f.Path}] = pipeline.LedgerEntry{
			Path: f.Path, ETag: f.ETag, Type: b.Type, Lines: f.Done.Lines, Applied: f.Done.Heads,
			Filtered: f.Done.Filtered, Quarantined: f.Done.Quarantined, Blank: f.Done.Blank, Deleted: f.Done.Deleted,
		}
	}
	return nil
}

// Ledger implements pipeline.Warehouse.
func (n *notes) Ledger(_ context.Context, _, export string) ([]pipeline.LedgerEntry, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []pipeline.LedgerEntry
	for key, e := range n.ledger {
		if key[0] == export {
			out = append(out, e)
		}
	}
	return out, nil
}

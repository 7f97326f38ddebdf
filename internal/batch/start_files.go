package batch

import (
	"context"
	"sync"

	"fhirsynapse/internal/pipeline"
)

// startFiles exports into files, one for each table. It records the prepared files, and writes the
// tables from the files of the export when all have arrived.
func startFiles(
	ctx context.Context, x Exporter, work string, tables Extractor,
) (ExportResult, error) {
	if err := room(work); err != nil {
		return ExportResult{}, unusable(err)
	}
	x.Warehouse = &notes{ledger: map[[2]string]pipeline.LedgerEntry{}}
	result, err := x.Export(ctx)
	if err == nil {
		_, err = tables.Extract(ctx)
	}
	return result, err
}

// notes is a warehouse without tables, which keeps the ledger of one run.
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
			Path: f.Path, ETag: f.ETag, Type: b.Type,
			Counts: f.Done.Counts(f.Done.Heads, f.Done.Deleted),
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

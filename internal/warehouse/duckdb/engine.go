package duckdb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/warehouse"
)

// Scheme is the scheme of DuckDB in the setting Warehouse.
const Scheme = "duckdb"

// Engine returns the engine of DuckDB files.
func Engine() warehouse.Engine { return engine{} }

type engine struct{}

// parseAddress splits an address into the file and DuckDB's memory limit, if given.
func parseAddress(address string) (path, memory string) {
	path, memory, _ = strings.Cut(address, "?memory_limit=")
	return path, memory
}

// Local implements warehouse.Engine. Temporary files and bad lines stay in the folder of the
// database file, on the same disk.
func (engine) Local(address string) (warehouse.Local, bool) {
	file, _ := parseAddress(filepath.Clean(address))
	return warehouse.Local{
		Schema: "main", Dir: filepath.Dir(file), Quarantine: file + ".quarantine",
	}, true
}

// Open implements warehouse.Engine.
func (engine) Open(address string, r warehouse.OpenOptions) (to warehouse.Opened, err error) {
	if r.EngineTransforms {
		return to, fault.Permanentf(
			"WarehouseTransform: DuckDB makes no rows of views: set it to native")
	}
	path, memory := parseAddress(address)
	w, err := Open(Options{
		Path: path, MemoryLimit: memory, Lake: r.Lake, Views: r.Views.Tables, TempDir: r.TempDir,
		Patience: r.Patience,
		MakeRoom: r.MakeRoom, Now: r.Now, Log: r.Log,
	})
	if err != nil {
		return to, err
	}
	return warehouse.Opened{Warehouse: w, Concluder: w, Tables: w, Beside: w, Hold: w.Keep}, nil
}

// Close implements warehouse.Tables. It does nothing, because each commit closes the database file.
func (w *Warehouse) Close() error { return nil }

// Check opens the database file for writing and closes it, if it exists. It fails if another
// process still uses the file after Options.Patience, or if the file cannot be written.
func (w *Warehouse) Check(ctx context.Context, _ string) error {
	there, err := exists(w.given)
	if err != nil || !there {
		return err
	}
	if err := CheckFile(w.given); err != nil {
		return err
	}
	waiting, stop := context.WithTimeout(ctx, w.o.Patience)
	defer stop()
	tick := time.NewTicker(retryEvery)
	defer tick.Stop()
	for {
		err := w.write(ctx, "check", func(*session, *database) error { return nil })
		if err == nil || fault.Of(err) != fault.Transient || waiting.Err() != nil {
			return err
		}
		select {
		case <-waiting.Done():
			return err
		case <-tick.C:
		}
	}
}

// exists reports whether the file exists. A folder of that name is an error.
func exists(path string) (bool, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return false, nil
	case err != nil:
		return false, fault.Permanentf("open database: %w", err)
	case info.IsDir():
		return false, fault.Permanentf("open database: %s is a folder: name a file", path)
	}
	return true, nil
}

// CheckFile refuses a file that does not begin like a DuckDB file. DuckDB returns the same error
// for a file in use, which is worth waiting for. An empty file passes, because a writer is about to
// fill it.
func CheckFile(path string) error {
	// The main header of the storage format: a checksum of eight bytes, then this.
	const magic, at = "DUCK", 8
	f, err := os.Open(path)
	if err != nil {
		return fault.Permanentf("open database: %w", err)
	}
	var head [at + len(magic)]byte
	n, err := io.ReadFull(f, head[:])
	if err := errors.Join(err, f.Close()); n == 0 && errors.Is(err, io.EOF) ||
		n == len(head) && string(head[at:]) == magic {
		return nil
	} else if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return fault.Permanentf("open database %s: %w", path, err)
	}
	return fault.Permanentf("open database: %s is not a DuckDB file", path)
}

// countWait bounds Rows' wait for another writing process.
const countWait = 5 * time.Second

// Rows implements warehouse.Tables.
func (w *Warehouse) Rows(
	ctx context.Context, schema, export string, tables map[string]int64,
) (map[string]int64, error) {
	rows := map[string]int64{}
	var counts []string
	for table := range tables {
		rows[table] = 0
		counts = append(counts, fmt.Sprintf("SELECT %s, count(*) FROM %s.%s WHERE %s = %s",
			text(table), name(schema), name(table), name(warehouse.ExportColumn), text(export)))
	}
	if len(counts) == 0 {
		return rows, nil
	}
	answer, err := Query(ctx, w.o.Path, strings.Join(counts, " UNION ALL "), countWait)
	if err != nil {
		return rows, fmt.Errorf("count the rows: %w", err)
	}
	for answer.Next() {
		var table string
		var n int64
		if err := answer.Scan(&table, &n); err != nil {
			return rows, errors.Join(fmt.Errorf("count the rows: %w", err), answer.Close())
		}
		rows[table] = n
	}
	return rows, errors.Join(answer.Err(), answer.Close())
}

package duckdb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"fhirsynapse/internal/fault"
)

// retryEvery is the interval of Query's tries while another process writes.
const retryEvery = 100 * time.Millisecond

// Rows is the result of a query. The database stays open until Close.
type Rows struct {
	*sql.Rows
	db      *database
	release func()
}

// Close ends the query and closes the database.
func (r *Rows) Close() error {
	err := errors.Join(r.Rows.Close(), r.db.close())
	r.release()
	return err
}

// Query runs one statement on the database file at path, opened for reading. It waits up to wait
// while another process writes; the error then names that process and is Transient. Table names
// need no schema if they are unambiguous. The caller closes the rows, which keep using ctx.
func Query(ctx context.Context, path, query string, wait time.Duration) (*Rows, error) {
	db, release, err := openFile(ctx, path, wait)
	if err != nil {
		return nil, err
	}
	rows, err := db.query(ctx, query) //nolint:rowserrcheck // the caller reads them
	if err != nil {
		err = errors.Join(err, db.close())
		release()
		return nil, err
	}
	return &Rows{rows, db, release}, nil
}

// openFile opens a database file for reading. It waits up to wait while another process writes. The
// caller closes the database, then calls release.
func openFile(
	ctx context.Context, path string, wait time.Duration,
) (db *database, release func(), err error) {
	path, err = filepath.Abs(path)
	if err != nil {
		return nil, nil, fmt.Errorf("find database: %w", err)
	}
	waiting, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	release, err = lockPath(waiting, path, shared)
	if err != nil {
		return nil, nil, fault.Transientf("this process is writing to the database: %w", err)
	}
	db, err = openWaiting(ctx, waiting, path)
	if err != nil {
		release()
		return nil, nil, err
	}
	return db, release, nil
}

// openWaiting opens the database for reading and retries while it is in use.
func openWaiting(ctx, waiting context.Context, path string) (*database, error) {
	tick := time.NewTicker(retryEvery)
	defer tick.Stop()
	for {
		db, err := openReader(ctx, path)
		if err == nil || fault.Of(err) != fault.Transient || ctx.Err() != nil {
			return db, err
		}
		select {
		case <-waiting.Done():
			return nil, err
		case <-tick.C:
		}
	}
}

func openReader(ctx context.Context, path string) (*database, error) {
	db, err := openDatabase(ctx, settings{})
	if err != nil {
		return nil, err
	}
	if err := db.attach(ctx, path, attached, readOnly); err != nil {
		return nil, errors.Join(err, db.close())
	}
	return db, nil
}

func (db *database) query(ctx context.Context, query string) (*sql.Rows, error) {
	schemas, err := db.strings(ctx,
		"SELECT schema_name FROM duckdb_schemas() WHERE database_name = ? AND NOT internal ORDER BY schema_name <> 'main', schema_name", attached)
	if err != nil {
		return nil, fmt.Errorf("read the schemas: %w", err)
	}
	search := []string{attached + ".main"}
	for _, s := range schemas {
		if s != "main" {
			search = append(search, attached+"."+name(s))
		}
	}
	if _, err := db.ExecContext(ctx, "USE "+attached); err != nil {
		return nil, classified(err)
	}
	if _, err := db.ExecContext(ctx,
		"SET search_path = "+text(strings.Join(search, ","))); err != nil {
		return nil, classified(err)
	}
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("query: %w", classified(err))
	}
	return rows, nil
}

// strings returns the first column of a query.
func (db *database) strings(
	ctx context.Context, query string, args ...any,
) (out []string, err error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, classified(err)
	}
	defer rows.Close()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, rows.Err()
}

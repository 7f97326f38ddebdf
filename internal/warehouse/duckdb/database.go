package duckdb

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	driver "github.com/duckdb/duckdb-go/v2"
	"golang.org/x/sync/semaphore"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/workdir"
)

// attached is the name of the database file inside a connection. The connection's own database is
// in memory and holds the temporary tables.
const attached = "w"

// settings configure a DuckDB instance.
type settings struct {
	memoryLimit string
	threads     int
	tempDir     string
	now         time.Time // decides which unlocked folders are old
}

// database is a connection to a DuckDB instance.
type database struct {
	pool  *sql.DB      // set on the instance's first connection only
	spill *workdir.Dir // spilled data; set on the first connection only
	*sql.Conn
}

// spillPrefix begins the names of the folders for spilled data.
const spillPrefix = "fhirsynapse-duckdb-"

func openDatabase(ctx context.Context, s settings) (_ *database, err error) {
	makeFilesPrivate()
	q := url.Values{
		// Extensions are never downloaded: the build contains all that are needed.
		"autoinstall_known_extensions": {"false"},
		"autoload_known_extensions":    {"false"},
		"preserve_insertion_order":     {"false"},
	}
	if s.memoryLimit != "" {
		q.Set("memory_limit", s.memoryLimit)
	}
	if s.threads > 0 {
		q.Set("threads", strconv.Itoa(s.threads))
	}
	// Instances use the same names for spilled files, so each has its own folder.
	spill, err := workdir.Make(cmp.Or(s.tempDir, os.TempDir()), spillPrefix, s.now)
	if err != nil {
		return nil, fmt.Errorf("start DuckDB: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, spill.Remove())
		}
	}()
	q.Set("temp_directory", filepath.Join(spill.Path(), "spill"))
	connector, err := driver.NewConnector("?"+q.Encode(), nil)
	if err != nil {
		return nil, fault.Permanentf("start DuckDB: %w", err)
	}
	pool := sql.OpenDB(connector)
	pool.SetMaxIdleConns(-1) // closing a connection ends what it has left open
	conn, err := pool.Conn(ctx)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start DuckDB: %w", err), pool.Close())
	}
	if _, err := conn.ExecContext(ctx, cheapTexts); err != nil {
		return nil, errors.Join(fmt.Errorf("start DuckDB: %w", classified(err)), conn.Close(),
			pool.Close())
	}
	return &database{pool: pool, spill: spill, Conn: conn}, nil
}

// cheapTexts leaves repeated texts to dictionaries and stores others plainly, because the search
// for better forms took most of a commit's processor time. Without dictionaries the file would be
// more than twice as large, and writing it would cost what they save.
const cheapTexts = "SET disabled_compression_methods = 'fsst,dict_fsst,zstd'"

// close ends the connection. The first connection also ends the instance, which writes the rest of
// the log into the files.
func (db *database) close() error {
	err := db.Close()
	if db.pool != nil {
		err = errors.Join(err, db.pool.Close(), db.spill.Remove())
	}
	if err != nil {
		return fmt.Errorf("close the database: %w", classified(err))
	}
	return nil
}

// beside opens another connection to the instance, with its own temporary tables.
func (db *database) beside(ctx context.Context) (*database, error) {
	conn, err := db.pool.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect to DuckDB: %w", classified(err))
	}
	return &database{Conn: conn}, nil
}

type mode int

const (
	readWrite mode = iota
	readOnly
)

// rowGroup is the number of rows that DuckDB keeps uncompressed per written table. The default,
// 122,880, needs too much memory for wide tables; three times this value is no faster.
const rowGroup = 10240

// blockSize is the block size of a new database file. Every column of every table in a transaction
// holds at least one block in memory; DuckDB's default, 262,144, needs 100 MB for the tables of one
// resource type.
const blockSize = 32768

// attach opens a database file. A lock by another process is a Transient error.
func (db *database) attach(ctx context.Context, path, as string, m mode) error {
	options := fmt.Sprintf("ROW_GROUP_SIZE %d", rowGroup)
	if m == readOnly {
		options = "READ_ONLY"
	} else if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) { //nolint:gosec // the database that the person names
		options += fmt.Sprintf(", BLOCK_SIZE %d", blockSize)
	}
	_, err := db.ExecContext(ctx, "ATTACH "+text(path)+" AS "+name(as)+" ("+options+")")
	if err == nil {
		return nil
	}
	return attachError(ctx, path, m, err)
}

func attachError(ctx context.Context, path string, m mode, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if typeOf(err) != driver.ErrorTypeIO {
		return fmt.Errorf("open database %s: %w", path, classified(err))
	}
	// DuckDB has one error for all refusals of the operating system.
	flag := os.O_RDWR
	if m == readOnly {
		flag = os.O_RDONLY
	}
	if cause := probe(path, flag, m); errors.Is(cause, os.ErrPermission) ||
		errors.Is(cause, os.ErrNotExist) {
		return fault.Permanentf("open database: %w", cause)
	}
	return fault.Transientf("database %s is in use by another process, or is not a DuckDB file: %w",
		path, err)
}

// probe asks the operating system about a file that DuckDB could not open. It closes no file that
// this process may have locked, because POSIX would drop the lock.
func probe(path string, flag int, m mode) error {
	if _, err := os.Stat(path); err != nil { //nolint:gosec // the database that the person names
		return err
	}
	if m == readOnly {
		return nil
	}
	f, err := os.OpenFile(path, flag, 0) //nolint:gosec // the database that the person names
	if err != nil {
		return err
	}
	return f.Close()
}

// typeOf returns DuckDB's code of an error.
func typeOf(err error) driver.ErrorType {
	var d *driver.Error
	if errors.As(err, &d) {
		return d.Type
	}
	return driver.ErrorTypeInvalid
}

// classified sets the class of a DuckDB error. Invalid statements are Permanent; errors of the
// machine may pass.
func classified(err error) error {
	switch typeOf(err) {
	case driver.ErrorTypeCatalog, driver.ErrorTypeBinder, driver.ErrorTypeParser,
		driver.ErrorTypeSyntax, driver.ErrorTypeConversion,
		driver.ErrorTypeInvalidInput, driver.ErrorTypeNotImplemented, driver.ErrorTypeConstraint,
		driver.ErrorTypeMismatchType:
		return &fault.Error{Class: fault.Permanent, Err: err}
	case driver.ErrorTypeOutOfMemory: // the limit is our setting, so a retry does not help
		return &fault.Error{
			Class: fault.Permanent, Err: err,
			Remedy: "raise the memory limit of DuckDB: duckdb:FILE?memory_limit=256MB",
		}
	default: // may pass
		return err
	}
}

// name quotes an identifier, text a literal.
func name(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
func text(s string) string { return `'` + strings.ReplaceAll(s, `'`, `''`) + `'` }

// A path allows several readers or one writer. DuckDB uses a POSIX lock, which does not separate
// readers and writers of one process.
const (
	shared = 1
	alone  = 1 << 20
)

var paths = struct {
	sync.Mutex
	locks map[string]*semaphore.Weighted
}{locks: map[string]*semaphore.Weighted{}}

func lockPath(ctx context.Context, path string, weight int64) (release func(), err error) {
	paths.Lock()
	l := paths.locks[path]
	if l == nil {
		l = semaphore.NewWeighted(alone)
		paths.locks[path] = l
	}
	paths.Unlock()
	if err := l.Acquire(ctx, weight); err != nil {
		return nil, fmt.Errorf("wait for database %s: %w", path, err)
	}
	return func() { l.Release(weight) }, nil
}

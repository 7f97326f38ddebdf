package desk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"fhirsynapse/internal/app"
	"fhirsynapse/internal/cli"
	"fhirsynapse/internal/cli/onduck"
	"fhirsynapse/internal/warehouse/duck"
)

// queryPatience is how long a look into the database waits for the handler.
const queryPatience = 10 * time.Second

// rowsPerTable counts the rows of the tables of each resource type.
func rowsPerTable(ctx context.Context, file string) (map[string][]tableRows, error) {
	views, err := app.Views("")
	if err != nil {
		return nil, err
	}
	tables, err := views.Tables(planName)
	if err != nil {
		return nil, err
	}
	out := map[string][]tableRows{}
	for _, t := range tables {
		n, err := count(ctx, file, t.Name)
		if err != nil {
			return nil, err
		}
		if n >= 0 {
			out[t.Resource] = append(out[t.Resource], tableRows{t.Name, n})
		}
	}
	return out, nil
}

type tableRows struct {
	table string
	rows  int64
}

// count is -1 for a table that is not there.
func count(ctx context.Context, file, table string) (n int64, err error) {
	there, err := number(ctx, file, fmt.Sprintf("SELECT count(*) FROM information_schema.tables WHERE table_schema = '%s' AND table_name = '%s'", schema, table))
	if err != nil || there == 0 {
		return -1, err
	}
	return number(ctx, file, fmt.Sprintf(`SELECT count(*) FROM "%s"."%s"`, schema, table))
}

func number(ctx context.Context, file, query string) (n int64, err error) {
	rows, err := duck.Query(ctx, file, query, queryPatience)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := rows.Scan(&n); err != nil {
			return 0, err
		}
	}
	return n, rows.Err()
}

// sameAsFresh loads the NDJSON files of present into a database of its own and
// holds the tables of file against it.
func sameAsFresh(ctx context.Context, present, file string) error {
	fresh := filepath.Join(filepath.Dir(file), "fresh.duckdb")
	if err := os.RemoveAll(fresh); err != nil {
		return err
	}
	load := onduck.Loader(time.Now)
	if _, err := load(ctx, cli.LoadRequest{Dir: present, Scheme: onduck.Scheme, Rest: fresh, Schema: schema, Progress: unseen{}}); err != nil {
		return fmt.Errorf("load the server's present data afresh: %w", err)
	}
	differences, err := duck.Compare(ctx, file, fresh, schema)
	if err != nil {
		return err
	}
	var wrong []error
	for _, d := range differences {
		if !d.Equal() {
			wrong = append(wrong, fmt.Errorf("table %s has %d rows, a fresh load %d; %d are only here, %d only there %v", d.Table, d.A, d.B, d.OnlyA, d.OnlyB, d.Columns))
		}
	}
	return errors.Join(wrong...)
}

// unseen is the progress of a load that nobody watches.
type unseen struct{}

func (unseen) Total(int64) {}
func (unseen) Add(int64)   {}

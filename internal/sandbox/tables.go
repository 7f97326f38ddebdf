package sandbox

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"fhirsynapse/internal/app"
	"fhirsynapse/internal/batch"
	"fhirsynapse/internal/emulator/fhirserver/store"
	"fhirsynapse/internal/warehouse/duck"
	"fhirsynapse/internal/warehouse/open/local"
)

// queryPatience is how long a look into the database waits for the handler.
const queryPatience = 10 * time.Second

// rowsPerTable counts the rows of the tables of each resource type; a table that
// is not there yet has none.
func rowsPerTable(ctx context.Context, file string) (map[string][]tableRows, error) {
	views, err := app.Views("")
	if err != nil {
		return nil, err
	}
	tables, err := views.Tables(planName)
	if err != nil {
		return nil, err
	}
	resource := map[string]string{}
	for _, t := range tables {
		resource[t.Name] = t.Resource
	}
	names, err := ask(ctx, file, "SELECT table_name, 0 FROM information_schema.tables WHERE table_schema = '"+schema+"' ORDER BY table_name")
	if err != nil {
		return nil, err
	}
	var queries []string
	for _, t := range names {
		if resource[t.table] != "" {
			queries = append(queries, fmt.Sprintf(`SELECT '%[1]s', count(*) FROM "%[2]s"."%[1]s"`, t.table, schema))
		}
	}
	rows := map[string]int64{}
	if len(queries) > 0 {
		counts, err := ask(ctx, file, strings.Join(queries, " UNION ALL "))
		if err != nil {
			return nil, err
		}
		for _, t := range counts {
			rows[t.table] = t.rows
		}
	}
	out := map[string][]tableRows{}
	for _, name := range slices.Sorted(maps.Keys(resource)) {
		out[resource[name]] = append(out[resource[name]], tableRows{table: name, rows: rows[name]})
	}
	return out, nil
}

type tableRows struct {
	table string
	rows  int64
}

// ask gives the rows of a query for names and numbers.
func ask(ctx context.Context, file, query string) (out []tableRows, err error) {
	rows, err := duck.Query(ctx, file, query, queryPatience)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var t tableRows
		if err := rows.Scan(&t.table, &t.rows); err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, rows.Err()
}

// SameAsFresh loads the server's present data into a database of its own, in the
// folder work, and holds the tables of file against it.
func SameAsFresh(ctx context.Context, data *store.Store, file, work string) error {
	present := filepath.Join(work, "present")
	fresh := filepath.Join(work, "fresh.duckdb")
	if err := errors.Join(os.RemoveAll(present), os.RemoveAll(fresh)); err != nil {
		return err
	}
	if _, err := data.Dump(present); err != nil {
		return fmt.Errorf("dump the server's present data: %w", err)
	}
	runner := batch.Runner{Engines: local.Engines(), Now: time.Now}
	if _, err := runner.Load(ctx, batch.LoadRequest{Dir: present, Scheme: duck.Scheme, Rest: fresh, Schema: schema, MaxBad: 1, Progress: unseen{}}); err != nil {
		return fmt.Errorf("load the server's present data afresh: %w", err)
	}
	if err := os.RemoveAll(present); err != nil {
		return err
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
func (unseen) Bad(int64)   {}

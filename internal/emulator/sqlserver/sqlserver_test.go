package sqlserver_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	mssql "github.com/microsoft/go-mssqldb"
	"github.com/microsoft/go-mssqldb/msdsn"

	"fhirsynapse/internal/emulator/sqlserver"
)

// table has a column of every type that the server supports.
var table = []sqlserver.Column{
	{Name: "a]b", Type: "nvarchar(max)"},
	{Name: "id", Type: "varchar(64)"},
	{Name: "key", Type: "char(4)"},
	{Name: "short", Type: "nvarchar(10)"},
	{Name: "big", Type: "bigint"},
	{Name: "small", Type: "int"},
	{Name: "is", Type: "bit"},
	{Name: "day", Type: "date"},
	{Name: "at", Type: "datetime2(3)"},
	{Name: "number", Type: "decimal(38, 12)"},
	{Name: "money", Type: "decimal(9, 2)"},
}

// double is a session that takes its answers from the texts of the requests.
type double struct {
	mu     *sync.Mutex
	copied *[][]any
	open   *bool
}

func (d double) Batch(_ context.Context, text string, parameters []any) (sqlserver.Result, error) {
	switch word, rest, _ := strings.Cut(text, " "); word {
	case "BEGIN", "COMMIT", "ROLLBACK":
		*d.open = word == "BEGIN"
		return sqlserver.Result{}, nil
	case "ECHO":
		return sqlserver.Result{
			Columns: []sqlserver.Column{
				{Name: "text", Type: "nvarchar(max)"}, {Name: "n", Type: "bigint"},
			},
			Rows: [][]any{{rest + fmt.Sprint(parameters), 42}, {nil, nil}},
		}, nil
	case "STORED":
		d.mu.Lock()
		defer d.mu.Unlock()
		return sqlserver.Result{Columns: table, Rows: *d.copied}, nil
	}
	return sqlserver.Result{Affected: 3}, nil
}

func (d double) Columns(_ context.Context, name string) ([]sqlserver.Column, error) {
	if name != "[s].[t]" {
		return nil, &sqlserver.Error{Number: 208, Message: "Invalid object name '" + name + "'."}
	}
	return table, nil
}

func (d double) Copy(
	_ context.Context, _ string, _ []string, rows iter.Seq2[[]any, error],
) (n int64, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for row, err := range rows {
		if err != nil {
			return n, err
		}
		n++
		if len(*d.copied) < 10 {
			*d.copied = append(*d.copied, row)
		}
	}
	return n, nil
}

func (d double) Transaction() bool { return *d.open }

func (d double) Close() { *d.open = false }

func start(t *testing.T, o sqlserver.Options) *sqlserver.Server {
	t.Helper()
	var mu sync.Mutex
	var copied [][]any
	if o.Sessions == nil {
		o.Sessions = func(string) sqlserver.Session { return double{&mu, &copied, new(bool)} }
	}
	s, err := sqlserver.Listen(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func open(t *testing.T, s *sqlserver.Server) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlserver", s.URL("someone", "secret", "pool"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func TestBatchesCallsAndRows(t *testing.T) {
	t.Parallel()
	s := start(t, sqlserver.Options{Login: func(l sqlserver.Login) *sqlserver.Error {
		if l.User != "someone" || l.Password != "secret" || l.Database != "pool" {
			return &sqlserver.Error{Number: 18456, Message: "Login failed."}
		}
		return nil
	}})
	db := open(t, s)
	long := strings.Repeat("é東😀 ", 9000)
	for want, args := range map[string][]any{
		long + "[]": nil, long + "[x 5 <nil> true]": {"x", 5, nil, true},
	} {
		if d := cmp.Diff([]any{want, int64(42), nil, nil},
			echoed(t, db, "ECHO "+long, args...)); d != "" {
			t.Errorf("cells (-want +got):\n%.1000s", d)
		}
	}
	r, err := db.ExecContext(t.Context(), "INSERT x")
	if err != nil {
		t.Fatal(err)
	}
	if n, err := r.RowsAffected(); n != 3 || err != nil {
		t.Errorf("affected %d, %v", n, err)
	}
}

// echoed returns the cells of all rows, one after the other.
func echoed(t *testing.T, db *sql.DB, text string, args ...any) (cells []any) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), text, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var text, n any
		if err := rows.Scan(&text, &n); err != nil {
			t.Fatal(err)
		}
		cells = append(cells, text, n)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return cells
}

func TestBulkCopyOfEveryType(t *testing.T) {
	t.Parallel()
	s := start(t, sqlserver.Options{})
	db := open(t, s)
	at := time.Date(2024, 2, 29, 23, 59, 59, 999e6, time.UTC)
	day := time.Date(1969, 12, 31, 0, 0, 0, 0, time.UTC)
	long := strings.Repeat("é東😀", 20000)
	rows := [][]any{
		{
			long, "a.b-1", "key1", "\x01\n\t", int64(-9223372036854775808), int64(-2147483648),
			true, day, at, "-99999999999999999999999999.999999999999", "1234567.89",
		},
		{
			"", "", "", "", int64(0), int64(0), false, time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC),
			time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC), "0.000000000001", "-0.01",
		},
		make([]any, len(table)),
	}
	var names []string
	for _, c := range table {
		names = append(names, c.Name)
	}
	copyIn := func(table string) (int64, error) {
		stmt, err := db.PrepareContext(t.Context(),
			mssql.CopyIn(table, mssql.BulkOptions{Tablock: true}, names...))
		if err != nil {
			return 0, err
		}
		defer stmt.Close() //nolint:errcheck // the copy's own error counts
		for _, row := range rows {
			if _, err := stmt.ExecContext(t.Context(), row...); err != nil {
				return 0, err
			}
		}
		r, err := stmt.ExecContext(t.Context())
		if err != nil {
			return 0, err
		}
		return r.RowsAffected()
	}
	if n, err := copyIn("s.t"); n != 3 || err != nil {
		t.Fatalf("copied %d, %v", n, err)
	}
	var e mssql.Error
	if _, err := copyIn("s.other"); !errors.As(err, &e) || e.Number != 208 {
		t.Errorf("a table that is not there: %v", err)
	}
	back, err := db.QueryContext(t.Context(), "STORED")
	if err != nil {
		t.Fatal(err)
	}
	defer back.Close()
	for i := 0; back.Next(); i++ {
		got := make([]any, len(table))
		to := make([]any, len(table))
		for c := range got {
			to[c] = &got[c]
		}
		if err := back.Scan(to...); err != nil {
			t.Fatal(err)
		}
		for c, v := range got {
			if raw, ok := v.([]byte); ok {
				got[c] = string(raw) // the driver returns decimals in this form
			}
		}
		if d := cmp.Diff(rows[i], got); d != "" {
			t.Errorf("row %d (-sent +stored):\n%.2000s", i, d)
		}
	}
	if err := back.Err(); err != nil {
		t.Fatal(err)
	}
}

func TestTransactionsAreSeenToTheirEnd(t *testing.T) {
	t.Parallel()
	s := start(t, sqlserver.Options{})
	db := open(t, s)
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, n := s.Open(); n != 1 {
		t.Errorf("%d transactions are open, want 1", n)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	c, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i, text := range []string{"BEGIN TRANSACTION", "ROLLBACK TRANSACTION"} {
		if _, err := c.ExecContext(t.Context(), text); err != nil {
			t.Fatal(err)
		}
		if _, n := s.Open(); n != 1-i {
			t.Errorf("%d transactions are open after %s", n, text)
		}
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	next := map[string]sqlserver.Fault{}
	s := start(t, sqlserver.Options{Faults: func(r sqlserver.Request) sqlserver.Fault {
		mu.Lock()
		defer mu.Unlock()
		f := next[r.Text]
		delete(next, r.Text)
		return f
	}})
	inject := func(text string, f sqlserver.Fault) {
		mu.Lock()
		defer mu.Unlock()
		next[text] = f
	}
	db := open(t, s)
	var e mssql.Error
	inject("pool", sqlserver.Fault{Error: &sqlserver.Error{
		Number: 40613, Message: "not now", Severity: 20,
	}})
	if err := db.PingContext(t.Context()); !errors.As(err, &e) || e.Number != 40613 {
		t.Errorf("login: %v", err)
	}
	inject("ONE x", sqlserver.Fault{Error: &sqlserver.Error{Number: 1205, Message: "victim"}})
	if _, err := db.ExecContext(t.Context(), "ONE x"); !errors.As(err, &e) || e.Number != 1205 {
		t.Errorf("statement: %v", err)
	}
	for _, f := range []sqlserver.Fault{{CutBefore: true}, {CutAfter: true}} {
		inject("TWO x", f)
		if _, err := db.ExecContext(t.Context(), "TWO x"); err == nil || errors.As(err, &e) {
			t.Errorf("%+v: %v", f, err)
		}
	}
	inject("THREE x", sqlserver.Fault{Stall: true})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := db.ExecContext(ctx, "THREE x"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("stalled: %v", err)
	}
	if _, err := db.ExecContext(t.Context(), "FOUR x"); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	var seen []string
	for _, r := range s.Requests() {
		if r.Kind != "login" {
			seen = append(seen, r.Kind+" "+r.Text)
		}
	}
	if d := cmp.Diff([]string{
		"batch ONE x", "batch TWO x", "batch TWO x", "batch THREE x", "batch FOUR x",
	}, seen); d != "" {
		t.Errorf("requests (-want +got):\n%s", d)
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var seen []string
	login := func(l sqlserver.Login) *sqlserver.Error {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, l.Token)
		return nil
	}
	for _, directory := range []bool{false, true} {
		s := start(t, sqlserver.Options{Login: login, Directory: directory})
		config, err := msdsn.Parse(s.URL("", "", "pool"))
		if err != nil {
			t.Fatal(err)
		}
		connector, err := mssql.NewSecurityTokenConnector(config,
			func(context.Context) (string, error) { return "one", nil })
		if directory {
			connector, err = mssql.NewActiveDirectoryTokenConnector(config,
				mssql.FedAuthADALWorkflowMSI,
				func(_ context.Context, spn, _ string) (string, error) {
					return "two for " + spn, nil
				})
		}
		if err != nil {
			t.Fatal(err)
		}
		db := sql.OpenDB(connector)
		if err := db.PingContext(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if d := cmp.Diff([]string{"one", "two for https://database.windows.net/"}, seen); d != "" {
		t.Errorf("tokens (-want +got):\n%s", d)
	}
}

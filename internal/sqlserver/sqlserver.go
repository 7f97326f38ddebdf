// Package sqlserver runs SELECT bodies over documents on a T-SQL server, to test the official cases
// and the bundled views. Package warehouse loads tables.
package sqlserver

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	mssql "github.com/microsoft/go-mssqldb"

	"fhirsynapse/internal/sof/conformance"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/warehouse/tds"
)

// Setting is the environment variable that names the server of the tests.
const Setting = "FHIRSYNAPSE_SQLSERVER_DSN"

// Server is one session on a server. It is not for concurrent use.
type Server struct {
	pool *sql.DB
	conn *sql.Conn
}

// conversionFailed are SQL Server's errors of a failed cast. Bodies use one to report a column with
// more than one item; the server truncates long quoted texts.
var conversionFailed = []int32{245, 8114}

// Open signs in to a server by a URL such as sqlserver://user:password@host:1433?database=name, or
// with the scheme of another engine. The rules are those for a warehouse's connection string, so
// the connection is encrypted by default. Errors hold no part of the URL except host and database.
func Open(ctx context.Context, dsn string) (*Server, error) {
	engine, rest := tsql.SQLServer, dsn
	if scheme, behind, ok := strings.Cut(dsn, ":"); ok {
		if named, err := tsql.ParseEngine(scheme); err == nil {
			engine, rest = named, behind
		}
	}
	server, err := tds.ParseServer(engine, rest)
	if err != nil {
		return nil, err
	}
	pool, err := tds.SignIn(ctx, server)
	if err != nil {
		return nil, fmt.Errorf("sign in at %s: %w", server, err)
	}
	conn, err := pool.Conn(ctx)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("sign in at %s: %w", server, err), pool.Close())
	}
	return &Server{pool, conn}, nil
}

// Close ends the session.
func (s *Server) Close() error { return errors.Join(s.conn.Close(), s.pool.Close()) }

// documents is the table of one run, which other sessions do not see.
const documents = "#fhirsynapse_documents"

// Rows implements conformance.Server. Documents are in a temporary table.
func (s *Server) Rows(
	ctx context.Context, docs []json.RawMessage, body func(from string) (string, error),
) (rows [][][]byte, err error) {
	statement, err := body("[" + documents + "]")
	if err != nil {
		return nil, err
	}
	defer func() {
		if _, dropErr := s.conn.ExecContext(ctx,
			"DROP TABLE IF EXISTS "+documents); dropErr != nil {
			err = errors.Join(err,
				&conformance.NotRun{Err: fmt.Errorf("drop the documents: %w", dropErr)})
		}
	}()
	if err := s.fill(ctx, docs); err != nil {
		return nil, &conformance.NotRun{Err: err}
	}
	rows, err = s.query(ctx, statement)
	var number mssql.Error
	switch {
	case err == nil:
		return rows, nil
	case errors.As(err, &number) &&
		(slices.Contains(conversionFailed, number.Number) || tsql.IsVerdict(number.Message)):
		return nil, err
	}
	return nil, &conformance.NotRun{Err: err}
}

func (s *Server) fill(ctx context.Context, docs []json.RawMessage) error {
	if _, err := s.conn.ExecContext(ctx,
		"CREATE TABLE "+documents+" ([doc] nvarchar(max) NULL)"); err != nil {
		return fmt.Errorf("create a table of documents: %w", err)
	}
	for i, d := range docs {
		if _, err := s.conn.ExecContext(ctx, "INSERT INTO "+documents+" ([doc]) VALUES (@p1)",
			mssql.NVarCharMax(d)); err != nil {
			return fmt.Errorf("insert document %d: %w", i, err)
		}
	}
	return nil
}

func (s *Server) query(ctx context.Context, statement string) (out [][][]byte, err error) {
	rows, err := s.conn.QueryContext(ctx, statement)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	columns, err := rows.ColumnTypes()
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		values := make([]any, len(columns))
		targets := make([]any, len(columns))
		for i := range values {
			targets[i] = &values[i]
		}
		if err := rows.Scan(targets...); err != nil {
			return nil, err
		}
		cells := make([][]byte, len(columns))
		for i, v := range values {
			if cells[i], err = text(columns[i].DatabaseTypeName(), v); err != nil {
				return nil, fmt.Errorf("column %s: %w", columns[i].Name(), err)
			}
		}
		out = append(out, cells)
	}
	return out, rows.Err()
}

// text returns a value of the driver as the text of a cell.
func text(typ string, v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case bool:
		return strconv.AppendBool(nil, v), nil
	case int64:
		return strconv.AppendInt(nil, v, 10), nil
	case []byte:
		return append([]byte{}, v...), nil
	case string:
		return append([]byte{}, v...), nil
	case time.Time:
		if typ == "DATE" {
			return v.AppendFormat(nil, time.DateOnly), nil
		}
		return v.UTC().AppendFormat(nil, "2006-01-02T15:04:05.000"), nil
	}
	return nil, fmt.Errorf("the driver gave a %T", v)
}

package tds_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"fhirsynapse/internal/emulator/sqlserver"
	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/warehouse/tds"
)

// failing is a session that answers every batch with one error.
type failing struct{ err error }

func (f failing) Batch(context.Context, string, []any) (sqlserver.Result, error) {
	return sqlserver.Result{}, f.err
}

func (f failing) Columns(context.Context, string) ([]sqlserver.Column, error) { return nil, f.err }

func (f failing) Copy(context.Context, string, []string, iter.Seq2[[]any, error]) (int64, error) {
	return 0, f.err
}

func (f failing) Transaction() bool { return false }
func (f failing) Close()            {}

func pool(t *testing.T, o sqlserver.Options) (*sqlserver.Server, *tds.Pool) {
	t.Helper()
	s, err := sqlserver.Listen(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	server, err := tds.ParseServer(tsql.SQLServer, s.URL("someone", "hunter2", "pool"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := tds.Connect(server,
		tds.Options{Wait: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return s, p
}

// An error's text is shown only if it cannot quote a value.
func TestDataStaysOutOfErrors(t *testing.T) {
	t.Parallel()
	for number, shown := range map[int32]bool{
		208: true, 229: true, 40613: true, 245: false, 2627: false, 2628: false, 50000: false,
	} {
		_, p := pool(t, sqlserver.Options{Sessions: func(string) sqlserver.Session {
			return failing{&sqlserver.Error{Number: number, Message: "said of Jane"}}
		}})
		err := p.With(t.Context(), func(s *tds.Session) error {
			_, err := s.Exec(t.Context(), "the step", "SELECT 1 AS x")
			return err
		})
		text := fmt.Sprint(err)
		if strings.Contains(text, "Jane") != shown || !strings.Contains(text, fmt.Sprint(number)) ||
			!strings.Contains(text, "the step") || tds.Number(err) != number {
			t.Errorf("%d: %s", number, text)
		}
	}
}

// Two dead connections in a row are retried; a server that stays dead is an error.
func TestDeadConnections(t *testing.T) {
	t.Parallel()
	for dead, ok := range map[int]bool{1: true, 2: true, 3: true, 4: false} {
		var left atomic.Int64 // each connection's goroutine asks for faults
		left.Store(int64(dead))
		s, p := pool(t, sqlserver.Options{
			Sessions: func(string) sqlserver.Session { return failing{} },
			Faults: func(r sqlserver.Request) sqlserver.Fault {
				if r.Kind == "login" || left.Add(-1) < 0 {
					return sqlserver.Fault{}
				}
				return sqlserver.Fault{CutAfter: true}
			},
		})
		err := p.Again(t.Context(), func(int) error {
			return p.With(t.Context(), func(s *tds.Session) error {
				_, err := s.Exec(t.Context(), "step", "INSERT x")
				return err
			})
		})
		if (err == nil) != ok || err != nil && fault.Of(err) != fault.Transient {
			t.Errorf("%d dead: %v", dead, err)
		}
		if n := len(s.Requests()); n != 2*min(dead+1, tds.Tries) {
			t.Errorf("%d dead: %d requests", dead, n)
		}
	}
}

func TestALoginThatIsRefused(t *testing.T) {
	t.Parallel()
	s, p := pool(t, sqlserver.Options{
		Sessions: func(string) sqlserver.Session { return failing{} },
		Login: func(sqlserver.Login) *sqlserver.Error {
			return &sqlserver.Error{Number: 18456, Message: "Login failed for user 'someone'."}
		},
	})
	err := p.Again(t.Context(), func(int) error {
		return p.With(t.Context(), func(*tds.Session) error { return errors.New("not reached") })
	})
	if text := fmt.Sprint(err); fault.Of(err) != fault.Permanent ||
		!strings.Contains(text, "check user and password") || strings.Contains(text, "hunter2") {
		t.Errorf("error: %v", err)
	}
	if n := len(s.Requests()); n != 1 {
		t.Errorf("%d logins", n)
	}
}

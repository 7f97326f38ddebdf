package tsqltest_test

import (
	"bytes"
	"context"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"

	"fhirsynapse/internal/batch"
	"fhirsynapse/internal/emulator/sqlserver"
	"fhirsynapse/internal/emulator/sqlserver/tables"
)

// draining is a session that reads the rows of views from the connection and discards the rows.
type draining struct{ sqlserver.Session }

func (d draining) Copy(
	ctx context.Context, table string, columns []string, rows iter.Seq2[[]any, error],
) (int64, error) {
	if !strings.Contains(table, "_view_") {
		return d.Session.Copy(ctx, table, columns, rows)
	}
	var n int64
	for _, err := range rows {
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

type quiet struct{}

func (quiet) Total(int64) {}
func (quiet) Add(int64)   {}
func (quiet) Bad(int64)   {}

// BenchmarkLoad loads a folder into the server of the environment, or else into an emulator on
// loopback that discards rows. With the emulator, it measures the product and the emulator's
// reading.
func BenchmarkLoad(b *testing.B) {
	packed, err := filepath.Glob("../../../../shared/data/synthea-ndjson/set-a-10patients/*.gz")
	if err != nil || len(packed) == 0 {
		b.Skip("there is no data set")
	}
	data := b.TempDir()
	var size int64
	for _, path := range packed {
		size += unpack(b, path, filepath.Join(data, strings.TrimSuffix(filepath.Base(path), ".gz")))
	}
	b.Chdir(b.TempDir()) // where bad lines go
	to := os.Getenv("FHIRSYNAPSE_SQLSERVER_DSN")
	if to == "" {
		db := tables.New(tables.Options{RowVersions: true})
		server, err := sqlserver.Listen(
			sqlserver.Options{Sessions: func(name string) sqlserver.Session {
				return draining{db.Session(name)}
			}})
		if err != nil {
			b.Fatal(err)
		}
		defer server.Close() //nolint:errcheck // the benchmark is over
		to = server.URL("u", "p", "pool")
	}
	_, rest, _ := strings.Cut(to, ":")
	b.SetBytes(size)
	for b.Loop() {
		if _, err := runner(nil).Load(b.Context(), batch.LoadRequest{
			Dir: data, Scheme: "sqlserver", Rest: rest, Schema: "bench", MaxBad: 1,
			Progress: quiet{},
		}); err != nil {
			b.Fatal(err)
		}
	}
}

func unpack(b *testing.B, from, to string) int64 {
	b.Helper()
	raw, err := os.ReadFile(from)
	if err != nil {
		b.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		b.Fatal(err)
	}
	var text bytes.Buffer
	if _, err := text.ReadFrom(z); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(to, text.Bytes(), 0o600); err != nil {
		b.Fatal(err)
	}
	return int64(text.Len())
}

package mssql

import (
	"context"
	"crypto/sha256"
	"database/sql/driver"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"

	mssqldb "github.com/microsoft/go-mssqldb"
	"github.com/parquet-go/parquet-go"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/warehouse/mssql/statements"
)

// stager brings prepared rows into the tables of an attempt.
type stager struct{ definer }

// stage creates the tables of an attempt and fills them.
func (w *stager) stage(
	ctx context.Context, s session, a statements.Attempt, plan string,
	files []pipeline.PreparedFile,
) error {
	if err := s.execAll(ctx, a.CreateStage()); err != nil {
		return err
	}
	if w.engine.Stage == statements.CopyInto {
		return w.copyInto(ctx, s, a, plan, files)
	}
	if err := w.bulkFiles(ctx, s, a, files); err != nil {
		return err
	}
	if err := w.bulkParts(ctx, s, a.Heads(), headParts(files), headKinds); err != nil {
		return err
	}
	if a.Documents {
		if err := w.bulkDocs(ctx, s, a, files); err != nil {
			return err
		}
		return w.shred(ctx, s, a, plan, files)
	}
	for _, v := range a.Views {
		if err := w.bulkParts(ctx, s, a.Rows(v), rowParts(files, v), kindsOf(v)); err != nil {
			return err
		}
	}
	return nil
}

// headKinds and kindsOf are the kinds of a stage's columns. Reserved columns without an entry are
// texts.
var headKinds = map[string]sof.Column{
	"_deleted": {Kind: sof.Boolean}, flatten.LineColumn: {Kind: sof.BigInt},
}

func kindsOf(v flatten.Table) map[string]sof.Column {
	out := map[string]sof.Column{flatten.LineColumn: {Kind: sof.BigInt}}
	for _, c := range v.Columns {
		out[c.Name] = c
	}
	return out
}

// fileKey identifies a file of an export in a narrow column.
func fileKey(export string, f pipeline.PreparedFile) string {
	sum := sha256.Sum256([]byte(export + "\n" + f.Path + "\n" + f.ETag))
	return hex.EncodeToString(sum[:])
}

// fileRow returns the row of a file in its stage, by column.
func fileRow(export string, number int, f pipeline.PreparedFile) map[string]any {
	d := f.Done
	var clipped int64
	for _, n := range d.Clipped {
		clipped += n
	}
	return map[string]any{
		"clipped": clipped,
		"_file":   int64(number), "file_key": fileKey(export, f), "path": f.Path, "etag": f.ETag,
		"lines": d.Lines, "blank": d.Blank, "quarantined": d.Quarantined, "filtered": d.Filtered,
	}
}

func (w *stager) bulkFiles(
	ctx context.Context, s session, a statements.Attempt, files []pipeline.PreparedFile,
) error {
	t := a.Files()
	b := s.bulk(ctx, t)
	row := make([]any, len(t.Columns))
	for i, f := range files {
		cells := fileRow(a.Export, i, f)
		for c := range t.Columns {
			row[c] = cells[t.Columns[c].Name]
		}
		if err := b.add(row, len(f.Path)); err != nil {
			return err
		}
	}
	return b.flush()
}

// bulkParts copies the rows of all files into one table.
func (w *stager) bulkParts(
	ctx context.Context, s session, t statements.Table, parts []part, kinds map[string]sof.Column,
) error {
	b := s.bulk(ctx, t)
	for _, p := range parts {
		if err := w.bulkPart(ctx, b, t, p, kinds); err != nil {
			return err
		}
	}
	return b.flush()
}

func (w *stager) bulkPart(
	ctx context.Context, b *bulk, t statements.Table, p part, kinds map[string]sof.Column,
) (err error) {
	in, err := w.openSource(ctx, p.path, p.rows)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.close()) }()
	at, err := in.positions(p.names())
	if err != nil {
		return err
	}
	from := make([]int, len(t.Columns))
	makers := make([]func(parquet.Value) any, len(t.Columns))
	most := make([]int, len(t.Columns))
	for i, c := range t.Columns {
		most[i] = statements.MostBytes(c.Type)
		from[i] = -1 // the number of the file
		if name, ok := p.columns[c.Name]; ok {
			from[i], makers[i] = at[name], forBulk(kinds[c.Name], c.Type)
		}
	}
	cells := make([]any, len(t.Columns))
	for row, err := range in.rows() {
		if err != nil {
			return err
		}
		size := 0
		for i, position := range from {
			switch {
			case position < 0:
				cells[i] = int64(p.file)
			case row[position].IsNull():
				cells[i] = nil
			default:
				cells[i] = makers[i](row[position])
				if text, ok := cells[i].([]byte); ok && len(text) > most[i] {
					// The driver would panic.
					return fault.Permanentf("column %s of %s has a longer text than was counted: "+
						"prepare the file again", t.Columns[i].Name, p.path)
				}
				if row[position].Kind() == parquet.ByteArray {
					size += len(row[position].ByteArray())
				}
			}
		}
		if err := b.add(cells, size); err != nil {
			return err
		}
	}
	return nil
}

// A bulk copy is one atomic statement. It ends at these numbers of bytes or rows, to bound the
// server's memory.
const (
	bulkBytes = 16 << 20
	bulkRows  = 100_000
)

// bulk copies rows into one table.
type bulk struct {
	ctx     context.Context // of the single call that creates and ends it
	s       session
	table   string
	columns []string

	running    *mssqldb.Bulk
	rows, size int
}

func (s session) bulk(ctx context.Context, t statements.Table) *bulk {
	b := &bulk{ctx: ctx, s: s, table: "[" + t.Schema + "].[" + t.Name + "]"}
	for _, c := range t.Columns {
		b.columns = append(b.columns, c.Name)
	}
	return b
}

// onDriver runs do on the driver's own connection.
func (b *bulk) onDriver(do func(*mssqldb.Conn) error) error {
	err := b.s.Raw(func(c any) error {
		conn, ok := c.(*mssqldb.Conn)
		if !ok {
			return fmt.Errorf("a connection of %T", c)
		}
		if err := do(conn); err != nil {
			return errors.Join(err, driver.ErrBadConn) // half-sent data ends with the connection
		}
		return nil
	})
	if err != nil {
		return b.s.Fail(b.ctx, "copy rows into "+b.table, withoutValues(err))
	}
	return nil
}

// withoutValues keeps errors of the server or the connection. The driver's errors about a row may
// quote its values.
func withoutValues(err error) error {
	var server mssqldb.Error
	var network net.Error
	if errors.As(err, &server) || errors.As(err, &network) || errors.Is(err, io.EOF) ||
		errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	return errors.New(
		"the driver cannot send the rows, whatever it says of them is left out: is the table as it should be?")
}

// add copies one row. The caller may reuse cells.
func (b *bulk) add(cells []any, size int) error {
	if err := b.ctx.Err(); err != nil {
		b.s.End()
		return err
	}
	err := b.onDriver(func(c *mssqldb.Conn) error {
		if b.running == nil {
			b.running = c.CreateBulkContext(b.ctx, b.table, b.columns)
		}
		return b.running.AddRow(cells)
	})
	if err != nil {
		return err
	}
	const perCell = 8
	b.rows, b.size = b.rows+1, b.size+size+perCell*len(cells)
	if b.rows >= bulkRows || b.size >= bulkBytes {
		return b.flush()
	}
	return nil
}

// flush ends a running copy and compares the server's row count with ours.
func (b *bulk) flush() error {
	if b.running == nil {
		return nil
	}
	var n int64
	err := b.onDriver(func(*mssqldb.Conn) (err error) {
		n, err = b.running.Done()
		return err
	})
	if err != nil {
		return err
	}
	if n != int64(b.rows) {
		return fault.Transientf("table %s took %d of %d rows", b.table, n, b.rows)
	}
	b.running, b.rows, b.size = nil, 0, 0
	return nil
}

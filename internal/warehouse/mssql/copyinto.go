package mssql

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/parquet-go/parquet-go"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/warehouse/mssql/statements"
)

// The engine reads Parquet, but cannot tell the source file of a row, which identifies a staged
// line. So the prepared files of a batch are merged into a few large files with a column for the
// file's number, which the engine also reads faster. Rows that its reader refuses are written as
// JSON.

// Limits of one COPY INTO.
const (
	filesAtOnce = 5000
	bytesAtOnce = 1 << 30
)

// copyInto fills the stage of an attempt from files.
func (w *stager) copyInto(
	ctx context.Context, s session, a statements.Attempt, plan string,
	files []pipeline.PreparedFile,
) error {
	if err := w.copyFiles(ctx, s, a, files); err != nil {
		return err
	}
	if err := w.copyParts(ctx, s, a, a.Heads(), headParts(files), headKinds); err != nil {
		return err
	}
	if a.Documents {
		if err := w.copyDocs(ctx, s, a, files); err != nil {
			return err
		}
		return w.shred(ctx, s, a, plan, files)
	}
	for _, v := range a.Views {
		if err := w.copyParts(ctx, s, a, a.Rows(v), rowParts(files, v), kindsOf(v)); err != nil {
			return err
		}
	}
	return nil
}

// copyFiles fills the list of the batch's files.
func (w *stager) copyFiles(
	ctx context.Context, s session, a statements.Attempt, files []pipeline.PreparedFile,
) error {
	_, err := w.copyRows(ctx, s, a, w.merge(ctx, a, a.Files()), len(files),
		func(yield func(map[string]any) bool) {
			for i, f := range files {
				if !yield(fileRow(a.Export, i, f)) {
					return
				}
			}
		})
	return err
}

// copyRows fills a table with n rows of integers and texts, by column. It returns the written
// files, also if it fails.
func (w *stager) copyRows(
	ctx context.Context, s session, a statements.Attempt, m *merged, n int,
	rows iter.Seq[map[string]any],
) ([]pipeline.File, error) {
	if a.Lines {
		m = m.lines()
	} else {
		m.schema = schemaOfCells(m.table)
	}
	for row := range rows {
		if err := m.addCells(row); err != nil {
			return m.made, errors.Join(err, m.abort(err))
		}
	}
	if err := m.finish(); err != nil {
		return m.made, err
	}
	if !a.Lines {
		return m.made, w.copyTable(ctx, s, a, m.table, m.made, int64(n))
	}
	if err := w.copyLarge(ctx, s, a, m.table, m.made); err != nil {
		return m.made, err
	}
	return m.made, w.copyTable(ctx, s, a, m.table, nil, int64(n))
}

func (w *stager) copyParts(
	ctx context.Context, s session, a statements.Attempt, t statements.Table, parts []part,
	kinds map[string]sof.Column,
) error {
	if len(parts) == 0 {
		return nil
	}
	var rows int64
	m := w.merge(ctx, a, t)
	large := m.lines()
	for _, p := range parts {
		rows += p.rows
		if err := w.mergePart(ctx, m, large, p, kinds); err != nil {
			return errors.Join(err, m.abort(err), large.abort(err))
		}
	}
	if err := errors.Join(m.finish(), large.finish()); err != nil {
		return err
	}
	if len(large.made) > 0 {
		if err := w.copyLarge(ctx, s, a, t, large.made); err != nil {
			return err
		}
	}
	return w.copyTable(ctx, s, a, t, m.made, rows)
}

// copyTable runs one COPY INTO per portion of the files, and checks the number of rows.
func (w *stager) copyTable(
	ctx context.Context, s session, a statements.Attempt, t statements.Table, files []pipeline.File,
	rows int64,
) error {
	for _, urls := range w.portions(files) {
		if _, err := s.exec(ctx, a.CopyParquet(t, urls)); err != nil {
			return err
		}
	}
	n, _, err := s.number(ctx, a.CountQuery(t))
	if err == nil && n != rows {
		err = fault.Transientf("table [%s].[%s] took %d of %d rows", t.Schema, t.Name, n, rows)
	}
	return err
}

// copyLarge fills the stage of a table from files of rows as JSON.
func (w *stager) copyLarge(
	ctx context.Context, s session, a statements.Attempt, t statements.Table,
	files []pipeline.File,
) error {
	if _, err := s.exec(ctx, a.CreateLarge(t)); err != nil {
		return err
	}
	for _, urls := range w.portions(files) {
		if _, err := s.exec(ctx, a.CopyLines(a.Large(t), urls)); err != nil {
			return err
		}
	}
	_, err := s.exec(ctx, a.InsertLarge(t))
	return err
}

// portions splits files into lists of URLs, one per statement.
func (w *stager) portions(files []pipeline.File) [][]string {
	var out [][]string
	var size int64
	for _, f := range files {
		if n := len(out); n == 0 || len(out[n-1]) == filesAtOnce || size+f.Size > bytesAtOnce {
			out, size = append(out, nil), 0
		}
		size += f.Size
		out[len(out)-1] = append(out[len(out)-1], w.o.StagingURL+"/"+f.Path)
	}
	return out
}

const fileColumn = "_file"

// mergePart writes the rows of one prepared file.
func (w *stager) mergePart(
	ctx context.Context, m, large *merged, p part, kinds map[string]sof.Column,
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
	if m.schema == nil {
		m.schema = schemaOf(in, m.table, p)
	}
	from := make([]int, len(m.table.Columns))
	for i, c := range m.table.Columns {
		from[i] = -1
		if name, ok := p.columns[c.Name]; ok {
			from[i] = at[name]
		}
	}
	for row, err := range in.rows() {
		if err != nil {
			return err
		}
		out := make(parquet.Row, len(from))
		size, longest := 0, 0
		for i, position := range from {
			if position < 0 {
				out[i] = parquet.Int32Value(int32(p.file)).Level(0, 0, i)
				continue
			}
			v := row[position]
			out[i] = v.Level(0, v.DefinitionLevel(), i)
			n := 8
			if !v.IsNull() && v.Kind() == parquet.ByteArray {
				n = len(v.ByteArray())
			}
			size, longest = size+n, max(longest, n)
		}
		if err := m.place(large, p, out, size, longest, kinds); err != nil {
			return err
		}
	}
	return nil
}

// place writes a row in the form that the engine can read.
func (m *merged) place(
	large *merged, p part, row parquet.Row, size, longest int, kinds map[string]sof.Column,
) error {
	e := m.w.engine
	if e.LongestText > 0 && longest > e.LongestText {
		return fault.Permanentf(
			"%s has a value of %d bytes, %s takes at most %d: leave the column out of the view",
			p.path, longest, e.Name, e.LongestText)
	}
	// The engine counts two bytes per character, and a text never has more characters than bytes.
	if !m.w.o.Lines && (e.LongestRow == 0 || 2*size <= e.LongestRow) {
		return m.add(row, size)
	}
	cells := map[string]any{}
	for i, c := range m.table.Columns {
		switch {
		case row[i].IsNull():
		case c.Name == fileColumn:
			cells[c.Name] = row[i].Int32()
		default:
			cells[c.Name] = forJSON(convert(kinds[c.Name])(row[i]))
		}
	}
	line, err := json.Marshal(cells)
	if err != nil {
		return fmt.Errorf("write a row of %s as JSON: %w", p.path, err)
	}
	if most := e.LongestDocument; most > 0 && len(line) > most {
		return fault.Permanentf(
			"%s has a row of %d bytes as JSON, %s takes at most %d: take %s=lines away",
			p.path, len(line), e.Name, most, paramCopy)
	}
	return large.addLine(append(line, '\n'))
}

// forJSON returns a value in the form that OPENJSON reads into a column of its type.
func forJSON(v any) any {
	switch v := v.(type) {
	case bool:
		return map[bool]int{true: 1}[v]
	case time.Time:
		return v.Format("2006-01-02T15:04:05.000")
	}
	return v
}

// schemaOf returns the schema of a source under the names of the stage. The library sorts columns
// by these names.
func schemaOf(in *source, t statements.Table, p part) *parquet.Schema {
	fields := map[string]parquet.Node{}
	for _, f := range in.Schema().Fields() {
		fields[f.Name()] = f
	}
	group := parquet.Group{fileColumn: plain(parquet.Leaf(parquet.Int32Type))}
	for _, c := range t.Columns {
		if name, ok := p.columns[c.Name]; ok {
			group[c.Name] = fields[name]
		}
	}
	return parquet.NewSchema("stage", group)
}

// plain sets the encoding that every reader supports.
func plain(n parquet.Node) parquet.Node { return parquet.Encoded(n, &parquet.Plain) }

// schemaOfCells returns the schema of a table with integers and texts.
func schemaOfCells(t statements.Table) *parquet.Schema {
	group := parquet.Group{}
	for _, c := range t.Columns {
		switch {
		case strings.HasPrefix(c.Type, "bigint"):
			group[c.Name] = plain(parquet.Leaf(parquet.Int64Type))
		case strings.HasPrefix(c.Type, "int"):
			group[c.Name] = plain(parquet.Leaf(parquet.Int32Type))
		default:
			group[c.Name] = plain(parquet.String())
		}
	}
	return parquet.NewSchema("cells", group)
}

// addCells writes a row of integers and texts, by column.
func (m *merged) addCells(cells map[string]any) error {
	if m.schema == nil {
		line, err := json.Marshal(cells)
		if err != nil {
			return fmt.Errorf("write %s: %w", m.prefix, err)
		}
		return m.addLine(append(line, '\n'))
	}
	row, size := make(parquet.Row, len(m.table.Columns)), 0
	for at, c := range m.table.Columns {
		v := parquet.ValueOf(cells[c.Name])
		switch {
		case c.Name == fileColumn:
			v = parquet.Int32Value(int32(v.Int64()))
		case v.Kind() == parquet.ByteArray:
			size += len(v.ByteArray())
		}
		row[at] = v.Level(0, 0, at)
	}
	return m.add(row, size)
}

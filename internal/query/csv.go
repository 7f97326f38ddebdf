package query

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// Header says whether CSV begins with the names of the columns.
type Header int

// The choices. With HeaderAuto an answer of one row and one column is the bare
// value and a line feed, neither named nor quoted, so that a script can use it as
// it is; NULL and the empty text are both an empty line then. Every other answer
// has its header.
const (
	HeaderAuto Header = iota
	HeaderAlways
	HeaderNever
)

// CSV writes r after RFC 4180, with LF at the ends of lines so that a shell can
// use a single value as it is. NULL is an empty field and the empty text is ""
// (quoted), except that a lone NULL is quoted too: an empty line is no record.
func CSV(w io.Writer, r Result, h Header) error {
	out := &csvWriter{Writer: bufio.NewWriter(w), columns: r.Columns}
	if h == HeaderAlways || h == HeaderAuto && len(r.Columns) != 1 {
		out.header()
	}
	if err := out.rows(r, h == HeaderAuto && len(r.Columns) == 1); err != nil {
		// What came before is of use: it goes out.
		return firstOf(err, out.Flush())
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write CSV: %w", err)
	}
	return nil
}

type csvWriter struct {
	*bufio.Writer
	columns []Column
}

// rows writes all rows. Where lone is set, the first waits until it is known
// whether it is the only one; the header waits with it.
func (w *csvWriter) rows(r Result, lone bool) error {
	var first []string // the record and the bare value of a row that waits
	unnamed := lone
	release := func() {
		if unnamed {
			w.header()
			unnamed = false
		}
		if first != nil {
			w.WriteString(first[0] + "\n")
			first = nil
		}
	}
	for row, err := range r.Rows {
		if err != nil {
			release()
			return err
		}
		if lone && unnamed && first == nil {
			first = []string{w.record(row), ""}
			if row[0] != nil {
				first[1] = text(row[0], w.columns[0].Type)
			}
			continue
		}
		release()
		w.WriteString(w.record(row))
		if err := w.WriteByte('\n'); err != nil {
			return fmt.Errorf("write CSV: %w", err)
		}
	}
	if first != nil {
		w.WriteString(first[1] + "\n")
		return nil
	}
	release()
	return nil
}

func (w *csvWriter) header() {
	var b strings.Builder
	for i, c := range w.columns {
		field(&b, i, c.Name)
	}
	w.WriteString(b.String() + "\n")
}

func (w *csvWriter) record(row []any) string {
	var b strings.Builder
	for i, v := range row {
		switch {
		case v != nil:
			field(&b, i, text(v, w.columns[i].Type))
		case len(row) == 1:
			b.WriteString(`""`)
		case i > 0:
			b.WriteByte(',')
		}
	}
	return b.String()
}

func field(out *strings.Builder, i int, s string) {
	if i > 0 {
		out.WriteByte(',')
	}
	if s != "" && !strings.ContainsAny(s, ",\"\r\n") && s[0] != ' ' && s[len(s)-1] != ' ' {
		out.WriteString(s)
		return
	}
	out.WriteByte('"')
	out.WriteString(strings.ReplaceAll(s, `"`, `""`))
	out.WriteByte('"')
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

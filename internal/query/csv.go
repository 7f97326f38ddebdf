package query

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// Header controls whether CSV begins with column names.
type Header int

// The choices. With HeaderAuto an answer of one row and one column is the bare value and a line
// feed, so that a script can use it; NULL and the empty text are then both an empty line. Every
// other answer has a header.
const (
	HeaderAuto Header = iota
	HeaderAlways
	HeaderNever
)

// CSV writes r as in RFC 4180, with LF at the ends of lines. NULL is an empty field and the empty
// text is "" (quoted); a single NULL column is quoted too, because an empty line is not a record.
func CSV(w io.Writer, r Result, h Header) error {
	out := &csvWriter{Writer: bufio.NewWriter(w), columns: r.Columns}
	if h == HeaderAlways || h == HeaderAuto && len(r.Columns) != 1 {
		out.header()
	}
	if err := out.rows(r, h == HeaderAuto && len(r.Columns) == 1); err != nil {
		// The rows before the error are useful, so they are written.
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

// rows writes all rows. If lone is set, the header and the first row wait until it is known whether
// there are more.
func (w *csvWriter) rows(r Result, lone bool) error {
	var first []string // record and bare value of the waiting row
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

package query

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// CSV writes r after RFC 4180, with LF at the ends of lines so that a shell can
// use a single value as it is. NULL is an empty field and the empty text is ""
// (quoted), except that a lone NULL is quoted too: an empty line is no record.
func CSV(w io.Writer, r Result, header bool) error {
	out := bufio.NewWriter(w)
	if header {
		for i, c := range r.Columns {
			field(out, i, c.Name)
		}
		out.WriteByte('\n')
	}
	for row, err := range r.Rows {
		if err != nil {
			// What came before is of use: it goes out.
			return firstOf(err, out.Flush())
		}
		for i, v := range row {
			switch {
			case v != nil:
				field(out, i, text(v, r.Columns[i].Type))
			case len(row) == 1:
				out.WriteString(`""`)
			case i > 0:
				out.WriteByte(',')
			}
		}
		if err := out.WriteByte('\n'); err != nil {
			return fmt.Errorf("write CSV: %w", err)
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write CSV: %w", err)
	}
	return nil
}

func field(out *bufio.Writer, i int, s string) {
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

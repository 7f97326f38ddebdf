package tables

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/big"
	"strings"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
	"github.com/sqlc-dev/teesql/ast"

	"fhirsynapse/internal/emulator/sqlserver"
)

// copyInto runs COPY INTO. It reads Parquet with the columns of the table by position, and text
// with one column per line.
func (s *session) copyInto(ctx context.Context, st *ast.CopyStatement) (sqlserver.Result, error) {
	var none sqlserver.Result
	if s.open {
		return none, fail(40517, "the stand-in copies outside of transactions")
	}
	t, err := s.of(st.Into)
	if err != nil {
		return none, err
	}
	options, err := copyOptions(st)
	if err != nil {
		return none, err
	}
	identity := "Managed Identity"
	if s.db.o.Conflicts {
		identity = "Workspace Identity" // of Fabric
	}
	if got, given := options["CREDENTIAL"]; given && got != identity {
		return none, fail(13839, "Credential identity '%s' is not supported.", got)
	}
	var n int64
	for _, from := range st.From {
		url, ok := from.(*ast.StringLiteral)
		if !ok {
			return none, unknown(from)
		}
		data, err := s.fetch(ctx, unquoted(url))
		if err != nil {
			return none, fail(13807, "Content of directory on path '%s' cannot be listed: %v",
				unquoted(url), err)
		}
		var rows [][]any
		switch {
		case options["FILE_TYPE"] == "PARQUET":
			rows, err = parquetRows(t, data)
		case options["FILE_TYPE"] == "CSV" && options["FIELDTERMINATOR"] == "0x0b" &&
			(options["FIELDQUOTE"] == "" || options["FIELDQUOTE"] == "0x1f") &&
			options["ROWTERMINATOR"] == "0x0A":
			rows, err = textRows(t, string(data))
		default:
			err = fail(40517, "the stand-in copies Parquet, and lines with 0x0b between fields")
		}
		if err != nil {
			return none, err
		}
		var names []string
		for _, c := range t.columns {
			names = append(names, c.Name)
		}
		if err := s.insertAll(t, names, rows); err != nil {
			return none, bridged(err)
		}
		n += int64(len(rows))
	}
	return sqlserver.Result{Affected: n}, nil
}

// bridged returns the error of a COPY whose texts are too long for the table. The pool reports it
// under the number of its reader.
func bridged(err error) error {
	var e *sqlserver.Error
	if errors.As(err, &e) && e.Number == 2628 {
		return fail(107090,
			"HdfsBridge::recordReaderFillBuffer - Unexpected error encountered filling record reader buffer: %s",
			e.Message)
	}
	return err
}

// textRows splits lines into fields, one for each column of the table.
func textRows(t *table, data string) ([][]any, error) {
	var rows [][]any
	for line := range strings.Lines(data) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\x0b")
		if len(fields) != len(t.columns) {
			return nil, fail(4832, "Bulk load: a line has %d fields, the table %d columns.",
				len(fields), len(t.columns))
		}
		cells := make([]any, len(fields))
		for i, f := range fields {
			cells[i] = f
			if strings.HasSuffix(t.columns[i].Type, "int") {
				n, err := intOf(f)
				if err != nil {
					return nil, fail(4864, "Bulk load data conversion error.")
				}
				cells[i] = n
			}
		}
		rows = append(rows, cells)
	}
	return rows, nil
}

func copyOptions(st *ast.CopyStatement) (map[string]string, error) {
	known := []string{
		"FILE_TYPE", "CREDENTIAL", "FIELDTERMINATOR", "FIELDQUOTE", "ROWTERMINATOR", "ENCODING",
		"MAXERRORS", "COLUMNOPTIONS",
	}
	out := map[string]string{}
	for _, o := range st.Options {
		name := strings.ToUpper(o.Kind)
		if !containsFold(known, name) {
			return nil, fail(40517, "the stand-in does not know the option %s", o.Kind)
		}
		if v, ok := o.Value.(*ast.CopyCredentialOption); ok {
			if l, ok := v.Identity.(*ast.StringLiteral); ok {
				out[name] = unquoted(l)
			}
		}
		if v, ok := o.Value.(*ast.SingleValueTypeCopyOption); ok && v.SingleValue != nil {
			if l, ok := v.SingleValue.ValueExpression.(*ast.StringLiteral); ok {
				out[name] = unquoted(l)
			}
		}
	}
	return out, nil
}

// unquoted returns the text of a literal. The parser returns it with or without quotes.
func unquoted(e *ast.StringLiteral) string {
	if v, ok := strings.CutPrefix(e.Value, "N'"); ok {
		return strings.TrimSuffix(v, "'")
	}
	if v, ok := strings.CutPrefix(e.Value, "'"); ok {
		return strings.TrimSuffix(v, "'")
	}
	return e.Value
}

func containsFold(names []string, name string) bool {
	for _, n := range names {
		if strings.EqualFold(n, name) {
			return true
		}
	}
	return false
}

func (s *session) fetch(ctx context.Context, url string) ([]byte, error) {
	if s.db.o.Open == nil {
		return nil, errors.New("there is no storage")
	}
	// Unlock for other sessions during the download.
	s.db.mu.Unlock()
	defer s.db.mu.Lock()
	r, err := s.db.o.Open(ctx, url)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(r)
	return data, errors.Join(err, r.Close())
}

func parquetRows(t *table, data []byte) ([][]any, error) {
	f, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, fail(105019, "External file access failed: %v", err)
	}
	fields := f.Schema().Fields()
	if len(fields) != len(t.columns) {
		return nil, fail(105019, "The file has %d columns, the table %d.", len(fields),
			len(t.columns))
	}
	var out [][]any
	r := parquet.NewReader(f)
	buf := make([]parquet.Row, 64)
	for {
		n, err := r.ReadRows(buf)
		for _, row := range buf[:n] {
			cells := make([]any, len(row))
			for i, v := range row {
				if cells[i], err = parquetValue(v, fields[i].Type()); err != nil {
					return nil, err
				}
			}
			out = append(out, cells)
		}
		if n == 0 || errors.Is(err, io.EOF) {
			return out, r.Close()
		}
		if err != nil {
			return nil, fail(105019, "External file access failed: %v", err)
		}
	}
}

func parquetValue(v parquet.Value, t parquet.Type) (any, error) {
	if v.IsNull() {
		return nil, nil
	}
	if l := t.LogicalType(); l != nil {
		switch kind := l.Value.(type) {
		case *format.DateType:
			return time.Unix(int64(v.Int32())*secondsPerDay, 0).UTC(), nil
		case *format.TimestampType:
			if _, millis := kind.Unit.Value.(*format.MilliSeconds); millis {
				return time.UnixMilli(v.Int64()).UTC(), nil
			}
			return nil, fail(105019,
				"HdfsBridge::recordReaderFillBuffer: a timestamp finer than milliseconds")
		case *format.DecimalType:
			n := new(big.Int).SetBytes(v.ByteArray())
			if raw := v.ByteArray(); raw[0] >= 0x80 {
				n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(raw))))
			}
			return scaled(n, int(kind.Scale)), nil
		}
	}
	switch v.Kind() {
	case parquet.Boolean:
		return v.Boolean(), nil
	case parquet.Int32:
		return int64(v.Int32()), nil
	case parquet.Int64:
		return v.Int64(), nil
	case parquet.ByteArray:
		return string(v.ByteArray()), nil
	default:
		return nil, fail(105019, "HdfsBridge::recordReaderFillBuffer: a %s", v.Kind())
	}
}

const secondsPerDay = 24 * 60 * 60

func scaled(n *big.Int, scale int) string {
	digits := new(big.Int).Abs(n).String()
	if missing := scale + 1 - len(digits); missing > 0 {
		digits = strings.Repeat("0", missing) + digits
	}
	text := digits[:len(digits)-scale]
	if scale > 0 {
		text += "." + digits[len(digits)-scale:]
	}
	if n.Sign() < 0 {
		return "-" + text
	}
	return text
}

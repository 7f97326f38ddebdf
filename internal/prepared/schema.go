package prepared

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"reflect"
	"slices"

	"github.com/parquet-go/parquet-go"

	"fhirsynapse/internal/sof"
)

// The names inside the prepared form. Columns of ours begin with an underscore,
// which a view's may not.
const (
	HeadFile      = "head.parquet"
	IDColumn      = "_id"
	LineColumn    = "_line"
	VersionColumn = "_version"
)

// keyColumns is how many columns of ours precede the view's in a table's file.
const keyColumns = 3

// File is the path of a table's Parquet file under dir.
func File(dir, table string) string { return dir + "/" + table + ".parquet" }

// group is a Parquet group that keeps the order of its columns; the library's own
// sorts them.
type group struct {
	parquet.Group
	fields []parquet.Field
}

func (g group) Fields() []parquet.Field { return g.fields }

type field struct {
	parquet.Node
	name string
}

func (f field) Name() string { return f.name }

// Value is for Go structs and maps, which never meet this schema.
func (f field) Value(reflect.Value) reflect.Value { return reflect.Value{} }

func schemaOf(name string, fields ...field) *parquet.Schema {
	g := group{Group: parquet.Group{}}
	for _, f := range fields {
		g.Group[f.name] = f.Node
		g.fields = append(g.fields, f)
	}
	return parquet.NewSchema(name, g)
}

func headSchema() *parquet.Schema {
	return schemaOf("head",
		field{plain(parquet.String()), "id"},
		field{plain(parquet.String()), "version"},
		field{plain(parquet.String()), "last_updated"},
		field{plain(parquet.Leaf(parquet.BooleanType)), "deleted"},
		field{plain(parquet.Leaf(parquet.Int64Type)), "line"},
	)
}

func tableSchema(t Table) *parquet.Schema {
	return viewSchema(t,
		field{plain(parquet.String()), IDColumn},
		field{plain(parquet.Leaf(parquet.Int64Type)), LineColumn},
		field{plain(parquet.String()), VersionColumn},
	)
}

// viewSchema is the columns of a view, behind those of ours.
func viewSchema(t Table, fields ...field) *parquet.Schema {
	for _, c := range t.Columns {
		fields = append(fields, field{parquet.Optional(leafOf(c)), c.Name})
	}
	return schemaOf(t.Name, fields...)
}

// leafOf keeps to the encodings that old readers know: Synapse's are among them.
func leafOf(c sof.Column) parquet.Node {
	switch c.Kind {
	case sof.Boolean:
		return plain(parquet.Leaf(parquet.BooleanType))
	case sof.Integer:
		return plain(parquet.Leaf(parquet.Int32Type))
	case sof.BigInt:
		return plain(parquet.Leaf(parquet.Int64Type))
	case sof.Decimal:
		precision, scale := DecimalSize(c)
		return plain(parquet.Decimal(scale, precision, parquet.FixedLenByteArrayType(decimalSize)))
	case sof.Date:
		return plain(parquet.Date())
	case sof.Timestamp:
		return plain(parquet.Timestamp(parquet.Millisecond))
	case sof.Text:
	}
	return parquet.Encoded(parquet.String(), &parquet.RLEDictionary)
}

func plain(n parquet.Node) parquet.Node { return parquet.Encoded(n, &parquet.Plain) }

// DecimalSize is the precision and scale of a Decimal column: 38 and 12 where the
// column does not say.
func DecimalSize(c sof.Column) (precision, scale int) {
	if c.Precision <= 0 {
		return 38, 12
	}
	return min(c.Precision, 38), min(max(c.Scale, 0), c.Precision, 38)
}

// Table is one view as a table: what the warehouse needs to know of it.
type Table struct {
	Name     string
	Resource string // the type whose resources it has rows of
	Columns  []sof.Column
}

// TablesOf keeps the tables of one resource type.
func TablesOf(tables []Table, resource string) []Table {
	return slices.DeleteFunc(slices.Clone(tables), func(t Table) bool { return t.Resource != resource })
}

// Fingerprint tells sets of tables apart by all that the prepared form depends on.
// Extra is what else a row may depend on, such as the source of the views.
func Fingerprint(tables []Table, extra ...string) string {
	h := sha256.New()
	enc := json.NewEncoder(h)
	// Neither of them can fail: there is nothing in a table that JSON has no form
	// for, and a hash takes every byte.
	_ = enc.Encode(tables)
	_ = enc.Encode(extra)
	return hex.EncodeToString(h.Sum(nil)[:16])
}

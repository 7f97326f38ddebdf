package flatten

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"

	"fhirsynapse/internal/flatten/parquetfile"
	"fhirsynapse/internal/sof"
)

// The names in the prepared form. Columns of the form begin with an underscore, which a view's
// columns may not.
const (
	HeadFile      = "head.parquet"
	IDColumn      = "_id"
	LineColumn    = "_line"
	VersionColumn = "_version"
)

// File returns the path of a table's Parquet file under dir.
func File(dir, table string) string { return dir + "/" + table + ".parquet" }

var (
	// headColumns are the columns of head.parquet.
	headColumns = []parquetfile.Column{
		{Name: "id", Required: true, Distinct: true},
		{Name: "version", Required: true, Distinct: true},
		{Name: "last_updated", Required: true, Distinct: true},
		{Name: "deleted", Required: true, Type: parquetfile.Boolean},
		{Name: "line", Required: true, Type: parquetfile.Int64},
	}
	// keyColumns precede the view's columns in a table's file.
	keyColumns = []parquetfile.Column{
		{Name: IDColumn, Required: true, Distinct: true},
		{Name: LineColumn, Required: true, Type: parquetfile.Int64},
		{Name: VersionColumn, Required: true, Distinct: true},
	}
)

// tableColumns returns keys followed by the columns of a view.
func tableColumns(t Table, keys []parquetfile.Column) []parquetfile.Column {
	columns := slices.Clone(keys)
	for _, c := range t.Columns {
		of := parquetfile.Column{Name: c.Name, Type: parquetTypes[c.Kind]}
		if c.Kind == sof.Decimal {
			of.Precision, of.Scale = DecimalSize(c)
		}
		columns = append(columns, of)
	}
	return columns
}

var parquetTypes = map[sof.Kind]parquetfile.Type{
	sof.Text: parquetfile.Text, sof.Boolean: parquetfile.Boolean, sof.Integer: parquetfile.Int32,
	sof.BigInt:  parquetfile.Int64,
	sof.Decimal: parquetfile.Decimal, sof.Date: parquetfile.Date,
	sof.Timestamp: parquetfile.Timestamp,
}

// DecimalSize returns the precision and scale of a Decimal column, with sof's defaults if it has
// none.
func DecimalSize(c sof.Column) (precision, scale int) {
	if c.Precision <= 0 {
		return sof.DefaultPrecision, sof.DefaultScale
	}
	return min(c.Precision, 38), min(max(c.Scale, 0), c.Precision, 38)
}

// Table is one view as a table of the warehouse.
type Table struct {
	Name     string
	Resource string // the resource type of its rows
	Columns  []sof.Column
	// Columnstore stores the table by columns: Clips cuts long texts.
	Columnstore bool `json:",omitempty"`
	// Spread is the column that distributes the rows, empty for the id of the resource. ClusterBy
	// are the columns by which rows are stored together. Neither changes the prepared form.
	Spread    string   `json:"-"`
	ClusterBy []string `json:"-"`
	// Keyed is set if the id of a resource and the columns RowKey are different in every row. They
	// follow from the view and change nothing in the prepared form.
	Keyed  bool     `json:"-"`
	RowKey []string `json:"-"`
}

// TableOf returns the table of a view.
func TableOf(v *sof.View) Table {
	t := Table{Name: v.Name, Resource: v.Resource, Columns: v.Columns}
	t.RowKey, t.Keyed = v.RowKey()
	return t
}

// TablesOf returns the tables of one resource type.
func TablesOf(tables []Table, resource string) []Table {
	return slices.DeleteFunc(slices.Clone(tables), func(t Table) bool {
		return t.Resource != resource
	})
}

// Fingerprint returns a hash of everything in tables that affects the prepared form. extra holds
// further inputs, such as the source of the views.
func Fingerprint(tables []Table, extra ...string) string {
	h := sha256.New()
	enc := json.NewEncoder(h)
	// Neither can fail: JSON can encode all fields, and a hash accepts every byte.
	_ = enc.Encode(tables)
	_ = enc.Encode(extra)
	return hex.EncodeToString(h.Sum(nil)[:16])
}

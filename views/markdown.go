package views

import (
	"fmt"
	"strings"

	"fhirsynapse/internal/sof"
)

// Markdown describes tables for people: one section per view, one row per
// column. docs/tables.md is made from it.
func Markdown(views []*sof.View) string {
	var b strings.Builder
	b.WriteString(introduction)
	for _, v := range views {
		fmt.Fprintf(&b, "\n## %s\n\n%s From `%s`.\n\n| column | type | meaning |\n|---|---|---|\n",
			v.Name, v.Description, v.Resource)
		for _, c := range v.Columns {
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", c.Name, typeName(c),
				strings.ReplaceAll(c.Description, "|", `\|`))
		}
	}
	return b.String()
}

// introduction explains the types, the keys and the joins.
const introduction = "# Tables\n\n" + `Made from the ViewDefinitions in ` + "`views/`" + ` by ` +
	"`make golden`" + `; do not edit.

## Keys and joins

Each table has a key of its resource, which joins it to the tables of the same resource, and references, which join other resources:

` + "```sql" + `
SELECT p.family, o.code, o.value_number
FROM observation AS o
JOIN patient AS p ON p.id = o.patient_id
JOIN observation_component AS c ON c.observation_id = o.id
` + "```" + `

Both sides of these joins have the same type and collation on every engine. Keys, codes and URIs are compared by their bytes:
` + "`aB1` and `Ab1`" + ` are two ids.

Each table also has four columns that fhirsynapse writes, whatever the view says:

| column | type | meaning |
|---|---|---|
| ` + "`_id`" + ` | key | Id of the resource that the row comes from. |
| ` + "`_version`" + ` | key | Its version, as one text that sorts: instant, number, versionId, deleted. |
| ` + "`_last_updated`" + ` | timestamp | Instant of the version, UTC, in milliseconds: for incremental refreshes. |
| ` + "`_export`" + ` | key | Id of the export that brought the version. |

` + "`id` and `_id`" + ` have the same value and type. Use ` + "`id`" + ` and the key columns of the other tables in queries: they belong to the view, and are
there in Parquet and CSV files too. ` + "`_id`" + ` is in every table, also in those that have no ` + "`id`" + `; a commit replaces rows by it, and the dedicated
pool distributes tables by it.

## Types

| type | FHIR type | SQL Server, dedicated pool | serverless pool | Fabric | DuckDB |
|---|---|---|---|---|---|
| key | id, keys of references | varchar(128) | varchar(128) | varchar(128) | VARCHAR |
| code | code | nvarchar(256) | nvarchar(max) | varchar(1024) | VARCHAR |
| uri | uri, url, canonical, oid, uuid | nvarchar(1024) | nvarchar(max) | varchar(4096) | VARCHAR |
| text | string | nvarchar(1024) | nvarchar(max) | varchar(8000) | VARCHAR |
| long text | markdown, base64Binary, lists, objects, values of several types | nvarchar(4000) | nvarchar(max) | varchar(max) | VARCHAR |
| time | date, dateTime, instant, time: as recorded | varchar(64) | nvarchar(max) | varchar(64) | VARCHAR |
| timestamp | dateTime, instant: as an instant, UTC | datetime2(3) | datetime2(3) | datetime2(3) | TIMESTAMP |
| date | date: as a day | date | date | date | DATE |
| decimal(38,18) | decimal | decimal(38,18) | decimal(38,18) | decimal(38,18) | DECIMAL(38,18) |
| integer, boolean | integer, boolean | int, bit | int, bit | int, bit | INTEGER, BOOLEAN |

- The collation of keys, codes and URIs is Latin1_General_100_BIN2 on SQL Server and in the dedicated pool, Latin1_General_100_BIN2_UTF8 in the
  serverless pool. In Fabric it is that of the warehouse, and a warehouse that ignores case is refused.
- A view can give a column another type with the tag ` + "`ansi/type`" + `: ` + "`VARCHAR(50)`" + ` has room for 50 characters, ` + "`VARCHAR(MAX)`" + ` for all,
  ` + "`DECIMAL(18,6)`" + ` lets Fabric skip data by the number. A tagged key is compared by its bytes all the same.
- No text is cut, unless the plan asks for a [columnstore](warehouses.md#columnstore). If a commit brings a longer one, the column is
  widened first: to 256, 1024 or 4000 characters, then to max. Fabric cannot widen a column; there the export fails, and the error has
  the command that rebuilds the table.
- A key has at most 128 characters, all ASCII. A line with another key is quarantined, with the name of the column.

## Tables of other types

A resource type that has no table below has a flat one, made from FHIR's element table: one row per resource. Its name is that of the type, as in
` + "`related_person`" + ` for RelatedPerson.

| element | columns |
|---|---|
| the patient, for types of the Patient compartment | ` + "`patient_id`" + ` |
| text, code, number, boolean | one, with the name of the element |
| date, dateTime, instant | one as recorded, and a twin ` + "`_day`" + ` or ` + "`_utc`" + ` with a type |
| CodeableConcept | code of the first coding, ` + "`_system`, `_display`, `_text`" + ` |
| Reference | ` + "`_id`" + `, the key of the resource |
| Period, Range, Ratio | ` + "`_start` and `_end`, `_low` and `_high`, `_numerator` and `_denominator`" + ` |
| Quantity, Money | the number, ` + "`_unit` and `_unit_code`, or `_currency`" + ` |
| Identifier, HumanName, Address, ContactPoint, Attachment, note | their main parts |
| a choice like ` + "`value[x]`" + ` | those of each type, with the type in the name: ` + "`value_string`" + ` |
| an element with parts, at most one | those of its parts: ` + "`collection_method`" + ` |

Of an element that repeats, the table has the first value. Elements with parts of their own that repeat have no column. If you need them,
begin with the ViewDefinition of the table and give it a folder of your own:

` + "```sh" + `
fhirsynapse views new Specimen > my-views/specimen.json
` + "```" + `

A view of yours for a type, whatever its name, takes the place of the flat table. A plan that is older than a flat table has rows only of
resources that came after it; ` + "`fhirsynapse load --rebuild`" + ` writes the others from the lake.
`

func typeName(c sof.Column) string {
	switch {
	case c.Collection:
		return "list, as JSON text"
	case c.Kind == sof.Decimal:
		return fmt.Sprintf("decimal(%d,%d)", c.Precision, c.Scale)
	case c.Kind != sof.Text:
		return c.Kind.String()
	case c.Length > 0:
		return fmt.Sprintf("%s(%d)", c.Class, c.Length)
	}
	return c.Class.String()
}

package statements

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/views"
)

const binary = " COLLATE Latin1_General_100_BIN2"

// typed compiles a view with one column of every class.
func typed(t *testing.T) flatten.Table {
	t.Helper()
	v, err := sof.Compile("v.json",
		[]byte(`{"resourceType":"ViewDefinition","name":"v","resource":"Observation","status":"active","select":[{"column":[
		{"name":"id","path":"getResourceKey()"},{"name":"patient_id","path":"subject.getReferenceKey(Patient)","type":"string"},
		{"name":"plain","path":"id","type":"id"},{"name":"short_id","path":"getResourceKey()","tag":[{"name":"ansi/type","value":"VARCHAR(36)"}]},
		{"name":"code","path":"status","type":"code"},{"name":"inferred","path":"status"},{"name":"tagged_code","path":"status","tag":[{"name":"ansi/type","value":"CHAR(20)"}]},
		{"name":"system","path":"code.coding.first().system"},{"name":"profile","path":"meta.profile.first()","type":"canonical"},
		{"name":"text","path":"code.text"},{"name":"tagged","path":"code.text","tag":[{"name":"ansi/type","value":"CHARACTER VARYING(50)"}]},
		{"name":"very_long","path":"code.text","tag":[{"name":"ansi/type","value":"VARCHAR(5000)"}]},
		{"name":"unlimited","path":"code.text","tag":[{"name":"ansi/type","value":"VARCHAR(MAX)"}]},{"name":"clob","path":"code.text","tag":[{"name":"ansi/type","value":"CLOB"}]},
		{"name":"note","path":"note.first().text"},{"name":"any","path":"value"},{"name":"all","path":"category.coding.code","type":"code","collection":true},
		{"name":"seen","path":"effective.ofType(dateTime)","type":"dateTime"},{"name":"at","path":"issued"},{"name":"time","path":"value.ofType(time)"},
		{"name":"seen_utc","path":"issued","tag":[{"name":"ansi/type","value":"TIMESTAMP"}]},{"name":"day","path":"issued","tag":[{"name":"ansi/type","value":"DATE"}]},
		{"name":"number","path":"value.ofType(Quantity).value"}
		]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	return flatten.Table{Name: "v", Resource: "Observation", Columns: v.Columns}
}

func types(table Table) map[string]string {
	out := map[string]string{}
	for _, c := range table.Columns {
		out[c.Name] = c.Type
	}
	return out
}

func TestTypesOfTheClasses(t *testing.T) {
	t.Parallel()
	wide := map[string]string{
		"id": "varchar(128)" + binary, "patient_id": "varchar(128)" + binary,
		"plain": "varchar(128)" + binary, "short_id": "varchar(36)" + binary,
		"code": "nvarchar(256)" + binary, "inferred": "nvarchar(256)" + binary,
		"tagged_code": "nvarchar(20)" + binary,
		"system":      "nvarchar(1024)" + binary, "profile": "nvarchar(1024)" + binary,
		"text": "nvarchar(1024)", "tagged": "nvarchar(50)", "very_long": "nvarchar(max)",
		"unlimited": "nvarchar(max)", "clob": "nvarchar(max)",
		"note": "nvarchar(4000)", "any": "nvarchar(4000)", "all": "nvarchar(4000)",
		"seen": "varchar(64)", "at": "varchar(64)", "time": "varchar(64)",
		"seen_utc": "datetime2(3)", "day": "date", "number": "decimal(38, 18)",
		"_id": "varchar(128)" + binary, "_version": "varchar(128)" + binary,
		"_last_updated": "datetime2(3)", "_export": "varchar(128)" + binary,
	}
	utf8 := map[string]string{
		"id": "varchar(128)", "patient_id": "varchar(128)", "plain": "varchar(128)",
		"short_id": "varchar(36)",
		"code":     "varchar(1024)", "inferred": "varchar(1024)", "tagged_code": "varchar(80)",
		"system": "varchar(4096)", "profile": "varchar(4096)",
		"text": "varchar(8000)", "tagged": "varchar(200)", "very_long": "varchar(max)",
		"unlimited": "varchar(max)", "clob": "varchar(max)",
		"note": "varchar(max)", "any": "varchar(max)", "all": "varchar(max)",
		"seen": "varchar(64)", "at": "varchar(64)", "time": "varchar(64)",
		"seen_utc": "datetime2(3)", "day": "date", "number": "decimal(38, 18)",
		"_id": "varchar(128)", "_version": "varchar(128)", "_last_updated": "datetime2(3)",
		"_export": "varchar(128)",
	}
	for name, want := range map[tsql.Engine]map[string]string{
		tsql.SQLServer: wide,
		tsql.Dedicated: wide, tsql.Fabric: utf8,
	} {
		got := types(Target{Engine: engines[name]}.view("s", typed(t)))
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

func bundled(t *testing.T) []flatten.Table {
	t.Helper()
	all, err := views.Bundled()
	if err != nil {
		t.Fatal(err)
	}
	var out []flatten.Table
	for _, v := range all {
		out = append(out, flatten.Table{Name: v.Name, Resource: v.Resource, Columns: v.Columns})
	}
	return out
}

// A column without a limit cannot be indexed, and joins on it are slow.
func TestTypesOfTheBundledViewsAreSeldomMax(t *testing.T) {
	t.Parallel()
	for _, name := range []tsql.Engine{tsql.SQLServer, tsql.Dedicated} {
		target := Target{Engine: engines[name]}
		all, unlimited := 0, 0
		for _, v := range bundled(t) {
			table := target.view("s", v)
			all += len(table.Columns)
			for i, c := range table.Columns {
				if !strings.Contains(c.Type, "(max)") {
					continue
				}
				unlimited++
				if i < len(v.Columns) && tsql.Bytewise(v.Columns[i]) {
					t.Errorf("%s: %s.%s is %s", name, v.Name, c.Name, c.Type)
				}
			}
		}
		if all < 1900 || unlimited*10 > all {
			t.Errorf("%s: %d of %d columns are max", name, unlimited, all)
		}
	}
}

var joining = regexp.MustCompile(`joins ([a-z_]+)\.id\b`)

// A join of different types or collations fails, or converts every row.
func TestTypesOfBothSidesOfAJoinAreEqual(t *testing.T) {
	t.Parallel()
	all := bundled(t)
	for name, e := range engines {
		target := Target{Engine: e}
		joins := 0
		for _, v := range all {
			is := types(target.view("s", v))
			for _, c := range v.Columns {
				if c.Name == "id" && is["id"] != is["_id"] {
					t.Errorf("%s: %s.id is %s, _id is %s", name, v.Name, is["id"], is["_id"])
				}
				if strings.HasSuffix(c.Name, "_id") && c.FHIRType == "id" &&
					is[c.Name] != is["_id"] {
					t.Errorf("%s: %s.%s is %s, an id is %s", name, v.Name, c.Name, is[c.Name],
						is["_id"])
				}
				m := joining.FindStringSubmatch(c.Description)
				if m == nil {
					continue
				}
				other := slices.IndexFunc(all, func(o flatten.Table) bool { return o.Name == m[1] })
				if other < 0 {
					t.Errorf("%s.%s joins %s, which is no view", v.Name, c.Name, m[1])
					continue
				}
				joins++
				if to := types(target.view("s", all[other])); is[c.Name] != to["id"] {
					t.Errorf("%s: %s.%s is %s, %s.id is %s", name, v.Name, c.Name, is[c.Name], m[1],
						to["id"])
				}
			}
		}
		if joins < 300 {
			t.Errorf("%d joins", joins)
		}
	}
}

func TestWidenChoosesTheNextStep(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		engine           tsql.Engine
		column           string
		there            Found
		characters, most int
		wide             bool
		want             string
	}{
		{tsql.SQLServer, "code", Found{Type: "nvarchar", Length: 256}, 256, 256, false, ""},
		{
			tsql.SQLServer, "code",
			Found{Type: "nvarchar", Length: 256},
			257, 257, false,
			"nvarchar(1024)" + binary + " NULL",
		},
		{
			tsql.SQLServer, "tagged_code",
			Found{Type: "nvarchar", Length: 20},
			21, 60, false,
			"nvarchar(256)" + binary + " NULL",
		},
		{tsql.SQLServer, "tagged_code", Found{Type: "nvarchar", Length: 256}, 0, 0, false, ""},
		{
			tsql.Dedicated, "text",
			Found{Type: "nvarchar", Length: 1024},
			1025, 2000, false,
			"nvarchar(4000) NULL",
		},
		{tsql.Dedicated, "text", Found{Type: "nvarchar", Length: 1024}, 1000, 3000, false, ""},
		{
			tsql.Dedicated, "text",
			Found{Type: "nvarchar", Length: 1024},
			4001, 4001, false,
			"nvarchar(max) NULL",
		},
		{tsql.Dedicated, "text", Found{Type: "nvarchar", Length: -1}, 4001, 4001, false, ""},
		{
			tsql.Dedicated, "note",
			Found{Type: "nvarchar", Length: 4000},
			5000, 5000, false,
			"nvarchar(max) NULL",
		},
		{
			tsql.SQLServer, "short_id",
			Found{Type: "varchar", Length: 36},
			64, 64, false,
			"varchar(128)" + binary + " NULL",
		},
		{tsql.SQLServer, "patient_id", Found{Type: "nvarchar", Length: -1}, 64, 64, false, ""},
		{tsql.SQLServer, "seen", Found{Type: "varchar", Length: 64}, 25, 25, false, ""},
		{
			tsql.SQLServer, "seen",
			Found{Type: "varchar", Length: 64},
			25, 26, true,
			"nvarchar(64) NULL",
		},
		{
			tsql.SQLServer, "seen",
			Found{Type: "varchar", Length: -1},
			25, 26, true,
			"nvarchar(max) NULL",
		},
		{tsql.SQLServer, "seen", Found{Type: "nvarchar", Length: 256}, 25, 25, false, ""},
		{
			tsql.SQLServer, "seen",
			Found{Type: "varchar", Length: 64},
			70, 70, false,
			"varchar(128) NULL",
		},
		{
			tsql.SQLServer, "seen",
			Found{Type: "varchar", Length: 5000},
			70, 71, true,
			"nvarchar(max) NULL",
		},
		{
			tsql.Fabric, "code",
			Found{Type: "varchar", Length: 1024},
			1000, 1025, false,
			"varchar(4096) NULL",
		},
		{
			tsql.Fabric, "text",
			Found{Type: "varchar", Length: 8000},
			4000, 8001, false,
			"varchar(max) NULL",
		},
		{tsql.Fabric, "seen", Found{Type: "varchar", Length: 64}, 25, 26, true, ""},
	} {
		v := typed(t)
		target := Target{
			Engine: engines[c.engine], Schema: "s", Views: []flatten.Table{v},
			Longest: map[string]tsql.Extent{"v." + c.column: {
				Characters: c.characters,
				Bytes:      c.most, Wide: c.wide,
			}},
		}
		c.there.Schema, c.there.Table = "s", "V"
		c.there.Column = strings.ToUpper(c.column)
		want := ""
		if c.want != "" {
			want = "ALTER TABLE [s].[v] ALTER COLUMN [" + strings.ToUpper(c.column) + "] " + c.want
		}
		got := ""
		for _, st := range target.Widen(Catalog{c.there}) {
			got += st.Text
		}
		if got != want {
			t.Errorf("%s %s, %d characters: got %q, want %q", c.engine, c.column, c.characters, got,
				want)
		}
		// A new table has the room at once.
		if kind := types(target.view("s", v))[c.column]; c.want != "" && !c.wide &&
			!strings.HasPrefix(c.want, kind) {
			t.Errorf("%s %s, %d characters: a new column is %s, a widened one %s", c.engine,
				c.column, c.characters, kind, c.want)
		}
	}
}

// In tables of older versions the instant is a text.
func TestTypesOfOlderTablesAreRefused(t *testing.T) {
	t.Parallel()
	instant := Found{Schema: "s", Table: "t", Column: "_last_updated", Type: "varchar", Length: 24}
	want := "column t._last_updated is varchar(24) in schema s and should be datetime2(3)"
	err := instant.refused(Column{"_last_updated", instantType, true})
	if err == nil || err.Error() != want {
		t.Errorf("refused: %v", err)
	}
}

package statements

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/views"
)

// The keys, indexes and statistics of all bundled tables.
func TestStatisticsAndIndexesOfTheBundledTables(t *testing.T) {
	t.Parallel()
	bundled, err := views.Bundled()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	keyed := 0
	for _, v := range bundled {
		table := flatten.TableOf(v)
		key := "no key"
		if table.Keyed {
			key = "key " + strings.Join(append([]string{"_id"}, table.RowKey...), ", ")
			keyed++
		}
		fmt.Fprintf(&b, "%s: %s", v.Name, key)
		for _, of := range sought(table) {
			fmt.Fprintf(&b, "; index %s", strings.Join(of, ", "))
		}
		fmt.Fprintf(&b, "; statistics %s\n", strings.Join(estimated(table), ", "))
	}
	const path = "testdata/layout.txt"
	if flag.Lookup("update").Value.String() == "true" {
		if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), b.String()); d != "" {
		t.Errorf("layout (-want +got), see -update:\n%s", d)
	}
	if keyed < len(bundled)-1 {
		t.Errorf("only %d of %d tables have a key", keyed, len(bundled))
	}
}

// observations is a table with a key and all kinds of columns that have indexes.
var observations = flatten.Table{
	Name: "observation", Resource: "Observation", Keyed: true, RowKey: []string{"row_index"},
	Columns: []sof.Column{
		{Name: "patient_id", Class: sof.Key},
		{Name: "code", Class: sof.Code},
		{Name: "row_index", Kind: sof.Integer},
		{Name: "effective_utc", Kind: sof.Timestamp},
		{Name: "issued_utc", Kind: sof.Timestamp},
	},
}

func target(t *testing.T, name tsql.Engine, view flatten.Table, layout ...Index) Target {
	t.Helper()
	e, err := For(name)
	if err != nil {
		t.Fatal(err)
	}
	for i := range layout {
		layout[i].Schema, layout[i].Table = "fhir", view.Name
	}
	return Target{
		Engine: e, Schema: "fhir", Type: view.Resource, Views: []flatten.Table{view},
		Layout: layout,
	}
}

func texts(all []Statement) (out []string) {
	for _, s := range all {
		out = append(out, s.Text)
	}
	return out
}

// Only missing ones are made, and an index of others counts.
func TestStatisticsAndIndexesOnlyIfAbsent(t *testing.T) {
	t.Parallel()
	const on = " ON [fhir].[observation] ("
	all := []string{
		"CREATE NONCLUSTERED INDEX [ix_patient_id]" + on + "[patient_id])",
		"CREATE NONCLUSTERED INDEX [ix_code]" + on + "[code], [effective_utc])",
	}
	theirs := func(kind string, columns ...string) Index {
		return Index{Name: "theirs", Kind: kind, Columns: columns}
	}
	long := Catalog{{
		Schema: "fhir", Table: "observation", Column: "code", Type: "nvarchar", Length: 1024,
	}}
	for name, c := range map[string]struct {
		there  Catalog
		layout []Index
		want   []string
	}{
		"none": {nil, nil, all},
		"the first": {
			nil, []Index{theirs(nonclustered, "PATIENT_ID", "issued_utc")}, all[1:],
		},
		"a unique one":    {nil, []Index{theirs(constraint, "code", "effective_utc")}, all[:1]},
		"on less":         {nil, []Index{theirs(nonclustered, "code")}, all},
		"of some rows":    {nil, []Index{theirs(filtered, "patient_id")}, all},
		"only statistics": {nil, []Index{theirs(ownStatistics, "patient_id")}, all},
		"our name on another thing": {
			nil, []Index{{Name: "IX_code", Kind: filtered, Columns: []string{"x"}}}, all[:1],
		},
		"a code that was widened": {long, nil, all[:1]},
	} {
		got := texts(Missing(target(t, tsql.SQLServer, observations, c.layout...), c.there))
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q", name, got)
		}
	}
	wider := target(t, tsql.SQLServer, observations)
	wider.Longest = map[string]tsql.Extent{"observation.code": {Characters: 900, Wide: true}}
	long[0].Length = 256
	if got := texts(Missing(wider, long)); !slices.Equal(got, all[:1]) {
		t.Errorf("a code that is widened now: %q", got)
	}

	var statistics []string
	for _, column := range []string{"id", "patient_id", "code", "effective_utc", "issued_utc"} {
		name := map[string]string{"id": "_id"}[column]
		if name == "" {
			name = column
		}
		statistics = append(statistics, "CREATE STATISTICS [by_"+column+"]"+on+"["+name+"])")
	}
	isOwn := func(text string) bool { return !strings.Contains(text, "[observation]") }
	pool := target(t, tsql.Dedicated, observations)
	if got := slices.DeleteFunc(texts(Missing(pool, nil)), isOwn); !slices.Equal(got, statistics) {
		t.Errorf("statistics: %q", got)
	}
	pool = target(t, tsql.Dedicated, observations, theirs(autoStatistic, "_id"),
		theirs(ownStatistics, "Issued_utc"), theirs(nonclustered, "code"))
	if got := slices.DeleteFunc(texts(Missing(pool, nil)), isOwn); !slices.Equal(got,
		statistics[1:4]) {
		t.Errorf("statistics that are absent: %q", got)
	}
	if got := Missing(target(t, tsql.Fabric, observations), nil); len(got) > 0 {
		t.Errorf("Fabric: %v", got)
	}
}

// Indexes of ours go before the column changes; those that others made are left, and named.
func TestWidenDropsWhatIsOurs(t *testing.T) {
	t.Parallel()
	there := Catalog{{
		Schema: "fhir", Table: "observation", Column: "code", Type: "nvarchar", Length: 20,
	}}
	layout := []Index{
		{Name: "ix_code", Kind: nonclustered, Columns: []string{"code", "effective_utc"}},
		{Name: "some", Kind: filtered, Columns: []string{"code", "effective_utc"}},
		{Name: "by_code", Kind: ownStatistics, Columns: []string{"code"}},
		{Name: "_WA_Sys_1", Kind: autoStatistic, Columns: []string{"code"}},
		{
			Name: "theirs", Kind: nonclustered, Columns: []string{"patient_id"},
			Other: []string{"code"},
		},
		{Name: "both", Kind: ownStatistics, Columns: []string{"patient_id", "code"}},
		{Name: "uq", Kind: constraint, Columns: []string{"code"}},
	}
	for engine, want := range map[tsql.Engine][]string{
		tsql.SQLServer: {
			"DROP INDEX [ix_code] ON [fhir].[observation]",
			"DROP STATISTICS [fhir].[observation].[by_code]",
		},
		tsql.Dedicated: {
			"DROP INDEX [ix_code] ON [fhir].[observation]",
			"DROP STATISTICS [fhir].[observation].[by_code]",
			"DROP STATISTICS [fhir].[observation].[_WA_Sys_1]",
		},
	} {
		of := target(t, engine, observations, layout...)
		widening := of.Widen(there)
		want = append(want, "ALTER TABLE [fhir].[observation] ALTER COLUMN [code] "+
			"nvarchar(256)"+binary+" NULL")
		if got := texts(widening); !slices.Equal(got, want) {
			t.Errorf("%s: %q", engine, got)
		}
		left := of.Layout.Without(widening)
		if len(left) != len(layout)-len(want)+1 {
			t.Errorf("%s: %d are left", engine, len(left))
		}
		const others = "DROP INDEX [some] ON [fhir].[observation]; " +
			"DROP INDEX [theirs] ON [fhir].[observation]; " +
			"DROP STATISTICS [fhir].[observation].[both]; " +
			"ALTER TABLE [fhir].[observation] DROP CONSTRAINT [uq]"
		if got := Others(of, "Observation", "CODE"); got != others {
			t.Errorf("%s: %s", engine, got)
		}
	}
}

// A changed view may make rows that the key of its table refuses.
func TestTypesOfKeysFollowTheView(t *testing.T) {
	t.Parallel()
	there := Catalog{{
		Schema: "fhir", Table: "observation", Column: "row_index", Type: "int", NotNull: true,
	}}
	key := Index{Name: "pk_observation", Kind: primaryKey, Columns: []string{"_id", "row_index"}}
	same := target(t, tsql.SQLServer, observations, key)
	want := same.view("fhir", observations)
	if got := rekey(same, want, there.columns(want)); len(got) > 0 {
		t.Errorf("the same key: %q", texts(got))
	}
	changed := observations
	changed.Keyed, changed.RowKey = false, nil
	drop := []string{
		"ALTER TABLE [fhir].[observation] DROP CONSTRAINT [pk_observation]",
		"ALTER TABLE [fhir].[observation] ALTER COLUMN [row_index] int NULL",
		"CREATE CLUSTERED INDEX [cx_observation] ON [fhir].[observation] ([_id])",
	}
	other := target(t, tsql.SQLServer, changed, key)
	want = other.view("fhir", changed)
	if got := texts(rekey(other, want, there.columns(want))); !slices.Equal(got, drop) {
		t.Errorf("another key: %q", got)
	}
	stored := observations
	stored.Columnstore = true // of a table that was made before
	other = target(t, tsql.SQLServer, stored, key)
	if got := rekey(other, other.view("fhir", stored), nil); len(got) > 0 {
		t.Errorf("the same key, and a columnstore: %q", texts(got))
	}
	if text := other.create(other.view("fhir", stored)); strings.Contains(text, "PRIMARY KEY") {
		t.Errorf("a columnstore with a key: %s", text)
	}
	stored.Keyed = false
	stored.RowKey = nil
	other = target(t, tsql.SQLServer, stored, key)
	if got := texts(rekey(other, other.view("fhir", stored), there.columns(want))); !slices.Equal(
		got, drop) {
		t.Errorf("another key, and a columnstore: %q", got)
	}
	key.Name = "theirs"
	other = target(t, tsql.SQLServer, changed, key)
	if got := rekey(other, want, there.columns(want)); len(got) > 0 {
		t.Errorf("a key of others: %q", texts(got))
	}
}

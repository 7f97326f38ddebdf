package statements

import (
	"strings"
	"testing"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/tsql"
)

func TestKeysTellCaseApartWhateverTheCollationOfTheDatabase(t *testing.T) {
	t.Parallel()
	view, err := sof.Compile("v.json",
		[]byte(`{"resourceType":"ViewDefinition","name":"v","resource":"Observation","status":"active","select":[{"column":[
		{"name":"id","path":"getResourceKey()"},{"name":"plain","path":"id"},{"name":"patient_id","path":"subject.getReferenceKey(Patient)"},
		{"name":"first","path":"performer.first().getReferenceKey()"},{"name":"text","path":"code.text"},
		{"name":"all","collection":true,"path":"performer.getReferenceKey()"}]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	for engine, collated := range map[tsql.Engine]bool{
		tsql.SQLServer: true, tsql.Dedicated: true, tsql.Fabric: false,
	} {
		e, err := For(engine)
		if err != nil {
			t.Fatal(err)
		}
		table := flatten.Table{Name: "v", Columns: view.Columns}
		for _, c := range (Target{Engine: e}).view("s", table).Columns {
			want := collated && (c.Name == "id" || c.Name == "plain" || c.Name == "patient_id" ||
				c.Name == "first" || c.NotNull && c.Name != "_last_updated")
			if got := strings.HasSuffix(c.Type, " COLLATE Latin1_General_100_BIN2"); got != want {
				t.Errorf("%s: column %s is %s", engine, c.Name, c.Type)
			}
		}
	}
}

func TestAWarehouseThatMergesIDsIsRefused(t *testing.T) {
	t.Parallel()
	for collation, ok := range map[string]bool{
		"Latin1_General_100_BIN2_UTF8": true, "SQL_Latin1_General_CP1_CS_AS": true,
		"Latin1_General_100_CI_AS_KS_WS_SC_UTF8": false, "SQL_Latin1_General_CP1_CI_AS": false,
		"": false,
	} {
		err := CheckCollation(collation)
		if (err == nil) != ok || err != nil && fault.Of(err) != fault.Permanent {
			t.Errorf("%q: %v", collation, err)
		}
	}
}

func TestTablesOfOlderVersionsKeepTheirShortIDs(t *testing.T) {
	t.Parallel()
	target := Target{Engine: engines[tsql.SQLServer], Schema: "s"}
	id := Column{"_id", target.name(idLength), true}
	for length, ok := range map[int]bool{128: true, 64: true, 32: false, -1: true} {
		found := Found{Table: "t", Column: "_id", Type: "varchar", Length: length}
		if err := found.refused(id); (err == nil) != ok {
			t.Errorf("%d characters: %v", length, err)
		}
	}
}

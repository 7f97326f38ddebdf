package query_test

import (
	"testing"

	"fhirsynapse/internal/query"
)

func TestOneStatementThatReads(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"select 1", "select 1;", " ( select 1 ) ; -- done; really\n /* ; */ ",
		"/* why; */ with a as (select ';' as x) from a",
		`select ";" from "a;b"`, "select $$a;b$$, $x$;$x$", `select E'\';' as x`,
		"select 'it''s; fine'", "explain analyze select 1",
		"selct 1", "summarize patient", "values (1)",
	} {
		if err := query.One(s); err != nil {
			t.Errorf("%s: %v", s, err)
		}
	}
	for _, s := range []string{
		"select 1; select 2", "select 1;;drop table x", "select ';'; select 1",
		"-- a\nselect 1; /* b */ select 2", `select 'a\'; select 2`,
		"copy (select 1) to 'x'", "explain analyze copy (select 1) to 'x'", "attach 'x'",
		"/* */ DROP TABLE patient", "", " ; ", "-- nothing",
	} {
		if err := query.One(s); err == nil {
			t.Errorf("%q was let through", s)
		}
	}
}

func FuzzOne(f *testing.F) {
	f.Add("select 'a' ; ")
	f.Add("e'\\")
	f.Fuzz(func(t *testing.T, s string) {
		if query.One("select 1; select 2; "+s) == nil {
			t.Errorf("several statements were let through with %q", s)
		}
	})
}

package sof_test

import (
	"fmt"
	"strings"
	"testing"

	"fhirsynapse/internal/sof"
)

func TestRowKeys(t *testing.T) {
	t.Parallel()
	const (
		index = `{"name":"n","path":"%rowIndex"}`
		inner = `{"name":"m","path":"%rowIndex"}`
		text  = `{"name":"x","path":"use"}`
	)
	each := func(kind, over, columns, more string) string {
		if more != "" {
			more = `,"select":[` + more + `]`
		}
		return `{"` + kind + `":` + over + `,"column":[` + columns + `]` + more + `}`
	}
	const (
		names, contacts, telecoms = `"name"`, `"contact"`, `"telecom"`
		some, orNull              = "forEach", "forEachOrNull"
	)
	telecom := each(some, telecoms, inner, "")
	telecomOrNull := each(orNull, telecoms, inner, "")
	for selects, want := range map[string]string{
		`{"column":[{"name":"x","path":"gender"}]}`:                          "yes",
		each(some, `"name.first()"`, text, ""):                               "yes",
		each(orNull, `"iif(active,name[0],name.last())"`, text, ""):          "yes",
		each(orNull, `"name.where(use='a')"`, text, ""):                      "no",
		each(some, names, text, ""):                                          "no",
		each(some, names, index, ""):                                         "yes n",
		each(orNull, names, index, ""):                                       "yes n",
		each(some, names, text, `{"column":[`+index+`]}`):                    "yes n",
		each(some, contacts, index, telecom):                                 "yes n m",
		each(some, contacts, index, telecomOrNull):                           "yes n m",
		each(orNull, contacts, index, telecomOrNull):                         "yes n m",
		each(some, contacts, `{"name":"x","path":"gender"}`, telecom):        "no",
		each(some, names, index, "") + "," + each(some, contacts, inner, ""): "yes n m",
		each("repeat", `["contact"]`, index, ""):                             "yes n",
		each("repeat", `["contact"]`, `{"name":"x","path":"gender"}`, ""):    "no",
		// A document may have a list there.
		each(some, `"maritalStatus"`, `{"name":"x","path":"text"}`, ""): "no",
		// Without a contact, m is NULL.
		each(orNull, contacts, index, telecom): "no",
		`{"unionAll":[` + each(some, names, index, "") + `,` +
			each(some, contacts, index, "") + `]}`: "no",
	} {
		view, err := sof.Compile("v.json", []byte(
			`{"resourceType":"ViewDefinition","name":"v","status":"active",`+
				`"resource":"Patient","select":[`+selects+`]}`))
		if err != nil {
			t.Fatalf("%s: %v", selects, err)
		}
		columns, ok := view.RowKey()
		got := strings.TrimSpace(fmt.Sprint(map[bool]string{true: "yes", false: "no"}[ok], " ",
			strings.Join(columns, " ")))
		if got != want {
			t.Errorf("%s: %s, want %s", selects, got, want)
		}
	}
}

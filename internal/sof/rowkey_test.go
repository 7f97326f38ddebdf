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
	for selects, want := range map[string]string{
		`{"column":[{"name":"x","path":"gender"}]}`:                                                                            "yes",
		`{"forEach":"name.first()","column":[` + text + `]}`:                                                                   "yes",
		`{"forEachOrNull":"iif(active,name[0],name.last())","column":[` + text + `]}`:                                          "yes",
		`{"forEachOrNull":"name.where(use='a')","column":[` + text + `]}`:                                                      "no",
		`{"forEach":"name","column":[` + text + `]}`:                                                                           "no",
		`{"forEach":"maritalStatus","column":[{"name":"x","path":"text"}]}`:                                                    "no", // a list is possible in a document
		`{"forEach":"name","column":[` + index + `]}`:                                                                          "yes n",
		`{"forEachOrNull":"name","column":[` + index + `]}`:                                                                    "yes n",
		`{"forEach":"name","select":[{"column":[` + index + `,` + text + `]}]}`:                                                "yes n",
		`{"forEach":"contact","column":[` + index + `],"select":[{"forEach":"telecom","column":[` + inner + `]}]}`:             "yes n m",
		`{"forEach":"contact","column":[` + index + `],"select":[{"forEachOrNull":"telecom","column":[` + inner + `]}]}`:       "yes n m",
		`{"forEachOrNull":"contact","column":[` + index + `],"select":[{"forEach":"telecom","column":[` + inner + `]}]}`:       "no", // m is NULL without a contact
		`{"forEachOrNull":"contact","column":[` + index + `],"select":[{"forEachOrNull":"telecom","column":[` + inner + `]}]}`: "yes n m",
		`{"forEach":"contact","select":[{"forEach":"telecom","column":[` + inner + `]}]}`:                                      "no",
		`{"forEach":"name","column":[` + index + `]},{"forEach":"contact","column":[` + inner + `]}`:                           "yes n m",
		`{"repeat":["contact"],"column":[` + index + `]}`:                                                                      "yes n",
		`{"repeat":["contact"],"column":[{"name":"x","path":"gender"}]}`:                                                       "no",
		`{"unionAll":[{"forEach":"name","column":[` + index + `]},{"forEach":"contact","column":[` + index + `]}]}`:            "no",
	} {
		view, err := sof.Compile("v.json", []byte(
			`{"resourceType":"ViewDefinition","name":"v","status":"active","resource":"Patient","select":[`+
				selects+`]}`))
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

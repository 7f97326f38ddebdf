package cli_test

import (
	"strings"
	"testing"

	"fhirsynapse/internal/sof"
)

func TestViewsNewPrintsADefinition(t *testing.T) {
	t.Parallel()
	got := run(t, commands(), nil, "views", "new", "Specimen")
	if got.code != 0 || got.err != "" {
		t.Fatalf("got %+v", got)
	}
	v, err := sof.Compile("specimen.json", []byte(got.out))
	if err != nil || v.Name != "specimen" || v.Resource != "Specimen" {
		t.Errorf("got %v, %v", v, err)
	}
	for name, want := range map[string]string{
		"specimen":  `"specimen" is no resource type of FHIR R4: write Specimen`,
		"HumanName": `"HumanName" is no resource type of FHIR R4`,
	} {
		got := run(t, commands(), nil, "views", "new", name)
		if got.code != 2 || got.out != "" || !strings.Contains(got.err, want) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

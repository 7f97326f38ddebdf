package config_test

import (
	"os"
	"strings"
	"testing"

	"fhirsynapse/internal/cohort"
	"fhirsynapse/internal/config"
)

// example parses the first YAML block of a page of the documentation.
func example(t *testing.T, page string) config.Exports {
	t.Helper()
	b, err := os.ReadFile("../../docs/" + page)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "```yaml\n")
	text, _, found := strings.Cut(rest, "```")
	if !found {
		t.Fatal("the page has no YAML")
	}
	deployed := func(name string) string {
		return map[string]string{
			"FHIR_URL": "https://clinic.fhir.azurehealthcareapis.com", "AZURE_CLIENT_ID": "id",
		}[name]
	}
	e, err := config.ParseExports("exports.yaml", []byte(text), deployed)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestTheExampleOfTheCohortsPageWorks(t *testing.T) {
	t.Parallel()
	e := example(t, "cohorts.md")
	c, ok := e.Cohort("former-smokers")
	if !ok || c.Match != cohort.MatchLatest || c.Membership != cohort.Tracking ||
		len(e.Plans) != 1 || e.Plans[0].Cohort != c.Name {
		t.Errorf("it has %+v and %+v", c, e.Plans)
	}
}

func TestTheExampleOfTheTutorialWorks(t *testing.T) {
	t.Parallel()
	e := example(t, "tutorial.md")
	if len(e.Plans) != 1 || e.Plans[0].Schema != "smokers" ||
		e.Plans[0].Cohort != "former-smokers" {
		t.Errorf("it has %+v", e.Plans)
	}
}

package config_test

import (
	"os"
	"strings"
	"testing"

	"fhirsynapse/internal/cohort"
	"fhirsynapse/internal/config"
)

func TestTheExampleOfTheCohortsPageWorks(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/cohorts.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```yaml\n")
	text, _, found := strings.Cut(rest, "```")
	if !found {
		t.Fatal("the page has no YAML")
	}
	e, err := config.ParseExports("exports.yaml", []byte(text), none)
	if err != nil {
		t.Fatal(err)
	}
	c, ok := e.Cohort("former-smokers")
	if !ok || c.Match != cohort.MatchLatest || c.Membership != cohort.Tracking ||
		len(e.Plans) != 1 || e.Plans[0].Cohort != c.Name {
		t.Errorf("it has %+v and %+v", c, e.Plans)
	}
}

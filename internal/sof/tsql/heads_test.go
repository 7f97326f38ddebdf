package tsql_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/testkit/tsqleval"
)

func TestHeadsAreVersionsAsPrepareWritesThem(t *testing.T) {
	t.Parallel()
	docs := []string{
		`{"resourceType":"Patient","id":"a","meta":{"lastUpdated":"2020-01-01T00:30:00.125+01:00","versionId":"007"}}`,
		`{"resourceType":"Patient","id":"b","meta":{"lastUpdated":"2020-01-01T00:00:00Z","versionId":"x1"}}`,
		`{"resourceType":"Patient","id":"c"}`,
		`{"resourceType":"Patient","id":"d","meta":{"lastUpdated":"2020-01-01T00:00:00.1234567891Z","versionId":"123456789012345678901","extension":[{"url":"x"},{"url":"http://azurehealthcareapis.com/data-extensions/deleted-state","valueString":"soft-deleted"}]}}`,
		`{"resourceType":"Organization","id":"e"}`,
	}
	want := []string{
		"a|2019-12-31T23:30:00.125000000Z/00000000000000000007/007/0|false",
		"b|2020-01-01T00:00:00.000000000Z/00000000000000000000/x1/0|false",
		"c|2026-01-31T08:00:00.000000000Z/00000000000000000000//0|false",
		"d|2020-01-01T00:00:00.123456789Z/00000000000000000000/123456789012345678901/1|true",
	}
	for _, e := range tsql.Engines() {
		text, err := tsql.Heads("Patient", e, tsql.Shape{From: "[docs]"},
			"2026-01-31T08:00:00.000000000Z")
		if err != nil {
			t.Fatal(err)
		}
		inspect(t, tsql.SQLServer, parsed(t, mustHeads(t, tsql.SQLServer)))
		_, rows, err := tsqleval.Run(text, standIn(e).dialect(), tsqleval.Documents("docs", docs))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, joined(rows)); d != "" {
			t.Errorf("%s (-want +got):\n%s", e, d)
		}
	}
	if _, err := tsql.Heads("Patiant", tsql.SQLServer, tsql.Shape{From: "[docs]"}, ""); err == nil {
		t.Error("heads of no resource type")
	}
}

func mustHeads(t *testing.T, e tsql.Engine) string {
	t.Helper()
	text, err := tsql.Heads("Observation", e,
		tsql.Shape{From: "[docs]", Keys: []string{"_file", "_line"}},
		"2026-01-31T08:00:00.000000000Z")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

package tsqltest_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"fhirsynapse/internal/cli"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/warehouse/setup"
)

var shellBlock = regexp.MustCompile("(?ms)^```sh\n(.*?)^```$")

// Every sql setup command in the documentation runs. A command with --check gets a target without a
// database, and fails for that reason.
func TestTheCommandsOfTheDocumentation(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../docs/warehouses.md")
	if err != nil {
		t.Fatal(err)
	}
	printed, parts := 0, map[string]int{}
	for _, block := range shellBlock.FindAllStringSubmatch(string(text), -1) {
		for line := range strings.Lines(block[1]) {
			command, pipe, _ := strings.Cut(strings.TrimSpace(line), " | ")
			args := strings.Fields(command)
			if len(args) < 3 || args[0] != "fhirsynapse" || args[1] != "sql" || args[2] != "setup" {
				continue
			}
			var o, e strings.Builder
			code := cli.Run(t.Context(), args[1:], func(string) string {
				return "fabric://127.0.0.1"
			}, cli.Streams{Out: &o, Err: &e, Now: now, Ticks: noTicks}, cli.Commands{})
			if strings.Contains(command, "--check") {
				if code != 1 || !strings.Contains(e.String(), "names no database") {
					t.Errorf("%s: code %d, %s", command, code, e.String())
				}
				continue
			}
			into := pipe[strings.LastIndex(pipe, " ")+1:]
			if code != 0 || !strings.Contains(o.String(), "DB_NAME() <> ") ||
				!strings.Contains(o.String(), "'"+into+"'") ||
				!strings.HasPrefix(pipe, "sqlcmd -G -b -S ") {
				t.Errorf("%s | %s: code %d, %s", command, pipe, code, e.String())
			}
			printed++
			if _, part, is := strings.Cut(command, "--part "); is {
				parts[part]++
			}
		}
	}
	if printed != 8 || parts["master"] != 3 || parts["database"] != 3 {
		t.Errorf("%d commands, parts %v", printed, parts)
	}
}

// The documentation lists exactly the rights that the scripts grant.
func TestTheRightsOfTheDocumentation(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../docs/warehouses.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "| the principal that loads |")
	table, _, _ = strings.Cut(table, "\n\n")
	granted := regexp.MustCompile(`(?m)^GRANT ([A-Z ]+?) (?:ON|TO) `)
	known := map[string]bool{}
	for _, e := range tsql.Engines() {
		s := setup.Setup{
			Engine: e, Principal: "x", Schema: "fhir", Database: "fhir",
			Rebuild: e == tsql.SQLServer, Snapshots: e == tsql.Serverless,
			Move: e != tsql.Serverless,
		}
		if e == tsql.Serverless {
			s.Published = publishedURL
		}
		script, err := s.Script("")
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range granted.FindAllStringSubmatch(script, -1) {
			known[m[1]] = true
			if !strings.Contains(table, m[1]) {
				t.Errorf("%s: no word of %s", e, m[1])
			}
		}
	}
	for _, word := range regexp.MustCompile(`[A-Z]{4,}(?: [A-Z]{2,})*`).FindAllString(table, -1) {
		if !known[word] {
			t.Errorf("nobody is granted %s", word)
		}
	}
}

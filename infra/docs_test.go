package infra_test

import (
	"bytes"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"fhirsynapse/internal/cli"
	"fhirsynapse/internal/config"
)

var shellBlock = regexp.MustCompile("(?ms)^ *```(?:sh|text)\n(.*?)^ *```$")

// commandLines returns the lines of all shell blocks of a page.
func commandLines(t *testing.T, page string) []string {
	t.Helper()
	var out []string
	for _, block := range shellBlock.FindAllStringSubmatch(string(read(t, page)), -1) {
		for _, line := range strings.Split(block[1], "\n") {
			if line = strings.TrimSpace(line); line != "" {
				out = append(out, line)
			}
		}
	}
	return out
}

// azureOnly are the programs that need a subscription, or only set variables.
var azureOnly = []string{
	"az ", "azd ", "eval ", "export ", "make publish ", "make package ",
	"fhirsynapse exports watch",
}

// The SQL set-up of each engine is printed as on the page, with the outputs of the template. All
// other lines of the page need Azure.
func TestTheCommandsOfThePagesRun(t *testing.T) {
	t.Parallel()
	printed := map[string]int{}
	lines := commandLines(t, "../docs/azure.md")
	for _, line := range append(lines, commandLines(t, "../README.md")...) {
		if strings.HasPrefix(line, "make demo") ||
			strings.HasPrefix(line, "go run ./cmd/fhirsynapse query ") {
			continue // the repository's full check runs them
		}
		line = strings.TrimPrefix(line, "go run ./cmd/")
		if !strings.HasPrefix(line, "fhirsynapse sql setup ") {
			if !slices.ContainsFunc(azureOnly, func(p string) bool {
				return strings.HasPrefix(line, p)
			}) {
				t.Errorf("%s: neither run by a test nor Azure's", line)
			}
			continue
		}
		engine := regexp.MustCompile(`--engine (\S+)`).FindStringSubmatch(line)[1]
		parameters := map[string]any{"warehouse": engine}
		if engine == "fabric" {
			parameters["warehouseHost"] = "x.example.org"
		}
		d := deployed(t, parameters)
		command, _, _ := strings.Cut(line, " | ")
		expanded := os.Expand(strings.ReplaceAll(line, `"`, ""), func(name string) string {
			v, err := d.output(name)
			if err != nil {
				t.Errorf("%s: %v", line, err)
			}
			return text(v)
		})
		ours, sqlcmd, _ := strings.Cut(expanded, " | ")
		var stdout, stderr bytes.Buffer
		code := cli.Run(t.Context(), strings.Fields(ours)[1:], func(string) string {
			return ""
		}, cli.Streams{Out: &stdout, Err: &stderr}, cli.Commands{})
		if code != 0 || stdout.Len() < 500 {
			t.Errorf("%s: exit code %d, %d bytes: %s", command, code, stdout.Len(), stderr.String())
		}
		if strings.Contains(ours, "--part database") {
			app := only(t, d, "Microsoft.ManagedIdentity/userAssignedIdentities", "-app").Name
			if !strings.Contains(stdout.String(), "["+app+"]") ||
				!strings.HasSuffix(sqlcmd, " -d fhir") {
				t.Errorf("%s: prints nothing about %s, or goes to %s", command, app, sqlcmd)
			}
		}
		printed[engine]++
	}
	if want := map[string]int{
		"sqlserver": 2, "synapse-dedicated": 2, "synapse-serverless": 2, "fabric": 1,
	}; !maps.Equal(printed, want) {
		t.Errorf("set-ups printed: %v, want %v", printed, want)
	}
}

// Every name in camel case on the two pages is a parameter, a setting or a property
// that is listed here.
func TestTheNamesOnThePagesExist(t *testing.T) {
	t.Parallel()
	parameters := compiled(t).Parameters
	others := []string{"azureADOnlyAuthentication", "maxConcurrentCalls"}
	names := regexp.MustCompile("`([a-z]+[A-Z][A-Za-z]+)(?:[ :=][^`]*)?`")
	for _, page := range []string{"../docs/azure.md", "../docs/security.md"} {
		found := names.FindAllStringSubmatch(string(read(t, page)), -1)
		if len(found) < 5 {
			t.Errorf("%s: only %d names", page, len(found))
		}
		for _, m := range found {
			if _, ok := parameters[m[1]]; !ok && !slices.Contains(others, m[1]) &&
				!strings.Contains(config.Markdown(), "`"+m[1]+"`") {
				t.Errorf("%s: there is no parameter %s", page, m[1])
			}
		}
	}
}

// The documentation writes a parameter's default after its name: `stagingDays` (14). The template
// must have the same defaults.
func TestTheDefaultsOnThePagesAreThoseOfTheTemplate(t *testing.T) {
	t.Parallel()
	parameters := compiled(t).Parameters
	pages := string(read(t, "../docs/security.md")) + string(read(t, "../docs/azure.md"))
	found := regexp.MustCompile("`([a-z]+[A-Z][A-Za-z]+)` \\((\\d+)\\)").FindAllStringSubmatch(
		pages, -1)
	if len(found) < 6 {
		t.Errorf("only %d defaults", len(found))
	}
	for _, m := range found {
		if got := text(parameters[m[1]].DefaultValue); got != m[2] {
			t.Errorf("%s is %s on a page, %s in the template", m[1], m[2], got)
		}
	}
}

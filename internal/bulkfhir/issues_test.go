package bulkfhir

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
)

func TestIssuesNameSeverityCodeAndTypes(t *testing.T) {
	t.Parallel()
	line := func(issues string) string {
		return `{"resourceType":"OperationOutcome","issue":[` + issues + "]}\n"
	}
	issue := func(severity string, types ...string) pipeline.Issue {
		return pipeline.Issue{Severity: severity, Code: "processing", Types: types, Count: 1}
	}
	unread := pipeline.Issue{Severity: "error", Code: "unreadable", Count: 1}
	for name, c := range map[string]struct {
		typ  string
		text string
		want []pipeline.Issue
	}{
		"no type": {
			"OperationOutcome",
			line(`{"severity":"error","code":"processing","diagnostics":"Condition of Zz"}`),
			[]pipeline.Issue{issue("error")},
		},
		"by expression": {
			"OperationOutcome",
			line(`{"severity":"fatal","code":"processing","expression":["Condition.code"]}`),
			[]pipeline.Issue{issue("fatal", "Condition")},
		},
		"by location": {
			"OperationOutcome",
			line(`{"severity":"error","code":"processing","location":["/f:Encounter/f:class","Condition/7"]}`),
			[]pipeline.Issue{issue("error", "Condition", "Encounter")},
		},
		"by coding": {
			"OperationOutcome",
			line(`{"severity":"error","code":"processing","details":{"coding":[{"code":"Procedure"}]}}`),
			[]pipeline.Issue{issue("error", "Procedure")},
		},
		"by the entry": {
			"Condition", line(`{"severity":"error","code":"processing"}`),
			[]pipeline.Issue{issue("error", "Condition")},
		},
		"a type of no data": {
			"OperationOutcome",
			line(`{"severity":"error","code":"processing","expression":["Bundle.entry","zz"]}`),
			[]pipeline.Issue{issue("error")},
		},
		"a warning": {
			"OperationOutcome",
			line(`{"severity":"warning","code":"processing"}`),
			[]pipeline.Issue{issue("warning")},
		},
		"an unknown severity": {
			"OperationOutcome", line(`{"severity":"Zz","code":"processing"}`),
			[]pipeline.Issue{issue("error")},
		},
		"an unknown code": {
			"OperationOutcome", line(`{"severity":"error","code":"zz"}`),
			[]pipeline.Issue{{Severity: "error", Code: "other", Count: 1}},
		},
		"members of another form": {
			"OperationOutcome",
			line(`{"severity":7,"code":"processing","expression":"Condition","details":"x"}`),
			[]pipeline.Issue{issue("error")},
		},
		"two issues, two lines": {
			"OperationOutcome",
			line(`{"severity":"error","code":"processing"},{"severity":"information","code":"processing"}`) + "\n" + line(`{"severity":"error","code":"processing"}`),
			[]pipeline.Issue{
				{Severity: "error", Code: "processing", Count: 2}, issue("information"),
			},
		},
		"no issue": {
			"OperationOutcome", `{"resourceType":"OperationOutcome"}`,
			[]pipeline.Issue{unread},
		},
		"another resource": {
			"OperationOutcome", `{"resourceType":"Patient","issue":[{}]}`,
			[]pipeline.Issue{unread},
		},
		"no JSON": {"OperationOutcome", "<html>\n", []pipeline.Issue{unread}},
		"too long": {
			"OperationOutcome",
			line(`{"severity":"warning","diagnostics":"` + strings.Repeat("x", maxOutcome) + `"}`),
			[]pipeline.Issue{unread},
		},
		"too many": {
			"OperationOutcome",
			line(strings.Repeat(`{"severity":"warning","code":"processing"},`, maxIssues) + `{}`),
			[]pipeline.Issue{{Severity: "warning", Code: "processing", Count: maxIssues}, unread},
		},
		"an empty file": {"OperationOutcome", "", nil},
	} {
		got, err := (&Source{}).Issues(pipeline.OutputFile{Type: c.typ}, strings.NewReader(c.text))
		if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
}

func TestKindsOfIssuesAreBounded(t *testing.T) {
	t.Parallel()
	var lines strings.Builder
	n := int64(0)
	for _, code := range issueCodes {
		for _, typ := range []string{"Patient", "Condition", "Encounter"} {
			lines.WriteString(
				`{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"` + code +
					`","expression":["` + typ + `"]}]}` + "\n")
			n++
		}
	}
	got, err := (&Source{}).Issues(pipeline.OutputFile{}, strings.NewReader(lines.String()))
	if err != nil || len(got) != maxKinds+1 {
		t.Fatalf("%d kinds, %v", len(got), err)
	}
	last := got[maxKinds]
	if last.Code != "others" || last.Types != nil || !last.LosesData() || last.Count != n-maxKinds {
		t.Errorf("%+v", last)
	}
}

func TestServerTextIsKeptApartFromTheMessage(t *testing.T) {
	t.Parallel()
	outcome := `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"processing",` +
		`"diagnostics":"Zzsecret has no consent","expression":["Patient.name.where(given='Zzsecret')"]}]}`
	for name, c := range map[string]struct {
		h    http.HandlerFunc
		want string
	}{
		"an outcome": {answers(400, outcome), "HTTP 400: processing at Patient.name"},
		"a page": {
			answers(500, "<html>Zzsecret\x1b[2J</html>", "Content-Type", "text/html"),
			"HTTP 500 (text/html",
		},
	} {
		s, _ := serve(t, c.h)
		_, err := s.KickOff(t.Context(), pipeline.Request{Level: "system"})
		if err == nil || strings.Contains(err.Error(), "Zzsecret") ||
			!strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: kick-off: %v, want %q", name, err, c.want)
		}
		if text := fault.ServerText(err); !strings.Contains(text, "Zzsecret") ||
			strings.Contains(text, "\x1b") {
			t.Errorf("%s: kick-off: server text %q", name, text)
		}
		_, err = s.Status(t.Context(), s.base.String()+"/status/1")
		if err == nil || strings.Contains(err.Error(), "Zzsecret") ||
			!strings.Contains(fault.ServerText(err), "Zzsecret") {
			t.Errorf("%s: poll: %v, server text %q", name, err, fault.ServerText(err))
		}
	}
}

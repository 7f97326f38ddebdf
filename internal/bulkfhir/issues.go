package bulkfhir

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"

	"fhirsynapse/internal/ndjson"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/sof/schema"
)

const (
	// maxKinds bounds the number of distinct issues.
	maxKinds = 50
	// maxIssueTypes bounds the resource types of one issue.
	maxIssueTypes = 20
	// maxOutcome bounds the bytes of one OperationOutcome, maxIssues its issues.
	maxOutcome = 1 << 20
	maxIssues  = 10_000
)

// Issues implements pipeline.IssueReader. Only severity, code and resource types are read, because
// an issue's text may describe a patient. A line that is not an OperationOutcome counts as an
// error.
func (s *Source) Issues(f pipeline.OutputFile, r io.Reader) ([]pipeline.Issue, error) {
	var counted issueCounter
	named := typesNamed(f.Type)
	for line, err := range ndjson.Lines(r, maxOutcome) {
		switch {
		case errors.Is(err, ndjson.ErrTooLong):
			counted.add(unreadable(named))
		case err != nil:
			return counted.issues, err
		case line.Blank():
		default:
			counted.addOutcome(readOutcome(line.JSON), named)
		}
	}
	return counted.issues, nil
}

func unreadable(types []string) pipeline.Issue {
	return pipeline.Issue{Severity: pipeline.SeverityError, Code: "unreadable", Types: types}
}

// issueCounter counts equal issues. Beyond maxKinds it distinguishes them by severity only.
type issueCounter struct{ issues []pipeline.Issue }

func (c *issueCounter) add(i pipeline.Issue) {
	same := func(x pipeline.Issue) bool {
		return x.Severity == i.Severity && x.Code == i.Code && slices.Equal(x.Types, i.Types)
	}
	at := slices.IndexFunc(c.issues, same)
	if at < 0 && len(c.issues) >= maxKinds {
		i.Code, i.Types = "others", nil
		at = slices.IndexFunc(c.issues, same)
	}
	if at < 0 {
		c.issues = append(c.issues, i)
		at = len(c.issues) - 1
	}
	c.issues[at].Count++
}

// addOutcome counts the issues of one OperationOutcome. Issues without types take named, the types
// of their file.
func (c *issueCounter) addOutcome(o outcome, named []string) {
	if !o.present || len(o.issues) == 0 {
		c.add(unreadable(named))
		return
	}
	for _, i := range o.issues {
		types := i.types()
		if len(types) == 0 {
			types = named
		}
		c.add(pipeline.Issue{Severity: severity(i.Severity), Code: word(i.Code), Types: types})
	}
	if o.cut {
		c.add(unreadable(nil))
	}
}

// severity returns a FHIR severity. Any other text counts as an error.
func severity(s string) string {
	switch s {
	case "fatal", pipeline.SeverityError, "warning", "information", "success":
		return s
	}
	return pipeline.SeverityError
}

// types returns the resource types in the issue's expression, location or coding, sorted. Free text
// is not searched.
func (i issue) types() []string {
	var out []string
	for _, path := range slices.Concat(i.Expression, i.Location) {
		out = append(out, typesNamed(rootOf(path))...)
	}
	for _, c := range i.Details.Coding {
		out = append(out, typesNamed(c.Code)...)
	}
	slices.Sort(out)
	out = slices.Compact(out)
	if len(out) > maxIssueTypes {
		return nil // with too many types, the issue concerns all of them
	}
	return out
}

// typesNamed returns name if it is a resource type that holds data.
func typesNamed(name string) []string {
	switch name {
	case "OperationOutcome", "Bundle", "Parameters":
		return nil
	}
	if !schema.R4().IsResource(name) {
		return nil
	}
	return []string{name}
}

// rootOf returns the first name of a FHIRPath, an XPath or a reference, for example
// Patient of "Patient.name", "f:Patient/f:name" or "Patient/1".
func rootOf(path string) string {
	path = strings.TrimPrefix(strings.TrimLeft(strings.TrimSpace(path), "/"), "f:")
	if end := strings.IndexFunc(path, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z')
	}); end >= 0 {
		return path[:end]
	}
	return path
}

// issueCodes are the codes of http://hl7.org/fhir/issue-type in R4 and later.
var issueCodes = []string{
	"invalid", "structure", "required", "value", "invariant", "security", "login", "unknown",
	"expired", "forbidden", "suppressed",
	"processing", "not-supported", "duplicate", "multiple-matches", "not-found", "deleted",
	"too-long", "code-invalid", "extension",
	"too-costly", "business-rule", "conflict", "limited-filter", "transient", "lock-error",
	"no-store", "exception", "timeout",
	"incomplete", "throttled", "informational", "success",
}

// word returns a FHIR code, or "other" for any other text.
func word(code string) string {
	if slices.Contains(issueCodes, code) {
		return code
	}
	return "other"
}

// element returns the leading part of a path that consists of FHIR names, for example Patient.name
// of "Patient.name.where(given='X')". The rest may hold data.
func element(path string) string {
	root := rootOf(path)
	if len(typesNamed(root)) == 0 {
		return ""
	}
	out := root
	t, _ := schema.R4().Type(root)
	_, rest, _ := strings.Cut(path, root)
	for t != nil && strings.HasPrefix(rest, ".") {
		name := rest[1:]
		if end := strings.IndexAny(name, ".[( "); end >= 0 {
			name = name[:end]
		}
		e, ok := t.Element(name)
		if !ok {
			break
		}
		out += "." + name
		rest = rest[1+len(name):]
		t = nil
		if len(e.Types) == 1 {
			t = e.Types[0]
		}
	}
	return out
}

// readOutcome parses an OperationOutcome, whatever its Content-Type is.
func readOutcome(body []byte) outcome {
	var o outcome
	resource := ""
	s := newStream(bytes.NewReader(bytes.TrimPrefix(body, []byte(byteOrderMark))))
	err := s.object(func(key string) error {
		switch key {
		case "resourceType":
			return s.value(&resource, maxValue)
		case "issue":
			return o.readIssues(s)
		}
		return s.skip()
	})
	o.present = resource == "OperationOutcome" && (err == nil || o.cut)
	if !o.present {
		return outcome{}
	}
	return o
}

// readIssues parses a list of issues. A malformed member counts as missing.
func (o *outcome) readIssues(s *stream) error {
	_, err := s.array(maxIssues, func(int) error {
		var i issue
		var strange *json.UnmarshalTypeError
		if err := s.value(&i, maxOutcome); err != nil && !errors.As(err, &strange) {
			return err
		}
		o.issues = append(o.issues, i)
		return nil
	})
	o.cut = o.cut || errors.Is(err, errTooMany)
	return err
}

const byteOrderMark = "\xef\xbb\xbf"

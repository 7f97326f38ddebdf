package records

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"fhirsynapse/internal/fault"
)

// maxIssues bounds the kinds of issue that one document of the journal lists.
const maxIssues = 20

// CodeUnreadable is the issue code for an error file that could not be read.
const CodeUnreadable = "unreadable"

// String formats the issue as severity/code.
func (i Issue) String() string { return i.Severity + "/" + i.Code }

// IssueRecord is the journal's document of one error file.
type IssueRecord struct {
	Issues []Issue `json:"issues"`
	// More counts the issues of kinds that are not listed.
	More int64 `json:"more,omitempty"`
	// Lost lists the types that have errors; AllTypes means every type.
	Lost []string `json:"lost,omitempty"`
}

// UnmarshalJSON also reads the format of earlier versions: counts by severity/code.
func (r *IssueRecord) UnmarshalJSON(data []byte) error {
	type plain IssueRecord
	var parts map[string]json.RawMessage
	if err := json.Unmarshal(data, &parts); err != nil {
		return err
	}
	if _, is := parts["issues"]; is {
		return json.Unmarshal(data, (*plain)(r))
	}
	var counts map[string]int64
	if err := json.Unmarshal(data, &counts); err != nil {
		return err
	}
	var issues []Issue
	for _, kind := range slices.Sorted(maps.Keys(counts)) {
		severity, code, ok := strings.Cut(kind, "/")
		if !ok {
			severity, code = SeverityError, CodeUnreadable
		}
		issues = append(issues, Issue{Severity: severity, Code: code, Count: counts[kind]})
	}
	*r = RecordOf(issues, nil)
	return nil
}

// RecordOf sums the issues of a job into a document of bounded size. asked lists the types
// that the job asked for.
func RecordOf(issues []Issue, asked []string) IssueRecord {
	var r IssueRecord
	for _, i := range issues {
		if !i.LosesData() {
			continue
		}
		r.Lost = append(r.Lost, lostTypes(i.Types, asked)...)
	}
	slices.Sort(r.Lost)
	if r.Lost = slices.Compact(r.Lost); len(r.Lost) > maxLost || slices.Contains(r.Lost, AllTypes) {
		r.Lost = []string{AllTypes}
	}
	r.Issues, r.More = SumIssues(issues)
	return r
}

// maxLost exceeds the number of resource types in FHIR.
const maxLost = 300

// SumIssues merges issues of the same kind: errors first, then by severity and code.
func SumIssues(issues []Issue) (sum []Issue, more int64) {
	for _, i := range issues {
		at := slices.IndexFunc(sum, func(s Issue) bool {
			return s.Severity == i.Severity && s.Code == i.Code
		})
		if at < 0 {
			at = len(sum)
			sum = append(sum, Issue{Severity: fault.Clip(i.Severity), Code: fault.Clip(i.Code)})
		}
		sum[at].Count += i.Count
		sum[at].Types = append(sum[at].Types, i.Types...)
	}
	for n := range sum {
		slices.Sort(sum[n].Types)
		if sum[n].Types = slices.Compact(sum[n].Types); len(sum[n].Types) > maxIssues {
			sum[n].Types = nil
		}
	}
	slices.SortFunc(sum, func(a, b Issue) int {
		if a.LosesData() != b.LosesData() {
			if a.LosesData() {
				return -1
			}
			return 1
		}
		return strings.Compare(a.String(), b.String())
	})
	if len(sum) > maxIssues {
		for _, i := range sum[maxIssues:] {
			more += i.Count
		}
		sum = sum[:maxIssues]
	}
	return sum, more
}

// UnreadErrors lists the numbers of a job's error files that have no record yet.
func (s Store) UnreadErrors(ctx context.Context, job string, m Manifest) ([]int, error) {
	if len(m.Errors) == 0 {
		return nil, nil
	}
	known := map[string]bool{}
	for key, err := range s.Journal.List(ctx, issuesFolder(job)) {
		if err != nil {
			return nil, err
		}
		known[key] = true
	}
	var unread []int
	for i := range m.Errors {
		if n := m.Number(ErrorKind, i); !known[issuesKey(job, n)] {
			unread = append(unread, n)
		}
	}
	return unread, nil
}

// IssueCounts sums the issues that the server reports about an export, by severity/code.
func IssueCounts(ctx context.Context, j Journal, export string) (map[string]int64, error) {
	s := Store{j}
	total := map[string]int64{}
	add := func(r IssueRecord) {
		for _, i := range r.Issues {
			total[i.String()] += i.Count
		}
		if r.More > 0 {
			total["others"] += r.More
		}
	}
	e, err := s.Export(ctx, export)
	if err != nil {
		return nil, fmt.Errorf("issues of export %s: %w", export, err)
	}
	for n, r := range e.Jobs {
		m, err := s.Manifest(ctx, JobID(e.ID, n+1))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("issues of export %s: %w", export, err)
		}
		add(RecordOf(m.Issues, r.Types))
	}
	for key, err := range s.Journal.List(ctx, "issues/"+export+".") {
		if err != nil {
			return nil, fmt.Errorf("issues of export %s: %w", export, err)
		}
		d, err := Read[IssueRecord](ctx, s.Journal, key)
		if err != nil {
			return nil, fmt.Errorf("issues of export %s: %w", export, err)
		}
		add(d.Value)
	}
	return total, nil
}

// Describe lists issues in one line, without any text of the server.
func Describe(issues []Issue, more int64) string {
	var parts []string
	for _, i := range issues {
		part := fmt.Sprintf("%d × %s", i.Count, i)
		if len(i.Types) > 0 {
			part += " (" + strings.Join(i.Types, ", ") + ")"
		}
		parts = append(parts, part)
	}
	if more > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(parts, ", ")
}

// SeverityError is the severity of an issue that reports missing data.
const SeverityError = "error"

// Issue counts the issues of one kind that a server reported.
type Issue struct {
	// Severity is fatal, error, warning, information or success.
	Severity string `json:"severity"`
	// Code is a FHIR issue code, or "other", "others" or "unreadable".
	Code string `json:"code"`
	// Types lists the resource types of the issues, sorted; empty if unknown, and then any type
	// may be affected.
	Types []string `json:"types,omitempty"`
	Count int64    `json:"count"`
}

// LosesData reports whether the issue means that the server could not export everything.
func (i Issue) LosesData() bool {
	switch i.Severity {
	case "warning", "information", "success":
		return false
	}
	return true
}

// Issues reads the record of an error file. It returns fs.ErrNotExist if there is none.
func (s Store) Issues(ctx context.Context, job string, n int) (IssueRecord, error) {
	d, err := Read[IssueRecord](ctx, s.Journal, issuesKey(job, n))
	return d.Value, err
}

// KeepIssues records the issues of an error file. The first record stays.
func (s Store) KeepIssues(ctx context.Context, job string, n int, r IssueRecord) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return s.create(ctx, issuesKey(job, n), data)
}

// lostTypes returns the types of an error that its job asked for. An error that names none of
// them affects all.
func lostTypes(named, asked []string) []string {
	named = slices.DeleteFunc(slices.Clone(named), func(t string) bool {
		return !resourceType.MatchString(t) || len(asked) > 0 && !slices.Contains(asked, t)
	})
	switch {
	case len(named) > 0:
		return named
	case len(asked) > 0:
		return asked
	}
	return []string{AllTypes}
}

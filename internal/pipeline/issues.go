package pipeline

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"fhirsynapse/internal/fault"
)

// errorFileTries bounds how often an error file is asked for. Without the file nobody
// knows what the server left out, so the export ends incomplete.
const errorFileTries = 8

// maxIssues bounds the kinds of issue that one document of the journal lists.
const maxIssues = 20

// codeUnreadable is the code of an error file that could not be read.
const codeUnreadable = "unreadable"

// String formats the issue as severity/code.
func (i Issue) String() string { return i.Severity + "/" + i.Code }

// issueRecord is the journal's document of one error file.
type issueRecord struct {
	Issues []Issue `json:"issues"`
	// More counts the issues of kinds that are not listed.
	More int64 `json:"more,omitempty"`
	// Lost lists the types that errors concern; AllTypes means every type.
	Lost []string `json:"lost,omitempty"`
}

// UnmarshalJSON also reads the form of earlier versions: counts by severity/code.
func (r *issueRecord) UnmarshalJSON(data []byte) error {
	type plain issueRecord
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if d.Decode((*plain)(r)) == nil {
		return nil
	}
	var counts map[string]int64
	if err := json.Unmarshal(data, &counts); err != nil {
		return err
	}
	var issues []Issue
	for _, kind := range slices.Sorted(maps.Keys(counts)) {
		severity, code, ok := strings.Cut(kind, "/")
		if !ok {
			severity, code = SeverityError, codeUnreadable
		}
		issues = append(issues, Issue{Severity: severity, Code: code, Count: counts[kind]})
	}
	*r = recordOf(issues, nil)
	return nil
}

// recordOf sums the issues of a job that asked for certain types into a document of
// bounded size.
func recordOf(issues []Issue, asked []string) issueRecord {
	var r issueRecord
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
	r.Issues, r.More = sumIssues(issues)
	return r
}

// maxLost is more than FHIR has resource types.
const maxLost = 300

// sumIssues merges issues of the same kind: errors first, then by severity and code.
func sumIssues(issues []Issue) (sum []Issue, more int64) {
	for _, i := range issues {
		at := slices.IndexFunc(sum, func(s Issue) bool { return s.Severity == i.Severity && s.Code == i.Code })
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

// fetchErrors keeps an error file and records what it reports. The export waits for
// the record, because it decides whether the export is complete.
func (p *Pipeline) fetchErrors(ctx context.Context, f fetching) error {
	key := issuesKey(f.job, f.step.File)
	_, err := p.Journal.Read(ctx, key)
	if there, err := exists(err); err != nil {
		return err
	} else if there {
		return p.errorsRead(ctx, f)
	}
	issues, err := p.issuesOf(ctx, f)
	if err != nil {
		if fault.Of(err) == fault.Transient && f.step.Try < errorFileTries {
			return err
		}
		p.Log.WarnContext(ctx, "error file of the server not read", "export", f.export.ID, "job", f.job, "number", f.step.File, "error", fault.Clip(err.Error()))
		issues = []Issue{{Severity: SeverityError, Code: codeUnreadable, Count: 1}}
	}
	var asked []string
	if n := f.step.Job; n <= len(f.export.Jobs) {
		asked = f.export.Jobs[n-1].Types
	}
	record := recordOf(issues, asked)
	data, err := json.Marshal(record)
	if err != nil {
		return err
	}
	if _, err = p.Journal.Write(ctx, key, "", data); err != nil && !errors.Is(err, ErrConflict) {
		return err
	}
	level := slog.LevelInfo
	if len(record.Lost) > 0 {
		level = slog.LevelWarn
	}
	p.Log.Log(ctx, level, "error file of the server", "export", f.export.ID, "job", f.job, "file", f.file.Path, "issues", describe(record.Issues, record.More))
	return p.errorsRead(ctx, f)
}

// errorsRead looks for the end of the export when the job's last error file was read.
func (p *Pipeline) errorsRead(ctx context.Context, f fetching) error {
	m, err := p.manifest(ctx, f.job)
	if err != nil {
		return err
	}
	unread, err := p.unreadErrors(ctx, f.job, m)
	if err != nil || len(unread) > 0 {
		return err
	}
	return p.finish(ctx, f.export.ID, "")
}

// unreadErrors lists the numbers of a job's error files that have no record yet.
func (p *Pipeline) unreadErrors(ctx context.Context, job string, m Manifest) ([]int, error) {
	if len(m.Errors) == 0 {
		return nil, nil
	}
	known := map[string]bool{}
	for key, err := range p.Journal.List(ctx, issuesFolder(job)) {
		if err != nil {
			return nil, err
		}
		known[key] = true
	}
	var unread []int
	for i := range m.Errors {
		if n := m.number(errorFile, i); !known[issuesKey(job, n)] {
			unread = append(unread, n)
		}
	}
	return unread, nil
}

// issuesOf reads one error file, from the lake or from the server by way of the lake.
func (p *Pipeline) issuesOf(ctx context.Context, f fetching) ([]Issue, error) {
	if f.file.Foreign {
		f.file.Count = -1 // nothing is loaded from it
		if _, _, err := p.land(ctx, f, f.file.Path); err != nil {
			return nil, err
		}
	}
	if f.file.Path == "" {
		return nil, fault.Permanentf("%s: the error file is not in the landing area", f.step)
	}
	r, err := p.Lake.Open(ctx, Landing, f.file.Path, "")
	if err != nil {
		return nil, err
	}
	if f.source.Issues == nil {
		return nil, errors.Join(fault.Permanentf("%s: this source cannot read error files", f.step), r.Close())
	}
	issues, err := f.source.Issues.Issues(f.file, r)
	if closeErr := r.Close(); err == nil {
		err = closeErr
	}
	return issues, err
}

// Issues sums what the server reports about an export, by severity/code.
func (p *Pipeline) Issues(ctx context.Context, export string) (map[string]int64, error) {
	total := map[string]int64{}
	add := func(r issueRecord) {
		for _, i := range r.Issues {
			total[i.String()] += i.Count
		}
		if r.More > 0 {
			total["others"] += r.More
		}
	}
	e, err := p.export(ctx, export)
	if err != nil {
		return nil, fmt.Errorf("issues of export %s: %w", export, err)
	}
	for n, r := range e.Jobs {
		m, err := p.manifest(ctx, jobID(e.ID, n+1))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("issues of export %s: %w", export, err)
		}
		add(recordOf(m.Issues, r.Types))
	}
	for key, err := range p.Journal.List(ctx, "issues/"+export+".") {
		if err != nil {
			return nil, fmt.Errorf("issues of export %s: %w", export, err)
		}
		d, err := read[issueRecord](ctx, p.Journal, key)
		if err != nil {
			return nil, fmt.Errorf("issues of export %s: %w", export, err)
		}
		add(d.value)
	}
	return total, nil
}

// describe lists issues in one line, without any word of the server.
func describe(issues []Issue, more int64) string {
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

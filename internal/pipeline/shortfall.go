package pipeline

import (
	"context"
	"slices"

	"fhirsynapse/internal/pipeline/records"
)

// shortfall reads the issues in the error files of an export. It returns known = false while
// an error file was not read yet.
func (fi *finisher) shortfall(
	ctx context.Context, e records.Export,
) (s *records.Shortfall, known bool, err error) {
	var issues []Issue
	var types []string
	for n := range e.Jobs {
		job := records.JobID(e.ID, n+1)
		m, err := fi.files.manifest(ctx, job)
		if err != nil {
			return nil, false, err
		}
		unread, err := fi.records.UnreadErrors(ctx, job, m)
		if err != nil || len(unread) > 0 {
			return nil, false, err
		}
		told := make([]records.IssueRecord, len(m.Errors))
		if err := several(ctx, len(told), fi.Readers, func(ctx context.Context, i int) error {
			r, err := fi.records.Issues(ctx, job, m.Number(records.ErrorKind, i))
			told[i] = r
			return err
		}); err != nil {
			return nil, false, err
		}
		if len(m.Issues) > 0 {
			told = append(told, records.RecordOf(m.Issues, e.Jobs[n].Types))
		}
		for _, record := range told {
			for _, i := range record.Issues {
				if i.LosesData() {
					issues = append(issues, i)
				}
			}
			types = append(types, record.Lost...)
		}
	}
	if len(types) == 0 {
		return nil, true, nil
	}
	slices.Sort(types)
	s = &records.Shortfall{Types: slices.Compact(types)}
	if slices.Contains(s.Types, AllTypes) {
		s.Types = []string{AllTypes}
	}
	s.Issues, s.More = records.SumIssues(issues)
	if plan, ok := fi.plan(e.Plan); ok {
		s.Accepted = plan.AllowErrors
	}
	return s, true, nil
}

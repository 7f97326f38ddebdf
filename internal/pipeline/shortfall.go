package pipeline

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Shortfall is what the server reports that it could not export.
type Shortfall struct {
	// Issues lists the errors by severity and code, and More counts those of kinds
	// that are not listed.
	Issues []Issue `json:"issues"`
	More   int64   `json:"more,omitempty"`
	// Types lists the resource types whose watermark stays, so that the next export
	// asks for their window again. AllTypes means every type.
	Types []string `json:"types"`
	// Accepted says that the plan allows errors: every watermark moves.
	Accepted bool `json:"accepted,omitempty"`
}

// holds reports whether the watermark of a resource type stays.
func (s *Shortfall) holds(typ string) bool {
	return s != nil && !s.Accepted && (slices.Contains(s.Types, typ) || slices.Contains(s.Types, AllTypes))
}

// String describes the errors and the types, for a person.
func (s *Shortfall) String() string {
	types := strings.Join(s.Types, ", ")
	if slices.Contains(s.Types, AllTypes) {
		types = "all types"
	}
	return fmt.Sprintf("the server could not export everything: %s; concerned: %s", describe(s.Issues, s.More), types)
}

// notice tells a person what becomes of a shortfall.
func (s *Shortfall) notice() string {
	switch {
	case s == nil:
		return ""
	case s.Accepted:
		return s.String() + "; accepted, since the plan allows errors"
	}
	return s.String() + "; the next export asks for the same window of these types again, and the window grows until the server exports it without error. " +
		"Look at the error files in the landing area and correct the data at the server, or accept the loss with allowErrors: true in the plan"
}

// shortfall reads what the error files of an export report. It returns false while an
// error file was not read yet.
func (p *Pipeline) shortfall(ctx context.Context, e Export) (s *Shortfall, known bool, err error) {
	var issues []Issue
	var types []string
	for n := range e.Jobs {
		job := jobID(e.ID, n+1)
		m, err := p.manifest(ctx, job)
		if err != nil {
			return nil, false, err
		}
		unread, err := p.unreadErrors(ctx, job, m)
		if err != nil || len(unread) > 0 {
			return nil, false, err
		}
		records := make([]issueRecord, len(m.Errors))
		if err := several(ctx, len(records), p.Readers, func(ctx context.Context, i int) error {
			d, err := read[issueRecord](ctx, p.Journal, issuesKey(job, m.number(errorFile, i)))
			records[i] = d.value
			return err
		}); err != nil {
			return nil, false, err
		}
		if len(m.Issues) > 0 {
			records = append(records, recordOf(m.Issues, e.Jobs[n].Types))
		}
		for _, record := range records {
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
	s = &Shortfall{Types: slices.Compact(types)}
	if slices.Contains(s.Types, AllTypes) {
		s.Types = []string{AllTypes}
	}
	s.Issues, s.More = sumIssues(issues)
	if plan, ok := p.plan(e.Plan); ok {
		s.Accepted = plan.AllowErrors
	}
	return s, true, nil
}

// lostTypes returns the types that an error concerns, of those that its job asked for.
// An error that names none of them concerns all.
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

package pipeline

import (
	"slices"
	"strings"
	"time"

	"fhirsynapse/internal/pipeline/records"
)

// requests makes the jobs of an export: one for all types with the same watermark. A type
// without a watermark starts in full, and so does every export of a plan that does not build on
// earlier ones.
func requests(
	plan Plan, marks map[string]time.Time, window records.Window, till time.Time,
) []Request {
	types := plan.Types
	if len(types) == 0 {
		types = append([]string{AllTypes}, behind(marks)...)
	}
	end := till
	if plan.OpenEnd {
		end = time.Time{}
	}
	var jobs []Request
	all := -1
	for _, t := range types {
		var since time.Time
		if mark := marks[t]; !mark.IsZero() && plan.builds() {
			since = window.Widen(mark.Add(-plan.Overlap))
			if !since.Before(till) {
				continue
			}
		}
		i := slices.IndexFunc(jobs, func(r Request) bool { return r.Since.Equal(since) })
		if i < 0 {
			i = len(jobs)
			jobs = append(jobs, Request{
				Level: plan.Level, Group: plan.Group, TypeFilter: plan.TypeFilter, Since: since,
				Till:       end,
				Deleted:    plan.Deleted && !since.IsZero() && len(plan.TypeFilter) == 0,
				Deidentify: plan.Deidentify,
			})
		}
		switch {
		case t == AllTypes:
			all = i
		case i != all: // the job for all types has this one
			jobs[i].Types = append(jobs[i].Types, t)
		}
	}
	for i, r := range jobs {
		jobs[i].TypeFilter = filtersOf(plan, r.Types)
	}
	return jobs
}

// behind lists the types that have an earlier watermark than all others, because the server
// could not export them.
func behind(marks map[string]time.Time) []string {
	var types []string
	for t, mark := range marks {
		if mark.Before(marks[AllTypes]) {
			types = append(types, t)
		}
	}
	slices.Sort(types)
	return types
}

// filtersOf returns the filters of a plan without the filters that another job needs. A filter
// for a type that the plan does not export stays: the source refuses it.
func filtersOf(plan Plan, types []string) []string {
	if len(types) == 0 {
		return plan.TypeFilter
	}
	var out []string
	for _, f := range plan.TypeFilter {
		typ, _, _ := strings.Cut(f, "?")
		others := len(plan.Types) == 0 || slices.Contains(plan.Types, typ)
		if slices.Contains(types, typ) || !others {
			out = append(out, f)
		}
	}
	return out
}

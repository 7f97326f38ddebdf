package pipeline

import (
	"context"
	"time"

	"fhirsynapse/internal/pipeline/records"
)

// Modes of a plan with a cohort. docs/cohorts.md compares them.
const (
	// ModeGroupFull exports the whole cohort each time.
	ModeGroupFull = "group-full"
	// ModeGroupSince asks for changes of the Groups whose members have not changed, and exports the
	// other Groups in full.
	ModeGroupSince = "group-since"
	// ModeSystemFiltered asks for changes at system level, filters them by the members, and exports
	// the Groups with other members than before in full.
	ModeSystemFiltered = "system-filtered"
)

// changesOnly reports whether exports of the plan's cohort build on the export before them.
func (p Plan) changesOnly() bool {
	return p.Cohort != "" && p.Deidentify == nil && p.Mode != "" && p.Mode != ModeGroupFull
}

// formerCohort holds what the last committed export of a cohort's plan has covered.
type formerCohort struct {
	export string
	// parts has a digest of the members of each part.
	parts map[string]string
	// till is when the export's window ended, by resource type; AllTypes stands for every type.
	till map[string]time.Time
}

// covers reports whether the export has covered the members that a part has now.
func (f formerCohort) covers(p CohortPart) bool {
	return p.Digest != "" && f.parts[p.key()] == p.Digest
}

// key names a part in the journal.
func (p CohortPart) key() string { return records.PartKey(p.Group, p.Share) }

// formerCohort returns what the next export of a plan may build on: the export before it, if the
// tables have it whole. No earlier one counts, because the members of its parts may have left and
// come back.
func (p *planner) formerCohort(ctx context.Context, plan Plan) (f formerCohort, err error) {
	keys, err := p.records.LastExports(ctx, plan.Name, farBack)
	if err != nil {
		return f, err
	}
	for _, key := range keys {
		d, err := records.Read[records.Export](ctx, p.Journal, key)
		if err != nil {
			return f, err
		}
		e := d.Value
		if !e.State.Committed() {
			continue
		}
		_, isCommitted, err := p.isCommitted(ctx, plan.Schema, e)
		if err != nil || !isCommitted || e.Schema != plan.Schema || e.Members == nil ||
			e.Cohort != plan.Cohort || e.Shortfall != nil {
			return formerCohort{}, err
		}
		jobs, err := p.cover(ctx, &basis{}, e)
		if err != nil {
			return formerCohort{}, err
		}
		f = formerCohort{export: e.ID, parts: e.Members.Parts, till: map[string]time.Time{}}
		for _, t := range plan.wanted() {
			if f.till[t] = tillOf(t, jobs); f.till[t].IsZero() {
				return formerCohort{}, nil // at system level the new type would be everybody's
			}
		}
		return f, nil
	}
	return f, nil
}

// wanted lists the types of the plan's exports.
func (p Plan) wanted() []string {
	if len(p.Types) == 0 {
		return []string{AllTypes}
	}
	return p.Types
}

// tillOf returns up to when all jobs that asked for a type have covered it; zero if none has.
func tillOf(typ string, jobs []covered) (till time.Time) {
	for n, j := range jobs {
		asks := j.Asks(typ)
		if typ == AllTypes {
			asks = len(j.Types) == 0
		}
		switch {
		case !asks:
		case j.till.IsZero():
			return time.Time{}
		case n == 0 || till.IsZero() || j.till.Before(till):
			till = j.till
		}
	}
	return till
}

// cohortRequests makes the jobs of a cohort's export. It builds on the former export.
func cohortRequests(
	plan Plan, parts []CohortPart, former formerCohort, window records.Window, till time.Time,
) (jobs []Request) {
	filtered := plan.Mode == ModeSystemFiltered && former.export != ""
	if filtered {
		// Full exports need it too, since only this job is told of deletes.
		system := plan
		system.Level, system.Group = LevelSystem, ""
		jobs = requests(system, former.till, records.Window{Since: window.Since}, till)
	}
	for _, part := range parts {
		plan.Group, plan.Level = part.Group, LevelGroup
		if part.Share > 0 {
			plan.Level = LevelPatient
		}
		since := former.till
		if window.Full || !former.covers(part) {
			since = nil
		} else if filtered {
			continue
		}
		deleted := plan
		deleted.Deleted = false // reported at system level
		for _, r := range requests(deleted, since, window, till) {
			r.Share = part.Share
			jobs = append(jobs, r)
		}
	}
	return jobs
}

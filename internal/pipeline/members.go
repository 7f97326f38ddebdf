package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline/records"
)

// stepCohort is the step of an export that refreshes its cohort.
const stepCohort = "cohort"

// cohort returns the parts of a cohort that an export of a plan asks for, and writes the ids of
// their members into the staging area; none for a plan without a cohort.
func (st *starter) cohort(
	ctx context.Context, plan Plan, export string,
) ([]CohortPart, *records.Members, error) {
	switch {
	case plan.Cohort == "":
		return nil, nil, nil
	case st.Cohorts == nil:
		return nil, nil, fault.Permanentf(
			"plan %s exports cohort %s, and this program keeps no cohorts", plan.Name, plan.Cohort)
	}
	parts, err := st.Cohorts.Parts(ctx, plan.Cohort)
	if err != nil {
		return nil, nil, err
	}
	if len(parts) == 0 {
		// Level group without a Group would export everybody.
		return nil, nil, fault.Permanentf("cohort %s has no Group with members", plan.Cohort)
	}
	members, err := st.Cohorts.Members(ctx, plan.Cohort, parts)
	if err != nil {
		return nil, nil, err
	}
	if len(members) == 0 {
		// Without a member every resource would be filtered.
		return nil, nil, fault.Permanentf("the Groups of cohort %s have no members", plan.Cohort)
	}
	if plan.Deidentify != nil {
		// The ids in the files may be others than the members', so that nothing can be filtered.
		return parts, nil, nil
	}
	// Another tick that requests the same export may find other members. Each has its own file.
	file := export + "/members-" + st.Token()
	ids := strings.Join(slices.Sorted(maps.Keys(members)), "\n") + "\n"
	if _, err := st.Lake.Put(ctx, Staging, file, strings.NewReader(ids)); err != nil {
		return nil, nil, fmt.Errorf("write the members of cohort %s: %w", plan.Cohort, err)
	}
	digests := map[string]string{}
	for _, p := range parts {
		if p.Digest != "" {
			digests[p.key()] = p.Digest
		}
	}
	return parts, &records.Members{Count: len(members), File: file, Parts: digests}, nil
}

// membersOf returns the members of an export's cohort; nil if it has none. The members of the last
// export stay in memory.
func (p *preparer) membersOf(ctx context.Context, e records.Export) (Members, error) {
	if e.Members == nil {
		return nil, nil
	}
	p.reading.Lock()
	defer p.reading.Unlock()
	if p.membersFile == e.Members.File {
		return p.members, nil
	}
	members, err := ReadMembers(ctx, p.Lake, e)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &fault.Error{
			Class: fault.Permanent,
			Err:   fmt.Errorf("the members of cohort %s are not in the staging area", e.Cohort),
			Remedy: "start the export again: fhirsynapse exports cancel " + e.ID +
				", then fhirsynapse exports start " + e.Plan,
		}
	}
	if err != nil {
		return nil, err
	}
	p.members, p.membersFile = members, e.Members.File
	return members, nil
}

package pipeline

import (
	"bufio"
	"context"
	"errors"
	"fmt"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline/records"
)

// ReadMembers reads the patients of an export's cohort from the staging area. It returns
// fs.ErrNotExist if the app has removed the list, as it does some time after the export's end.
func ReadMembers(ctx context.Context, lake Lake, e records.Export) (Members, error) {
	if e.Members == nil {
		return nil, nil
	}
	r, err := lake.Open(ctx, Staging, e.Members.File, "")
	if err != nil {
		return nil, fmt.Errorf("read the members of cohort %s: %w", e.Cohort, err)
	}
	members := make(Members, e.Members.Count)
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		members[lines.Text()] = struct{}{}
	}
	if err := errors.Join(lines.Err(), r.Close()); err != nil {
		return nil, fmt.Errorf("read the members of cohort %s: %w", e.Cohort, err)
	}
	if len(members) != e.Members.Count {
		return nil, fault.Transientf("the file of the members of cohort %s has %d of %d", e.Cohort,
			len(members), e.Members.Count)
	}
	return members, nil
}

package cohort

import (
	"context"
	"fmt"
)

// Members calls each for every patient of Groups, as the server has them now. A patient of several
// Groups comes several times.
func (k Keeper) Members(
	ctx context.Context, cohort string, groups []string, each func(patient string),
) error {
	for _, id := range groups {
		g, err := k.Server.Group(ctx, id)
		if err != nil {
			return fmt.Errorf("cohort %s: read the members of Group %s: %w", cohort, id, err)
		}
		for _, patient := range g.Members {
			each(patient)
		}
	}
	return nil
}

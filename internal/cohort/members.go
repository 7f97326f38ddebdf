package cohort

import (
	"context"
	"fmt"
)

// Members calls each for every patient of one part of a cohort: a Group as the server has it now,
// or a share, from 1.
func (k Keeper) Members(
	ctx context.Context, d Definition, group string, share int, each func(patient string),
) error {
	if share > 0 {
		ids, err := k.Share(ctx, d, share)
		for _, patient := range ids {
			each(patient)
		}
		return err
	}
	g, err := k.Server.Group(ctx, group)
	if err != nil {
		return fmt.Errorf("cohort %s: read the members of Group %s: %w", d.Name, group, err)
	}
	for _, patient := range g.Members {
		each(patient)
	}
	return nil
}

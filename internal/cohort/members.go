package cohort

import (
	"context"
	"errors"
	"fmt"

	"fhirsynapse/internal/fault"
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
	if err == nil {
		err = k.nested(ctx, &g)
	}
	if err != nil {
		return fmt.Errorf("cohort %s: read the members of Group %s: %w", d.Name, group, err)
	}
	for _, patient := range g.Members {
		each(patient)
	}
	return nil
}

// mostNested bounds the Groups within a Group.
const mostNested = 1000

// nested adds the members of the Groups within a Group, each Group once, as servers export them. A
// nested Group that does not exist has none.
func (k Keeper) nested(ctx context.Context, g *Group) error {
	seen := map[string]bool{g.ID: true}
	pending := g.Groups
	for len(pending) > 0 {
		if len(seen) > mostNested {
			return fault.Permanentf("it has more than %d Groups within it", mostNested)
		}
		id := pending[0]
		pending = pending[1:]
		if seen[id] {
			continue
		}
		seen[id] = true
		inner, err := k.Server.Group(ctx, id)
		if errors.Is(err, ErrNoGroup) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read the nested Group %s: %w", id, err)
		}
		g.Members = append(g.Members, inner.Members...)
		pending = append(pending, inner.Groups...)
	}
	return nil
}

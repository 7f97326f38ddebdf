package pipeline

import (
	"context"
	"time"
)

// AllTypes stands for "every type" in watermarks of plans that name no types.
const AllTypes = "*"

// farBack bounds how many exports are read for a watermark. A type that none of
// them loaded starts full, which is always right.
const farBack = 1000

// Watermarks derives, per resource type, up to when a plan has loaded: the
// greatest till among its loaded exports, or the job's transactionTime where the
// server was given no till. The zero time means never.
func (p *Pipeline) Watermarks(ctx context.Context, plan string) (map[string]time.Time, error) {
	exports, err := p.lastExports(ctx, plan, farBack)
	if err != nil {
		return nil, err
	}
	wanted := []string{AllTypes}
	if configured, ok := p.plan(plan); ok && len(configured.Types) > 0 {
		wanted = configured.Types
	}
	marks := map[string]time.Time{}
	for _, key := range exports {
		d, err := read[Export](ctx, p.Journal, key)
		if err != nil {
			return nil, err
		}
		if e := d.value; e.State == Loaded {
			if err := p.cover(ctx, e, marks); err != nil {
				return nil, err
			}
		}
		if covered(marks, wanted) {
			break
		}
	}
	for _, t := range wanted {
		if all := marks[AllTypes]; all.After(marks[t]) {
			marks[t] = all
		}
	}
	return marks, nil
}

// lastExports lists the keys of a plan's exports, the newest first.
func (p *Pipeline) lastExports(ctx context.Context, plan string, n int) ([]string, error) {
	var keys []string
	for key, err := range p.Journal.List(ctx, "exports/"+plan+"/") {
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	keys = keys[max(0, len(keys)-n):]
	for i, j := 0, len(keys)-1; i < j; i, j = i+1, j-1 {
		keys[i], keys[j] = keys[j], keys[i]
	}
	return keys, nil
}

func (p *Pipeline) cover(ctx context.Context, e Export, marks map[string]time.Time) error {
	for i, r := range e.Jobs {
		till := r.Till
		if till.IsZero() {
			j, err := p.job(ctx, e.ID, i+1)
			if err != nil {
				return err
			}
			till = j.TransactionTime
		}
		types := r.Types
		if len(types) == 0 {
			types = []string{AllTypes}
		}
		for _, t := range types {
			if till.After(marks[t]) {
				marks[t] = till
			}
		}
	}
	return nil
}

func covered(marks map[string]time.Time, wanted []string) bool {
	for _, t := range wanted {
		if marks[t].IsZero() && marks[AllTypes].IsZero() {
			return false
		}
	}
	return true
}

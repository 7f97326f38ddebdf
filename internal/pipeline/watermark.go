package pipeline

import (
	"context"
	"time"
)

// AllTypes stands for "every type" in watermarks of plans that name no types.
const AllTypes = "*"

// Watermarks derives, per resource type, up to when a plan has loaded into the tables
// of its schema: the greatest till among its loaded exports, or the job's
// transactionTime where the server was given no till. The zero time means never.
func (p *Pipeline) Watermarks(ctx context.Context, plan string) (map[string]time.Time, error) {
	configured, _ := p.plan(plan)
	b, err := p.basis(ctx, plan, configured.Schema)
	return b.marks, err
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

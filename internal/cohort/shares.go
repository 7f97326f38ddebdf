package cohort

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline/records"
)

// Memory keeps evaluated cohorts for the kick-offs that follow, because a cohort without Groups has
// no other place. The zero value is empty and ready.
type Memory struct {
	mu    sync.Mutex
	known map[string]evaluated
}

type evaluated struct {
	ids []string
	at  time.Time
}

// keepFor is how long an evaluation is kept. All kick-offs of an export are made in less.
const keepFor = 10 * time.Minute

func (m *Memory) put(name string, ids []string, at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known == nil {
		m.known = map[string]evaluated{}
	}
	m.known[name] = evaluated{ids, at}
}

func (m *Memory) get(name string, now time.Time) ([]string, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, ok := m.known[name]
	if ok && now.Sub(e.at) > keepFor {
		delete(m.known, name)
		return nil, false
	}
	return e.ids, ok
}

// shares divides a cohort without Groups, and records digests of the shares.
func (k Keeper) shares(
	ctx context.Context, d Definition, r Report, doc records.Document[Record], ids []string,
	o Options,
) (Report, error) {
	v := doc.Value
	made := !v.MadeAt.IsZero()
	n := len(v.Shards)
	if n == 0 || !v.Groupless {
		n = shardCount(len(ids), d.GroupSize)
	}
	parts := split(ids, n)
	same := made && v.Groupless
	for i, part := range parts {
		same = same && v.Shards[i].Digest == digestOf(part)
		r.Groups = append(r.Groups, Change{
			Share: i + 1, Members: len(part), Digest: digestOf(part), Does: Kept,
		})
	}
	r.Joins, r.Leaves = max(0, len(ids)-v.Members), max(0, v.Members-len(ids))
	switch {
	case o.Force:
	case made && d.Membership == Fixed && !same:
		return r, &fault.Error{
			Class: fault.Permanent, Whose: fault.OurSetting,
			Err: errors.New("it is fixed, it has no Groups that would keep its members, and the search finds other patients now"),
			Remedy: "write membership: tracking, or confirm the present members: " +
				refreshCommand(d.Name),
		}
	default:
		// Without Groups, only the sizes can be compared.
		if err := (plan{foreign: true}).mayShrink(d, v, len(ids)); err != nil {
			return r, err
		}
	}
	if o.DryRun {
		return r, nil
	}
	now := k.Now()
	if v.MadeAt.IsZero() {
		v.MadeAt = now
	}
	if !same {
		v.ChangedAt, v.Joins, v.Leaves = now, r.Joins, r.Leaves
	}
	v.Name, v.Membership, v.Groupless, v.Shards = d.Name, d.Membership, true, nil
	for _, part := range parts {
		v.Shards = append(v.Shards, Shard{Members: len(part), Digest: digestOf(part)})
	}
	v.Definition, v.Members, v.Found = d.digest(), len(ids), r.Found
	v.CheckedAt, v.Trouble, v.TroubleAt = now, "", time.Time{}
	doc.Value = v
	if err := k.save(ctx, &doc); err != nil {
		return r, err
	}
	if k.Memory != nil {
		k.Memory.put(d.Name, ids, now)
	}
	return r, nil
}

// Share returns the ids of one share of a cohort without Groups, from 1. The search is evaluated
// again if this process has not evaluated it lately.
func (k Keeper) Share(ctx context.Context, d Definition, share int) ([]string, error) {
	ids, err := k.share(ctx, d, share)
	if err != nil {
		return nil, fmt.Errorf("cohort %s: share %d: %w", d.Name, share, err)
	}
	return ids, nil
}

func (k Keeper) share(ctx context.Context, d Definition, share int) ([]string, error) {
	doc, err := Read(ctx, k.Journal, d.Name)
	if err != nil {
		return nil, err
	}
	if !doc.Groupless || share < 1 || share > len(doc.Shards) {
		return nil, fault.Permanentf("the journal does not have it: start the export again")
	}
	ids, known := []string(nil), false
	if k.Memory != nil {
		ids, known = k.Memory.get(d.Name, k.Now())
	}
	if !known {
		e := evaluation{server: k.Server, base: k.Base}
		if ids, err = e.evaluate(ctx, d); err != nil {
			return nil, err
		}
		if k.Memory != nil {
			k.Memory.put(d.Name, ids, k.Now())
		}
	}
	part := split(ids, len(doc.Shards))[share-1]
	switch {
	case len(part) == 0:
		// Without patients the kick-off would ask for everybody.
		return nil, fault.Permanentf("it has no patients any more: start the export again")
	case d.Membership == Fixed && digestOf(part) != doc.Shards[share-1].Digest:
		return nil, fault.Permanentf("it is fixed, and the search finds other patients now")
	}
	return part, nil
}

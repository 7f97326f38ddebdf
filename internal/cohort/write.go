package cohort

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline/records"
)

// present is a Group as the server has it.
type present struct {
	group  Group
	exists bool
	// digest identifies the members. It is empty if the Group has other members than patients.
	digest string
}

// present reads the nth Group of a cohort. It refuses a Group of that id that is not ours.
func (k Keeper) present(ctx context.Context, cohort string, n int, s Shard) (present, error) {
	g, err := k.Server.Group(ctx, s.Group)
	if errors.Is(err, ErrNoGroup) {
		return present{group: Group{ID: s.Group}}, nil
	}
	if err != nil {
		return present{}, fmt.Errorf("read Group %s: %w", s.Group, err)
	}
	if g.Identifier != identifierOf(cohort, n) {
		return present{}, &fault.Error{
			Class: fault.Permanent, Whose: fault.OurSetting,
			Err: fmt.Errorf("the server has a Group %s that does not carry the identifier %s|%s",
				s.Group, IdentifierSystem, identifierOf(cohort, n)),
			Remedy: "give the cohort another name, so that this Group of others is not overwritten",
		}
	}
	g.Members = sorted(g.Members)
	p := present{group: g, exists: true}
	if g.Others == 0 && g.Dated == 0 {
		p.digest = digestOf(g.Members)
	}
	return p, nil
}

// plan holds what a refresh has to do.
type plan struct {
	shards  []Shard // as recorded, with a place for each new Group
	want    [][]string
	have    []present
	foreign bool // someone else has changed a Group
	joins   int
	leaves  int
}

// write compares the wanted members with the Groups, and writes the Groups that differ.
func (k Keeper) write(
	ctx context.Context, d Definition, r Report, doc records.Document[Record], ids []string,
	o Options,
) (Report, error) {
	p, err := k.compare(ctx, d, doc.Value, ids, o)
	if err != nil {
		return r, err
	}
	r.Joins, r.Leaves = p.joins, p.leaves
	if err := p.mayShrink(d, doc.Value, len(ids)); err != nil && !o.Force {
		return r, err
	}
	for n, s := range p.shards {
		r.Groups = append(r.Groups, p.change(n, s))
	}
	if o.DryRun {
		return r, nil
	}
	if len(p.shards) != len(doc.Value.Shards) {
		doc.Value.Generation++
	}
	doc.Value.Name, doc.Value.Membership = d.Name, d.Membership
	doc.Value.Shards = slices.Clone(p.shards)
	for n := range doc.Value.Shards {
		doc.Value.Shards[n].Next = digestOf(p.want[n])
	}
	if err := k.save(ctx, &doc); err != nil { // intent before act
		return r, err
	}
	for n, s := range doc.Value.Shards {
		version, err := k.put(ctx, d.Name, n, s, p.have[n], p.want[n])
		if err != nil {
			return r, err
		}
		doc.Value.Shards[n] = Shard{
			Group: s.Group, Version: version, Members: len(p.want[n]), Digest: s.Next,
		}
	}
	now := k.Now()
	if p.joins+p.leaves > 0 {
		doc.Value.ChangedAt, doc.Value.Joins, doc.Value.Leaves = now, p.joins, p.leaves
	}
	if doc.Value.MadeAt.IsZero() {
		doc.Value.MadeAt = now
	}
	doc.Value.Definition, doc.Value.Members, doc.Value.Found = d.digest(), len(ids), r.Found
	doc.Value.CheckedAt, doc.Value.Trouble, doc.Value.TroubleAt = now, "", time.Time{}
	return r, k.save(ctx, &doc)
}

// compare divides the wanted members, and reads the Groups.
func (k Keeper) compare(
	ctx context.Context, d Definition, doc Record, ids []string, o Options,
) (plan, error) {
	p := plan{shards: slices.Clone(doc.Shards)}
	shards := len(doc.Shards)
	if shards == 0 {
		shards = shardCount(len(ids), d.GroupSize)
	}
	p.want = split(ids, shards)
	if slices.ContainsFunc(p.want, func(s []string) bool { return len(s) > MaxGroupSize }) {
		// The cohort has outgrown its Groups. All members are divided again; the ids of the Groups
		// stay, and more follow.
		shards = max(shards, shardCount(len(ids), d.GroupSize))
		p.want = split(ids, shards)
	}
	for n := len(p.shards); n < shards; n++ {
		p.shards = append(p.shards, Shard{Group: groupID(d.Name, n)})
	}
	var before []string
	for n, s := range p.shards {
		have, err := k.present(ctx, d.Name, n, s)
		if err != nil {
			return p, err
		}
		known := n < len(doc.Shards)
		if have.exists && !known && !o.Force && d.Membership == Fixed {
			return p, unknownGroup(d.Name, s.Group)
		}
		if known && s.Digest != "" && (!have.exists || !s.wrote(have.digest)) {
			p.foreign = true
			k.Log.WarnContext(ctx, "someone else has changed a Group of the cohort", "cohort",
				d.Name, "group", s.Group, "version", have.group.Version, "ours", s.Version)
		}
		before = append(before, have.group.Members...)
		p.have = append(p.have, have)
	}
	p.joins, p.leaves = compare(sorted(before), ids)
	return p, nil
}

func unknownGroup(name, group string) error {
	return &fault.Error{
		Class: fault.Permanent, Whose: fault.OurSetting,
		Err: fmt.Errorf("it is fixed, and the server has its Group %s, of which the journal knows nothing: the journal was lost, or another app has a cohort of this name",
			group),
		Remedy: "give the cohort another name, or replace the members: " + refreshCommand(name),
	}
}

// mayShrink returns an error if too many members would leave at once. Members that someone else has
// added do not count.
func (p plan) mayShrink(d Definition, doc Record, members int) error {
	if doc.MadeAt.IsZero() || doc.Members == 0 {
		return nil
	}
	leaves := p.leaves
	if p.foreign {
		leaves = max(0, doc.Members-members)
	}
	share := float64(leaves) / float64(doc.Members)
	if share <= d.MaxShrink {
		return nil
	}
	return &fault.Error{
		Class: fault.Permanent, Whose: fault.OurSetting,
		Err: fmt.Errorf("%d of %d members would leave, more than maxShrink of %.0f%%, so nothing is exported and its Groups stay as they are",
			leaves, doc.Members, d.MaxShrink*100),
		Remedy: "look at the search and at the server; if this is right: " + refreshCommand(d.Name),
	}
}

// change returns what happens to the nth Group.
func (p plan) change(n int, s Shard) Change {
	have, digest := p.have[n], digestOf(p.want[n])
	c := Change{
		Group: s.Group, Members: len(p.want[n]), Digest: digestOf(p.want[n]), Does: Updated,
	}
	switch {
	case !have.exists:
		c.Does = Created
	case have.digest == digest:
		c.Does = Unchanged
	}
	c.Foreign = s.Digest != "" && (!have.exists || !s.wrote(have.digest))
	return c
}

// putTries bounds the writes of one Group while others change it.
const putTries = 5

// put writes a Group unless it has the wanted members, and returns its version.
func (k Keeper) put(
	ctx context.Context, cohort string, n int, s Shard, have present, want []string,
) (string, error) {
	for range putTries {
		if have.exists && have.digest == s.Next {
			return have.group.Version, nil
		}
		version, err := k.Server.PutGroup(ctx, Group{
			ID: s.Group, Version: have.group.Version, Identifier: identifierOf(cohort, n),
			Members: want,
		})
		if err == nil {
			return version, nil
		}
		if !errors.Is(err, ErrChanged) {
			return "", fmt.Errorf("write Group %s: %w", s.Group, err)
		}
		if err := k.stillOurs(ctx, cohort, n, s); err != nil {
			return "", err
		}
		if have, err = k.present(ctx, cohort, n, s); err != nil {
			return "", err
		}
	}
	return "", fault.Transientf("write Group %s: others were faster %d times", s.Group, putTries)
}

// stillOurs fails if another refresh has announced other members for a Group. Without it, the
// slower of two refreshes would write older members over newer ones.
func (k Keeper) stillOurs(ctx context.Context, cohort string, n int, s Shard) error {
	r, err := Read(ctx, k.Journal, cohort)
	if err != nil {
		return err
	}
	if n >= len(r.Shards) || !r.Shards[n].wrote(s.Next) {
		return fault.Transientf("another refresh of it runs")
	}
	return nil
}

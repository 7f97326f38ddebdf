package cohort

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline/records"
)

// Keeper keeps the Groups of cohorts on one server.
type Keeper struct {
	Server  Server
	Journal records.Journal
	// Base is the base URL of the server's absolute references.
	Base string
	// Memory keeps evaluations for Share; nil keeps none.
	Memory *Memory
	Now    func() time.Time
	Log    *slog.Logger
}

// Options change a refresh.
type Options struct {
	// Force evaluates a fixed cohort again, takes over Groups that the journal does not know, and
	// lets a cohort shrink. Even so, an empty result changes nothing.
	Force bool
	// DryRun evaluates and compares, and writes nothing.
	DryRun bool
}

// Report counts what a refresh has done, or would do with Options.DryRun.
type Report struct {
	Cohort     string     `json:"cohort"`
	Membership Membership `json:"membership"`
	Members    int        `json:"members"`
	Joins      int        `json:"joins"`
	Leaves     int        `json:"leaves"`
	Groups     []Change   `json:"groups"`
	Found      Counts     `json:"found,omitzero"`
	DryRun     bool       `json:"dryRun,omitempty"`
}

// Change reports what a refresh does to one Group.
type Change struct {
	Group string `json:"group,omitempty"`
	// Share is the number of a share of patients without a Group, from 1.
	Share   int `json:"share,omitempty"`
	Members int `json:"members"`
	// Digest identifies the members.
	Digest string `json:"-"`
	// Does is created, updated, unchanged or kept.
	Does string `json:"does"`
	// Foreign is set if someone else had changed the members since our last write.
	Foreign bool `json:"changedByOthers,omitempty"`
}

// What a refresh does to a Group.
const (
	Created   = "created"
	Updated   = "updated"
	Unchanged = "unchanged"
	// Kept is a Group of a fixed cohort, or of others, which is only read.
	Kept = "kept"
)

// Parts refreshes a cohort for an export, and returns its Groups, or shares, that have members. A
// server may export everybody for a Group without any. Parts may run again at any time, also after
// a kill.
func (k Keeper) Parts(ctx context.Context, d Definition) (parts []Change, err error) {
	r, err := k.Refresh(ctx, d, Options{})
	if err != nil {
		return nil, err
	}
	for _, g := range r.Groups {
		if g.Members > 0 {
			parts = append(parts, g)
		}
	}
	return parts, nil
}

// Refresh brings the Groups of a cohort up to date. Fixed cohorts are evaluated once, and then only
// compared with their Groups.
func (k Keeper) Refresh(ctx context.Context, d Definition, o Options) (Report, error) {
	r, err := k.refresh(ctx, d, o)
	if err != nil {
		err = fmt.Errorf("cohort %s: %w", d.Name, err)
		if !o.DryRun {
			k.note(ctx, d.Name, err)
		}
		return r, err
	}
	k.Log.InfoContext(ctx, "cohort refreshed", "cohort", d.Name, "members", r.Members, "joins",
		r.Joins, "leaves", r.Leaves, "groups", len(r.Groups), "dryRun", o.DryRun)
	return r, nil
}

func (k Keeper) refresh(ctx context.Context, d Definition, o Options) (Report, error) {
	r := Report{Cohort: d.Name, Membership: d.Membership, DryRun: o.DryRun}
	doc, err := records.ReadOrNew[Record](ctx, k.Journal, folder+d.Name)
	if err != nil {
		return r, err
	}
	if d.Group != "" {
		return k.others(ctx, d, r, doc, o)
	}
	made := !doc.Value.MadeAt.IsZero()
	if made && d.Membership == Fixed && !o.Force && !d.Groupless {
		return k.fixed(ctx, d, r, doc, o)
	}
	e := evaluation{server: k.Server, base: k.Base}
	ids, err := e.evaluate(ctx, d)
	if err != nil {
		return r, err
	}
	r.Members, r.Found = len(ids), e.counts
	if len(ids) == 0 {
		return r, nobody(e.counts)
	}
	if d.Groupless {
		return k.shares(ctx, d, r, doc, ids, o)
	}
	if doc.Value.Groupless {
		doc.Value.Groupless, doc.Value.Shards = false, nil
	}
	return k.write(ctx, d, r, doc, ids, o)
}

// nobody returns the error of a search without patients.
func nobody(c Counts) error {
	what := "the search found nobody"
	if c.Resources > 0 {
		what = fmt.Sprintf("the search found %d resources and no patient: %d were entered in error, %d refer to another server, %d to no patient, and %d are not the newest of their patient",
			c.Resources, c.InError, c.Elsewhere, c.NoPatient, c.Superseded)
	}
	return &fault.Error{
		Class: fault.Permanent, Whose: fault.OurSetting,
		Err:    fmt.Errorf("%s, so nothing is exported and its Groups stay as they are", what),
		Remedy: "try the search at the server: codes need their system, as in http://loinc.org|72166-2",
	}
}

// others uses a Group that others maintain.
func (k Keeper) others(
	ctx context.Context, d Definition, r Report, doc records.Document[Record], o Options,
) (Report, error) {
	g, err := k.Server.Group(ctx, d.Group)
	if errors.Is(err, ErrNoGroup) {
		return r, &fault.Error{
			Class: fault.Permanent, Whose: fault.OurSetting,
			Err: fmt.Errorf("the server has no Group %s", d.Group),
		}
	}
	if err != nil {
		return r, err
	}
	if err := k.nested(ctx, &g); err != nil {
		return r, err
	}
	if len(g.Members) == 0 {
		return r, fault.Permanentf("Group %s has no patient, so nothing is exported", d.Group)
	}
	ids := sorted(g.Members)
	digest := digestOf(ids)
	r.Members, r.Groups = len(ids),
		[]Change{{Group: g.ID, Members: len(ids), Digest: digestOf(ids), Does: Kept}}
	if o.DryRun {
		return r, nil
	}
	changed := len(doc.Value.Shards) != 1 || doc.Value.Shards[0].Digest != digest
	now := k.Now()
	v := Record{
		Name: d.Name, Definition: d.digest(), Membership: d.Membership, Members: len(ids),
		Shards: []Shard{{
			Group: g.ID, Version: g.Version, Members: len(ids), Digest: digest,
		}},
		MadeAt: doc.Value.MadeAt, CheckedAt: now, ChangedAt: doc.Value.ChangedAt,
	}
	if v.MadeAt.IsZero() {
		v.MadeAt = now
	}
	if changed {
		v.ChangedAt = now
	}
	doc.Value = v
	return r, k.save(ctx, &doc)
}

// fixed compares the Groups of a fixed cohort with the journal.
func (k Keeper) fixed(
	ctx context.Context, d Definition, r Report, doc records.Document[Record], o Options,
) (Report, error) {
	if doc.Value.Definition != d.digest() {
		return r, &fault.Error{
			Class: fault.Permanent, Whose: fault.OurSetting,
			Err:    errors.New("it is fixed, and its search, or where it is kept, has changed since it was made"),
			Remedy: "write the earlier search again, give the new one another name, or replace the members: " + refreshCommand(d.Name),
		}
	}
	for n, s := range doc.Value.Shards {
		p, err := k.present(ctx, d.Name, n, s)
		if err != nil {
			return r, err
		}
		if !p.exists || p.digest != s.Digest {
			return r, &fault.Error{
				Class: fault.Permanent, Whose: fault.TheirServer,
				Err: fmt.Errorf("it is fixed, and someone else has changed or deleted its Group %s since version %s was written",
					s.Group, s.Version),
				Remedy: fmt.Sprintf("restore Group/%s/_history/%s at the server, or evaluate the search again: %s",
					s.Group, s.Version, refreshCommand(d.Name)),
			}
		}
		doc.Value.Shards[n].Version = p.group.Version
		r.Groups = append(r.Groups, Change{
			Group: s.Group, Members: s.Members, Digest: s.Digest, Does: Kept,
		})
	}
	r.Members, r.Found = doc.Value.Members, doc.Value.Found
	if o.DryRun {
		return r, nil
	}
	doc.Value.CheckedAt, doc.Value.Trouble, doc.Value.TroubleAt = k.Now(), "", time.Time{}
	return r, k.save(ctx, &doc)
}

// refreshCommand returns the command that confirms a change.
func refreshCommand(name string) string { return "fhirsynapse cohort refresh " + name + " --force" }

// save writes the document of a cohort.
func (k Keeper) save(ctx context.Context, doc *records.Document[Record]) error {
	err := doc.Write(ctx, k.Journal)
	if errors.Is(err, records.ErrConflict) {
		return fault.Transientf("another refresh of it runs: %w", err)
	}
	return err
}

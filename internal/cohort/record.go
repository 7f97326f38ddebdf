package cohort

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline/records"
)

// Record is the journal's document of a cohort. It holds no id of a patient.
type Record struct {
	Name string `json:"name"`
	// Definition is a digest of what selects the patients.
	Definition string     `json:"definition"`
	Membership Membership `json:"membership"`
	// Generation counts the divisions into Groups.
	Generation int `json:"generation,omitempty"`
	// Groupless is set if the shards are shares of patients without a Group.
	Groupless bool    `json:"groupless,omitempty"`
	Shards    []Shard `json:"groups"`
	Members   int     `json:"members"`
	// MadeAt is when all Groups were written for the first time; zero before.
	MadeAt time.Time `json:"madeAt,omitzero"`
	// CheckedAt is the time of the last refresh, ChangedAt of the last one that changed the
	// members; Joins and Leaves are its counts.
	CheckedAt time.Time `json:"checkedAt,omitzero"`
	ChangedAt time.Time `json:"changedAt,omitzero"`
	Joins     int       `json:"joins,omitempty"`
	Leaves    int       `json:"leaves,omitempty"`
	Found     Counts    `json:"found,omitzero"`
	// Trouble is why the last refresh failed; empty after a success.
	Trouble   string    `json:"trouble,omitempty"`
	TroubleAt time.Time `json:"troubleAt,omitzero"`
}

// Shard is one Group of a cohort.
type Shard struct {
	Group   string `json:"group,omitempty"`
	Version string `json:"version,omitempty"`
	Members int    `json:"members"`
	// Digest identifies the members that were written. Next identifies the members that a refresh
	// is about to write.
	Digest string `json:"digest,omitempty"`
	Next   string `json:"next,omitempty"`
}

// wrote reports whether the members with a digest are ours.
func (s Shard) wrote(digest string) bool { return digest == s.Digest || digest == s.Next }

const folder = "cohorts/"

// Read reads the document of a cohort; a missing one is returned as a new one.
func Read(ctx context.Context, j records.Journal, name string) (Record, error) {
	d, err := records.ReadOrNew[Record](ctx, j, folder+name)
	return d.Value, err
}

// List reads the documents of all cohorts that the journal knows.
func List(ctx context.Context, j records.Journal) (out []Record, err error) {
	for key, err := range j.List(ctx, folder) {
		if err != nil {
			return nil, fmt.Errorf("list the cohorts of the journal: %w", err)
		}
		r, err := Read(ctx, j, strings.TrimPrefix(key, folder))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

// note records why a refresh failed. Its own failure changes nothing: the caller has the error.
func (k Keeper) note(ctx context.Context, name string, cause error) {
	ctx, done := context.WithTimeout(context.WithoutCancel(ctx), noteTimeout)
	defer done()
	_, err := records.Update(ctx, k.Journal, folder+name, func(r *Record) error {
		r.Name = name
		r.Trouble, r.TroubleAt = fault.Clip(cause.Error()), k.Now()
		return nil
	})
	if err != nil {
		k.Log.WarnContext(ctx, "failure of a refresh not written down", "cohort", name, "error",
			err)
	}
}

const noteTimeout = 30 * time.Second

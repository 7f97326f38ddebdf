// Package history keeps a summary of each export that has ended, in a few documents of the journal.
//
// A page over a thousand exports reads these documents, and neither a thousand exports with their
// manifests nor the warehouse, which may be asleep. The pipeline does not read them: without them
// a page has less to show.
package history

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
)

// Entry sums up one export that has ended.
type Entry struct {
	Number      int           `json:"n"`
	State       records.State `json:"state"`
	RequestedAt time.Time     `json:"requestedAt"`
	FinishedAt  time.Time     `json:"finishedAt"`
	// Full is set if the export asked for everything. Else it asked for the changes since Since.
	Full  bool      `json:"full,omitempty"`
	Since time.Time `json:"since,omitzero"`
	// Till is the end of the export's window; zero if the server never set one.
	Till time.Time `json:"till,omitzero"`
	// Asked lists the resource types of the export; empty means all. Held lists the types whose
	// watermark the export did not move.
	Asked []string `json:"asked,omitempty"`
	Held  []string `json:"held,omitempty"`
	Files int      `json:"files"`
	// Manifest is the number of resources in the manifests; -1 if the server did not count.
	Manifest int64 `json:"manifest"`
	// Types has the counts of the resource types with lines.
	Types map[string]Counts `json:"types,omitempty"`
	// Uncounted is set if the ledger could not be read, so that Types is unknown.
	Uncounted bool `json:"uncounted,omitempty"`
	// Removed is the number of resources that the end of the export removed from the tables: they
	// left the cohort, or the server no longer has them.
	Removed int64  `json:"removed,omitempty"`
	Cohort  string `json:"cohort,omitempty"`
	Members int    `json:"members,omitempty"`
	// Joined and Gone count the patients who came into the cohort and left it.
	Joined int64 `json:"joined,omitempty"`
	Gone   int64 `json:"gone,omitempty"`
	// Step and Cause describe a failure.
	Step  string `json:"step,omitempty"`
	Cause string `json:"cause,omitempty"`
}

// Counts are the counts of an Entry for one resource type.
type Counts struct {
	Applied     int64 `json:"a,omitempty"`
	Deleted     int64 `json:"d,omitempty"`
	Quarantined int64 `json:"q,omitempty"`
}

// Sum adds the counts of all types.
func (e Entry) Sum() (sum Counts) {
	for _, c := range e.Types {
		sum.Applied += c.Applied
		sum.Deleted += c.Deleted
		sum.Quarantined += c.Quarantined
	}
	return sum
}

// Covers reports whether the export has loaded all that the server has of a type, up to Till.
func (e Entry) Covers(typ string) bool {
	return e.State.Committed() && !e.Till.IsZero() &&
		(len(e.Asked) == 0 || slices.Contains(e.Asked, typ)) &&
		!slices.Contains(e.Held, typ) && !slices.Contains(e.Held, records.AllTypes)
}

// perSegment is the number of exports that one document sums up. With all resource types such a
// document has about 200 KB, and a month of exports every five minutes is in 35 of them.
const perSegment = 250

func segmentOf(n int) int { return (n - 1) / perSegment }

func segmentKey(plan string, segment int) string {
	return fmt.Sprintf("history/%s/segment-%05d", plan, segment)
}

func accountKey(plan string, n int) string {
	return fmt.Sprintf("history/%s/account-%06d", plan, n)
}

// Last reads the entries of a plan's newest exports, the newest first: at least those that ended
// after since, and at most most documents. newest is the number of the plan's last export. whole
// reports whether all of them were read.
func Last(
	ctx context.Context, j records.Journal, plan string, newest int, since time.Time, most int,
) (entries []Entry, whole bool, err error) {
	if newest < 1 {
		return nil, true, nil
	}
	for s := segmentOf(newest); s >= 0; s-- {
		if most--; most < 0 {
			return entries, false, nil
		}
		d, err := records.ReadOrNew[[]Entry](ctx, j, segmentKey(plan, s))
		if err != nil {
			return entries, false, fmt.Errorf("read the history of plan %s: %w", plan, err)
		}
		part := d.Value
		slices.SortFunc(part, func(a, b Entry) int { return cmp.Compare(b.Number, a.Number) })
		entries = append(entries, part...)
		if len(part) > 0 && part[len(part)-1].FinishedAt.Before(since) {
			break
		}
	}
	return entries, true, nil
}

// Between reads the entries of a plan's exports from the number newest down to oldest.
func Between(
	ctx context.Context, j records.Journal, plan string, newest, oldest int,
) ([]Entry, error) {
	if newest < max(oldest, 1) {
		return nil, nil
	}
	documents := segmentOf(newest) - segmentOf(max(oldest, 1)) + 1
	entries, _, err := Last(ctx, j, plan, newest, time.Time{}, documents)
	return slices.DeleteFunc(entries, func(e Entry) bool {
		return e.Number > newest || e.Number < oldest
	}), err
}

// Account accounts for the files of one export.
type Account struct {
	Export string        `json:"export"`
	Types  []TypeAccount `json:"types"`
	// FirstLanded and LastLanded are when the first and the last file landed; zero if none is
	// there.
	FirstLanded time.Time `json:"firstLanded,omitzero"`
	LastLanded  time.Time `json:"lastLanded,omitzero"`
	// Drift describes values that differ between the tables and the resources, by type.
	Drift map[string][]string `json:"drift,omitempty"`
	// Whole is set if every manifest of the export was there.
	Whole bool `json:"whole"`
}

// TypeAccount accounts for the files of one resource type.
type TypeAccount struct {
	pipeline.TypeReport
	// Landed is the number of files of the manifest that are in the landing area.
	Landed int `json:"landed"`
	// Loaded is the number of files that are in the ledger.
	Loaded int `json:"loaded"`
}

// Find reads the account of an export that has ended. It returns false if nobody has made it.
func Find(ctx context.Context, j records.Journal, export string) (Account, bool, error) {
	plan, n, ok := records.CutExportID(export)
	if !ok {
		return Account{}, false, nil
	}
	d, err := records.Read[Account](ctx, j, accountKey(plan, n))
	if errors.Is(err, fs.ErrNotExist) {
		return Account{}, false, nil
	}
	return d.Value, err == nil, err
}

package records

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// AsksInFull reports whether an export asks for all resources of a type, not only for changes
// since an earlier export.
func (e Export) AsksInFull(typ string) bool {
	return slices.ContainsFunc(e.Jobs, func(r Request) bool {
		return r.Level == LevelSystem && r.Since.IsZero() && r.Asks(typ)
	})
}

// IsFull reports whether an export asks for everything that the server has of its types.
func (e Export) IsFull() bool { return e.isFull(func(Request) bool { return true }) }

// IsFullIn reports whether an export asks for everything that the server has of a type.
func (e Export) IsFullIn(typ string) bool {
	return e.isFull(func(r Request) bool { return r.Asks(typ) })
}

// isFull considers the jobs for which asks returns true. Each part of a cohort needs such a job; an
// additional job at system level does not count.
func (e Export) isFull(asks func(Request) bool) bool {
	parts, jobs := map[string]bool{}, 0
	for _, r := range e.Jobs {
		if !asks(r) || e.Cohort != "" && r.Level == LevelSystem {
			continue
		}
		if !r.AsksForEverything() {
			return false
		}
		parts[PartKey(r.Group, r.Share)] = true
		jobs++
	}
	return jobs > 0 && (e.Members == nil || len(parts) >= len(e.Members.Parts))
}

// Deidentify returns the rules by which the server changes the resources of an export; nil if it
// does not.
func (e Export) Deidentify() *Deidentify {
	if len(e.Jobs) == 0 {
		return nil
	}
	return e.Jobs[0].Deidentify
}

// Export is the journal's document of one run of a plan.
type Export struct {
	ID     string `json:"id"`
	Plan   string `json:"plan"`
	Schema string `json:"schema"`
	State  State  `json:"state"`
	// Cohort is the cohort whose Groups the jobs export; empty if there is none.
	Cohort string `json:"cohort,omitempty"`
	// Members are the patients of the cohort when the export was requested; nil if there is none.
	Members     *Members  `json:"members,omitempty"`
	Jobs        []Request `json:"jobs"` // the request of each job; job n is Jobs[n-1]
	RequestedAt time.Time `json:"requestedAt"`
	// BasedOn lists the loaded exports that this one builds on: it asks only for changes since
	// then.
	BasedOn []string `json:"rests,omitempty"`
	// Lacks lists loaded exports that the tables did not have when this export was requested.
	Lacks []string `json:"lacks,omitempty"`
	// AcceptMissing is set if a person has said that the server has deleted many resources.
	AcceptMissing bool `json:"acceptMissing,omitempty"`
	// TouchedAt is when the export last made progress. The watchdog reads it.
	TouchedAt  time.Time `json:"touchedAt"`
	FinishedAt time.Time `json:"finishedAt,omitzero"`
	// Round counts how often the watchdog sent the steps of this export again. It makes their
	// message ids new, so that the queue does not drop them.
	Round   int      `json:"round"`
	Failure *Failure `json:"failure,omitempty"`
	// Retry describes the step that is being tried again; nil if there is none.
	Retry *Retry `json:"retry,omitempty"`
	// Notices tell a person which assumptions were made about this export, and what its tables
	// need.
	Notices []string `json:"notices,omitempty"`
	// StalledSince is when the watchdog first found the export silent; zero while it makes
	// progress.
	StalledSince time.Time `json:"stalledSince,omitzero"`
	// Shortfall lists the data that the server could not export; nil if the server reports no
	// error.
	Shortfall *Shortfall `json:"shortfall,omitempty"`
	// Committed has, by resource type, the digest of the files that are in the tables.
	Committed map[string]string `json:"committed,omitempty"`
	// End counts what the end of the export has changed in the tables; nil if nothing.
	End *End `json:"end,omitempty"`
	// Values has the counts of values that differ from the resources, by resource type and by
	// file of deletes.
	Values map[string]PreparedValues `json:"values,omitempty"`
}

// Members counts the members of a cohort. Their ids are in a file of the staging area, and never in
// the journal.
type Members struct {
	Count int    `json:"count"`
	File  string `json:"file"`
	// Parts has a digest of the members of each Group, or share.
	Parts map[string]string `json:"parts,omitempty"`
}

// End counts what the end of an export has changed in the tables.
type End struct {
	// Joined and Gone count the patients who came into the cohort and left it.
	Joined int64 `json:"joined,omitempty"`
	Gone   int64 `json:"gone,omitempty"`
	// Left counts the removed resources of patients who have left the cohort, by type.
	Left map[string]int64 `json:"left,omitempty"`
	// Missing counts the removed resources that the server no longer has, and Kept those that were
	// too many to be removed.
	Missing map[string]int64 `json:"missing,omitempty"`
	Kept    map[string]int64 `json:"kept,omitempty"`
}

// Failure describes for a person why an export failed.
type Failure struct {
	Step  string `json:"step"`
	Cause string `json:"cause"`
	// Whose names the side that caused the failure, and Remedy the action to take; both are
	// empty if unknown.
	Whose  string `json:"whose,omitempty"`
	Remedy string `json:"remedy,omitempty"`
	// Text is the path of the server's own words in the quarantine area.
	Text string `json:"text,omitempty"`
}

// Retry describes the step of an export that is being tried again.
type Retry struct {
	Step  string `json:"step"`
	Cause string `json:"cause"`
	// Text is the path of the server's own words in the quarantine area.
	Text   string `json:"text,omitempty"`
	Whose  string `json:"whose,omitempty"`
	Remedy string `json:"remedy,omitempty"`
	// Tries counts the failures since Since.
	Tries int       `json:"tries"`
	Since time.Time `json:"since"`
	Next  time.Time `json:"next,omitzero"`
}

// Shortfall lists the data that the server reports it could not export.
type Shortfall struct {
	// Issues lists the errors by severity and code. More counts the errors of kinds that are
	// not listed.
	Issues []Issue `json:"issues"`
	More   int64   `json:"more,omitempty"`
	// Types lists the resource types whose watermark stays, so that the next export asks for
	// the same window again. AllTypes means every type.
	Types []string `json:"types"`
	// Accepted is set if the plan allows errors: every watermark moves.
	Accepted bool `json:"accepted,omitempty"`
}

// Holds reports whether the watermark of a resource type stays.
func (s *Shortfall) Holds(typ string) bool {
	return s != nil && !s.Accepted &&
		(slices.Contains(s.Types, typ) || slices.Contains(s.Types, AllTypes))
}

// String describes the errors and the types, for a person.
func (s *Shortfall) String() string {
	types := strings.Join(s.Types, ", ")
	if slices.Contains(s.Types, AllTypes) {
		types = "all types"
	}
	return fmt.Sprintf("the server could not export everything: %s; concerned: %s",
		Describe(s.Issues, s.More), types)
}

// ValuesOf sums the counts of an export's parts.
func (e Export) ValuesOf() (sum PreparedValues) {
	for _, v := range e.Values {
		sum.Add(v)
	}
	return sum
}

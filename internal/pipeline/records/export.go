package records

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// AsksInFull reports whether an export asks for all of a type, whatever came before.
func (e Export) AsksInFull(typ string) bool {
	return slices.ContainsFunc(e.Jobs, func(r Request) bool {
		return r.Level == LevelSystem && r.Since.IsZero() && r.Asks(typ)
	})
}

// Export is the journal's document of one run of a plan.
type Export struct {
	ID          string    `json:"id"`
	Plan        string    `json:"plan"`
	Schema      string    `json:"schema"`
	State       State     `json:"state"`
	Jobs        []Request `json:"jobs"` // what each job asks; job n is Jobs[n-1]
	RequestedAt time.Time `json:"requestedAt"`
	// Rests is the loaded exports that this one builds on: it brings what is new since.
	Rests []string `json:"rests,omitempty"`
	// Lacks is loaded exports that the tables did not have when this one was requested.
	Lacks []string `json:"lacks,omitempty"`
	// TouchedAt is when the export last got further; the watchdog reads it.
	TouchedAt  time.Time `json:"touchedAt"`
	FinishedAt time.Time `json:"finishedAt,omitzero"`
	// Round counts how often the watchdog sent the steps of this export again: it
	// makes their message ids new, so that the queue does not drop them.
	Round   int      `json:"round"`
	Failure *Failure `json:"failure,omitempty"`
	// Retry is what is being tried again; nil when nothing is.
	Retry *Retry `json:"retry,omitempty"`
	// Notices tell a person what had to be assumed about this export.
	Notices []string `json:"notices,omitempty"`
	// StalledSince is when the watchdog first found the export silent; zero while it
	// gets further.
	StalledSince time.Time `json:"stalledSince,omitzero"`
	// Shortfall says what the server could not export; nil when it reports no error.
	Shortfall *Shortfall `json:"shortfall,omitempty"`
	// Committed has, by resource type, the digest of the files that are in the tables.
	Committed map[string]string `json:"committed,omitempty"`
	// Values has what became of values, by resource type and by file of deletes.
	Values map[string]PreparedValues `json:"values,omitempty"`
}

// Failure tells a person why an export failed.
type Failure struct {
	Step  string `json:"step"`
	Cause string `json:"cause"`
	// Whose says on which side the cause lies, and Remedy what to do about it; both
	// are empty where nobody knows.
	Whose  string `json:"whose,omitempty"`
	Remedy string `json:"remedy,omitempty"`
	// Text is where the server's own words are in the quarantine area.
	Text string `json:"text,omitempty"`
}

// Retry says what an export is trying again.
type Retry struct {
	Step  string `json:"step"`
	Cause string `json:"cause"`
	// Text is where the server's own words are in the quarantine area.
	Text   string `json:"text,omitempty"`
	Whose  string `json:"whose,omitempty"`
	Remedy string `json:"remedy,omitempty"`
	// Tries counts the failures since Since.
	Tries int       `json:"tries"`
	Since time.Time `json:"since"`
	Next  time.Time `json:"next,omitzero"`
}

// Shortfall is what the server reports that it could not export.
type Shortfall struct {
	// Issues lists the errors by severity and code, and More counts those of kinds
	// that are not listed.
	Issues []Issue `json:"issues"`
	More   int64   `json:"more,omitempty"`
	// Types lists the resource types whose watermark stays, so that the next export
	// asks for their window again. AllTypes means every type.
	Types []string `json:"types"`
	// Accepted says that the plan allows errors: every watermark moves.
	Accepted bool `json:"accepted,omitempty"`
}

// Holds reports whether the watermark of a resource type stays.
func (s *Shortfall) Holds(typ string) bool {
	return s != nil && !s.Accepted && (slices.Contains(s.Types, typ) || slices.Contains(s.Types, AllTypes))
}

// String describes the errors and the types, for a person.
func (s *Shortfall) String() string {
	types := strings.Join(s.Types, ", ")
	if slices.Contains(s.Types, AllTypes) {
		types = "all types"
	}
	return fmt.Sprintf("the server could not export everything: %s; concerned: %s", Describe(s.Issues, s.More), types)
}

// ValuesOf sums the counts of an export's parts.
func (e Export) ValuesOf() (sum PreparedValues) {
	for _, v := range e.Values {
		sum.Add(v)
	}
	return sum
}

package records

import (
	"time"
)

// Window widens the window of an export. An export without one begins where the last export ended.
type Window struct {
	// Full asks for everything.
	Full bool `json:"full,omitempty"`
	// Since asks for the changes since then.
	Since time.Time `json:"since,omitzero"`
	// AcceptMissing is set if a person has said that the server has deleted many resources.
	AcceptMissing bool `json:"acceptMissing,omitempty"`
}

// beginning is before the first change at any FHIR server. A window that begins there has
// everything, and unlike one without a begin it has the deletes too.
var beginning = time.Date(1970, time.January, 1, 0, 0, 0, 0, time.UTC)

// Widen returns the begin of a window that would begin at since; zero means a first export. The
// result is never later, so that no change is left out.
func (w Window) Widen(since time.Time) time.Time {
	switch {
	case since.IsZero():
	case w.Full:
		return beginning
	case !w.Since.IsZero() && w.Since.Before(since):
		return w.Since
	}
	return since
}

// PlanRecord is the journal's document of a plan. It names the export in flight.
type PlanRecord struct {
	Seq         int       `json:"seq"`
	Current     string    `json:"current,omitempty"`
	RequestedAt time.Time `json:"requestedAt"`
	// PausedAt is when a person paused the plan; zero while it runs.
	PausedAt time.Time `json:"pausedAt,omitzero"`
	// WantedAt is when a person asked for an export that has not begun; zero if there is no
	// request.
	WantedAt time.Time `json:"wantedAt,omitzero"`
	// Wanted is the window that the person asks for, and Window the window of the export in flight.
	Wanted Window `json:"wanted,omitzero"`
	Window Window `json:"window,omitzero"`
	// Released is the last export whose jobs were released at the server.
	Released string `json:"released,omitempty"`
	// Swept is the number of the last export whose prepared files were removed, as for all
	// exports before it.
	Swept int `json:"swept,omitempty"`
	// Retry describes why the last tick failed for the plan; nil if it succeeded.
	Retry *Retry `json:"retry,omitempty"`
}

package records

import (
	"time"
)

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
	// Released is the last export whose jobs were released at the server.
	Released string `json:"released,omitempty"`
	// Swept is the number of the last export whose prepared files were removed, as for all
	// exports before it.
	Swept int `json:"swept,omitempty"`
	// Retry describes why the last tick failed for the plan; nil if it succeeded.
	Retry *Retry `json:"retry,omitempty"`
}

package records

import (
	"time"
)

// PlanRecord is the journal's document of a plan: which export is in flight.
type PlanRecord struct {
	Seq         int       `json:"seq"`
	Current     string    `json:"current,omitempty"`
	RequestedAt time.Time `json:"requestedAt"`
	// PausedAt is when a person paused the plan; zero while it runs.
	PausedAt time.Time `json:"pausedAt,omitzero"`
	// WantedAt is when a person asked for an export that has not begun; zero when
	// nobody did.
	WantedAt time.Time `json:"wantedAt,omitzero"`
	// Released is the export whose jobs were given back to the server last.
	Released string `json:"released,omitempty"`
	// Swept is the number of the last export whose prepared files were removed, and
	// those of all before it.
	Swept int `json:"swept,omitempty"`
	// Retry is why the last tick could not go on with the plan; nil when it could.
	Retry *Retry `json:"retry,omitempty"`
}

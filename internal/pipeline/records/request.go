package records

import (
	"fmt"
	"slices"
	"time"
)

// Levels of an export, as the Bulk Data guide names them.
const (
	LevelSystem  = "system"
	LevelPatient = "patient"
	LevelGroup   = "group"
)

// Request is one $export to be started.
type Request struct {
	Level      string   // "system", "patient" or "group"
	Group      string   // id of the Group, for level group
	Types      []string // _type; empty means all
	TypeFilter []string // _typeFilter, one FHIR search each
	Since      time.Time
	Till       time.Time
	Deleted    bool // ask for deletes, if the server reports them
	// Share is the number of the share of the plan's cohort whose patients the source names in the
	// kick-off, for level patient; 0 if there is none.
	Share int `json:",omitempty"`
	// Deidentify are the rules by which the server changes the resources; nil if it does not.
	Deidentify *Deidentify `json:",omitempty"`
}

// Exchange is a kick-off as sent and answered, for troubleshooting a server. It holds no token
// and no patient id.
type Exchange struct {
	Method  string            `json:"method,omitempty"`
	URL     string            `json:"url,omitempty"`
	Request map[string]string `json:"request,omitempty"` // headers
	Body    string            `json:"body,omitempty"`
	Status  int               `json:"status,omitempty"`
	Answer  map[string]string `json:"answer,omitempty"` // headers
	// Software is the server's name for itself.
	Software string `json:"software,omitempty"`
}

// AllTypes stands for "every type" in watermarks of plans that name no types.
const AllTypes = "*"

// AsksForEverything reports whether a job asks for all that the server has, not only for changes
// since an earlier export.
func (r Request) AsksForEverything() bool { return !r.Since.After(beginning) }

// PartKey names the part of a cohort that a job exports.
func PartKey(group string, share int) string {
	if share > 0 {
		return fmt.Sprintf("share %d", share)
	}
	return group
}

// Asks reports whether a job asks for a resource type.
func (r Request) Asks(typ string) bool { return len(r.Types) == 0 || slices.Contains(r.Types, typ) }

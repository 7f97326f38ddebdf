package cohort

// State is a cohort as a person reads it: its definition, and what the journal has of it.
type State struct {
	Name       string     `json:"name"`
	Source     string     `json:"source"`
	Search     string     `json:"search,omitempty"`
	Among      string     `json:"among,omitempty"`
	Group      string     `json:"group,omitempty"`
	Match      Match      `json:"match"`
	Membership Membership `json:"membership"`
	// Plans lists the plans that export the cohort.
	Plans  []string `json:"plans,omitempty"`
	Record Record   `json:"record"`
}

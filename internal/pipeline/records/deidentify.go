package records

// Deidentify names the rules by which a server de-identifies the resources that it exports. Either
// ETag or Collection is set.
type Deidentify struct {
	// Config is the name of the configuration file.
	Config string `json:"config"`
	// ETag is the version of the file in the service's storage account, without quotes.
	ETag string `json:"etag,omitempty"`
	// Collection is the container image that has the file.
	Collection string `json:"collection,omitempty"`
}

// String describes the rules for a person.
func (d *Deidentify) String() string {
	switch {
	case d == nil:
		return "no configuration, so they are identified"
	case d.Collection != "":
		return d.Config + " of " + d.Collection
	}
	return d.Config + " with the ETag " + d.ETag
}

// Equal reports whether two exports have the same rules; nil means none.
func (d *Deidentify) Equal(other *Deidentify) bool {
	if d == nil || other == nil {
		return d == other
	}
	return *d == *other
}

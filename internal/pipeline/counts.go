package pipeline

// Counts accounts for lines: Lines = Applied + Superseded + Filtered + Quarantined + Blank.
type Counts struct {
	Lines       int64 `json:"lines"`
	Applied     int64 `json:"applied"`
	Superseded  int64 `json:"superseded"`
	Filtered    int64 `json:"filtered"`
	Quarantined int64 `json:"quarantined"`
	Blank       int64 `json:"blank"`
	Deleted     int64 `json:"deleted"` // applied tombstones
}

// Add adds the counts of o.
func (c *Counts) Add(o Counts) {
	c.Lines += o.Lines
	c.Applied += o.Applied
	c.Superseded += o.Superseded
	c.Filtered += o.Filtered
	c.Quarantined += o.Quarantined
	c.Blank += o.Blank
	c.Deleted += o.Deleted
}

// Accounted sums all outcomes of lines. The counts are consistent if the sum equals Lines.
func (c Counts) Accounted() int64 {
	return c.Applied + c.Superseded + c.Filtered + c.Quarantined + c.Blank
}

// Counts returns the counts of a prepared file, given the number of applied resources and of
// the tombstones among them. All other resources are superseded.
func (d Done) Counts(applied, deleted int64) Counts {
	return Counts{
		Lines: d.Lines, Applied: applied, Superseded: d.Heads - applied,
		Filtered: d.Filtered, Quarantined: d.Quarantined, Blank: d.Blank, Deleted: deleted,
	}
}

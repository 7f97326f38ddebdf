package pipeline

import (
	"context"
	"time"
)

// Concluder ends an export in the tables of its plan, once all its files are committed: it removes
// resources that the server no longer has, or that belong to nobody in the cohort any more, and
// records the export for readers of the tables.
type Concluder interface {
	// Conclude may run again at any time, also while another process concludes the same export.
	// Once the export is recorded it changes nothing. It changes a type in one transaction.
	Conclude(ctx context.Context, c Conclusion) (Concluded, error)
}

// Adder is a Concluder of a warehouse that cannot replace all resources of a type: Batch.Replaces
// has no meaning there.
type Adder interface{ OnlyAdds() }

// Conclusion is the end of an export.
type Conclusion struct {
	Schema string
	Plan   string
	// Attempt names the stage tables of this try; unique, [0-9a-f]+.
	Attempt string
	// Record is the export's row in the table of exports, without the counts.
	Record ExportRecord
	// Members are the patients of the cohort Record.Cohort; nil if the export has no cohort, or if
	// its files have other ids. The table of members becomes this set as of Record.RequestedAt, and
	// resources in the compartments of other patients alone are removed, with their heads.
	Members Members
	// Types are the types that the export asked for. Types that are not listed lose the resources
	// of patients who have left the cohort, and nothing else.
	Types []ConclusionType
	// MostMissing is the greatest share of a type's live resources, from 0 to 1, that may be
	// removed because the server no longer has them. If more are missing, none is removed.
	MostMissing float64
}

// ExportRecord is an export for readers of the tables.
type ExportRecord struct {
	Export string
	Plan   string
	// State is loaded or incomplete.
	State string
	Full  bool
	// Since and Till bound the export's window; zero means no bound.
	Since, Till time.Time
	Cohort      string // empty for none
	RequestedAt time.Time
	FinishedAt  time.Time
}

// ConclusionType is one resource type of an export that ends.
//
// A server may delete a resource without a trace. A full export then lacks it. It may also lack a
// resource that was changed while the server was writing: the next export has that one. So a
// resource that a full export lacks is only marked as missing, and removed at the end of a later
// export that does not have it either.
type ConclusionType struct {
	Type string
	// Files are the files with the resources that the export had.
	Files []PreparedFile
	// Full is set if the files have all resources of the type that the server had at Till. Others
	// are marked as missing, if their version is not later than Till.
	Full bool
	// Whole is set if the files have everything that the export asked for, so that resources which
	// an export with an earlier Till has marked can be judged: a mark ends if the files have the
	// resource, or if it has changed; otherwise the resource is removed, with its head.
	Whole bool
	Till  time.Time
}

// Concluded counts what Conclude has changed.
type Concluded struct {
	// Left counts the removed resources of patients who have left the cohort.
	Left ByType
	// Missing counts the removed resources that the server no longer has, Kept those that were too
	// many to be removed, and Marked the resources with a new mark.
	Missing, Kept, Marked ByType
	// Joined and Gone count the patients who came into the cohort and left it.
	Joined, Gone int64
}

// NewConcluded returns counts of zero.
func NewConcluded() Concluded {
	return Concluded{Left: ByType{}, Missing: ByType{}, Kept: ByType{}, Marked: ByType{}}
}

// IsZero reports whether nothing was changed, or is worth telling.
func (c Concluded) IsZero() bool {
	return c.Joined+c.Gone == 0 &&
		c.Left.Sum()+c.Missing.Sum()+c.Kept.Sum()+c.Marked.Sum() == 0
}

// ByType counts resources by their type.
type ByType map[string]int64

// Sum adds the counts of all types.
func (n ByType) Sum() (sum int64) {
	for _, of := range n {
		sum += of
	}
	return sum
}

package records

import (
	"time"
)

// Lease keeps other committers from doing the same work. It saves work and is not a
// lock: a holder that wakes up late is harmless, the warehouse sees to that.
type Lease struct {
	Holder string    `json:"holder"`
	Until  time.Time `json:"until"`
}

// Job is the journal's document of one $export request.
type Job struct {
	ID     string `json:"id"`
	Export string `json:"export"`
	N      int    `json:"n"`
	// KickOffAt is when the kick-off was last tried: the intent.
	KickOffAt time.Time `json:"kickOffAt,omitzero"`
	KickOffs  int       `json:"kickOffs"`
	// LostSince is when the first kick-off was made whose answer nobody wrote down,
	// and Lost how many there are: each may be a job at the server that nobody follows.
	LostSince time.Time `json:"lostSince,omitzero"`
	Lost      int       `json:"lost,omitempty"`
	// Adopted says that the job was found by its folder after its promise was lost.
	Adopted bool `json:"adopted,omitempty"`
	// RetryAt is when a kick-off that the server declined is made again.
	RetryAt time.Time `json:"retryAt,omitzero"`
	// UnavailableSince is when the server was first not available for the kick-off, and
	// Unavailable how often it was not since.
	UnavailableSince time.Time `json:"unavailableSince,omitzero"`
	Unavailable      int       `json:"unavailable,omitempty"`
	// Exchange is the kick-off that was accepted.
	Exchange  *Exchange `json:"exchange,omitempty"`
	StatusURL string    `json:"statusUrl,omitempty"`
	// GivenBack says that the export has ended and that nobody asks the server about the
	// job again: StatusURL and Exchange have lost their queries, which may be secrets.
	GivenBack bool   `json:"givenBack,omitempty"`
	Folder    string `json:"folder,omitempty"`
	// AcceptedAt is when the server promised to do it.
	AcceptedAt time.Time `json:"acceptedAt,omitzero"`
	// ServerTime is the server's clock at that time; zero when it did not show it.
	ServerTime time.Time `json:"serverTime,omitzero"`
	// PollN is the poll that is due next, at PollAt; lower ones are of an older chain.
	PollN    int       `json:"pollN"`
	PollAt   time.Time `json:"pollAt,omitzero"`
	Progress string    `json:"progress,omitempty"`
	// ProgressMark changes when the server reports other progress.
	ProgressMark string `json:"progressMark,omitempty"`
	// MovedAt is when the server last showed that it is at work.
	MovedAt time.Time `json:"movedAt,omitzero"`
	// ManifestAt is when the manifest came; it is a document of its own.
	ManifestAt      time.Time `json:"manifestAt,omitzero"`
	TransactionTime time.Time `json:"transactionTime,omitzero"`
	// Notices tell a person what had to be assumed about the manifest.
	Notices []string `json:"notices,omitempty"`
	Files   int      `json:"files"`
}

// Collected reports whether the manifest of the job is in the journal.
func (j Job) Collected() bool { return !j.ManifestAt.IsZero() }

// Owner leads from a folder of the landing area to the job that owns it.
type Owner struct {
	Export string `json:"export"`
	Job    int    `json:"job"`
}

package records

import (
	"time"
)

// Lease keeps other committers from doing the same work. It saves work and is not a lock: the
// warehouse makes a holder that wakes up late harmless.
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
	// LostSince is the time of the first kick-off without a recorded answer, and Lost their
	// number. Each may have started a job at the server that nobody follows.
	LostSince time.Time `json:"lostSince,omitzero"`
	Lost      int       `json:"lost,omitempty"`
	// Adopted is set if the job was found by its folder after the server's answer was lost.
	Adopted bool `json:"adopted,omitempty"`
	// RetryAt is when a kick-off that the server declined is made again.
	RetryAt time.Time `json:"retryAt,omitzero"`
	// UnavailableSince is when the server was first unavailable for the kick-off, and
	// Unavailable counts how often since then.
	UnavailableSince time.Time `json:"unavailableSince,omitzero"`
	Unavailable      int       `json:"unavailable,omitempty"`
	// Exchange is the kick-off that was accepted.
	Exchange  *Exchange `json:"exchange,omitempty"`
	StatusURL string    `json:"statusUrl,omitempty"`
	// GivenBack is set once the export has ended and the server is not asked about the job
	// again. StatusURL and Exchange have lost their queries, which may be secrets.
	GivenBack bool   `json:"givenBack,omitempty"`
	Folder    string `json:"folder,omitempty"`
	// AcceptedAt is when the server accepted the job.
	AcceptedAt time.Time `json:"acceptedAt,omitzero"`
	// ServerTime is the server's clock at AcceptedAt; zero if the server did not show it.
	ServerTime time.Time `json:"serverTime,omitzero"`
	// PollN is the number of the next poll, due at PollAt; lower numbers belong to an older
	// chain.
	PollN    int       `json:"pollN"`
	PollAt   time.Time `json:"pollAt,omitzero"`
	Progress string    `json:"progress,omitempty"`
	// ProgressMark changes when the server reports other progress.
	ProgressMark string `json:"progressMark,omitempty"`
	// MovedAt is when the server last showed that it works on the job.
	MovedAt time.Time `json:"movedAt,omitzero"`
	// ManifestAt is when the manifest arrived. The manifest is a document of its own.
	ManifestAt      time.Time `json:"manifestAt,omitzero"`
	TransactionTime time.Time `json:"transactionTime,omitzero"`
	// Notices tell a person which assumptions were made about the manifest.
	Notices []string `json:"notices,omitempty"`
	Files   int      `json:"files"`
}

// Collected reports whether the manifest of the job is in the journal.
func (j Job) Collected() bool { return !j.ManifestAt.IsZero() }

// Owner names the job that owns a folder of the landing area.
type Owner struct {
	Export string `json:"export"`
	Job    int    `json:"job"`
}

package fhirserver

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"fhirsynapse/internal/emulator/fhirserver/jobs"
	"fhirsynapse/internal/emulator/fhirserver/signin"
)

// Faults holds the faults of a server of dialect bulk. The zero value has none.
//
// The lists of answers apply to the first requests of their kind, in this order; the zero Answer
// in a list is the true answer. After the end of a list, the true answers follow.
type Faults struct {
	KickOffs []Answer
	Polls    []Answer // of all jobs
	Cancels  []Answer
	Tokens   []Answer // of the token endpoint
	Metadata []Answer
	// Files answers the first downloads of each file, File the first downloads of one file of the
	// output, by its place in the manifest. ListenFiles ignores both.
	Files []Answer
	File  map[int][]Answer
	// AllFiles answers every download; nil sends the files.
	AllFiles *Answer

	// ParallelDownloads answers more downloads at a time than this number with 429; zero means no
	// limit.
	ParallelDownloads int
	// Garbage, if not zero, is the seed of answers that follow no protocol.
	Garbage uint64

	// NeverDone keeps every new job running forever.
	NeverDone bool
	// Failure ends every new job. Its reason becomes the diagnostics, unchanged.
	Failure *jobs.Failure
	// ErrorFile is the number of OperationOutcomes of every new job.
	ErrorFile int
	// StrayLine is added after the last line of the first file of every new job.
	StrayLine string

	// NoDeletes makes the server omit deletes and their member of the manifest.
	NoDeletes bool
	// WrongCount is added to the count of every file of the output. NoCounts omits all counts.
	WrongCount int
	NoCounts   bool
	// WrongType replaces the type of every file of the output.
	WrongType string
	// SameNames uses the same last URL part for all files of a type.
	SameNames bool
	// FileHost is the base of the files' URLs; empty means the server itself.
	FileHost string
	// TokenForFiles requires a token for files, for any value of requiresAccessToken.
	TokenForFiles bool
	// TransactionTime replaces the true transaction time.
	TransactionTime string
	// NoErrorMember omits the empty list of errors. OutcomeMember names the list outcome, as the
	// draft of version 4 does.
	NoErrorMember, OutcomeMember bool
	// LinkLoop links the last page of the manifest to the first page.
	LinkLoop bool
	// OrganizedBy declares an organized output that nobody requested.
	OrganizedBy string
	// Padding makes every page of the manifest longer by this number of bytes.
	Padding int
}

// Asked counts the requests to a server of dialect bulk, including requests that Faults answered.
type Asked struct{ KickOffs, Polls, Cancels, Tokens, Metadata, Files int }

// Asked returns the counts of requests up to now.
func (s *Server) Asked() Asked {
	if s.bulk == nil {
		return Asked{}
	}
	s.bulk.mu.Lock()
	defer s.bulk.mu.Unlock()
	return s.bulk.total
}

// SetFaults changes the faults of dialect bulk and restarts their lists.
func (s *Server) SetFaults(f Faults) {
	if s.bulk == nil {
		return
	}
	s.bulk.mu.Lock()
	defer s.bulk.mu.Unlock()
	s.bulk.faults = f
	clear(s.bulk.asked)
}

func (b *bulk) faultsNow() Faults {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.faults
}

// trouble sets the faults of a new job.
func (b *bulk) trouble(t *jobs.Trouble) {
	f := b.faultsNow()
	if f.NeverDone {
		t.Hold = make(chan struct{})
	}
	if f.Failure != nil {
		t.Failure = f.Failure
	}
	if f.StrayLine != "" {
		t.Stray = []byte(f.StrayLine)
	}
	for i := range f.ErrorFile {
		t.Outcomes = append(t.Outcomes, fmt.Appendf(nil,
			`{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"exception","diagnostics":"Resource %d could not be exported."}]}`, i))
	}
}

// extension returns padding for the manifest, in a member that clients do not know.
func (f Faults) extension() map[string]any {
	if f.Padding == 0 {
		return nil
	}
	return map[string]any{"http://example.org/padding": strings.Repeat("x", f.Padding)}
}

// next returns the answer to a request and counts the request.
func (b *bulk) next(r *http.Request) Answer {
	b.mu.Lock()
	defer b.mu.Unlock()
	kind, list := b.script(r)
	n := b.asked[kind]
	b.asked[kind]++
	b.total.count(kind)
	if kind == "file" && b.faults.AllFiles != nil {
		return *b.faults.AllFiles
	}
	if n < len(list) {
		return list[n]
	}
	return Answer{}
}

func (a *Asked) count(kind string) {
	switch kind {
	case "kick-off":
		a.KickOffs++
	case "poll":
		a.Polls++
	case "cancel":
		a.Cancels++
	case "token":
		a.Tokens++
	case "metadata":
		a.Metadata++
	case "other":
	default: // each file is its own kind
		a.Files++
	}
}

// script returns the list of answers for a request, and the kind under which the request is
// counted.
func (b *bulk) script(r *http.Request) (kind string, list []Answer) {
	_, status := b.jobID(r)
	switch path := r.URL.Path; {
	case status && r.Method == http.MethodDelete:
		return "cancel", b.faults.Cancels
	case status:
		return "poll", b.faults.Polls
	case strings.HasSuffix(path, "$export"):
		return "kick-off", b.faults.KickOffs
	case strings.HasPrefix(path, bulkFilesPath):
		if b.faults.AllFiles != nil {
			return "file", nil
		}
		part := strings.Split(path, "/")
		if n, err := strconv.Atoi(part[len(part)-2]); err == nil &&
			part[len(part)-3] == listOutput && b.faults.File[n] != nil {
			return path, b.faults.File[n]
		}
		return path, b.faults.Files
	case path == signin.TokenPath:
		return "token", b.faults.Tokens
	case path == "/metadata":
		return "metadata", b.faults.Metadata
	}
	return "other", nil
}

// scripted answers with the faults, if any, before the true answers.
func (b *bulk) scripted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := b.next(r)
		if seed := b.faultsNow().Garbage; seed != 0 {
			a = garbage(seed, b.count("garbage"))
		}
		if strings.HasPrefix(r.URL.Path, bulkFilesPath) {
			if !b.enter() {
				Throttled("1").serve(w, r, next)
				return
			}
			defer b.leave()
		}
		a.serve(w, r, next)
	})
}

func (b *bulk) count(kind string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked[kind]++
	return b.asked[kind]
}

func (b *bulk) enter() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if most := b.faults.ParallelDownloads; most > 0 && b.downloads >= most {
		return false
	}
	b.downloads++
	return true
}

func (b *bulk) leave() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.downloads--
}

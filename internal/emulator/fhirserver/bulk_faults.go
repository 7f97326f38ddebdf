package fhirserver

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"fhirsynapse/internal/emulator/fhirserver/jobs"
	"fhirsynapse/internal/emulator/fhirserver/signin"
)

// Faults are what a server of dialect bulk does wrong. The zero value is nothing.
//
// The lists of answers are for the first requests of their kind, in this order;
// the zero Answer in a list is the true answer. When a list is used up, the true
// answers follow.
type Faults struct {
	KickOffs []Answer
	Polls    []Answer // of all jobs
	Cancels  []Answer
	Tokens   []Answer // of the token endpoint
	Metadata []Answer
	// Files are for the first downloads of each file, File for those of one file of
	// the output, by its place in the manifest. ListenFiles heeds neither.
	Files []Answer
	File  map[int][]Answer
	// AllFiles answers every download; nil lets them through.
	AllFiles *Answer

	// ParallelDownloads answers with 429 what goes beyond so many; zero means any.
	ParallelDownloads int
	// Garbage, when it is not zero, is the seed of answers that are of no protocol.
	Garbage uint64

	// NeverDone keeps every new job running for ever.
	NeverDone bool
	// Failure ends every new job; its reason is the diagnostics as they stand.
	Failure *jobs.Failure
	// ErrorFile is the number of OperationOutcomes that every new job reports.
	ErrorFile int
	// StrayLine is a line behind the last of the first file of every new job.
	StrayLine string

	// NoDeletes: the server tells no deletes, and has no member for them.
	NoDeletes bool
	// WrongCount is added to the count of every file of the output; NoCounts
	// leaves them all out.
	WrongCount int
	NoCounts   bool
	// WrongType is told instead of the type of every file of the output.
	WrongType string
	// SameNames gives all files of a type the same last part of their URL.
	SameNames bool
	// FileHost is the base of the files' URLs; empty means the server's own.
	FileHost string
	// TokenForFiles wants a token for files, whatever requiresAccessToken says.
	TokenForFiles bool
	// TransactionTime is told instead of the true one.
	TransactionTime string
	// NoErrorMember leaves the empty list of errors out, OutcomeMember calls it
	// outcome, as the draft of version 4 does.
	NoErrorMember, OutcomeMember bool
	// LinkLoop: the last page of the manifest is followed by the first.
	LinkLoop bool
	// OrganizedBy says that the output is organized, though nobody asked.
	OrganizedBy string
	// Padding makes every page of the manifest longer by so many bytes.
	Padding int
}

// Asked counts the requests that a server of dialect bulk got, those that Faults
// answered included.
type Asked struct{ KickOffs, Polls, Cancels, Tokens, Metadata, Files int }

// Asked tells what the server was asked so far.
func (s *Server) Asked() Asked {
	if s.bulk == nil {
		return Asked{}
	}
	s.bulk.mu.Lock()
	defer s.bulk.mu.Unlock()
	return s.bulk.total
}

// SetFaults changes the faults of dialect bulk and begins their lists anew.
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

// trouble is what a new job shall suffer.
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

// extension pads the manifest with what a client does not know.
func (f Faults) extension() map[string]any {
	if f.Padding == 0 {
		return nil
	}
	return map[string]any{"http://example.org/padding": strings.Repeat("x", f.Padding)}
}

// next finds the answer for a request and counts it.
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
	default: // each file is of a kind of its own
		a.Files++
	}
}

// script is the list for a request, and what its requests are counted by.
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
		if n, err := strconv.Atoi(part[len(part)-2]); err == nil && part[len(part)-3] == listOutput && b.faults.File[n] != nil {
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

// scripted puts the faults in front of the true answers.
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

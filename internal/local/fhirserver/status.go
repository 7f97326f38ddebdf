package fhirserver

import (
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"fhirsynapse/internal/local/fhirserver/jobs"
	"fhirsynapse/internal/local/fhirserver/store"
)

// polls counts the polls of each job.
type polls struct {
	mu    sync.Mutex
	count map[string]int
}

func (p *polls) next(job string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.count == nil {
		p.count = map[string]int{}
	}
	p.count[job]++
	return p.count[job]
}

type manifest struct {
	TransactionTime     string           `json:"transactionTime"`
	Request             string           `json:"request"`
	RequiresAccessToken bool             `json:"requiresAccessToken"`
	Output              []manifestOutput `json:"output"`
	Error               []manifestOutput `json:"error"`
	Issues              []outcomeIssue   `json:"issues"`
}

type manifestOutput struct {
	Type  string `json:"type"`
	URL   string `json:"url"`
	Count int    `json:"count"`
}

func (s *Server) status(w http.ResponseWriter, r *http.Request, id string) {
	switch r.Method {
	case http.MethodGet:
		s.poll(w, id)
	case http.MethodDelete:
		s.cancel(w, id)
	default:
		refuse(w, http.StatusMethodNotAllowed, issue{"not-supported", "The requested operation is not supported with this method."})
	}
}

func (s *Server) poll(w http.ResponseWriter, id string) {
	if wait, throttled := s.faults.poll(); throttled {
		w.Header().Set("Retry-After", strconv.Itoa(int((wait+time.Second-1)/time.Second)))
		refuse(w, http.StatusTooManyRequests, issue{"throttled", "The request rate is too large."})
		return
	}
	j, ok := s.runner.Job(id)
	if !ok {
		s.unknown(w, id)
		return
	}
	select {
	case <-j.Done():
	default:
		s.polls.next(id)
		running(w)
		return
	}
	if s.polls.next(id) <= s.o.PollsBeforeDone {
		running(w)
		return
	}
	output, failure := j.Result()
	if failure != nil {
		refuse(w, failure.Status, issue{codeOf(failure.Status), "export operation failed for reason: " + failure.Reason})
		return
	}
	answer(w, http.StatusOK, "application/json", manifestOf(j, output))
}

// running is 202 with an empty body, and neither Retry-After nor X-Progress.
func running(w http.ResponseWriter) {
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusAccepted)
}

func manifestOf(j *jobs.Job, output []jobs.Output) manifest {
	m := manifest{
		TransactionTime: store.Instant(j.Created),
		Request:         j.Request.URL,
		Output:          []manifestOutput{},
		Error:           []manifestOutput{},
		Issues:          []outcomeIssue{},
	}
	for _, o := range output {
		m.Output = append(m.Output, manifestOutput{Type: o.Type, URL: o.URL, Count: o.Count})
	}
	return m
}

func (s *Server) cancel(w http.ResponseWriter, id string) {
	j, ok := s.runner.Job(id)
	if !ok {
		s.unknown(w, id)
		return
	}
	if s.o.ConflictOnCancel {
		select {
		case <-j.Done():
			w.WriteHeader(http.StatusConflict)
			return
		default:
		}
	}
	s.runner.Cancel(id)
	running(w)
}

func (s *Server) unknown(w http.ResponseWriter, id string) {
	refuse(w, http.StatusNotFound, issue{"not-found", fmt.Sprintf("The requested job '%s' was not found.", id)})
}

package fhirserver

import (
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"
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

func (s *Server) status(w http.ResponseWriter, r *http.Request, id string) {
	switch r.Method {
	case http.MethodGet:
		s.poll(w, r, id)
	case http.MethodDelete:
		s.cancel(w, id)
	default:
		refuse(w, http.StatusMethodNotAllowed,
			issue{"not-supported", "The requested operation is not supported with this method."})
	}
}

func (s *Server) poll(w http.ResponseWriter, r *http.Request, id string) {
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
		s.dialect.running(w, s.polls.next(id))
		return
	}
	if poll := s.polls.next(id); poll <= s.o.PollsBeforeDone {
		s.dialect.running(w, poll)
		return
	}
	if _, failure := j.Result(); failure != nil {
		s.dialect.failed(w, failure)
		return
	}
	s.dialect.finished(w, r, j)
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
	accepted(w)
}

func (s *Server) unknown(w http.ResponseWriter, id string) {
	refuse(w, http.StatusNotFound,
		issue{"not-found", fmt.Sprintf("The requested job '%s' was not found.", id)})
}

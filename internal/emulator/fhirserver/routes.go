package fhirserver

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"fhirsynapse/internal/emulator/fhirserver/jobs"
)

// dialect holds the behavior of one kind of server; everything else is common.
type dialect struct {
	name    string
	methods []string // of a kick-off
	requests
	statuses
	// beside serves the routes that only this dialect has, and reports whether it served the
	// request. It is nil if there are none.
	beside func(w http.ResponseWriter, r *http.Request) bool
	// open reports whether a route needs no sign-in; nil means none.
	open func(r *http.Request) bool
}

// requests reads export requests and makes status URLs.
type requests interface {
	// kickOff reads an export request. Any issue refuses it.
	kickOff(level, group string, r *http.Request) (jobs.Request, []issue)
	// statusURL returns the Content-Location of a job; jobID reads it back.
	statusURL(r *http.Request, job string) string
	jobID(r *http.Request) (string, bool)
}

// statuses writes the answers to a poll.
type statuses interface {
	// running answers a poll of an unfinished job; polls count from 1.
	running(w http.ResponseWriter, poll int)
	failed(w http.ResponseWriter, f *jobs.Failure)
	finished(w http.ResponseWriter, r *http.Request, j *jobs.Job)
}

// route serves all routes of the emulator.
func (s *Server) route(w http.ResponseWriter, r *http.Request) {
	if s.dialect.beside != nil && s.dialect.beside(w, r) {
		return
	}
	if id, ok := s.dialect.jobID(r); ok {
		s.status(w, r, id)
		return
	}
	part := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	last := part[len(part)-1]
	allowed := []string{http.MethodGet}
	if last == "$export" {
		allowed = s.dialect.methods
	}
	if len(part) == 2 && part[0] == groupType {
		allowed = []string{http.MethodGet, http.MethodPut}
	}
	if !slices.Contains(allowed, r.Method) {
		refuse(w, http.StatusMethodNotAllowed,
			issue{"not-supported", "The requested operation is not supported with this method."})
		return
	}
	switch {
	case len(part) == 1 && last == "metadata":
		s.metadata(w, r)
	case len(part) == 1 && last == "$export":
		s.export(w, r, jobs.LevelSystem, "")
	case len(part) == 2 && last == "$export" && part[0] == "Patient":
		s.export(w, r, jobs.LevelPatient, "")
	case len(part) == 3 && last == "$export" && part[0] == "Group":
		s.export(w, r, jobs.LevelGroup, part[1])
	case last == "$export" && len(part) <= 3:
		refuse(w, http.StatusBadRequest,
			issue{
				"invalid", fmt.Sprintf("The resource type '%s' is not supported for this export.",
					part[0]),
			})
	case len(part) == 1 && resourceTypes[part[0]]:
		s.search(w, r, part[0])
	case len(part) == 2 && r.Method == http.MethodPut:
		s.putGroup(w, r, part[1])
	case len(part) == 2 && resourceTypes[part[0]]:
		s.read(w, part[0], part[1])
	default:
		refuse(w, http.StatusNotFound, issue{"not-found", "The requested route was not found."})
	}
}

func (s *Server) export(w http.ResponseWriter, r *http.Request, level, group string) {
	if status := s.kickOff(); status != 0 {
		refuse(w, status, issue{codeOf(status), "The kick-off was refused on purpose."})
		return
	}
	req, faults := s.dialect.kickOff(level, group, r)
	if len(faults) > 0 {
		refuse(w, statusOf(faults[0].code), faults...)
		return
	}
	req.URL = base(r) + r.URL.RequestURI()
	j := s.runner.Start(r.Context(), req, s.trouble())
	if s.cut() {
		panic(http.ErrAbortHandler) // the job exists, but the client never learns of it
	}
	w.Header().Set("Content-Location", s.dialect.statusURL(r, j.ID))
	accepted(w)
}

// accepted answers 202 without a body.
func accepted(w http.ResponseWriter) {
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusAccepted)
}

func base(r *http.Request) string {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + r.Host
}

// metadata answers a minimal CapabilityStatement.
func (s *Server) metadata(w http.ResponseWriter, r *http.Request) {
	operation := func(name string) map[string]string {
		return map[string]string{
			"name": "export", "definition": base(r) + "/OperationDefinition/" + name,
		}
	}
	types := s.o.Store.Types()
	resources := make([]map[string]any, 0, len(types))
	for _, typ := range types {
		resources = append(resources, map[string]any{
			"type": typ, "versioning": "versioned",
			"interaction": []map[string]string{{"code": "read"}, {"code": "search-type"}},
		})
	}
	answer(w, http.StatusOK, fhirJSON, map[string]any{
		"resourceType": "CapabilityStatement",
		"status":       "active",
		"date":         s.o.Now().UTC().Format("2006-01-02"),
		"kind":         "instance",
		"software": map[string]string{"name": "fhirsynapse FHIR server stand-in, dialect " +
			s.dialect.name},
		"implementation": map[string]string{
			"description": "A stand-in for tests and demos", "url": base(r),
		},
		"fhirVersion": "4.0.1",
		"format":      []string{"json"},
		"rest": []map[string]any{{
			"mode":     "server",
			"resource": resources,
			"operation": []map[string]string{
				operation("export"), operation("patient-export"), operation("group-export"),
			},
		}},
	})
}

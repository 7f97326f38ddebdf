package fhirserver

import (
	"fmt"
	"net/http"
	"strings"

	"fhirsynapse/internal/local/fhirserver/jobs"
)

const statusPath = "/_operations/export/"

// azure is the dialect of microsoft/fhir-server: all of its routes that the
// stand-in has.
func (s *Server) azure(w http.ResponseWriter, r *http.Request) {
	if id, ok := strings.CutPrefix(r.URL.Path, statusPath); ok {
		s.status(w, r, id)
		return
	}
	if r.Method != http.MethodGet {
		refuse(w, http.StatusMethodNotAllowed, issue{"not-supported", "The requested operation is not supported with this method."})
		return
	}
	part := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	last := part[len(part)-1]
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
		refuse(w, http.StatusBadRequest, issue{"invalid", fmt.Sprintf("The resource type '%s' is not supported for this export.", part[0])})
	case len(part) == 1 && resourceTypes[part[0]]:
		s.search(w, r, part[0])
	case len(part) == 2 && resourceTypes[part[0]]:
		s.read(w, part[0], part[1])
	default:
		refuse(w, http.StatusNotFound, issue{"not-found", "The requested route was not found."})
	}
}

func (s *Server) export(w http.ResponseWriter, r *http.Request, level, group string) {
	if status := s.faults.kickOff(); status != 0 {
		refuse(w, status, issue{codeOf(status), "The kick-off was refused on purpose."})
		return
	}
	req, faults := kickOff(level, group, r, s.o.Now(), s.o.MaxCount)
	if len(faults) > 0 {
		refuse(w, http.StatusBadRequest, faults...)
		return
	}
	req.URL = base(r) + r.URL.RequestURI()
	j := s.runner.Start(r.Context(), req, s.faults.trouble())
	if s.faults.cut() {
		panic(http.ErrAbortHandler) // the job is there, the client never hears of it
	}
	w.Header().Set("Content-Location", base(r)+statusPath+j.ID)
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

// metadata is the least a CapabilityStatement has to say.
func (s *Server) metadata(w http.ResponseWriter, r *http.Request) {
	operation := func(name string) map[string]string {
		return map[string]string{"name": "export", "definition": base(r) + "/OperationDefinition/" + name}
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
		"resourceType":   "CapabilityStatement",
		"status":         "active",
		"date":           s.o.Now().UTC().Format("2006-01-02"),
		"kind":           "instance",
		"software":       map[string]string{"name": "fhirsynapse FHIR server stand-in, dialect azure"},
		"implementation": map[string]string{"description": "A stand-in for tests and demos", "url": base(r)},
		"fhirVersion":    "4.0.1",
		"format":         []string{"json"},
		"rest": []map[string]any{{
			"mode":      "server",
			"resource":  resources,
			"operation": []map[string]string{operation("export"), operation("patient-export"), operation("group-export")},
		}},
	})
}

package fhirserver

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/tidwall/gjson"

	"fhirsynapse/internal/emulator/fhirserver/store"
)

const groupType = "Group"

// maxGroup bounds the body of a Group in bytes, as the framework of the Azure server does.
const maxGroup = 30_000_000

var errPrecondition = errors.New("the resource has another version")

// putGroup answers PUT /Group/id: it creates the Group or replaces it. Group is the only type that
// clients may write.
func (s *Server) putGroup(w http.ResponseWriter, r *http.Request, id string) {
	if status := s.o.GroupWrites; status != 0 {
		refuse(w, status, issue{codeOf(status), "Groups may not be written."})
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxGroup))
	if err != nil {
		refuse(w, http.StatusRequestEntityTooLarge, issue{"too-long", "The body is too long."})
		return
	}
	g := gjson.ParseBytes(body)
	if !gjson.ValidBytes(body) || g.Get("resourceType").Str != groupType || g.Get("id").Str != id {
		refuse(w, http.StatusBadRequest,
			issue{"invalid", "The body must be a Group with the id of the URL."})
		return
	}
	created := false
	v, err := s.o.Store.PutIf(body, s.o.Now(), func(newest *store.Version) error {
		created = newest == nil || newest.Deleted
		return precondition(r.Header, newest)
	})
	switch {
	case errors.Is(err, errPrecondition):
		refuse(w, http.StatusPreconditionFailed,
			issue{"conflict", fmt.Sprintf("The resource is not at version %s.",
				r.Header.Get("If-Match"))})
		return
	case err != nil:
		refuse(w, http.StatusBadRequest, issue{"invalid", "The Group cannot be read."})
		return
	}
	line, err := s.o.Store.Line(v)
	if err != nil {
		refuse(w, http.StatusInternalServerError,
			issue{"exception", "The resource cannot be read."})
		return
	}
	w.Header().Set("ETag", `W/"`+v.VersionID+`"`)
	w.Header().Set("Location", base(r)+"/"+groupType+"/"+id+"/_history/"+v.VersionID)
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}
	answerText(w, status, fhirJSON, line)
}

// precondition compares the newest version with the headers If-Match and If-None-Match.
func precondition(h http.Header, newest *store.Version) error {
	exists := newest != nil && !newest.Deleted
	if h.Get("If-None-Match") == "*" && exists {
		return errPrecondition
	}
	want := h.Get("If-Match")
	if want == "" {
		return nil
	}
	version := strings.Trim(strings.TrimPrefix(want, "W/"), `"`)
	if !exists || version != newest.VersionID {
		return errPrecondition
	}
	return nil
}

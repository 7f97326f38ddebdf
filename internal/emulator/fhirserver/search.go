package fhirserver

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"fhirsynapse/internal/emulator/fhirserver/search"
	"fhirsynapse/internal/emulator/fhirserver/store"
)

// Page sizes of the Azure server; a larger _count is capped.
const (
	defaultCount = 10
	maxCount     = 1000
)

// read answers GET /Type/id.
func (s *Server) read(w http.ResponseWriter, typ, id string) {
	v, ok := s.o.Store.Current(typ, id)
	if !ok {
		refuse(w, http.StatusNotFound,
			issue{
				"not-found", fmt.Sprintf(
					"Resource type '%s' with the requested id couldn't be found.", typ),
			})
		return
	}
	w.Header().Set("ETag", `W/"`+v.VersionID+`"`)
	if v.Deleted {
		refuse(w, http.StatusGone,
			issue{
				"deleted", fmt.Sprintf("Resource type '%s' with the requested id is deleted.", typ),
			})
		return
	}
	line, err := s.o.Store.Line(v)
	if err != nil {
		refuse(w, http.StatusInternalServerError,
			issue{"exception", "The resource cannot be read."})
		return
	}
	w.Header().Set("Last-Modified", v.LastUpdated.Format(http.TimeFormat))
	answerText(w, http.StatusOK, fhirJSON, line)
}

// page is one search: its query, and the requested part of the result.
type page struct {
	query         *search.Query
	count, offset int
	summaryCount  bool
}

// search answers GET /Type?..., page by page, in order of lastUpdated. A continuation token (ct) is
// the number of resources already returned.
func (s *Server) search(w http.ResponseWriter, r *http.Request, typ string) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		refuse(w, http.StatusBadRequest,
			issue{"invalid", "The query of the request cannot be read."})
		return
	}
	p, faults := pageOf(typ, values)
	if len(faults) > 0 {
		refuse(w, http.StatusBadRequest, faults...)
		return
	}
	found, total, err := s.find(typ, p)
	if err != nil {
		refuse(w, http.StatusInternalServerError,
			issue{"exception", "The resources cannot be read."})
		return
	}
	self := base(r) + r.URL.RequestURI()
	b := bundle{Total: total}
	if next := p.offset + len(found); !p.summaryCount && next < total {
		values.Set("ct", strconv.Itoa(next))
		b.Link = append(b.Link, link{"next", base(r) + r.URL.Path + "?" + values.Encode()})
	}
	b.Link = append(b.Link, link{"self", self})
	for _, v := range found {
		line, err := s.o.Store.Line(v)
		if err != nil {
			refuse(w, http.StatusInternalServerError,
				issue{"exception", "The resources cannot be read."})
			return
		}
		b.Entry = append(b.Entry, entry{FullURL: base(r) + "/" + typ + "/" + v.ID, Resource: line})
	}
	// Do not use Marshal, which would compact and escape the resources' text.
	answerText(w, http.StatusOK, fhirJSON, b.text())
}

func pageOf(typ string, values url.Values) (page, []issue) {
	p := page{query: search.New(typ), count: defaultCount}
	var faults []issue
	fault := func(format string, args ...any) {
		faults = append(faults, issue{"invalid", fmt.Sprintf(format, args...)})
	}
	number := func(name string, least int) int {
		n, err := strconv.Atoi(values.Get(name))
		if err != nil || n < least {
			fault("%s must be a number of %d or more.", name, least)
		}
		return n
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		switch name {
		case "_count":
			p.count = min(number(name, 1), maxCount)
		case "ct":
			p.offset = number(name, 0)
		case "_summary":
			if p.summaryCount = values.Get(name) == "count"; !p.summaryCount {
				fault("Of _summary, the stand-in has count only.")
			}
		case "_elements", "_format": // may be ignored: the answer only contains more
		default:
			for _, v := range values[name] { // a repeat means AND, a comma OR
				if err := p.query.Where(name, strings.Split(v, ",")...); err != nil {
					fault("%s", err.Error())
				}
			}
		}
	}
	return p, faults
}

func (s *Server) find(typ string, p page) (found []store.Version, total int, err error) {
	for _, v := range s.o.Store.In(typ, store.Window{}) {
		line, err := s.o.Store.Line(v)
		if err != nil {
			return nil, 0, err
		}
		if !p.query.Match(line) {
			continue
		}
		if total++; !p.summaryCount && total > p.offset && len(found) < p.count {
			found = append(found, v)
		}
	}
	return found, total, nil
}

type bundle struct {
	Total int
	Link  []link
	Entry []entry
}

type link struct {
	Relation string `json:"relation"`
	URL      string `json:"url"`
}

type entry struct {
	FullURL  string
	Resource []byte
}

func (b bundle) text() []byte {
	out := fmt.Appendf(nil, `{"resourceType":"Bundle","type":"searchset","total":%d,"link":%s`,
		b.Total, marshal(b.Link))
	if len(b.Entry) > 0 {
		out = append(out, `,"entry":[`...)
		for i, e := range b.Entry {
			if i > 0 {
				out = append(out, ',')
			}
			out = fmt.Appendf(out, `{"fullUrl":%s,"resource":%s,"search":{"mode":"match"}}`,
				marshal(e.FullURL), e.Resource)
		}
		out = append(out, ']')
	}
	return append(out, '}')
}

// marshal encodes strings and structs of strings, which never fail.
func marshal(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		return []byte("null")
	}
	return text
}

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
	"sync"

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
	key           string // of the search, without the place of the page
	count, offset int
	summaryCount  bool
}

// search answers GET /Type?..., page by page, in order of lastUpdated. A continuation token (ct) is
// the number of resources already returned.
func (s *Server) search(w http.ResponseWriter, r *http.Request, typ string) {
	if wait, throttled := s.searched(); throttled {
		w.Header().Set("Retry-After", strconv.Itoa(int(wait.Seconds())))
		refuse(w, http.StatusTooManyRequests, issue{"throttled", "Too many requests."})
		return
	}
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		refuse(w, http.StatusBadRequest,
			issue{"invalid", "The query of the request cannot be read."})
		return
	}
	for _, name := range s.o.Pages.Ignores {
		values.Del(name)
	}
	p, faults := pageOf(typ, values)
	if len(faults) > 0 {
		refuse(w, http.StatusBadRequest, faults...)
		return
	}
	place := url.Values(maps.Clone(values))
	place.Del("ct")
	p.key = typ + "?" + place.Encode()
	found, total, err := s.find(typ, p)
	if err != nil {
		refuse(w, http.StatusInternalServerError,
			issue{"exception", "The resources cannot be read."})
		return
	}
	b := bundle{Total: total, Warning: s.o.Pages.Warning}
	if next := p.offset + len(found); !p.summaryCount && next < total {
		values.Set("ct", strconv.Itoa(next))
		b.Link = append(b.Link, link{"next", s.o.Pages.next(r, values)})
	}
	b.Link = append(b.Link, link{"self", s.o.Pages.self(r)})
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
		case "_elements", "_format", "_total": // may be ignored: the answer only contains more
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

// find returns the resources of a page, and the number of resources of all pages. The first page
// searches; the later ones show the same result.
func (s *Server) find(typ string, p page) (found []store.Version, total int, err error) {
	all, known := s.results.of(p.key)
	if !known || p.offset == 0 {
		all = all[:0:0]
		for _, v := range s.o.Store.In(typ, store.Window{}) {
			line, err := s.o.Store.Line(v)
			if err != nil {
				return nil, 0, err
			}
			if p.query.Match(line) {
				all = append(all, v)
			}
		}
		s.results.keep(p.key, all)
	}
	total = len(all)
	if p.summaryCount || p.offset >= total {
		return nil, total, nil
	}
	return all[p.offset:min(total, p.offset+p.count)], total, nil
}

// results holds the results of the last searches.
type results struct {
	mu   sync.Mutex
	last []result // the newest last
}

type result struct {
	key   string
	found []store.Version
}

const mostResults = 8

func (r *results) of(key string) ([]store.Version, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, one := range r.last {
		if one.key == key {
			return one.found, true
		}
	}
	return nil, false
}

func (r *results) keep(key string, found []store.Version) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = slices.DeleteFunc(r.last, func(one result) bool { return one.key == key })
	r.last = append(r.last[max(0, len(r.last)-mostResults+1):], result{key, found})
}

type bundle struct {
	Total int
	Link  []link
	Entry []entry
	// Warning adds an OperationOutcome.
	Warning bool
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
	if len(b.Entry) > 0 || b.Warning {
		out = append(out, `,"entry":[`...)
		if b.Warning {
			out = append(out, warningEntry...)
		}
		for i, e := range b.Entry {
			if i > 0 || b.Warning {
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

package fhirserver

import (
	"net/http"
	"net/url"
	"strings"
)

// Pages selects how search answers with pages. The zero value answers as the Azure server does.
type Pages struct {
	// Link is the form of the links to the next page; empty means LinkAbsolute.
	Link LinkForm
	// Warning adds an OperationOutcome to each page.
	Warning bool
	// Ignores lists search parameters that are ignored silently, as some servers do. The self link
	// lacks them.
	Ignores []string
}

// LinkForm is a form of the links to the next page of a search.
type LinkForm string

// The forms of links.
const (
	// LinkAbsolute is the server's own URL.
	LinkAbsolute LinkForm = ""
	// LinkRelative is relative to the base URL, such as Observation?ct=10.
	LinkRelative LinkForm = "relative"
	// LinkQuery is the query alone, such as ?ct=10.
	LinkQuery LinkForm = "query"
	// LinkRaw is the server's own URL with characters that should be escaped: | and spaces.
	LinkRaw LinkForm = "raw"
	// LinkElsewhere is a URL on another host.
	LinkElsewhere LinkForm = "elsewhere"
	// LinkLoop is always the same page.
	LinkLoop LinkForm = "loop"
)

// next returns the link to the next page.
func (p Pages) next(r *http.Request, values url.Values) string {
	query := values.Encode()
	own := base(r) + r.URL.Path + "?" + query
	switch p.Link {
	case LinkAbsolute:
		return own
	case LinkRelative:
		return strings.TrimPrefix(r.URL.Path, "/") + "?" + query
	case LinkQuery:
		return "?" + query
	case LinkRaw:
		return base(r) + r.URL.Path + "?" +
			strings.NewReplacer("%7C", "|", "%20", " ", "+", " ").Replace(query)
	case LinkElsewhere:
		return "https://elsewhere.example" + r.URL.Path + "?" + query
	case LinkLoop:
		values.Set("ct", "0")
		return base(r) + r.URL.Path + "?" + values.Encode()
	}
	return own
}

// self returns the link to the page itself, without the ignored parameters.
func (p Pages) self(r *http.Request) string {
	if len(p.Ignores) == 0 {
		return base(r) + r.URL.RequestURI()
	}
	values := r.URL.Query()
	for _, name := range p.Ignores {
		values.Del(name)
	}
	return base(r) + r.URL.Path + "?" + values.Encode()
}

const warningEntry = `{"resource":{"resourceType":"OperationOutcome","issue":[{"severity":"warning","code":"informational","diagnostics":"A made-up warning."}]},"search":{"mode":"outcome"}}`

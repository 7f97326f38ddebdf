package bulkfhir

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
)

// wireManifest is a manifest of any version of the guide: members that we do not
// know are skipped, and the two names of the error files are both read.
type wireManifest struct {
	TransactionTime *string     `json:"transactionTime"`
	Output          *[]wireFile `json:"output"`
	Error           []wireFile  `json:"error"`
	Outcome         []wireFile  `json:"outcome"`
	Deleted         []wireFile  `json:"deleted"`
	Link            []struct {
		Relation string `json:"relation"`
	} `json:"link"`
}

type wireFile struct {
	Type  string    `json:"type"`
	URL   string    `json:"url"`
	Count wireCount `json:"count"`
}

// wireCount is a number that some servers write as text, and many leave out.
type wireCount struct {
	n     int64
	known bool
}

// UnmarshalJSON takes what is no count for one that was left out.
func (c *wireCount) UnmarshalJSON(b []byte) error {
	text := strings.Trim(string(b), `"`)
	if f, err := strconv.ParseFloat(text, 64); err == nil && f >= 0 && f < 1<<53 && f == float64(int64(f)) {
		c.n, c.known = int64(f), true
	}
	return nil
}

// manifest reads a 200. What is no manifest at all is Transient: gateways answer
// 200 with pages of their own, and servers with an empty body before the file is
// there. A manifest that we would have to misread is Permanent.
func (s *Source) manifest(a answer) (*pipeline.Manifest, error) {
	if a.tooLong {
		return nil, fault.Permanentf("the manifest has more than %d bytes: export fewer types or a shorter time at once", s.maxManifest)
	}
	var w wireManifest
	body := bytes.TrimPrefix(a.body, []byte("\xef\xbb\xbf"))
	if err := json.Unmarshal(body, &w); err != nil || (w.Output == nil && w.TransactionTime == nil) {
		return nil, fault.Transientf("the server answered 200 with what is no manifest (%s)", a.excerpt())
	}
	m := &pipeline.Manifest{Raw: a.body}
	var errs []error
	if w.TransactionTime == nil {
		errs = append(errs, errors.New("it has no transactionTime"))
	} else if t, err := parseInstant(*w.TransactionTime); err != nil {
		errs = append(errs, err)
	} else {
		m.TransactionTime = t
	}
	if w.Output != nil {
		m.Output = s.files("output", *w.Output, &errs)
	}
	m.Errors = append(s.files("error", w.Error, &errs), s.files("outcome", w.Outcome, &errs)...)
	if len(w.Deleted) > 0 {
		errs = append(errs, fmt.Errorf("it lists %d files of deletes, which servers of dialect %s do not have", len(w.Deleted), s.dialect.name))
	}
	for _, l := range w.Link {
		if l.Relation == "next" {
			errs = append(errs, fmt.Errorf("it goes on in a further page, which servers of dialect %s do not have", s.dialect.name))
		}
	}
	if len(errs) > 0 {
		return nil, &fault.Error{Class: fault.Permanent, Err: fmt.Errorf("the manifest cannot be used: %w", errors.Join(errs...))}
	}
	return m, nil
}

func (s *Source) files(member string, in []wireFile, errs *[]error) []pipeline.OutputFile {
	var out []pipeline.OutputFile
	for i, f := range in {
		if f.URL == "" || (f.Type == "" && member == "output") {
			*errs = append(*errs, fmt.Errorf("%s[%d] lacks its type or its url", member, i))
			continue
		}
		o := pipeline.OutputFile{Type: f.Type, URL: f.URL, Count: -1}
		if f.Count.known {
			o.Count = f.Count.n
		}
		if path, ok := s.landing(f.URL); ok {
			o.Path = path
		}
		out = append(out, o)
	}
	return out
}

// parseInstant reads a FHIR instant, and forgives a zone that is missing.
func parseInstant(text string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02T15:04:05.999999999-0700"} {
		if t, err := time.Parse(layout, strings.TrimSpace(text)); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("its transactionTime %q is no instant", clip(text, 40))
}

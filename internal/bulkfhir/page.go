package bulkfhir

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/klauspost/compress/gzip"

	"fhirsynapse/internal/fault"
)

// Members of a manifest that list files, and a limit for its links.
const (
	memberOutput  = "output"
	memberDeleted = "deleted"
	maxLinks      = 1000
)

// page is one page of a manifest of any version of the guide, without its files.
type page struct {
	time          *string
	request       string
	requiresToken bool
	next          string
	raw           []byte
	output        bool // it has a list of files, which may be empty
	known         bool // it has a member that occurs only in manifests
}

// wireFile is one entry of a list of files. count is -1 if it is missing.
type wireFile struct {
	typ, url string
	count    int64
}

// page parses one page of a manifest. A body that is not a manifest is Transient, because gateways
// answer 200 with web pages and some servers send an empty body first; an ambiguous manifest is
// Permanent.
func (r *manifestReader) page(b *unpackedBody, a answer) (page, error) {
	p := page{}
	kept := &prefix{most: maxKeptManifest + 1}
	in := &limited{r: b, left: &r.left}
	buffered := bufio.NewReader(io.TeeReader(in, kept))
	if mark, _ := buffered.Peek(len(byteOrderMark)); string(mark) == byteOrderMark {
		_, _ = buffered.Discard(len(mark)) // these bytes were peeked
	}
	s := newStream(buffered)
	err := r.members(s, a, &p)
	if err == nil {
		err = s.end()
	}
	r.kept += int64(len(kept.text))
	p.raw = bytes.ReplaceAll(kept.text, tokenBytes(a), []byte(redacted))
	var known *fault.Error
	switch {
	case errors.Is(err, errTooLong):
		return p, &fault.Error{
			Class: fault.Permanent, Whose: fault.OurSetting,
			Err:    fmt.Errorf("the manifest has more than %d bytes", r.s.maxManifest),
			Remedy: "export fewer types or a shorter time at once",
		}
	case errors.Is(err, errTooMany):
		return p, &fault.Error{
			Class: fault.Permanent, Whose: fault.OurSetting,
			Err:    fmt.Errorf("the manifest has more than %d entries", maxEntries),
			Remedy: "export fewer types or a shorter time at once",
		}
	case errors.Is(err, errValueTooLong), errors.Is(err, errTooDeep), errors.Is(err, errTwice):
		return p, unusable(err)
	case errors.As(err, &known):
		return p, err
	case err != nil || !p.known:
		return p, fault.WithServerText(&fault.Error{
			Class: fault.Transient, Whose: fault.TheirServer,
			Err: fmt.Errorf("the server answered 200 without a manifest (%s)",
				excerpt(a.header, b.n, false)),
		}, readable(a.scrub(string(kept.text[:min(len(kept.text), maxProse)]))))
	case !p.output:
		return p, unusable(
			errors.New("it has no list called output: a server with nothing to export must send an empty one"))
	}
	return p, nil
}

func tokenBytes(a answer) []byte {
	if a.token == "" {
		return []byte(redacted)
	}
	return []byte(a.token)
}

var errTwice = errors.New("one of its members appears twice")

// members are the names of the known members in lower case.
var members = []string{
	"transactiontime", "request", "requiresaccesstoken", "outputorganizedby", memberOutput, "error",
	"outcome", memberDeleted, "link", "issues",
}

// members parses the page's object.
func (r *manifestReader) members(s *stream, a answer, p *page) error {
	var seen []string
	return s.object(func(key string) error {
		// Names that differ only in case count as duplicates, because either may be meant.
		if name := strings.ToLower(key); slices.Contains(members, name) {
			if slices.Contains(seen, name) {
				return errTwice
			}
			seen = append(seen, name)
		}
		switch key {
		case "transactionTime":
			t, err := text(s)
			if p.time = t; t != nil {
				p.known = true
			}
			return err
		case "request":
			t, err := text(s)
			if t != nil {
				p.request = *t
			}
			return err
		case "requiresAccessToken":
			t, err := text(s)
			p.requiresToken = t != nil && strings.EqualFold(*t, "true")
			return err
		case "outputOrganizedBy":
			t, err := text(s)
			if t != nil && *t != "" {
				if !isTypeName(*t) {
					*t = "something else"
				}
				r.faults.add("its files are organised by %q, which was not requested: each file must have one type", *t)
			}
			return err
		case memberOutput:
			list, err := r.files(s, key, a)
			p.output, p.known = list, p.known || list
			return err
		case "error", "outcome", memberDeleted:
			before := len(r.m.Deleted)
			_, err := r.files(s, key, a)
			if n := len(r.m.Deleted) - before; n > 0 && !r.s.dialect.keepsFiles {
				r.faults.add("it lists %d files of deletes, which servers of dialect %s do not have", n, r.s.dialect.name)
			}
			return err
		case "link":
			return r.links(s, a, p)
		case "issues":
			return r.inline(s)
		}
		return r.outcomes(s, 1)
	})
}

// text reads a scalar into out. Any other value leaves out unchanged.
func (s *stream) text(out *string) error {
	t, err := text(s)
	if t != nil {
		*out = *t
	}
	return err
}

// text reads a scalar as text. It returns nil for null, objects and arrays.
func text(s *stream) (*string, error) {
	t, err := s.token()
	if err != nil {
		return nil, err
	}
	var out string
	switch v := t.(type) {
	case string:
		out = v
	case bool:
		out = strconv.FormatBool(v)
	case json.Number:
		out = v.String()
	default:
		return nil, s.rest(t)
	}
	return &out, nil
}

// files parses a list of files and reports whether there is one.
func (r *manifestReader) files(s *stream, member string, a answer) (bool, error) {
	list, err := s.array(maxEntries-r.entries, func(i int) error {
		r.entries++
		f := wireFile{count: -1}
		err := s.object(func(key string) error {
			var t *string
			var err error
			switch key {
			case "type", "url", "count":
				t, err = text(s)
			default:
				return r.outcomes(s, 1)
			}
			if err != nil || t == nil {
				return err
			}
			switch key {
			case "type":
				f.typ = a.scrub(*t)
			case "url":
				f.url = a.scrub(*t)
			case "count":
				f.count = count(*t)
			}
			return nil
		})
		var other notObject
		if errors.As(err, &other) {
			r.faults.add("%s[%d] is not an object", member, i)
			return s.rest(other.token)
		}
		if err == nil {
			r.file(member, i, f)
		}
		return err
	})
	return list, err
}

// count parses a number that some servers write as text. It returns -1 for anything else.
func count(text string) int64 {
	if f, err := strconv.ParseFloat(text, 64); err == nil && f >= 0 && f < 1<<53 &&
		f == float64(int64(f)) {
		return int64(f)
	}
	return -1
}

func (r *manifestReader) links(s *stream, a answer, p *page) error {
	_, err := s.array(maxLinks, func(int) error {
		var l struct {
			Relation string `json:"relation"`
			URL      string `json:"url"`
		}
		var strange *json.UnmarshalTypeError
		if err := s.value(&l, maxValue); err != nil && !errors.As(err, &strange) {
			return err
		}
		if l.Relation == "next" {
			if p.next = a.scrub(l.URL); p.next != "" && !r.s.dialect.keepsFiles {
				r.faults.add("it continues on a further page, which servers of dialect %s do not have", r.s.dialect.name)
			}
		}
		return nil
	})
	return err
}

// inline counts the issues inside the manifest itself, where microsoft/fhir-server writes them.
func (r *manifestReader) inline(s *stream) error {
	var o outcome
	if err := o.readIssues(s); err != nil {
		return err
	}
	if len(o.issues) > 0 {
		o.present, r.prose = true, true
		r.issues.addOutcome(o, nil)
	}
	return nil
}

// outcomes skips the value of an unknown member and counts the issues of every OperationOutcome in
// it.
func (r *manifestReader) outcomes(s *stream, depth int) error {
	t, err := s.tokenOf(maxSkipped)
	if err != nil {
		return err
	}
	if depth > maxDepth {
		return errTooDeep
	}
	switch t {
	case json.Delim('['):
		for {
			s.allow(maxValue)
			if !s.dec.More() {
				break
			}
			if err := r.outcomes(s, depth+1); err != nil {
				return err
			}
		}
		_, err := s.token()
		return err
	case json.Delim('{'):
		return r.outcome(s, depth)
	}
	if _, ok := t.(string); ok {
		r.prose = true
	}
	return nil
}

// outcome reads the rest of an object, which may be an OperationOutcome.
func (r *manifestReader) outcome(s *stream, depth int) error {
	var o outcome
	for {
		t, err := s.tokenOf(maxSkipped)
		if err != nil {
			return err
		}
		key, ok := t.(string)
		if !ok {
			break
		}
		switch key {
		case "resourceType":
			typ, err := text(s)
			if err != nil {
				return err
			}
			o.present = typ != nil && *typ == "OperationOutcome"
		case "issue":
			if err := o.readIssues(s); err != nil {
				return err
			}
		default:
			if err := r.outcomes(s, depth+1); err != nil {
				return err
			}
		}
	}
	if len(o.issues) > 0 {
		r.prose = true
	}
	if o.present {
		r.issues.addOutcome(o, nil)
	}
	return nil
}

var errTooLong = errors.New("it has too many bytes")

// limited reads at most left bytes and fails if more follow.
type limited struct {
	r    io.Reader
	left *int64
}

func (l *limited) Read(p []byte) (int, error) {
	if *l.left < 0 {
		return 0, errTooLong
	}
	n, err := l.r.Read(p[:min(int64(len(p)), *l.left+1)])
	if *l.left -= int64(n); *l.left < 0 {
		return 0, errTooLong
	}
	return n, err
}

// prefix keeps the first bytes that are written to it.
type prefix struct {
	text []byte
	most int
}

func (p *prefix) Write(b []byte) (int, error) {
	p.text = append(p.text, b[:min(len(b), p.most-len(p.text))]...)
	return len(b), nil
}

// unpackedBody is the decompressed body of an answer. Both lengths are bounded.
type unpackedBody struct {
	r io.Reader
	n int64 // bytes read
}

func (b *unpackedBody) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	b.n += int64(n)
	return n, err
}

// maxPacked bounds the compressed size of one answer. A manifest of a million entries is far
// smaller.
const maxPacked = 64 << 20

// unpacked decompresses a body if it is gzip, which send asks for.
func unpacked(encoding string, r io.Reader) (*unpackedBody, error) {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "", "identity":
		return &unpackedBody{r: r}, nil
	case "gzip", "x-gzip":
		left := int64(maxPacked)
		z, err := gzip.NewReader(&limited{r: r, left: &left})
		if errors.Is(err, io.EOF) {
			return &unpackedBody{r: strings.NewReader("")}, nil
		}
		if err != nil {
			return nil, errDamaged
		}
		return &unpackedBody{r: z}, nil
	}
	return nil, errEncoding
}

var (
	errDamaged = &fault.Error{
		Class: fault.Transient, Whose: fault.TheirServer,
		Err: errors.New("the gzip of the answer is damaged"),
	}
	errEncoding = &fault.Error{
		Class: fault.Permanent, Whose: fault.TheirServer,
		Err: errors.New("the answer has an encoding that was not requested"),
	}
)

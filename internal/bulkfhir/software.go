package bulkfhir

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"fhirsynapse/internal/fault"
)

// software holds the name and the versions of a CapabilityStatement.
type software struct {
	name string
	fhir string // the FHIR version; empty if unknown
	post bool   // it supports version 4 of the guide, which has POST only
}

// Now implements pipeline.Server. It returns the Date header of the answer to GET metadata,
// whatever its status. The header is cut to whole seconds, so it is never later than the server's
// clock.
func (s *Source) Now(ctx context.Context) (time.Time, error) {
	a, err := s.metadata(ctx)
	if err != nil {
		return time.Time{}, fmt.Errorf("ask the FHIR server for its time: %w", err)
	}
	if now, ok := a.date(); ok {
		return now, nil
	}
	if s.dialect.till == "" {
		// The time is never sent to the server. It only decides whether a window has passed.
		return s.now().Add(-clockSlack).UTC(), nil
	}
	return time.Time{}, &fault.Error{
		Class: fault.Permanent, Whose: fault.TheirServer,
		Err: errors.New(
			"ask the FHIR server for its time: its answers carry no Date: a proxy may drop it"),
	}
}

// metadata requests the CapabilityStatement and caches its versions. A missing one is not an error.
func (s *Source) metadata(ctx context.Context) (answer, error) {
	var known software
	a, err := s.exchange(ctx, s.client, request{
		method: http.MethodGet, url: s.base.String() + "/metadata", accept: fhirJSON, partial: true,
		consume: func(b *unpackedBody, a answer) { known = softwareOf(b, a) },
	})
	if err != nil {
		return a, err
	}
	if a.status == http.StatusOK || s.software.Load() == nil {
		s.software.Store(&known)
	}
	return a, nil
}

// checkVersion refuses a server of another FHIR version than 4.0 and 4.3. It requests the
// CapabilityStatement once and accepts a server without one.
func (s *Source) checkVersion(ctx context.Context) error {
	known := s.software.Load()
	if known == nil {
		if _, err := s.metadata(ctx); err != nil {
			return nil //nolint:nilerr // the kick-off that follows meets the same failure and reports it
		}
		known = s.software.Load()
	}
	if known.fhir == "" || supported(known.fhir) {
		return nil
	}
	return &fault.Error{
		Class: fault.Permanent, Whose: fault.OurSetting,
		Err: fmt.Errorf(
			"the server speaks FHIR %s, and this program reads FHIR R4 (4.0) and R4B (4.3) only",
			known.fhir),
		Remedy: "use the base URL of the server's R4 endpoint; many servers have one for each version",
	}
}

func supported(version string) bool {
	return version == "4.0" || version == "4.3" || strings.HasPrefix(version, "4.0.") ||
		strings.HasPrefix(version, "4.3.")
}

// statement holds the members of a CapabilityStatement that this program reads. Missing ones stay
// empty.
type statement struct {
	resource      string
	fhir          string
	name, version string // of the software
	post          bool   // it follows version 4 of the guide
	levels        []string
}

// isAnother reports whether a document names a resource that is no CapabilityStatement.
func (st statement) isAnother() bool { return st.resource != "" && !st.isOne() }

func (st statement) isOne() bool {
	return st.resource == "CapabilityStatement" || st.resource == "Conformance"
}

// statementOf parses a CapabilityStatement. Members before a syntax error are used. The levels of
// $export are read only if asked for, because they take the largest part of a document.
func statementOf(b *unpackedBody, a answer, levels bool) (st statement) {
	left := int64(maxMetadata)
	in := bufio.NewReader(&limited{r: b, left: &left})
	if mark, _ := in.Peek(len(byteOrderMark)); string(mark) == byteOrderMark {
		_, _ = in.Discard(len(mark)) // these bytes were peeked
	}
	s := newStream(in)
	known := map[string]func() error{
		"resourceType": func() error { return s.text(&st.resource) },
		"fhirVersion":  func() error { return s.text(&st.fhir) },
		"software": func() error {
			return s.members(map[string]func() error{
				"name":    func() error { return s.text(&st.name) },
				"version": func() error { return s.text(&st.version) },
			})
		},
		"instantiates": func() error {
			_, err := s.array(maxLinks, func(int) error {
				var canonical string
				err := s.text(&canonical)
				profile, version, _ := strings.Cut(canonical, "|")
				st.post = st.post ||
					strings.HasPrefix(profile, "http://hl7.org/fhir/uv/bulkdata/") &&
						strings.HasPrefix(version, "4")
				return err
			})
			return err
		},
	}
	if levels {
		known["rest"] = func() error {
			_, err := s.array(maxLinks, func(int) error { return s.exports(&st.levels) })
			return err
		}
	}
	_ = s.members(known)
	st.fhir = strings.TrimSpace(clip(a.scrub(st.fhir), 20))
	return st
}

// product returns the name and the version of the software.
func (st statement) product() string {
	return strings.TrimSpace(clip(st.name, 100) + " " + clip(st.version, 60))
}

// softwareOf reads the versions in a CapabilityStatement.
func softwareOf(b *unpackedBody, a answer) software {
	st := statementOf(b, a, false)
	if st.isAnother() {
		return software{}
	}
	out := software{name: st.product(), fhir: st.fhir, post: st.post}
	if out.fhir != "" {
		out.name = strings.TrimPrefix(out.name+", FHIR "+out.fhir, ", ")
	}
	out.name = a.scrub(out.name)
	return out
}

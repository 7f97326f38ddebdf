package bulkfhir

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"fhirsynapse/internal/cohort"
	"fhirsynapse/internal/fault"
)

// maxGroup bounds a Group in bytes: about a million members.
const maxGroup = 128 << 20

// wireGroup is a Group as it is read.
type wireGroup struct {
	ResourceType string `json:"resourceType"`
	ID           string `json:"id"`
	Meta         struct {
		VersionID string `json:"versionId"`
	} `json:"meta"`
	Identifier []struct {
		System string `json:"system"`
		Value  string `json:"value"`
	} `json:"identifier"`
	Member []struct {
		Entity struct {
			Reference string `json:"reference"`
		} `json:"entity"`
		Inactive bool `json:"inactive"`
		Period   *struct {
			Start string `json:"start"`
			End   string `json:"end"`
		} `json:"period"`
	} `json:"member"`
}

// Group implements cohort.Server.
func (s *Searcher) Group(ctx context.Context, id string) (cohort.Group, error) {
	a, err := s.exchange(ctx, s.client, request{
		method: http.MethodGet, url: s.groupURL(id), accept: fhirJSON, limit: maxGroup,
	})
	switch {
	case err != nil:
		return cohort.Group{}, err
	case a.status == http.StatusNotFound || a.status == http.StatusGone:
		return cohort.Group{}, cohort.ErrNoGroup
	case a.status != http.StatusOK:
		return cohort.Group{}, s.searchRefused(a)
	case a.tooLong:
		return cohort.Group{}, fault.Permanentf("the Group has more than %d bytes", maxGroup)
	}
	var w wireGroup
	if err := json.Unmarshal(a.body, &w); err != nil || w.ResourceType != "Group" {
		return cohort.Group{}, fault.Transientf("the server answered 200 without a Group (%s)",
			a.excerpt())
	}
	g := cohort.Group{ID: id, Version: versionOf(a.header.Get("ETag"), w.Meta.VersionID)}
	for _, i := range w.Identifier {
		if i.System == cohort.IdentifierSystem {
			g.Identifier = i.Value
		}
	}
	for _, m := range w.Member {
		patient, place := cohort.PatientOf(m.Entity.Reference, s.referenceBase())
		if m.Period != nil {
			g.Dated++
			now := s.now()
			m.Inactive = m.Inactive || ended(m.Period.End, now) ||
				instantOf(m.Period.Start, true).After(now)
		}
		if nested, ok := cohort.GroupOf(m.Entity.Reference, s.referenceBase()); ok && !m.Inactive {
			g.Groups = append(g.Groups, nested)
		}
		if place != cohort.Here || m.Inactive {
			g.Others++
			continue
		}
		g.Members = append(g.Members, patient)
	}
	return g, nil
}

// ended reports whether a period with this end is over. A year, a month or a day ends with its last
// moment.
func ended(end string, now time.Time) bool {
	at := instantOf(end, true)
	switch len(end) {
	case len("2006"):
		at = at.AddDate(1, 0, 0)
	case len("2006-01"):
		at = at.AddDate(0, 1, 0)
	case len(time.DateOnly):
		at = at.AddDate(0, 0, 1)
	}
	return !instantOf(end, true).IsZero() && !at.After(now)
}

// PutGroup implements cohort.Server.
func (s *Searcher) PutGroup(ctx context.Context, g cohort.Group) (string, error) {
	condition := map[string]string{"If-None-Match": "*"}
	if g.Version != "" {
		condition = map[string]string{"If-Match": `W/"` + g.Version + `"`}
	}
	a, err := s.exchange(ctx, s.client, request{
		method: http.MethodPut, url: s.groupURL(g.ID), accept: fhirJSON, body: groupBody(g),
		header: condition, limit: maxGroup, partial: true,
	})
	if err != nil {
		return "", err
	}
	switch a.status {
	case http.StatusOK, http.StatusCreated, http.StatusNoContent:
		var w wireGroup
		_ = json.Unmarshal(a.body, &w) // an answer without the Group has its version in the header
		version := versionOf(a.header.Get("ETag"), w.Meta.VersionID)
		if version == "" {
			return s.versionNow(ctx, g.ID)
		}
		return version, nil
	case http.StatusConflict, http.StatusPreconditionFailed:
		return "", fmt.Errorf("the FHIR server answered HTTP %d: %w", a.status, cohort.ErrChanged)
	}
	return "", s.writeRefused(a)
}

// versionNow returns the version of a Group whose write was answered without one.
func (s *Searcher) versionNow(ctx context.Context, id string) (string, error) {
	g, err := s.Group(ctx, id)
	return g.Version, err
}

// writeRefused is refused, with the remedies of a write.
func (s *Searcher) writeRefused(a answer) error {
	err := s.refused(a)
	var f *fault.Error
	if !errors.As(err, &f) {
		return err
	}
	switch a.status {
	case http.StatusUnauthorized, http.StatusForbidden:
		f.Remedy = "let this app's identity write Groups (Azure: deploy with cohorts, or the role FHIR Data Writer; SMART: the scope system/Group.cu)"
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented:
		f.Remedy = "this server takes no Group from clients: write groups: none (dialect bulk), or have its operators make a Group, and write its id as group"
	default:
		return err
	}
	f.Err = fmt.Errorf("%w: %w", cohort.ErrReadOnly, f.Err)
	return err
}

func (s *Searcher) groupURL(id string) string {
	return s.base.String() + "/Group/" + url.PathEscape(id)
}

// referenceBase returns the base of absolute references.
func (s *Searcher) referenceBase() string {
	if s.o.ReferenceBase != "" {
		return s.o.ReferenceBase
	}
	return s.base.String()
}

// versionOf returns the version of an ETag, or else of meta.
func versionOf(etag, meta string) string {
	if v := strings.Trim(strings.TrimPrefix(etag, "W/"), `"`); v != "" {
		return v
	}
	return meta
}

// groupBody writes a Group of persons.
func groupBody(g cohort.Group) []byte {
	var b strings.Builder
	name, _, _ := strings.Cut(g.Identifier, "/")
	fmt.Fprintf(&b, `{"resourceType":"Group","id":%q,"identifier":[{"system":%q,"value":%q}],"active":true,"type":"person","actual":true,"name":%q,"quantity":%d`,
		g.ID, cohort.IdentifierSystem, g.Identifier, name, len(g.Members))
	for i, id := range g.Members {
		b.WriteString([]string{`,"member":[`, ","}[min(i, 1)])
		b.WriteString(`{"entity":{"reference":"Patient/` + id + `"}}`)
	}
	if len(g.Members) > 0 {
		b.WriteString("]")
	}
	b.WriteString("}")
	return []byte(b.String())
}

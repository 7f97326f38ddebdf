package bulkfhir

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
)

// Capability holds the facts of a CapabilityStatement that matter to exports.
type Capability struct {
	// Found is false for a server without a CapabilityStatement.
	Found bool
	// Software and FHIR are the product and the version of FHIR; empty if unknown.
	Software, FHIR string
	// Supported is set if this program reads that version, or if it is unknown.
	Supported bool
	// Levels are the levels of the listed $export operations: system, patient, group.
	Levels []string
	// Date is the server's clock; zero if the answer carries none.
	Date time.Time
}

// Describe reads the CapabilityStatement of the server in o.
func Describe(ctx context.Context, o Options) (Capability, error) {
	s, err := open(o)
	if err != nil {
		return Capability{}, err
	}
	var out Capability
	a, err := s.exchange(ctx, s.client, request{
		method: http.MethodGet, url: s.base.String() + "/metadata", accept: fhirJSON, partial: true,
		consume: func(b *unpackedBody, a answer) { out = capabilityOf(b, a) },
	})
	if err != nil {
		return Capability{}, err
	}
	switch a.status {
	case http.StatusOK:
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented:
		out.Supported = true
	default:
		return Capability{}, s.refused(a)
	}
	out.Date, _ = a.date()
	return out, nil
}

// MayExport asks for the status of a job that does not exist. Azure's server checks the right to
// export before it looks for the job. known is false for other servers, whose jobs have unknown
// URLs.
func MayExport(ctx context.Context, o Options, job string) (known bool, err error) {
	s, err := open(o)
	if err != nil {
		return false, err
	}
	if s.dialect.container == "" {
		return false, nil
	}
	_, err = s.Status(ctx, s.base.String()+"/_operations/export/"+job)
	if errors.Is(err, pipeline.ErrUnknownJob) {
		err = nil
	}
	return true, err
}

// capabilityOf reads the facts in a CapabilityStatement.
func capabilityOf(b *unpackedBody, a answer) Capability {
	st := statementOf(b, a, true)
	slices.Sort(st.levels)
	return Capability{
		Found: st.isOne(), Software: a.scrub(st.product()), FHIR: st.fhir,
		Supported: st.fhir == "" || supported(st.fhir), Levels: slices.Compact(st.levels),
	}
}

// members reads an object whose known members are read by functions. Another value is skipped.
func (s *stream) members(known map[string]func() error) error {
	err := s.object(func(key string) error {
		if read, ok := known[key]; ok {
			return read()
		}
		return s.skip()
	})
	var other notObject
	if errors.As(err, &other) {
		return s.rest(other.token)
	}
	return err
}

// exports reads an element of rest, and adds the levels of its export operations.
func (s *stream) exports(levels *[]string) error {
	return s.members(map[string]func() error{
		"operation": func() error { return s.operations("", levels) },
		"resource": func() error {
			_, err := s.array(maxLinks, func(int) error {
				var kind string
				var found []string
				err := s.members(map[string]func() error{
					"type":      func() error { return s.text(&kind) },
					"operation": func() error { return s.operations("here", &found) },
				})
				// The type may follow the operations.
				if level := levelOfType(kind); level != "" && len(found) > 0 {
					*levels = append(*levels, level)
				}
				return err
			})
			return err
		},
	})
}

func levelOfType(kind string) string {
	switch kind {
	case "Patient":
		return pipeline.LevelPatient
	case "Group":
		return pipeline.LevelGroup
	}
	return ""
}

// operations reads operations and adds the level of each export. at is the level of operations of a
// type; empty tells it from the definition.
func (s *stream) operations(at string, levels *[]string) error {
	_, err := s.array(maxLinks, func(int) error {
		var name, definition string
		err := s.members(map[string]func() error{
			"name": func() error { return s.text(&name) },
			"definition": func() error {
				return s.text(&definition)
			},
		})
		name = strings.TrimPrefix(name, "$")
		last := definition[strings.LastIndex(definition, "/")+1:]
		last, _, _ = strings.Cut(last, "|")
		switch {
		case !strings.Contains(name, "export") && !strings.Contains(last, "export"):
		case at != "":
			*levels = append(*levels, at)
		case strings.HasPrefix(last, "patient-") || strings.HasPrefix(name, "patient-"):
			*levels = append(*levels, pipeline.LevelPatient)
		case strings.HasPrefix(last, "group-") || strings.HasPrefix(name, "group-"):
			*levels = append(*levels, pipeline.LevelGroup)
		default:
			*levels = append(*levels, pipeline.LevelSystem)
		}
		return err
	})
	return err
}

// DryRun starts the export of r, which should be small, and cancels it at once.
func DryRun(ctx context.Context, o Options, r pipeline.Request) error {
	s, err := open(o)
	if err != nil {
		return err
	}
	accepted, err := s.KickOff(ctx, r)
	if err != nil {
		return err
	}
	if err := s.Cancel(ctx, accepted.StatusURL); err != nil {
		return &fault.Error{
			Class: fault.Of(err), Whose: fault.Whose(err), Err: err,
			Remedy: "the server has started the job; if it does not end by itself, cancel it at the server",
		}
	}
	return nil
}

package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"fhirsynapse/internal/bulkfhir"
	"fhirsynapse/internal/cohort"
	"fhirsynapse/internal/config"
	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
)

// cohorts refreshes the cohorts of exports.yaml. It implements pipeline.Cohorts.
type cohorts struct {
	exports config.Exports
	keepers map[string]cohort.Keeper // by source
}

// cohorts makes the keepers of all sources that have cohorts, without I/O.
func (a *App) cohorts(exports config.Exports) (cohorts, error) {
	out := cohorts{exports: exports, keepers: map[string]cohort.Keeper{}}
	var faults []error
	for _, c := range exports.Cohorts {
		if _, made := out.keepers[c.Source]; made {
			continue
		}
		k, err := a.keeper(exports.Sources[c.Source], a.journal)
		if err != nil {
			faults = append(faults, fmt.Errorf("source %s: %w", c.Source, err))
		}
		out.keepers[c.Source] = k
	}
	return out, errors.Join(faults...)
}

// keeper makes the keeper of the Groups at a source.
func (a *App) keeper(s config.Source, j records.Journal) (cohort.Keeper, error) {
	o, err := a.sourceOptions(s)
	if err != nil {
		return cohort.Keeper{}, err
	}
	searcher, err := bulkfhir.NewSearcher(o)
	if err != nil {
		return cohort.Keeper{}, err
	}
	return cohort.Keeper{
		Server: searcher, Journal: j, Memory: &cohort.Memory{},
		Base: cmp.Or(s.ReferenceBase, s.URL), Now: a.now, Log: a.log,
	}, nil
}

// Parts implements pipeline.Cohorts.
func (c cohorts) Parts(ctx context.Context, name string) (out []pipeline.CohortPart, err error) {
	of, ok := c.exports.Cohort(name)
	if !ok {
		return nil, unknownCohort(c.exports, name)
	}
	parts, err := c.keepers[of.Source].Parts(ctx, of.Definition)
	for _, p := range parts {
		out = append(out, pipeline.CohortPart{
			Group: p.Group, Share: p.Share, Digest: p.Digest,
		})
	}
	return out, err
}

// Members implements pipeline.Cohorts.
func (c cohorts) Members(
	ctx context.Context, name string, parts []pipeline.CohortPart,
) (pipeline.Members, error) {
	of, ok := c.exports.Cohort(name)
	if !ok {
		return nil, unknownCohort(c.exports, name)
	}
	members := pipeline.Members{}
	for _, p := range parts {
		if err := c.keepers[of.Source].Members(ctx, of.Definition, p.Group, p.Share,
			func(patient string) { members[patient] = struct{}{} }); err != nil {
			return nil, err
		}
	}
	return members, nil
}

// shares returns the server of a plan. If the plan's cohort has no Groups, the server names the
// patients of a share in each kick-off.
func (c cohorts) shares(plan string, server pipeline.Server, o bulkfhir.Options) pipeline.Server {
	for _, p := range c.exports.Plans {
		of, ok := c.exports.Cohort(p.Cohort)
		if p.Name == plan && ok && of.Groupless {
			return shareServer{server, o, c.keepers[of.Source], of.Definition}
		}
	}
	return server
}

// shareServer names patients in its kick-offs.
type shareServer struct {
	pipeline.Server
	options    bulkfhir.Options
	keeper     cohort.Keeper
	definition cohort.Definition
}

// KickOff implements pipeline.Server. The ids of the patients are in this request, and in no record
// of it.
func (s shareServer) KickOff(ctx context.Context, r pipeline.Request) (pipeline.Accepted, error) {
	if r.Share == 0 {
		return s.Server.KickOff(ctx, r)
	}
	o := s.options
	var err error
	if o.Patients, err = s.keeper.Share(ctx, s.definition, r.Share); err != nil {
		return pipeline.Accepted{}, &fault.Error{ // no job runs
			Class: fault.Of(err), After: fault.After(err), Whose: fault.Whose(err),
			Err: fmt.Errorf("%w: %w", pipeline.ErrUnavailable, err),
		}
	}
	source, err := bulkfhir.New(o)
	if err != nil {
		return pipeline.Accepted{}, err
	}
	return source.KickOff(ctx, r)
}

func unknownCohort(e config.Exports, name string) error {
	var names []string
	for _, c := range e.Cohorts {
		names = append(names, c.Name)
	}
	if len(names) == 0 {
		return fault.Permanentf("cohort %s: exports.yaml has no cohorts", name)
	}
	return fault.Permanentf("cohort %s: there is none of this name in exports.yaml, which has %s",
		name, strings.Join(names, ", "))
}

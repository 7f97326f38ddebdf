package app

import (
	"context"
	"fmt"
	"io/fs"
	"iter"
	"path/filepath"
	"slices"
	"strings"

	"fhirsynapse/internal/cohort"
	"fhirsynapse/internal/config"
	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline/records"
)

// Cohorts lists the cohorts of exports.yaml with their documents in the journal. file replaces the
// app's exports.yaml; empty means the app's own.
func (o Operator) Cohorts(ctx context.Context, file string) ([]cohort.State, error) {
	_, exports, journal, err := o.cohorts(ctx, file)
	if err != nil {
		return nil, err
	}
	var out []cohort.State
	for _, c := range exports.Cohorts {
		record, err := cohort.Read(ctx, journal, c.Name)
		if err != nil {
			return nil, err
		}
		s := cohort.State{
			Name: c.Name, Source: c.Source, Search: c.Search, Among: c.Among, Group: c.Group,
			Match: c.Match, Membership: c.Membership, Record: record,
		}
		for _, p := range exports.Plans {
			if p.Cohort == c.Name {
				s.Plans = append(s.Plans, p.Name)
			}
		}
		out = append(out, s)
	}
	return out, nil
}

// RefreshCohort brings the Groups of a cohort up to date from this machine. It needs the rights of
// the app at the FHIR server, and the storage account, unless it is a dry run of a file.
func (o Operator) RefreshCohort(
	ctx context.Context, file, name string, how cohort.Options,
) (cohort.Report, error) {
	a, exports, journal, err := o.cohorts(ctx, file)
	if err != nil {
		return cohort.Report{}, err
	}
	if _, none := journal.(noJournal); none && !how.DryRun {
		return cohort.Report{}, fault.Permanentf(
			"a refresh writes to the journal: the settings of the storage account are missing, LakeStorage or LakeStorage__blobServiceUri")
	}
	c, ok := exports.Cohort(name)
	if !ok {
		return cohort.Report{}, unknownCohort(exports, name)
	}
	k, err := a.keeper(exports.Sources[c.Source], journal)
	if err != nil {
		return cohort.Report{}, fmt.Errorf("source %s: %w", c.Source, err)
	}
	return k.Refresh(ctx, c.Definition, how)
}

// cohorts reads the plans, and finds the journal. For a file without the settings of the storage
// account, the journal is empty and cannot be written.
func (o Operator) cohorts(
	ctx context.Context, file string,
) (*App, config.Exports, records.Journal, error) {
	var journal records.Journal
	if file != "" {
		path, err := filepath.Abs(file)
		if err != nil {
			return nil, config.Exports{}, nil, err
		}
		environ := slices.DeleteFunc(slices.Clone(o.Environment.Environ), func(pair string) bool {
			name, _, _ := strings.Cut(pair, "=")
			return strings.EqualFold(name, "ExportsFile")
		})
		if !slices.ContainsFunc(environ, func(pair string) bool {
			return strings.HasPrefix(strings.ToLower(pair), "lakestorage")
		}) {
			// The settings must be whole. Nothing connects to this account.
			environ = append(environ, "LakeStorage=UseDevelopmentStorage=true")
			journal = noJournal{}
		}
		o.Environment.Environ = append(environ, "ExportsFile="+path)
	}
	a, err := o.journal()
	if err != nil {
		return nil, config.Exports{}, nil, err
	}
	if journal == nil {
		journal = a.journal
	}
	exports, err := a.exports(ctx)
	return a, exports, journal, err
}

// noJournal is a journal without documents, for a look at a file of plans.
type noJournal struct{}

// Read implements records.Journal.
func (noJournal) Read(context.Context, string) (records.Entry, error) {
	return records.Entry{}, fs.ErrNotExist
}

// Write implements records.Journal.
func (noJournal) Write(context.Context, string, string, []byte) (string, error) {
	return "", fault.Permanentf("there is no journal")
}

// List implements records.Journal.
func (noJournal) List(context.Context, string) iter.Seq2[string, error] {
	return func(func(string, error) bool) {}
}

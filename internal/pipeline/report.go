package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// TypeReport accounts for one resource type of an export.
type TypeReport struct {
	Type     string `json:"type"`
	Files    int    `json:"files"`
	Manifest int64  `json:"manifest"` // resources, by the manifest; -1 if it has no count
	Counts
	// NoView is set if no view reads the type: its resources are counted and make no rows.
	NoView bool `json:"noView,omitempty"`
	// Notices tell a person what the tables of the type need.
	Notices []string `json:"notices,omitempty"`
}

// Check verifies the sums of a report: every line is accounted for, and the number of
// resources read equals the manifest's count.
func (r TypeReport) Check() error {
	var wrong []error
	if sum := r.Accounted(); sum != r.Lines {
		wrong = append(wrong,
			fmt.Errorf("%s: %d lines read, %d accounted for", r.Type, r.Lines, sum))
	}
	if read := r.Lines - r.Blank; r.Manifest >= 0 && read != r.Manifest {
		wrong = append(wrong,
			fmt.Errorf("%s: %d resources read, the manifest counts %d", r.Type, read, r.Manifest))
	}
	return errors.Join(wrong...)
}

// Report accounts for every file of an export: it compares the manifests with the ledger.
func (p *Pipeline) Report(ctx context.Context, export string) ([]TypeReport, error) {
	e, err := p.records.Export(ctx, export)
	if err != nil {
		return nil, fmt.Errorf("report on export %s: %w", export, err)
	}
	jobs, err := p.records.Jobs(ctx, e)
	if err != nil {
		return nil, fmt.Errorf("report on export %s: %w", export, err)
	}
	g, err := p.files.filesOf(ctx, jobs, "")
	if err != nil {
		return nil, fmt.Errorf("report on export %s: %w", export, err)
	}
	if !g.complete() {
		return nil, fmt.Errorf("report on export %s: its manifest is not here yet; it is %s",
			export, e.State)
	}
	entries, err := p.Warehouse.Ledger(ctx, e.Schema, e.ID)
	if err != nil {
		return nil, fmt.Errorf("report on export %s: %w", export, err)
	}
	// If the journal was lost, the ledger also has files of an earlier export with this number.
	paths := map[string]bool{}
	for _, f := range g.files {
		paths[f.Path] = true
	}
	entries = slices.DeleteFunc(entries, func(l LedgerEntry) bool { return !paths[l.Path] })
	reports := withRequested(Account(outputs(g.files), entries), e.Jobs)
	for i, r := range reports {
		if r.Lines == 0 {
			continue
		}
		has, err := p.Flattener.HasViews(e.Plan, r.Type)
		if err != nil {
			return nil, fmt.Errorf("report on export %s: %w", export, err)
		}
		reports[i].NoView = !has
	}
	return reports, nil
}

// withRequested adds the requested types without any file.
func withRequested(reports []TypeReport, jobs []Request) []TypeReport {
	for _, r := range jobs {
		for _, t := range r.Types {
			if !slices.ContainsFunc(reports, func(have TypeReport) bool { return have.Type == t }) {
				reports = append(reports, TypeReport{Type: t})
			}
		}
	}
	slices.SortFunc(reports, func(a, b TypeReport) int { return strings.Compare(a.Type, b.Type) })
	return reports
}

// Account sums manifest entries and ledger entries by resource type. Without a manifest,
// Manifest is -1.
func Account(files []OutputFile, entries []LedgerEntry) []TypeReport {
	reports := map[string]*TypeReport{}
	of := func(typ string) *TypeReport {
		if reports[typ] == nil {
			reports[typ] = &TypeReport{Type: typ}
			if files == nil {
				reports[typ].Manifest = -1
			}
		}
		return reports[typ]
	}
	for _, f := range files {
		r := of(f.Type)
		r.Files++
		if f.Count < 0 {
			r.Manifest = -1
		} else if r.Manifest >= 0 {
			r.Manifest += f.Count
		}
	}
	for _, l := range entries {
		r := of(l.Type)
		if files == nil {
			r.Files++
		}
		r.Add(l.Counts)
	}
	out := make([]TypeReport, 0, len(reports))
	for _, r := range reports {
		out = append(out, *r)
	}
	slices.SortFunc(out, func(a, b TypeReport) int { return strings.Compare(a.Type, b.Type) })
	return out
}

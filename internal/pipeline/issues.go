package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"fhirsynapse/internal/fault"
)

// errorFileTries bounds the patience for error files: they are kept for people, and
// no export fails for the want of one.
const errorFileTries = 5

// fetchErrors keeps an error file and counts what it says. Its absence is recorded,
// and fails nothing.
func (p *Pipeline) fetchErrors(ctx context.Context, f fetching) error {
	issues, err := p.issuesOf(ctx, f)
	if err != nil {
		if fault.Of(err) == fault.Transient && f.step.Try < errorFileTries {
			return err
		}
		p.Log.WarnContext(ctx, "error file of the server not kept", "export", f.export.ID, "job", f.job, "number", f.step.File, "error", err)
		issues = map[string]int64{"unavailable": 1}
	}
	data, err := json.Marshal(issues)
	if err != nil {
		return err
	}
	_, err = p.Journal.Write(ctx, issuesKey(f.job, f.step.File), "", data)
	if errors.Is(err, ErrConflict) {
		return nil
	}
	if err == nil {
		p.Log.WarnContext(ctx, "error file of the server", "export", f.export.ID, "job", f.job, "file", f.file.Path, "issues", issues)
	}
	return err
}

func (p *Pipeline) issuesOf(ctx context.Context, f fetching) (map[string]int64, error) {
	f.file.Count = -1 // of no use: nothing is loaded from it
	if _, _, err := p.land(ctx, f, f.file.Path); err != nil {
		return nil, err
	}
	r, err := p.Lake.Open(ctx, Landing, f.file.Path, "")
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }() // only read
	issues, err := f.files.Issues(f.file, r)
	if err != nil {
		return nil, err
	}
	counts := map[string]int64{}
	for _, i := range issues {
		counts[i.Severity+"/"+i.Code] += i.Count
	}
	return counts, nil
}

// Issues sums what the error files of an export say, by severity and code.
func (p *Pipeline) Issues(ctx context.Context, export string) (map[string]int64, error) {
	total := map[string]int64{}
	for key, err := range p.Journal.List(ctx, "issues/"+export+".") {
		if err != nil {
			return nil, fmt.Errorf("issues of export %s: %w", export, err)
		}
		d, err := read[map[string]int64](ctx, p.Journal, key)
		if err != nil {
			return nil, fmt.Errorf("issues of export %s: %w", export, err)
		}
		for kind, n := range d.value {
			total[kind] += n
		}
	}
	return total, nil
}

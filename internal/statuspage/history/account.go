package history

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"

	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
)

// Ledger lists the committed files of an export. A pipeline.Warehouse is one.
type Ledger interface {
	Ledger(ctx context.Context, schema, export string) ([]pipeline.LedgerEntry, error)
}

// Accountant makes the accounts of exports.
type Accountant struct {
	Journal records.Journal
	Lake    pipeline.Lake

	mu   sync.Mutex
	kept []manifestFiles // the newest last
}

// manifestFiles are the files of a manifest, which never changes.
type manifestFiles struct {
	job   string
	files []pipeline.OutputFile
}

// keptFiles bounds the files of cached manifests. Each takes about 300 bytes.
const keptFiles = 20_000

// Files lists the files in the manifests of an export. whole is false while a manifest is missing.
func (a *Accountant) Files(
	ctx context.Context, jobs []records.Job,
) (files []pipeline.OutputFile, whole bool, err error) {
	whole = true
	seen := map[string]bool{}
	for _, j := range jobs {
		if !j.Collected() {
			whole = false
			continue
		}
		of, complete, err := a.manifest(ctx, j.ID)
		if err != nil {
			return nil, false, err
		}
		whole = whole && complete
		for _, f := range of {
			if !seen[f.Path] {
				seen[f.Path] = true
				files = append(files, f)
			}
		}
	}
	return files, whole, nil
}

// manifest reads the files of one manifest, with the tombstones that its deletes were split into.
func (a *Accountant) manifest(
	ctx context.Context, job string,
) (files []pipeline.OutputFile, complete bool, err error) {
	if of, ok := a.cached(job); ok {
		return of, true, nil
	}
	s := records.Store{Journal: a.Journal}
	m, err := s.Manifest(ctx, job)
	if err != nil {
		return nil, false, err
	}
	complete, files = true, m.Output
	for i := range m.Deleted {
		part, err := s.Deletes(ctx, job, m.Number(records.DeletedKind, i))
		if errors.Is(err, fs.ErrNotExist) {
			complete = false
			continue
		}
		if err != nil {
			return nil, false, err
		}
		files = append(files, part...)
	}
	if complete {
		a.keep(job, files)
	}
	return files, complete, nil
}

func (a *Accountant) cached(job string) ([]pipeline.OutputFile, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, k := range a.kept {
		if k.job == job {
			return k.files, true
		}
	}
	return nil, false
}

func (a *Accountant) keep(job string, files []pipeline.OutputFile) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.kept = append(a.kept, manifestFiles{job, files})
	n := 0
	for _, k := range a.kept {
		n += len(k.files) + 1
	}
	for n > keptFiles && len(a.kept) > 0 {
		n -= len(a.kept[0].files) + 1
		a.kept = slices.Delete(a.kept, 0, 1)
	}
}

// Account accounts for the files of an export as they are now.
func (a *Accountant) Account(
	ctx context.Context, l Ledger, e records.Export, jobs []records.Job,
) (Account, error) {
	files, whole, err := a.Files(ctx, jobs)
	if err != nil {
		return Account{}, fmt.Errorf("account for export %s: %w", e.ID, err)
	}
	out := Account{Export: e.ID, Whole: whole, Drift: drift(e)}
	landed, err := a.landed(ctx, e, files, &out)
	if err != nil {
		return out, fmt.Errorf("account for export %s: %w", e.ID, err)
	}
	var entries []pipeline.LedgerEntry
	if len(files) > 0 && e.Schema != "" {
		if entries, err = l.Ledger(ctx, e.Schema, e.ID); err != nil {
			return out, err
		}
	}
	of := map[string]bool{}
	for _, f := range files {
		of[f.Path] = true
	}
	// If the journal was lost, the ledger also has files of an earlier export with this number.
	entries = slices.DeleteFunc(slices.Clone(entries), func(l pipeline.LedgerEntry) bool {
		return !of[l.Path]
	})
	if files == nil {
		files = []pipeline.OutputFile{}
	}
	loaded := map[string]int{}
	for _, l := range entries {
		loaded[l.Type]++
	}
	for _, r := range withRequested(pipeline.Account(files, entries), e.Jobs) {
		out.Types = append(out.Types, TypeAccount{r, landed[r.Type], loaded[r.Type]})
	}
	return out, nil
}

// landed counts the files in the landing area, by type, and sets their times. The files of an
// export that is in the tables have landed, even if somebody has removed them since.
func (a *Accountant) landed(
	ctx context.Context, e records.Export, files []pipeline.OutputFile, out *Account,
) (map[string]int, error) {
	counts, all := map[string]int{}, map[string]int{}
	typeOf, folders := map[string]string{}, map[string]bool{}
	for _, f := range files {
		typeOf[f.Path] = f.Type
		all[f.Type]++
		folder, _, nested := strings.Cut(f.Path, "/")
		if nested {
			folder += "/"
		}
		folders[folder] = true
	}
	for folder := range folders {
		for f, err := range a.Lake.List(ctx, pipeline.Landing, folder) {
			if err != nil {
				return nil, fmt.Errorf("list landing area %s: %w", folder, err)
			}
			typ, ok := typeOf[f.Path]
			if !ok {
				continue
			}
			counts[typ]++
			if out.FirstLanded.IsZero() || f.Modified.Before(out.FirstLanded) {
				out.FirstLanded = f.Modified
			}
			if f.Modified.After(out.LastLanded) {
				out.LastLanded = f.Modified
			}
		}
	}
	if e.State.Committed() {
		return all, nil
	}
	return counts, nil
}

// withRequested adds the requested types without any file.
func withRequested(
	reports []pipeline.TypeReport, jobs []records.Request,
) []pipeline.TypeReport {
	for _, r := range jobs {
		for _, t := range r.Types {
			if !slices.ContainsFunc(reports, func(have pipeline.TypeReport) bool {
				return have.Type == t
			}) {
				reports = append(reports, pipeline.TypeReport{Type: t})
			}
		}
	}
	slices.SortFunc(reports, func(a, b pipeline.TypeReport) int {
		return strings.Compare(a.Type, b.Type)
	})
	return reports
}

// mostSentences bounds the sentences of a type in an account.
const mostSentences = 20

// drift describes the values that differ between the tables and the resources, by type.
func drift(e records.Export) map[string][]string {
	sums := map[string]records.PreparedValues{}
	for of, v := range e.Values {
		typ, _, _ := strings.Cut(of, "/")
		sum := sums[typ]
		sum.Add(v)
		sums[typ] = sum
	}
	out := map[string][]string{}
	for typ, v := range sums {
		sentences := v.Sentences()
		if len(sentences) > mostSentences {
			more := len(sentences) - mostSentences
			sentences = append(sentences[:mostSentences], fmt.Sprintf("and %d more", more))
		}
		if len(sentences) > 0 {
			out[typ] = sentences
		}
	}
	return out
}

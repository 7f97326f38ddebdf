package statuspage

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
)

// filesView lists the files of one type of an export.
type filesView struct {
	Export string        `json:"export"`
	State  records.State `json:"state"`
	Type   string        `json:"type"`
	Types  []string      `json:"types"`
	Files  []fileRow     `json:"files"`
	Pages  pages         `json:"pages"`
	// Uncounted is why the counts of the tables are missing.
	Uncounted string `json:"uncounted,omitempty"`
}

func (filesView) template() string { return "files" }
func (v filesView) title() string {
	return strings.TrimSpace("Files of export " + v.Export + " " + v.Type)
}

func (v filesView) refresh() time.Duration { return later }

// fileRow is one file of a manifest.
type fileRow struct {
	Path string `json:"path"`
	Type string `json:"type"`
	// Manifest is the number of resources; -1 if the server did not count.
	Manifest int64     `json:"manifest"`
	LandedAt time.Time `json:"landedAt,omitzero"`
	Bytes    int64     `json:"bytes,omitempty"`
	Loaded   bool      `json:"loaded"`
	pipeline.Counts
}

func (s *reader) filesPage(ctx context.Context, id, typ string, page int) (view, error) {
	e, jobs, err := s.export(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("files of export %s: %w", id, err)
	}
	all, _, err := s.accountant.Files(ctx, jobs)
	if err != nil {
		return nil, fmt.Errorf("files of export %s: %w", id, err)
	}
	v := filesView{Export: id, State: e.State, Type: typ, Files: []fileRow{}}
	var of []pipeline.OutputFile
	for _, f := range all {
		if !slices.Contains(v.Types, f.Type) {
			v.Types = append(v.Types, f.Type)
		}
		if typ == "" || f.Type == typ {
			of = append(of, f)
		}
	}
	slices.Sort(v.Types)
	slices.SortFunc(of, func(a, b pipeline.OutputFile) int { return cmp.Compare(a.Path, b.Path) })
	var from, to int
	from, to, v.Pages = cut(len(of), page, filesPerPage)
	of = of[from:to]
	there, err := landed(ctx, s.Lake, of)
	if err != nil {
		return nil, fmt.Errorf("files of export %s: %w", id, err)
	}
	loaded := map[string]pipeline.LedgerEntry{}
	if len(of) > 0 && e.Schema != "" {
		entries, err := s.Ledger.Ledger(ctx, e.Schema, e.ID)
		if err != nil {
			v.Uncounted = fault.Clip(err.Error())
		}
		for _, l := range entries {
			loaded[l.Path] = l
		}
	}
	for _, f := range of {
		l, isLoaded := loaded[f.Path]
		v.Files = append(v.Files, fileRow{
			Path: f.Path, Type: f.Type, Manifest: f.Count, LandedAt: there[f.Path].Modified,
			Bytes: there[f.Path].Size, Loaded: isLoaded, Counts: l.Counts,
		})
	}
	return v, nil
}

// landed finds files of one page in the landing area. It lists what begins like all of them, which
// is little, because they are sorted.
func landed(
	ctx context.Context, lake pipeline.Lake, files []pipeline.OutputFile,
) (map[string]pipeline.File, error) {
	out := map[string]pipeline.File{}
	if len(files) == 0 {
		return out, nil
	}
	first, last := files[0].Path, files[len(files)-1].Path
	n := 0
	for n < min(len(first), len(last)) && first[n] == last[n] {
		n++
	}
	for f, err := range lake.List(ctx, pipeline.Landing, first[:n]) {
		if err != nil {
			return out, fmt.Errorf("list landing area %s: %w", first[:n], err)
		}
		if f.Path > last {
			break
		}
		out[f.Path] = f
	}
	return out, nil
}

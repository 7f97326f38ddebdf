package pipeline

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"fhirsynapse/internal/pipeline/records"
)

// surveyed is one file of a manifest and what there is of it now. It is worked
// out from listings each time: nothing records the state of a file.
type surveyed struct {
	OutputFile
	blob     File // zero when the landing area does not hold the file
	prepared bool // at the blob's ETag and the present view set
	stale    bool // prepared, but at another ETag
}

// survey compares files of a manifest with the landing and the staging area.
func (p *Pipeline) survey(ctx context.Context, e records.Export, files []OutputFile) ([]surveyed, error) {
	set, err := p.viewSet(ctx, e.Plan)
	if err != nil {
		return nil, err
	}
	prepared, old := map[string]bool{}, map[string]bool{}
	for _, typ := range distinct(files, func(f OutputFile) string { return f.Type }) {
		if err := p.listDone(ctx, stagingOf(e.ID, typ, set), func(f File) {
			prepared[f.Path], old[doneStem(f)] = true, true
		}); err != nil {
			return nil, err
		}
	}
	landed := map[string]File{}
	for _, folder := range distinct(files, func(f OutputFile) string { return folderOf(f.Path) }) {
		for f, err := range p.Lake.List(ctx, Landing, folder) {
			if err != nil {
				return nil, fmt.Errorf("list landing area %s: %w", folder, err)
			}
			landed[f.Path] = f
		}
	}
	out := make([]surveyed, len(files))
	for i, f := range files {
		blob := landed[f.Path]
		place := stagingOf(e.ID, f.Type, set)
		out[i] = surveyed{OutputFile: f, blob: blob, prepared: prepared[place.done(blob)]}
		out[i].stale = !out[i].prepared && blob.ETag != "" && old[place.doneStem(f.Path)]
	}
	return out, nil
}

func (p *Pipeline) listDone(ctx context.Context, place staging, each func(File)) error {
	for f, err := range p.Lake.List(ctx, Staging, place.doneFolder()) {
		if err != nil {
			return fmt.Errorf("list staging area %s: %w", place.doneFolder(), err)
		}
		each(f)
	}
	return nil
}

// folderOf is the listing prefix that holds a file: its folder with the slash,
// or the file itself at the container's root.
func folderOf(path string) string {
	folder, _, nested := strings.Cut(path, "/")
	if !nested {
		return path
	}
	return folder + "/"
}

func distinct[T any](items []T, of func(T) string) []string {
	var out []string
	for _, item := range items {
		if s := of(item); !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// gathered is what the manifests of an export list.
type gathered struct {
	files []listed
	// manifests says that they are all here, and deletes that so are the files of
	// tombstones that were made of theirs.
	manifests, deletes bool
	// lacking is what the manifests and deletes wait for.
	lacking []missing
}

// complete says that no further file will come.
func (g gathered) complete() bool { return g.manifests && g.deletes }

// filesOf gathers what the manifests of all jobs list, one entry per path, of
// one type, or of all when typ is empty.
func (p *Pipeline) filesOf(ctx context.Context, jobs []records.Job, typ string) (gathered, error) {
	g := gathered{manifests: true, deletes: true}
	seen := map[string]bool{}
	for _, j := range jobs {
		if !j.Collected() {
			g.manifests = false
			g.lacking = append(g.lacking, missing{job: j.N})
		}
	}
	if !g.manifests {
		return g, nil
	}
	for _, j := range jobs {
		m, err := p.manifest(ctx, j.ID)
		if err != nil {
			return g, err
		}
		d, err := p.deletesOf(ctx, j.ID, m)
		if err != nil {
			return g, err
		}
		g.deletes = g.deletes && len(d.missing) == 0
		for _, n := range d.missing {
			g.lacking = append(g.lacking, missing{deletes: records.DeletesKey(j.ID, n)})
		}
		for _, list := range [][]OutputFile{m.Output, d.files} {
			for _, f := range list {
				if (typ == "" || f.Type == typ) && !seen[f.Path] {
					seen[f.Path] = true
					g.files = append(g.files, listed{f, j.N})
				}
			}
		}
	}
	types := make([]string, len(g.files))
	for i, f := range g.files {
		types[i] = f.Type
	}
	return g, checkManifestTypes(records.Export{}, types)
}

// listed is a file of a manifest with the number of its job.
type listed struct {
	OutputFile
	job int
}

func outputs(files []listed) []OutputFile {
	out := make([]OutputFile, len(files))
	for i, f := range files {
		out[i] = f.OutputFile
	}
	return out
}

package pipeline

import (
	"context"

	"fhirsynapse/internal/pipeline/records"
)

// gathered lists the files in the manifests of an export.
type gathered struct {
	files []listed
	// manifests is set if all manifests have arrived, and deletes if all their files of deletes
	// were split into tombstones.
	manifests, deletes bool
	// lacking lists what the manifests and deletes wait for.
	lacking []missing
}

// complete reports whether no further file can arrive.
func (g gathered) complete() bool { return g.manifests && g.deletes }

// filesOf gathers the files in the manifests of all jobs, one entry per path. typ limits them
// to one type; empty means all.
func (su *surveyor) filesOf(ctx context.Context, jobs []records.Job, typ string) (gathered, error) {
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
		m, err := su.manifest(ctx, j.ID)
		if err != nil {
			return g, err
		}
		d, err := su.deletesOf(ctx, j.ID, m)
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

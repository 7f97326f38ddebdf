package pipeline

import (
	"context"
	"fmt"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline/records"
)

// keptManifests bounds the memory for manifests: one of 10,000 files is a few MB.
const keptManifests = 8

// keepManifest stores the manifest of a job, unless its files could not be worked on.
func (p *Pipeline) keepManifest(ctx context.Context, e records.Export, j records.Job, m Manifest) error {
	var types []string
	for _, f := range m.Output {
		types = append(types, f.Type)
	}
	if err := checkManifestTypes(e, types); err != nil {
		return err
	}
	var strange []error
	for _, f := range m.Output {
		if f.Path == "" && !f.Foreign {
			strange = append(strange, &fault.Error{
				Class: fault.Permanent, Whose: fault.OurSetting,
				Err:    fmt.Errorf("the manifest lists a %s file that is not in our landing container", f.Type),
				Remedy: "check that the plan's container is the one the FHIR service exports to",
			})
		}
	}
	if len(strange) > 0 {
		return fmt.Errorf("%d of %d files: %w", len(strange), len(m.Output), strange[0])
	}
	if m.HasForeign() && p.Landings == nil {
		return fault.Permanentf("the manifest lists files that the server keeps, and this program has nowhere to fetch them to")
	}
	m.Place(j.ID)
	return p.records.KeepManifest(ctx, j.ID, m)
}

// manifest reads the manifest of a job; it is kept in memory, where its URLs may
// be fresher than in the journal.
func (p *Pipeline) manifest(ctx context.Context, job string) (Manifest, error) {
	p.mu.Lock()
	m, ok := p.manifests[job]
	p.mu.Unlock()
	if ok {
		return m, nil
	}
	m, err := p.records.Manifest(ctx, job)
	if err == nil {
		p.remember(job, m)
	}
	return m, err
}

func (p *Pipeline) remember(job string, m Manifest) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, known := p.manifests[job]; !known && len(p.manifests) >= keptManifests {
		clear(p.manifests)
	}
	p.manifests[job] = m
}

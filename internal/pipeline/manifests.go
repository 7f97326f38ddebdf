package pipeline

import (
	"context"
	"errors"
	"io/fs"

	"fhirsynapse/internal/pipeline/records"
)

// manifestOf returns the manifest of a step's job, or the reason to ignore the step.
func (su *surveyor) manifestOf(
	ctx context.Context, s Step, e records.Export,
) (m Manifest, why string, err error) {
	if s.Job > len(e.Jobs) {
		return m, noJob, nil
	}
	m, err = su.manifest(ctx, records.JobID(s.Export, s.Job))
	if errors.Is(err, fs.ErrNotExist) {
		return m, noManifest, nil
	}
	return m, "", err
}

// keptManifests bounds the manifests in memory: one of 10,000 files takes a few MB.
const keptManifests = 8

// manifest returns the manifest of a job. It is kept in memory, where its URLs may be fresher
// than in the journal.
func (su *surveyor) manifest(ctx context.Context, job string) (Manifest, error) {
	su.mu.Lock()
	m, ok := su.manifests[job]
	su.mu.Unlock()
	if ok {
		return m, nil
	}
	m, err := su.records.Manifest(ctx, job)
	if err == nil {
		su.remember(job, m)
	}
	return m, err
}

func (su *surveyor) remember(job string, m Manifest) {
	su.mu.Lock()
	defer su.mu.Unlock()
	if _, known := su.manifests[job]; !known && len(su.manifests) >= keptManifests {
		clear(su.manifests)
	}
	su.manifests[job] = m
}

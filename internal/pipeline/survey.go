package pipeline

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"fhirsynapse/internal/pipeline/records"
)

// surveyListed does survey for files that were gathered.
func (su *surveyor) surveyListed(
	ctx context.Context, e records.Export, files []listed,
) ([]surveyed, error) {
	return su.survey(ctx, e, outputs(files))
}

func outputs(files []listed) []OutputFile {
	out := make([]OutputFile, len(files))
	for i, f := range files {
		out[i] = f.OutputFile
	}
	return out
}

func (su *surveyor) listDone(ctx context.Context, place staging, each func(File)) error {
	for f, err := range su.Lake.List(ctx, Staging, place.doneFolder()) {
		if err != nil {
			return fmt.Errorf("list staging area %s: %w", place.doneFolder(), err)
		}
		each(f)
	}
	return nil
}

// surveyor finds the files of an export in the manifests, the landing area and the staging
// area.
type surveyor struct{ *deps }

// surveyed is one file of a manifest with its present state. The state is computed from
// listings each time: nothing records it.
type surveyed struct {
	OutputFile
	blob     File // zero if the file is not in the landing area
	prepared bool // at the blob's ETag and the present view set
	stale    bool // prepared, but at another ETag
}

// survey compares files of a manifest with the landing and the staging area.
func (su *surveyor) survey(
	ctx context.Context, e records.Export, files []OutputFile,
) ([]surveyed, error) {
	set, err := su.viewSet(ctx, e.Plan)
	if err != nil {
		return nil, err
	}
	prepared, old := map[string]bool{}, map[string]bool{}
	for _, typ := range distinct(files, func(f OutputFile) string { return f.Type }) {
		if err := su.listDone(ctx, stagingOf(e.ID, typ, set), func(f File) {
			prepared[f.Path], old[doneStem(f)] = true, true
		}); err != nil {
			return nil, err
		}
	}
	landed := map[string]File{}
	for _, folder := range distinct(files, func(f OutputFile) string { return folderOf(f.Path) }) {
		for f, err := range su.Lake.List(ctx, Landing, folder) {
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

// folderOf returns the listing prefix of a file: its folder with the slash, or the file itself
// at the container's root.
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

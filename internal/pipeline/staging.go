package pipeline

import (
	"context"
	"fmt"
	"strings"

	"fhirsynapse/internal/pipeline/records"
)

// staging is the folder of the prepared files of one export, type and view set. The done files
// have their own folder, so that listing them is cheap.
type staging string

func stagingOf(export, typ string, viewSet int) staging {
	return staging(fmt.Sprintf("%s/%s/v%d", export, typ, viewSet))
}

func (s staging) dir(f File) string  { return string(s) + "/" + f.Path + "@" + f.ETag }
func (s staging) doneFolder() string { return string(s) + ".done/" }
func (s staging) done(f File) string { return s.doneStem(f.Path) + f.ETag + ".json" }

// doneStem returns the prefix of the done files of a path, for any ETag.
func (s staging) doneStem(path string) string { return s.doneFolder() + path + "@" }

// doneStem returns the stem of a done file.
func doneStem(f File) string { return f.Path[:strings.LastIndexByte(f.Path, '@')+1] }

// placeOf returns the staging folder of an export's type for the plan's present views.
func (su *surveyor) placeOf(ctx context.Context, export, typ string) (staging, error) {
	plan, _, _ := records.CutExportID(export)
	set, err := su.viewSet(ctx, plan)
	return stagingOf(export, typ, set), err
}

// viewSet numbers the plan's present views: the first set is 1. All instances share the
// numbers through the journal.
func (su *surveyor) viewSet(ctx context.Context, plan string) (int, error) {
	print, err := su.Flattener.ViewSet(plan)
	if err != nil {
		return 0, fmt.Errorf("view set of plan %s: %w", plan, err)
	}
	known := plan + " " + print
	su.mu.Lock()
	n := su.viewSets[known]
	su.mu.Unlock()
	if n > 0 {
		return n, nil
	}
	if n, err = su.records.ViewSet(ctx, plan, print); err != nil {
		return 0, err
	}
	su.mu.Lock()
	defer su.mu.Unlock()
	su.viewSets[known] = n
	return n, nil
}

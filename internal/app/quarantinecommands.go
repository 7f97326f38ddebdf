package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
	"fhirsynapse/internal/quarantine"
)

// Quarantined lists the newest files in the quarantine container. For a name that has none, it
// returns an error if the journal does not know the name.
func (o Operator) Quarantined(
	ctx context.Context, q quarantine.Query,
) (quarantine.Listing, error) {
	a, err := o.journal()
	if err != nil {
		return quarantine.Listing{}, err
	}
	q.Queue = a.config.StepsQueue
	list, err := quarantine.List(ctx, a.lake, q)
	switch {
	case err != nil:
		return list, a.unread(err)
	case len(list.Files) > 0 || q.Name == "":
		return list, nil
	}
	if _, _, isExport := records.CutExportID(q.Name); isExport {
		_, err = a.schemaOf(ctx, q.Name)
		return list, err
	}
	return list, records.Known(ctx, a.journal, q.Name)
}

// ExplainQuarantine groups the bad lines of an export by their reasons. It returns an error if
// neither the quarantine nor the journal knows the export.
func (o Operator) ExplainQuarantine(
	ctx context.Context, s quarantine.Selection,
) (quarantine.Report, error) {
	a, err := o.journal()
	if err != nil {
		return quarantine.Report{}, err
	}
	schema, unknown := a.schemaOf(ctx, s.Export)
	if fault.Of(unknown) == fault.BadData && unknown != nil { // the name is not an export's id
		return quarantine.Report{}, unknown
	}
	r, err := quarantine.Explain(ctx, a.lake, s)
	switch {
	case err != nil:
		return r, a.unread(err)
	case len(r.Types)+len(r.Texts)+len(r.Failed) == 0:
		return r, unknown
	}
	r.Schema = schema
	return r, nil
}

// CopyQuarantined writes bad lines of an export to w, as they are stored. They are health data.
func (o Operator) CopyQuarantined(
	ctx context.Context, s quarantine.Selection, w io.Writer,
) (int64, error) {
	return o.copyQuarantine(ctx, s.Export, func(lake pipeline.Lake) (int64, error) {
		return quarantine.CopyLines(ctx, lake, s, w)
	})
}

// CopyServerTexts writes the words of servers about failures of an export to w. They may be health
// data.
func (o Operator) CopyServerTexts(
	ctx context.Context, export string, w io.Writer,
) (int64, error) {
	return o.copyQuarantine(ctx, export, func(lake pipeline.Lake) (int64, error) {
		return quarantine.CopyTexts(ctx, lake, export, w)
	})
}

// copyQuarantine returns an error for an export that has nothing to be copied and that the journal
// does not know.
func (o Operator) copyQuarantine(
	ctx context.Context, export string, copyTo func(pipeline.Lake) (int64, error),
) (int64, error) {
	a, err := o.journal()
	if err != nil {
		return 0, err
	}
	n, err := copyTo(a.lake)
	if err != nil {
		return n, a.unread(err)
	}
	if n == 0 {
		_, err = a.schemaOf(ctx, export)
	}
	return n, err
}

// unread adds to an error of the storage the role that a person needs.
func (a *App) unread(err error) error {
	if fault.Of(err) != fault.Permanent {
		return fmt.Errorf("read the quarantine: %w", err)
	}
	return fmt.Errorf(
		"read the quarantine (it needs the role Storage Blob Data Reader on container %s): %w",
		a.config.QuarantineContainer, err)
}

// schemaOf returns the schema of an export's tables.
func (a *App) schemaOf(ctx context.Context, export string) (string, error) {
	e, err := records.Store{Journal: a.journal}.Export(ctx, export)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fault.Permanentf(
			"export %s: there is no such export in the journal: fhirsynapse exports lists them",
			export)
	}
	return e.Schema, err
}

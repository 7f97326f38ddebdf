package pipeline

import (
	"context"
	"errors"
	"log/slog"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline/records"
)

// errorFileTries bounds how often an error file is requested. Without the file nobody knows
// what the server left out, so the export ends incomplete.
const errorFileTries = 8

// fetchErrors keeps an error file and records the issues in it. The export waits for the
// record, because it decides whether the export is complete.
func (fe *fetcher) fetchErrors(ctx context.Context, f fetching) error {
	_, err := fe.records.Issues(ctx, f.job, f.step.File)
	if there, err := exists(err); err != nil {
		return err
	} else if there {
		return fe.errorsRead(ctx, f)
	}
	issues, err := fe.issuesOf(ctx, f)
	if err != nil {
		if fault.Of(err) == fault.Transient && f.step.Try < errorFileTries {
			return err
		}
		fe.Log.WarnContext(ctx, "error file of the server not read", "export", f.export.ID, "job",
			f.job, "number", f.step.File, "error", fault.Clip(err.Error()))
		issues = []Issue{{Severity: SeverityError, Code: records.CodeUnreadable, Count: 1}}
	}
	var asked []string
	if n := f.step.Job; n <= len(f.export.Jobs) {
		asked = f.export.Jobs[n-1].Types
	}
	record := records.RecordOf(issues, asked)
	if err := fe.records.KeepIssues(ctx, f.job, f.step.File, record); err != nil {
		return err
	}
	level := slog.LevelInfo
	if len(record.Lost) > 0 {
		level = slog.LevelWarn
	}
	fe.Log.Log(ctx, level, "error file of the server", "export", f.export.ID, "job", f.job, "file",
		f.file.Path, "issues", records.Describe(record.Issues, record.More))
	return fe.errorsRead(ctx, f)
}

// errorsRead checks for the end of the export once the job's last error file was read.
func (fe *fetcher) errorsRead(ctx context.Context, f fetching) error {
	m, err := fe.files.manifest(ctx, f.job)
	if err != nil {
		return err
	}
	unread, err := fe.records.UnreadErrors(ctx, f.job, m)
	if err != nil || len(unread) > 0 {
		return err
	}
	return fe.finish.check(ctx, f.export.ID, "")
}

// issuesOf reads one error file from the lake. It first copies a file that the server keeps
// into the lake.
func (fe *fetcher) issuesOf(ctx context.Context, f fetching) ([]Issue, error) {
	if f.file.Foreign {
		f.file.Count = -1 // nothing is loaded from it
		if _, _, err := fe.land(ctx, f, f.file.Path); err != nil {
			return nil, err
		}
	}
	if f.file.Path == "" {
		return nil, fault.Permanentf("%s: the error file is not in the landing area", f.step)
	}
	r, err := fe.Lake.Open(ctx, Landing, f.file.Path, "")
	if err != nil {
		return nil, err
	}
	if f.source.Issues == nil {
		return nil, errors.Join(fault.Permanentf("%s: this source cannot read error files", f.step),
			r.Close())
	}
	issues, err := f.source.Issues.Issues(f.file, r)
	if closeErr := r.Close(); err == nil {
		err = closeErr
	}
	return issues, err
}

package sandbox_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"fhirsynapse/internal/app"
	"fhirsynapse/internal/app/connect"
	"fhirsynapse/internal/cli"
	"fhirsynapse/internal/pipeline/records"
	"fhirsynapse/internal/quarantine"
	"fhirsynapse/internal/quarantine/retry"
)

// foreignMessages sends messages of others to the handler, which keeps them.
func foreignMessages(w *parts) {
	for _, body := range []string{
		marker, `{"resourceType":"Patient","id":"` + marker + `"}`,
		`{"step":"` + marker + `","export":"` + marker + `"}`,
	} {
		if err := w.p.Handle(w.t.Context(), []byte(body)); err != nil {
			w.t.Errorf("a message of others: %v", err)
		}
	}
}

// commands runs the commands that a person runs after a failure, and keeps what they print.
func (g *guarded) commands(t *testing.T, w *parts) {
	t.Helper()
	c := cli.Commands{
		Journal: journalOf{w: w}, Quarantine: quarantineOf{w: w}, Messages: quarantineOf{w: w},
		Doctor: connect.Doctor{
			Environment: app.Environment{
				Environ: []string{"ExportsFile=exports.yaml"}, ReadFile: w.exportsFile, Now: w.now,
			},
			Log: slog.New(slog.NewJSONHandler(g, nil)),
		},
	}
	id := messageOf(t, w)
	for _, args := range []string{
		"exports list --json", "exports show study-000001", "exports show study-000001 --json",
		"exports watch study-000001", "quarantine list", "quarantine list --json",
		"quarantine show study-000001", "quarantine show study-000001 --json",
		"quarantine show " + id, "quarantine show " + id + " --json",
		"quarantine retry " + id, "quarantine retry --messages --json",
		"doctor --kick-off --json",
	} {
		var out, errs strings.Builder
		code := cli.Run(t.Context(), strings.Fields(args), func(string) string { return "" },
			cli.Streams{Out: &out, Err: &errs, Now: time.Now}, c)
		if code == 2 || out.Len()+errs.Len() == 0 {
			t.Errorf("%s ended with %d and printed nothing", args, code)
		}
		fmt.Fprintln(g, "command:", args, code, out.String(), errs.String())
	}
	if !strings.Contains(g.text.String(), `"check": "fhir-kick-off-service"`) {
		t.Errorf("doctor has not asked the server:\n%s", g.text.String())
	}
}

// exportsFile is the file of the plan, for doctor.
func (w *parts) exportsFile(path string) ([]byte, error) {
	if path != "exports.yaml" {
		return nil, errors.New("there is no such file")
	}
	return fmt.Appendf(nil, `version: 1
sources:
  service: {url: %q, dialect: azure, auth: {kind: none}}
plans:
  - {name: study, source: service, level: system, schema: fhir, schedule: "@every 1h"}
`, w.base), nil
}

// messageOf returns the id of a message in the quarantine.
func messageOf(t *testing.T, w *parts) string {
	t.Helper()
	for f, err := range quarantine.Messages(t.Context(), w.lake) {
		if err != nil {
			t.Fatal(err)
		}
		return f.Message.ID
	}
	t.Fatal("no message was kept")
	return ""
}

// journalOf reads the exports.
type journalOf struct {
	cli.Journal
	w *parts
}

func (j journalOf) Exports(
	ctx context.Context, plan string, most int,
) ([]records.ExportSummary, error) {
	return records.Exports(ctx, j.w.journal, plan, most)
}

// quarantineOf reads the quarantine.
type quarantineOf struct {
	cli.Quarantine
	w *parts
}

func (q quarantineOf) Quarantined(
	ctx context.Context, query quarantine.Query,
) (quarantine.Listing, error) {
	return quarantine.List(ctx, q.w.lake, query)
}

func (q quarantineOf) ExplainQuarantine(
	ctx context.Context, s quarantine.Selection,
) (quarantine.Report, error) {
	return quarantine.Explain(ctx, q.w.lake, s)
}

func (q quarantineOf) KeptMessage(ctx context.Context, id string) (quarantine.File, error) {
	f, _, err := quarantine.FindMessage(ctx, q.w.lake, id)
	return f, err
}

func (quarantineOf) CopyMessage(context.Context, string, io.Writer) error {
	return errors.New("nobody asks for the content")
}

func (q quarantineOf) RetryMessages(
	ctx context.Context, id string, p *quarantine.Progress,
) (retry.MessagesReport, error) {
	m := retry.Messenger{
		Lake: q.w.lake, Remover: q.w.lake, Queue: q.w.queue, Journal: q.w.journal,
	}
	if id == "" {
		return m.All(ctx, p)
	}
	return m.Message(ctx, id)
}

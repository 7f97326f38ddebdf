package cli_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"fhirsynapse/internal/batch/localfs"
	"fhirsynapse/internal/cli"
	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/quarantine"
	"fhirsynapse/internal/quarantine/retry"
)

// marker stands for health data.
const marker = "Zebulon-Qx7"

// quarantineFolder implements cli.Quarantine with a folder of this machine.
type quarantineFolder struct{ lake pipeline.Lake }

func (q quarantineFolder) Quarantined(
	ctx context.Context, query quarantine.Query,
) (quarantine.Listing, error) {
	if query.Name == "weekly" {
		return quarantine.Listing{}, fault.Permanentf("plan weekly: there is no such plan")
	}
	return quarantine.List(ctx, q.lake, query)
}

func (q quarantineFolder) ExplainQuarantine(
	ctx context.Context, s quarantine.Selection,
) (quarantine.Report, error) {
	r, err := quarantine.Explain(ctx, q.lake, s)
	r.Schema = "fhir"
	return r, err
}

func (q quarantineFolder) CopyQuarantined(
	ctx context.Context, s quarantine.Selection, w io.Writer,
) (int64, error) {
	return quarantine.CopyLines(ctx, q.lake, s, w)
}

func (q quarantineFolder) CopyServerTexts(
	ctx context.Context, export string, w io.Writer,
) (int64, error) {
	return quarantine.CopyTexts(ctx, q.lake, export, w)
}

// RetryQuarantine loads nothing: one of two lines of each export is still bad.
func (q quarantineFolder) RetryQuarantine(
	_ context.Context, s quarantine.Selection,
) (retry.Report, error) {
	r := retry.Report{Export: s.Export, As: s.Export + ".retry", Files: []retry.FileReport{}}
	switch {
	case s.Export == "weekly-000001":
		return retry.Report{}, fault.Permanentf("export weekly-000001: there is no such export")
	case s.Type == "Observation":
		return r, nil
	}
	r.Counts = pipeline.Counts{Lines: 2, Applied: 1, Quarantined: 1}
	f := retry.FileReport{Type: "Patient", From: "f/Patient-1.ndjson", Counts: r.Counts}
	f.Left = []retry.Left{{Line: 7, Reason: "byte 3: it is not JSON"}}
	if s.Reason == "limit" {
		f.Left, f.Counts = []retry.Left{}, pipeline.Counts{Lines: 2, Applied: 2}
		r.Counts = f.Counts
	}
	r.Files = append(r.Files, f)
	return r, nil
}

func (q quarantineFolder) KeptMessage(ctx context.Context, id string) (quarantine.File, error) {
	f, _, err := quarantine.FindMessage(ctx, q.lake, id)
	return f, err
}

func (q quarantineFolder) CopyMessage(ctx context.Context, id string, w io.Writer) error {
	_, body, err := quarantine.FindMessage(ctx, q.lake, id)
	_, writeErr := w.Write(body)
	return errors.Join(err, writeErr)
}

// RetryMessages sends the message abc and refuses abcd.
func (quarantineFolder) RetryMessages(
	_ context.Context, id string, _ *quarantine.Progress,
) (retry.MessagesReport, error) {
	facts := quarantine.MessageFacts{
		ID: "abc", Queue: "export-steps", Step: "poll", Export: "nightly-000001",
	}
	r := retry.MessagesReport{Sent: 1, Messages: []retry.MessageReport{
		{MessageFacts: facts, Sent: true, Outcome: "goes on"},
	}}
	switch id {
	case "abcd":
		return retry.MessagesReport{Messages: []retry.MessageReport{}},
			fault.BadDataf("message abcd is not sent again")
	case "":
		r.Refused = 2
	}
	return r, nil
}

// badLines returns the content of a file of the quarantine, one line for each reason.
func badLines(t *testing.T, reasons ...string) string {
	t.Helper()
	var out strings.Builder
	for i, reason := range reasons {
		line, err := json.Marshal(quarantine.Line{
			Line: int64(10*i + 2), Reason: reason,
			Text: fmt.Sprintf(`{"resourceType":"Patient","id":"%s-%d"`, marker, i),
		})
		if err != nil {
			t.Fatal(err)
		}
		out.Write(append(line, '\n'))
	}
	return out.String()
}

func newQuarantine(t *testing.T, large bool) quarantineFolder {
	t.Helper()
	lake := localfs.New(t.TempDir())
	bad := badLines(t, "byte 12: the line ends too early", "byte 7: the line ends too early",
		"the resource has no id")
	files := map[string]string{
		"nightly-000002/Patient/v1/f/Patient-1.ndjson@0x1.ndjson":      bad,
		"nightly-000002/Patient/v1/f/Patient-2.ndjson@0x2.ndjson":      bad,
		"nightly-000002/Observation/v12/f/Observation.ndjson@x.ndjson": badLines(t, "no id"),
		"nightly-000002/nightly-000002.1/server-ab.txt":                marker + "\n",
		"nightly-b-000001/Patient/v1/f/Patient-9.ndjson@0x1.ndjson":    bad,
		"messages/abc.json":  `{"who":"` + marker + `"}`,
		"messages/abcd.json": `{"step":"poll","export":"nightly-000002","job":1}`,
		"nightly-000002/nightly-000002.1/file-ab.json": `{"step":"prepare","type":"Patient",` +
			`"path":"f/Patient-7.ndjson","cause":"the program panicked"}`,
		"notes.txt": marker,
		"broken-000001/Patient/v1/f/Patient.ndjson@1.ndjson": "{\"line\":1}\n" + marker,
	}
	if large {
		files["nightly-000003/Patient/v1/f/P.ndjson@1.ndjson"] = badLines(t,
			strings.Repeat("x", 1<<20))
	}
	for path, content := range files {
		if _, err := lake.Put(t.Context(), pipeline.Quarantine, path,
			strings.NewReader(content)); err != nil {
			t.Fatal(err)
		}
	}
	return quarantineFolder{lake}
}

// No command prints content of the quarantine, except show --lines.
func TestQuarantineCommands(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		args     []string
		large    bool
		code     int
		out      []string
		not      string
		err      string
		marked   bool
		jsonRows int
	}{
		"list": {
			args: []string{"list"},
			out: []string{
				"nightly-000002", "f/Patient-1.ndjson ", "server text", "│ abc ", "no kind of step",
				"1 failed files", "f/Patient-7.ndjson", "retry --messages",
				"notes.txt", "5 files of bad lines", "1 texts of a server", "2 messages",
				"1 files of others",
			},
		},
		"list of a plan": {
			args: []string{"list", "nightly"},
			out:  []string{"3 files of bad lines", "1 texts of a server", "1 failed"}, not: "nightly-b",
		},
		"list of an export": {
			args: []string{"list", "nightly-b-000001", "--json"}, jsonRows: 1,
			out: []string{`"lines": 3`, `"from": "f/Patient-9.ndjson"`, `"type": "Patient"`},
		},
		"list of few": {
			args: []string{"list", "--most", "1"}, out: []string{"the newest 2 files and messages are shown"},
		},
		"list of few as JSON": {
			args: []string{"list", "--most", "1", "--json"}, jsonRows: 2, err: "the newest 2 of 5",
		},
		"list of none": {
			args: []string{"list", "monthly"},
			out:  []string{"nothing is in the quarantine of monthly"},
		},
		"list of none as JSON": {
			args: []string{"list", "monthly", "--json"}, out: []string{"[]"},
		},
		"list of an unknown plan": {
			args: []string{"list", "weekly"}, code: 1, err: "no such plan",
		},
		"list of two": {
			args: []string{"list", "a", "b"}, code: 2, err: `"b" is one`,
		},
		"list of no number": {
			args: []string{"list", "--most", "0"}, code: 2, err: "at least 1",
		},
		"list does not read much": {
			args: []string{"list"}, large: true, out: []string{"?", "--count"},
		},
		"list counts what it must": {args: []string{"list", "--count"}, large: true, not: "?"},
		"show": {
			args: []string{"show", "nightly-000002"},
			out: []string{
				"the line ends too early │     4 │     2", "f/Patient-1.ndjson: 2, 12", "Observation",
				"1 texts of a server, which may name patients: fhirsynapse quarantine show nightly-000002 --texts",
				"fhirsynapse load mended --to WAREHOUSE --schema fhir",
				"the export failed at f/Patient-7.ndjson: the program panicked",
				"fhirsynapse exports start nightly",
			},
		},
		"show one type": {
			args: []string{"show", "nightly-000002", "Patient", "--json"}, jsonRows: 2,
			out: []string{`"lines": 4`, `"files": 2`}, not: "Observation",
		},
		"show by reason": {
			args: []string{"show", "nightly-000002", "--where", "reason~has no id"},
			out:  []string{"the resource has no id"}, not: "too early",
		},
		"show another type": {
			args: []string{"show", "nightly-000002", "Group"},
			out:  []string{"has bad lines of Observation, Patient"},
		},
		"show nothing": {
			args: []string{"show", "nightly-000009"},
			out:  []string{"no bad lines of nightly-000009 are in the quarantine"},
		},
		"show lines": {
			args: []string{"show", "nightly-000002", "Patient", "--lines", "--where", "reason~id"},
			out:  []string{marker + "-2"}, not: "too early", err: "are health data", marked: true,
		},
		"show texts": {
			args: []string{"show", "nightly-000002", "--texts"}, err: "are health data",
			out: []string{
				`{"path":"nightly-000002/nightly-000002.1/server-ab.txt","text":"` + marker + `"}`,
			},
			not: "resourceType", marked: true,
		},
		"show texts of a type": {
			args: []string{"show", "a-000001", "Patient", "--texts"}, code: 2, err: "name no type",
		},
		"show lines and texts": {
			args: []string{"show", "a-000001", "--lines", "--texts"}, code: 2,
			err: "exclude each other",
		},
		"show no texts": {
			args: []string{"show", "nightly-b-000001", "--texts"}, err: "no such texts",
		},
		"show no lines": {
			args: []string{"show", "nightly-000009", "--lines"}, err: "there are none",
		},
		"show a damaged file": {
			args: []string{"show", "broken-000001"}, code: 1,
			err: "its line 2 is not a bad line as this program stores them",
		},
		"show a message": {
			args: []string{"show", "messages/abc.json"},
			out:  []string{"no kind of step", "quarantine retry abc after the upgrade", "--body"},
		},
		"show a message that can be read": {
			args: []string{"show", "messages/abcd"},
			out:  []string{"poll of nightly-000002", "back on its queue: fhirsynapse quarantine retry abcd"},
		},
		"show a message as JSON": {
			args: []string{"show", "messages/abc", "--json"},
			out:  []string{`"kind": "message"`, `"id": "abc"`},
		},
		"show the body of a message": {
			args: []string{"show", "messages/abc", "--body"}, out: []string{marker}, marked: true,
			err: "may hold health data",
		},
		"show no message": {
			args: []string{"show", "messages/x"}, code: 1, err: "message x is not in the quarantine",
		},
		"show lines of a message": {
			args: []string{"show", "messages/abc", "--lines"}, code: 2, err: "--json or --body alone",
		},
		"show the body of an export": {
			args: []string{"show", "nightly-000002", "--body"}, code: 2, err: "is for a message",
		},
		"show what": {args: []string{"show"}, code: 2, err: "the export is missing"},
		"show by something else": {
			args: []string{"show", "a-000001", "--where", "x"}, code: 2, err: "reason~TEXT",
		},
		"show both": {
			args: []string{"show", "a-000001", "--lines", "--json"}, code: 2, err: "JSON already",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := commands()
			q := newQuarantine(t, tt.large)
			c.Quarantine, c.Messages = q, q
			var out, errs strings.Builder
			code := cli.Run(t.Context(), append([]string{"quarantine"}, tt.args...),
				func(string) string { return "" },
				cli.Streams{Out: &out, Err: &errs, Now: time.Now}, c)
			if code != tt.code || !strings.Contains(errs.String(), tt.err) ||
				tt.err == "" && errs.Len() > 0 {
				t.Errorf("ended with %d: %s", code, errs.String())
			}
			for _, want := range tt.out {
				if !strings.Contains(out.String(), want) {
					t.Errorf("no %q in\n%s", want, out.String())
				}
			}
			if tt.not != "" && strings.Contains(out.String(), tt.not) {
				t.Errorf("%q in\n%s", tt.not, out.String())
			}
			if strings.Contains(errs.String(), marker) ||
				strings.Contains(out.String(), marker) != tt.marked {
				t.Errorf("health data, in\n%s%s", out.String(), errs.String())
			}
			var rows []json.RawMessage
			if err := json.Unmarshal([]byte(out.String()),
				&rows); tt.jsonRows > 0 && (err != nil || len(rows) != tt.jsonRows) {
				t.Errorf("%d rows, %v:\n%s", len(rows), err, out.String())
			}
		})
	}
}

// A person who waits learns on stderr how much is read.
func TestQuarantineTellsOfItsWork(t *testing.T) {
	t.Parallel()
	c, ticks := commands(), make(chan time.Time)
	c.Quarantine = slowQuarantine{newQuarantine(t, false), ticks}
	var out, errs strings.Builder
	var seconds atomic.Int64
	code := cli.Run(t.Context(), []string{"quarantine", "show", "nightly-000002"},
		func(string) string { return "" }, cli.Streams{
			Out: &out, Err: &errs,
			Now: func() time.Time { return time.Unix(10*seconds.Add(1), 0) },
			Ticks: func(time.Duration) (<-chan time.Time, func()) {
				return ticks, func() {}
			},
		}, c)
	if want := "reading the quarantine: 3 files, 7 lines, for "; code != 0 ||
		!strings.Contains(errs.String(), want) {
		t.Errorf("ended with %d, no %q in %s", code, want, errs.String())
	}
}

// slowQuarantine lets the clock tick before it returns.
type slowQuarantine struct {
	quarantineFolder
	ticks chan<- time.Time
}

func (q slowQuarantine) ExplainQuarantine(
	ctx context.Context, s quarantine.Selection,
) (quarantine.Report, error) {
	r, err := q.quarantineFolder.ExplainQuarantine(ctx, s)
	q.ticks <- time.Time{}
	q.ticks <- time.Time{} // the first has been printed
	return r, err
}

func TestQuarantineRetry(t *testing.T) {
	t.Parallel()
	c := commands()
	c.Quarantine, c.Messages = quarantineFolder{}, quarantineFolder{}
	for args, want := range map[string]struct {
		code     int
		out, err string
	}{
		"nightly-000001": {
			3, "still bad: f/Patient-1.ndjson line 7: byte 3: it is not JSON\n" +
				"nightly-000001.retry: 2 lines read, 1 applied, 0 superseded, 1 still bad\n",
			"1 of 2 lines are still bad: fhirsynapse quarantine show nightly-000001",
		},
		"nightly-000001 Patient --where reason~limit": {0, "2 applied", ""},
		"nightly-000001 Observation": {
			0, "no lines of this choice are left to retry in nightly-000001\n", "",
		},
		"nightly-000001 --json":        {3, `"as": "nightly-000001.retry"`, "still bad"},
		"weekly-000001":                {1, "", "there is no such export"},
		"nightly-000001 --where limit": {2, "", "write reason~TEXT"},
		"":                             {2, "", "the export or message is missing"},
		"messages/abc": {
			0, "message abc: sent to export-steps again as poll of nightly-000001: goes on\n", "",
		},
		"messages/abcd": {1, "", "abcd is not sent again"},
		"--messages": {
			3, "1 messages sent again, 2 left", "2 messages are still in the quarantine",
		},
		"--messages --json":           {3, `"sent": 1`, "still in the quarantine"},
		"--messages x":                {2, "", "name none"},
		"messages/abc Patient":        {2, "", "are for lines"},
		"--messages --where reason~x": {2, "", "are for lines"},
		"nightly-000001 Patient x":    {2, "", "one argument too many"},
	} {
		got := run(t, c, nil, append([]string{"quarantine", "retry"}, strings.Fields(args)...)...)
		if got.code != want.code || !strings.Contains(got.out, want.out) ||
			!strings.Contains(got.err, want.err) {
			t.Errorf("%s: code %d, want %d:\n%s%s", args, got.code, want.code, got.out, got.err)
		}
	}
}

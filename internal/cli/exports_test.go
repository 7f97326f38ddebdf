package cli_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/cli"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
)

func summary(state records.State, failure *records.Failure) records.ExportSummary {
	return records.ExportSummary{Export: records.Export{
		ID: "nightly-000003", Plan: "nightly", State: state, Failure: failure,
	}}
}

func TestWhatIsDoneToExportsIsSaid(t *testing.T) {
	t.Parallel()
	start := func(e records.ExportSummary, err error) func(*cli.Commands) {
		return func(c *cli.Commands) {
			c.Journal.(*operator).start = func(
				context.Context, string, records.Window,
			) (records.ExportSummary, error) {
				return e, err
			}
		}
	}
	cancel := func(id string, jobs []pipeline.JobEnd, err error) func(*cli.Commands) {
		return func(c *cli.Commands) {
			c.Journal.(*operator).cancel = func(
				context.Context, string,
			) (string, []pipeline.JobEnd, error) {
				return id, jobs, err
			}
		}
	}
	tests := map[string]struct {
		args []string
		with func(*cli.Commands)
		want outcome
	}{
		"started": {
			[]string{"start", "nightly"},
			start(summary(records.Exporting, nil), nil),
			outcome{out: "nightly-000003\n"},
		},
		"started, and the server is away": {
			[]string{"start", "nightly"},
			start(summary(records.Requested, nil),
				errors.New("start plan nightly: the server is away")),
			outcome{
				out: "nightly-000003\n",
				err: "fhirsynapse: start plan nightly: the server is away\n" +
					"fhirsynapse: the export is in the journal: the app continues it at its next tick\n",
			},
		},
		"started, and refused": {
			[]string{"start", "nightly"},
			start(summary(records.Failed, &records.Failure{Step: "kick-off", Cause: "HTTP 403"}),
				nil),
			outcome{
				code: 1, out: "nightly-000003\n",
				err: "fhirsynapse: export nightly-000003 has failed: kick-off: HTTP 403\n",
			},
		},
		"nothing to start": {
			[]string{"start", "nightly"},
			start(summary(records.Cancelled, nil), nil),
			outcome{
				code: 1, out: "nightly-000003\n",
				err: "fhirsynapse: export nightly-000003 has nothing to ask for: " +
					"the plan's last export ended where this one would end by the server's clock\n",
			},
		},
		"not started": {
			[]string{"start", "weekly"},
			start(records.ExportSummary{}, errors.New("start plan weekly: no\nand no")),
			outcome{code: 1, err: "fhirsynapse: start plan weekly: no\nfhirsynapse: and no\n"},
		},
		"asked for": {
			[]string{"start", "--at-tick", "nightly"},
			func(c *cli.Commands) {
				c.Journal.(*operator).ask = func(
					context.Context, string, records.Window,
				) (string, error) {
					return "nightly-000004", nil
				}
			},
			outcome{
				out: "nightly-000004\n", err: "fhirsynapse: the app starts it at its next tick\n",
			},
		},
		"cancelled": {
			[]string{"cancel", "nightly"},
			cancel("nightly-000003", []pipeline.JobEnd{
				{Job: "nightly-000003.1", Fate: pipeline.JobCancelled},
				{
					Job: "nightly-000003.2", Fate: pipeline.JobLeft,
					Err: errors.New("the server is away"),
				},
			}, nil),
			outcome{
				out: "export nightly-000003 is cancelled\njob nightly-000003.1: ended at the server\n" +
					"job nightly-000003.2: not ended at the server: the next tick tries again\n",
				err: "fhirsynapse: job nightly-000003.2: the server is away\n",
			},
		},
		"not cancelled": {
			[]string{"cancel", "nightly"},
			cancel("", nil, errors.New("plan nightly has no export that runs")),
			outcome{code: 1, err: "fhirsynapse: plan nightly has no export that runs\n"},
		},
		"paused": {
			[]string{"pause", "nightly"},
			func(*cli.Commands) {},
			outcome{out: "plan nightly is paused\n"},
		},
		"paused already": {
			[]string{"pause", "nightly"},
			func(c *cli.Commands) {
				c.Journal.(*operator).pause = func(context.Context, string) error {
					return errors.New("pause plan nightly: it is paused already")
				}
			},
			outcome{code: 1, err: "fhirsynapse: pause plan nightly: it is paused already\n"},
		},
		"resumed": {
			[]string{"resume", "nightly"},
			func(*cli.Commands) {},
			outcome{out: "plan nightly is resumed\n"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := commands()
			tt.with(&c)
			got := run(t, c, nil, append([]string{"exports"}, tt.args...)...)
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(outcome{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTheListShowsPausesAndWishes(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	wish, before := summary(records.Requested, nil), summary(records.Loaded, nil)
	before.ID, before.TouchedAt = "nightly-000002", at
	wish.PlanPausedAt, before.PlanPausedAt = at, at
	c := commands()
	c.Journal.(*operator).exports = func(
		context.Context, string, int,
	) ([]records.ExportSummary, error) {
		return []records.ExportSummary{wish, before}, nil
	}
	got := run(t, c, nil, "exports")
	if last := "\nplan nightly is paused since 2026-01-02T03:04:05Z: " +
		"fhirsynapse exports resume nightly\n"; !strings.HasSuffix(got.out, last) ||
		strings.Count(got.out, "is paused") != 1 {
		t.Errorf("the pause is not shown, once:\n%s", got.out)
	}
	if !strings.Contains(got.out, "│ the app starts it at its next tick ") {
		t.Errorf("the wish is not explained:\n%s", got.out)
	}
}

func TestExportsStartWidensTheWindow(t *testing.T) {
	t.Parallel()
	january := time.Date(2026, time.January, 31, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		args []string
		want records.Window
		err  string
	}{
		{nil, records.Window{}, ""},
		{[]string{"--full"}, records.Window{Full: true}, ""},
		{
			[]string{"--full", "--accept-missing"},
			records.Window{Full: true, AcceptMissing: true},
			"",
		},
		{[]string{"--since", "2026-01-31"}, records.Window{Since: january}, ""},
		{
			[]string{"--since=2026-01-31T09:30:00+01:00"},
			records.Window{Since: january.Add(8*time.Hour + 30*time.Minute)},
			"",
		},
		{[]string{"--since", "31.1.2026"}, records.Window{}, "--since 31.1.2026: write a date such as"},
		{[]string{"--since", "2026-01-31", "--full"}, records.Window{}, "exclude each other"},
	} {
		for _, tick := range []string{"--at-tick=false", "--at-tick"} {
			var got []records.Window
			all := commands()
			all.Journal = &operator{
				start: func(
					_ context.Context, _ string, w records.Window,
				) (records.ExportSummary, error) {
					got = append(got, w)
					return records.ExportSummary{
						Export: records.Export{ID: "nightly-000003", State: records.Exporting},
					}, nil
				},
				ask: func(_ context.Context, _ string, w records.Window) (string, error) {
					got = append(got, w)
					return "nightly-000003", nil
				},
			}
			args := append([]string{"exports", "start", "nightly", tick}, c.args...)
			out := run(t, all, nil, args...)
			switch {
			case c.err != "":
				if out.code != 2 || !strings.Contains(out.err, c.err) || len(got) != 0 {
					t.Errorf("%q: %+v", c.args, out)
				}
			case out.code != 0 || len(got) != 1 || got[0] != c.want:
				t.Errorf("%q: %+v, window %+v, want %+v", c.args, out, got, c.want)
			}
		}
	}
}

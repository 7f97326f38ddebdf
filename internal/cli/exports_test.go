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
				context.Context, string,
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
				c.Journal.(*operator).ask = func(context.Context, string) (string, error) {
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

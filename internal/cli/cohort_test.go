package cli_test

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"fhirsynapse/internal/cli"
	"fhirsynapse/internal/cohort"
	"fhirsynapse/internal/fault"
)

// cohortKeeper implements cli.Cohorts with two cohorts.
type cohortKeeper struct {
	asked []cohort.Options
	files []string
	err   error
}

func (k *cohortKeeper) Cohorts(_ context.Context, file string) ([]cohort.State, error) {
	k.files = append(k.files, file)
	made := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	return []cohort.State{
		{
			Name: "former-smokers", Source: "clinic", Search: "Observation?code=a",
			Match: cohort.MatchLatest, Membership: cohort.Tracking, Plans: []string{"monthly"},
			Record: cohort.Record{
				Members: 5, MadeAt: made, CheckedAt: made, ChangedAt: made, Joins: 1, Leaves: 2,
				Found: cohort.Counts{InError: 3, Superseded: 1},
				Shards: []cohort.Shard{{
					Group: "cohort-former-smokers-001", Version: "4", Members: 5,
				}},
			},
		},
		{
			Name: "diabetes", Source: "clinic", Membership: cohort.Fixed, Match: cohort.MatchEver,
			Record: cohort.Record{
				Trouble: "cohort diabetes: the search found nobody", TroubleAt: made,
			},
		},
	}, nil
}

func (k *cohortKeeper) RefreshCohort(
	_ context.Context, file, name string, o cohort.Options,
) (cohort.Report, error) {
	k.asked, k.files = append(k.asked, o), append(k.files, file)
	if k.err != nil {
		return cohort.Report{}, k.err
	}
	return cohort.Report{
		Cohort: name, Members: 5, Joins: 1, Leaves: 2, Found: cohort.Counts{InError: 3},
		Groups: []cohort.Change{{
			Group: "cohort-" + name + "-001", Members: 5, Does: cohort.Updated, Foreign: true,
		}},
	}, nil
}

func TestCohortCommands(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		args  []string
		err   error
		out   []string
		fail  string
		file  string
		asked []cohort.Options
	}{
		"list": {
			args: []string{"list"},
			out: []string{
				"former-smokers", "tracking", "2026-03-01T12:00:00Z",
				"diabetes", "the search found",
			},
		},
		"list as JSON": {
			args: []string{"list", "--json"},
			out:  []string{`"name": "former-smokers"`, `"members": 5`},
		},
		"show": {
			args: []string{"show", "former-smokers"},
			out: []string{
				"Observation?code=a", "1 joined, 2 left", "cohort-former-smokers-001",
				"3 entered in error, 1 patients whose newest Observation says something else",
			},
		},
		"show what is not there": {
			args: []string{"show", "x"}, fail: "which has former-smokers, diabetes",
		},
		"plan": {
			args:  []string{"plan", "--dry-run"},
			out:   []string{"former-smokers", "diabetes", "someone else has changed Group"},
			asked: []cohort.Options{{DryRun: true}, {DryRun: true}},
		},
		"plan of one": {
			args:  []string{"plan", "diabetes", "--json"},
			out:   []string{`"joins": 1`, `"leaves": 2`, `"does": "updated"`},
			asked: []cohort.Options{{DryRun: true}},
		},
		"plan of a file": {
			args: []string{"plan", "--dry-run", "--config", "mine.yaml"},
			out:  []string{"former-smokers"}, file: "mine.yaml",
			asked: []cohort.Options{{DryRun: true}, {DryRun: true}},
		},
		"plan of a server that is away": {
			args: []string{"plan"}, err: fault.Transientf("the server is away"),
			fail:  "cohort former-smokers asks",
			asked: []cohort.Options{{DryRun: true}, {DryRun: true}},
		},
		"plan never writes": {
			args: []string{"plan", "--dry-run=false"}, fail: "plan is always a dry run",
		},
		"refresh": {
			args: []string{"refresh", "former-smokers"}, out: []string{"former-smokers"},
			asked: []cohort.Options{{}},
		},
		"refresh by force": {
			args: []string{"refresh", "former-smokers", "--force"},
			out:  []string{"former-smokers"}, asked: []cohort.Options{{Force: true}},
		},
		"refresh that is refused": {
			args: []string{"refresh", "former-smokers"},
			err:  fault.Permanentf("cohort former-smokers: 3 of 10 members would leave"),
			fail: "3 of 10 members would leave", asked: []cohort.Options{{}},
		},
		"refresh of nothing": {args: []string{"refresh"}, fail: "the cohort is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			keeper := &cohortKeeper{err: tt.err}
			c := commands()
			c.Cohorts = keeper
			var out, errs strings.Builder
			code := cli.Run(t.Context(), append([]string{"cohort"}, tt.args...),
				func(string) string { return "" },
				cli.Streams{Out: &out, Err: &errs, Now: time.Now}, c)
			if (code == 0) != (tt.fail == "") || !strings.Contains(errs.String(), tt.fail) {
				t.Errorf("ended with %d: %s", code, errs.String())
			}
			for _, want := range tt.out {
				if !strings.Contains(out.String(), want) {
					t.Errorf("no %q in\n%s", want, out.String())
				}
			}
			for _, file := range keeper.files {
				if file != tt.file {
					t.Errorf("read %q, want %q", file, tt.file)
				}
			}
			if len(keeper.asked) != len(tt.asked) {
				t.Fatalf("asked %v", keeper.asked)
			}
			for i, o := range keeper.asked {
				if o != tt.asked[i] {
					t.Errorf("asked %v, want %v", keeper.asked, tt.asked)
				}
			}
		})
	}
}

// Every command of the page is one that the program has.
func TestTheCommandsOfTheCohortsPageWork(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/cohorts.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```sh\n")
	block, _, _ := strings.Cut(rest, "```")
	n := 0
	for line := range strings.Lines(block) {
		n++
		c := commands()
		c.Cohorts = &cohortKeeper{}
		var out, errs strings.Builder
		code := cli.Run(t.Context(), strings.Fields(line)[1:],
			func(string) string { return "" },
			cli.Streams{Out: &out, Err: &errs, Now: time.Now}, c)
		if code != 0 || errs.Len() > 0 {
			t.Errorf("%s ended with %d: %s", strings.TrimSpace(line), code, errs.String())
		}
	}
	if n != 4 {
		t.Errorf("the page has %d commands", n)
	}
}

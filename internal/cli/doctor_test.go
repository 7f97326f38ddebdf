package cli_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/app/connect"
	"fhirsynapse/internal/cli"
	"fhirsynapse/internal/doctor"
)

// clinic implements cli.Doctor with a subject of the test.
type clinic struct {
	subject doctor.Subject
	err     error
	asked   connect.DoctorRequest
	closed  bool
}

func (c *clinic) Subject(_ context.Context, q connect.DoctorRequest) (
	doctor.Subject, func(context.Context), error,
) {
	c.asked = q
	return c.subject, func(context.Context) { c.closed = true }, c.err
}

// consult runs doctor. The clock stands still, because checks read it at the same time.
func consult(t *testing.T, c *clinic, args ...string) outcome {
	t.Helper()
	var out, errs strings.Builder
	all := commands()
	all.Doctor = c
	now := func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }
	code := cli.Run(t.Context(), append([]string{"doctor"}, args...),
		func(string) string { return "" }, cli.Streams{Out: &out, Err: &errs, Now: now}, all)
	return outcome{code, out.String(), errs.String()}
}

func ill() doctor.Subject {
	return doctor.Subject{
		Settings: &doctor.Settings{From: "the environment", Faults: []error{
			errors.New("Warehouse: is not set"), errors.New("LakeStorage: is not set"),
		}},
		Views: func() (int, error) { return 12, nil },
		App: &doctor.App{
			Name: "func-x", State: "Running", Settings: 3, Unresolved: []string{"Key"},
		},
	}
}

func TestDoctorReport(t *testing.T) {
	t.Parallel()
	c := &clinic{subject: ill()}
	got := consult(t, c, "--app", "func-x", "--subscription", "s", "--resource-group", "g")
	const want = `warning  function app func-x: 3 settings read; rights are tried as you, and the roles of the app's identity read from Azure; only the app can read Key, a reference to a vault
         -> to check them too, set them as environment variables before the command
failed   settings from the environment: 2 faults:
         Warehouse: is not set
         LakeStorage: is not set
         -> docs/configuration.md lists all settings
ok       ViewDefinitions: they compile, to 12 tables

3 checks: 1 ok, 1 warning, 1 failed, 0 skipped
`
	if diff := cmp.Diff(outcome{code: 1, out: want}, got,
		cmp.AllowUnexported(outcome{})); diff != "" {
		t.Error(diff)
	}
	asked := connect.DoctorRequest{App: "func-x", Subscription: "s", Group: "g"}
	if !c.closed || c.asked != asked {
		t.Errorf("closed %v, asked %+v", c.closed, c.asked)
	}
}

func TestDoctorForScripts(t *testing.T) {
	t.Parallel()
	got := consult(t, &clinic{subject: ill()}, "--json", "--kick-off")
	var report struct {
		Checks  []doctor.Result
		Summary map[string]int
	}
	if err := json.Unmarshal([]byte(got.out), &report); err != nil || got.code != 1 {
		t.Fatalf("code %d: %v\n%s", got.code, err, got.out)
	}
	if len(report.Checks) != 3 || report.Summary["failed"] != 1 ||
		report.Checks[1].Check != "settings" ||
		report.Checks[1].Status != doctor.Failed {
		t.Errorf("%+v", report)
	}
}

func TestDoctorExitCodes(t *testing.T) {
	t.Parallel()
	well := ill()
	well.Settings.Faults = nil
	for name, c := range map[string]struct {
		clinic clinic
		args   []string
		code   int
		want   string // on stderr
	}{
		"warnings only":  {clinic{subject: well}, nil, 0, ""},
		"a failed check": {clinic{subject: ill()}, []string{"--local"}, 1, ""},
		"no such app": {
			clinic{err: errors.New("there is no function app x")},
			[]string{"--app", "x"},
			1,
			"fhirsynapse: there is no function app x\n",
		},
		"both": {
			clinic{}, []string{"--local", "--app", "x"}, 2, "--local and --app: choose one",
		},
		"no app":      {clinic{}, []string{"--subscription", "s"}, 2, "need --app"},
		"no time":     {clinic{}, []string{"--timeout", "1ms"}, 2, "at least 1s"},
		"an argument": {clinic{}, []string{"all"}, 2, "one argument too many"},
	} {
		if got := consult(t, &c.clinic, c.args...); got.code != c.code ||
			!strings.Contains(got.err, c.want) {
			t.Errorf("%s: code %d, want %d: %s", name, got.code, c.code, got.err)
		}
	}
}

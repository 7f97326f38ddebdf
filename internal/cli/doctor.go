package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"fhirsynapse/internal/app/connect"
	"fhirsynapse/internal/doctor"
)

// Doctor finds the installation that doctor examines. A connect.Doctor implements it.
type Doctor interface {
	// Subject returns what a request names. close ends its connections.
	Subject(ctx context.Context, q connect.DoctorRequest) (
		s doctor.Subject, close func(context.Context), err error)
}

func doctorCommand(s Streams, c Commands) *cobra.Command {
	var q connect.DoctorRequest
	var asJSON bool
	var within time.Duration
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check an installation: settings, rights, queues, server, warehouse",
		Long: `Check an installation, and say what to type where something is wrong. Each line is ok, warning,
failed or skipped; a check is skipped if one that it needs has failed.

Without a flag the command reads the app's settings from the environment, like the app itself. With
--local it examines this machine: what a run without the cloud needs, and the settings of Core Tools
in local.settings.json, if there are any. With --app it reads the settings of a deployed Function
App from Azure, as the person who has signed in with az login. Rights are then tried as that person,
and the roles of the app's identity are read from Azure.

The command changes nothing: it writes an empty blob into the containers that the app writes to, and
deletes it. --kick-off also starts an export of one type and the last minute at each FHIR server, and
cancels it.

Exit codes: 0 nothing has failed, there may be warnings; 1 a check has failed, or the app was not
found; 2 wrong command line.`,
		Example: `  fhirsynapse doctor --local
  fhirsynapse doctor --app func-fhirsynapse --json`,
		Args: arguments(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case q.Local && q.App != "":
				return usagef(cmd, "--local and --app: choose one")
			case q.App == "" && (q.Subscription != "" || q.Group != ""):
				return usagef(cmd, "--subscription and --resource-group need --app")
			case within < time.Second:
				return usagef(cmd, "--timeout must be at least 1s")
			}
			return examine(cmd.Context(), s, c, q, within, asJSON)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&q.Local, "local", false, "examine this machine")
	f.StringVar(&q.App, "app", "", "examine the deployed Function App `NAME`")
	f.StringVar(&q.Subscription, "subscription", "",
		"the `ID` of the subscription of the app; without it all of yours are searched")
	f.StringVar(&q.Group, "resource-group", "", "the resource `GROUP` of the app")
	f.BoolVar(&q.KickOff, "kick-off", false,
		"start a small export at each FHIR server, and cancel it")
	f.DurationVar(&within, "timeout", 30*time.Second,
		"the longest time of one check")
	f.BoolVar(&asJSON, "json", false, "print a JSON object")
	return cmd
}

func examine(
	ctx context.Context, s Streams, c Commands, q connect.DoctorRequest, within time.Duration,
	asJSON bool,
) error {
	n := newNarrator(s)
	began := n.now()
	n.wait("", func(now time.Time) string {
		return "reading the settings, for " + span(now.Sub(began))
	})
	subject, end, err := c.Doctor.Subject(ctx, q)
	if err != nil {
		n.end()
		return err
	}
	defer end(ctx)
	var running []string
	tell := func() {
		names := slices.Clone(running)
		n.wait("", func(now time.Time) string {
			return fmt.Sprintf("checking for %s: %s", span(now.Sub(began)),
				strings.Join(names, ", "))
		})
	}
	results := doctor.Examine(ctx, subject, doctor.Options{
		Within: within, Now: n.now,
		Began: func(c doctor.Check) {
			running = append(running, c.Name)
			tell()
		},
		Ended: func(r doctor.Result) {
			running = slices.DeleteFunc(running, func(name string) bool { return name == r.Check })
			tell()
		},
	})
	n.end()
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("the checks were interrupted: %w", err)
	}
	write := diagnosisText
	if asJSON {
		write = diagnosisJSON
	}
	if err := write(s.Out, results); err != nil {
		return err
	}
	if doctor.Worst(results) == doctor.Failed {
		return ended(failed)
	}
	return nil
}

// counts returns the number of results of each status.
func counts(results []doctor.Result) map[doctor.Status]int {
	out := map[doctor.Status]int{}
	for _, r := range results {
		out[r.Status]++
	}
	return out
}

func diagnosisText(w io.Writer, results []doctor.Result) error {
	var b strings.Builder
	const indent = "         "
	for _, r := range results {
		fmt.Fprintf(&b, "%-8s %s: %s\n", r.Status, printable(r.What), indented(r.Why, indent))
		if r.Remedy != "" {
			fmt.Fprintf(&b, "%s-> %s\n", indent, indented(r.Remedy, indent+"   "))
		}
	}
	n := counts(results)
	fmt.Fprintf(&b, "\n%s: %d ok, %s, %d failed, %d skipped\n", countOf(len(results), "check"),
		n[doctor.OK], countOf(n[doctor.Warning], "warning"), n[doctor.Failed], n[doctor.Skipped])
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

// indented puts the further lines of a text below its first.
func indented(text, by string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = printable(lines[i])
	}
	return strings.Join(lines, "\n"+by)
}

// diagnosis is the report for scripts.
type diagnosis struct {
	Checks  []doctor.Result `json:"checks"`
	Summary summary         `json:"summary"`
}

type summary struct {
	OK       int `json:"ok"`
	Warnings int `json:"warnings"`
	Failed   int `json:"failed"`
	Skipped  int `json:"skipped"`
}

func diagnosisJSON(w io.Writer, results []doctor.Result) error {
	n := counts(results)
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(diagnosis{
		Checks: results, Summary: summary{
			OK: n[doctor.OK], Warnings: n[doctor.Warning], Failed: n[doctor.Failed],
			Skipped: n[doctor.Skipped],
		},
	}); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	return nil
}

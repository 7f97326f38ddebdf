// Package cli is the command line of fhirsynapse: one file per command.
//
// It parses, checks and prints. A new command is a file and a line in newRoot. Results go to
// stdout, everything else to stderr. The exit codes are in exit.go.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"fhirsynapse/internal/batch"
	"fhirsynapse/internal/cohort"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
	"fhirsynapse/internal/quarantine"
	"fhirsynapse/internal/quarantine/retry"
	"fhirsynapse/internal/query"
	"fhirsynapse/internal/sof/conformance"
	"fhirsynapse/internal/warehouse"
	"fhirsynapse/internal/warehouse/setup"
)

// portSettings are the variables that a Functions host sets for its child, in the current version
// and in earlier versions.
var portSettings = []string{"FUNCTIONS_CUSTOMHANDLER_PORT", "FUNCTIONS_HTTPWORKER_PORT"}

// Commands holds the dependencies of the commands that a program chooses. A command calls
// everything else directly.
type Commands struct {
	// Serve runs the custom handler and returns the exit code. It returns when ctx ends, or when it
	// cannot go on, after it has logged the reason.
	Serve func(ctx context.Context) int
	// Runs does the work of load and start.
	Runs Runs
	// Journal lists and changes exports, for the command exports.
	Journal Journal
	// Cohorts lists and refreshes cohorts, for the command cohort.
	Cohorts Cohorts
	// Quarantine reads the quarantine container, for the command quarantine.
	Quarantine Quarantine
	// Messages reads the messages that the handler could not read, for the same command.
	Messages Messages
	// Tables lists the tables of plans, for the command tables list.
	Tables Tables
	// Doctor finds the installation to examine, for the command doctor.
	Doctor Doctor
	// Version describes the build.
	Version string

	stubs stubs
}

// Runs loads folders and exports from servers, and lists and maintains the tables of a warehouse. A
// batch.Runner implements it.
type Runs interface {
	Load(ctx context.Context, q batch.LoadRequest) (batch.LoadReport, error)
	Start(ctx context.Context, q batch.StartRequest) (batch.StartReport, error)
	Maintain(ctx context.Context, q batch.MaintainRequest) (batch.MaintainReport, error)
	Tables(ctx context.Context, q batch.TablesRequest) (warehouse.Listing, error)
}

// Tables lists the tables of the app's plans. An app.Operator implements it.
type Tables interface {
	// Tables lists the tables of a plan, or of all plans if plan is empty.
	Tables(ctx context.Context, plan string) (warehouse.Listing, error)
}

// Journal lists and changes the exports of the app. An app.Operator implements it.
type Journal interface {
	// Exports lists the newest exports, of all plans if plan is empty.
	Exports(ctx context.Context, plan string, most int) ([]records.ExportSummary, error)
	// Start begins an export of a plan. An export returned with an error is already in the journal,
	// and the app continues it.
	Start(
		ctx context.Context, plan string, window records.Window,
	) (records.ExportSummary, error)
	// Ask makes the app begin an export at its next tick, and returns the export's id.
	Ask(ctx context.Context, plan string, window records.Window) (id string, err error)
	// Cancel ends an export, or the running export of a plan.
	Cancel(ctx context.Context, exportOrPlan string) (id string, jobs []pipeline.JobEnd, err error)
	// Pause keeps the schedule from starting a plan. Resume ends the pause.
	Pause(ctx context.Context, plan string) error
	Resume(ctx context.Context, plan string) error
}

// Cohorts lists and refreshes the cohorts of the app. An app.Operator implements it.
type Cohorts interface {
	// Cohorts lists the cohorts of a file of plans; empty means the app's exports.yaml.
	Cohorts(ctx context.Context, file string) ([]cohort.State, error)
	// RefreshCohort brings the Groups of a cohort up to date, or reports what would change.
	RefreshCohort(
		ctx context.Context, file, name string, o cohort.Options,
	) (cohort.Report, error)
}

// Quarantine reads the quarantine container of the app. An app.Operator implements it.
type Quarantine interface {
	// Quarantined lists files.
	Quarantined(ctx context.Context, q quarantine.Query) (quarantine.Listing, error)
	// ExplainQuarantine groups the bad lines of an export by their reasons.
	ExplainQuarantine(ctx context.Context, s quarantine.Selection) (quarantine.Report, error)
	// CopyQuarantined writes bad lines, which are health data, and returns their number.
	CopyQuarantined(ctx context.Context, s quarantine.Selection, w io.Writer) (int64, error)
	// CopyServerTexts writes the words of servers about failures of an export, which may be health
	// data, and returns the number of texts.
	CopyServerTexts(ctx context.Context, export string, w io.Writer) (int64, error)
	// RetryQuarantine loads bad lines again. After an error the report has the files that are done.
	RetryQuarantine(ctx context.Context, s quarantine.Selection) (retry.Report, error)
}

// Messages reads the messages in the quarantine of the app. An app.Operator implements it.
type Messages interface {
	// KeptMessage describes a message.
	KeptMessage(ctx context.Context, id string) (quarantine.File, error)
	// CopyMessage writes the content of a message, which may be health data if others have sent it.
	CopyMessage(ctx context.Context, id string, w io.Writer) error
	// RetryMessages puts a message back on its queue, or all for an empty id. After an error the
	// report has the messages that are done.
	RetryMessages(
		ctx context.Context, id string, p *quarantine.Progress,
	) (retry.MessagesReport, error)
}

// stubs replace the calls that need a database, in tests; nil means the real call.
type stubs struct {
	query      func(ctx context.Context, db, statement string, show func(query.Result) error) error
	signIn     func(ctx context.Context, dsn string) (Server, error)
	checkSetup func(ctx context.Context, s setup.Setup, rest string) (setup.Result, error)
}

// Server is a session on a T-SQL server.
type Server interface {
	conformance.Server
	Close() error
}

// Streams are the streams and the clock of the process.
type Streams struct {
	Out, Err io.Writer
	// ErrIsTerminal is set if a person watches Err; progress is then drawn there.
	ErrIsTerminal bool
	// Now is the clock.
	Now func() time.Time
	// Ticks returns a channel that ticks until stop is called; nil means a time.Ticker.
	Ticks func(every time.Duration) (ticks <-chan time.Time, stop func())
}

// Run runs the command that args name, without the program's name, and returns the exit code.
func Run(
	ctx context.Context, args []string, getenv func(string) string, s Streams, c Commands,
) int {
	root := newRoot(getenv, s, c) //nolint:contextcheck // cobra hands ctx to the commands
	root.SetArgs(args)
	root.SetOut(s.Out)
	root.SetErr(s.Err)
	err := root.ExecuteContext(ctx)
	code := codeOf(err)
	var said exitCode
	if err != nil && !errors.As(err, &said) {
		tell(s, err)
	}
	var wrong usageError
	if errors.As(err, &wrong) {
		fmt.Fprintf(s.Err, "fhirsynapse: see %s --help\n", wrong.command)
	}
	return code
}

func newRoot(getenv func(string) string, s Streams, c Commands) *cobra.Command {
	root := &cobra.Command{
		Use:           "fhirsynapse",
		Short:         "FHIR bulk exports into tables, continuously and without loss",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          subcommand,
		RunE: func(cmd *cobra.Command, _ []string) error {
			// The Functions host starts its handler without arguments.
			for _, name := range portSettings {
				if getenv(name) != "" {
					return ended(c.Serve(cmd.Context()))
				}
			}
			return cmd.Help()
		},
	}
	root.SetHelpTemplate(root.HelpTemplate() + "\n" + exitHelp)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef(cmd, "%w", err)
	})
	root.AddCommand(
		serveCommand(c), queryCommand(getenv, s, c), loadCommand(getenv, s, c),
		startCommand(getenv, s, c), exportsCommand(s, c), cohortCommand(s, c),
		quarantineCommand(s, c), doctorCommand(s, c),
		tablesCommand(getenv, s, c), conformanceCommand(getenv, s, c), sqlCommand(getenv, s, c),
		viewsCommand(s), versionCommand(s, c),
	)
	return root
}

// subcommand returns an error that names an unknown command.
func subcommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		return usagef(cmd, "unknown command %q: did you mean %s?", args[0], near[0])
	}
	return usagef(cmd, "unknown command %q", args[0])
}

// one requires a single name; what names the argument in the error.
func one(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch len(args) {
		case 0:
			return usagef(cmd, "%s is missing", what)
		case 1:
			return nil
		}
		return usagef(cmd, "%q is one argument too many: name one at a time", args[1])
	}
}

// arguments requires n arguments; what names them in the error.
func arguments(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < n:
			return usagef(cmd, "%s is missing", what)
		case len(args) > n && n == 0:
			return usagef(cmd, "%q is one argument too many: there are none", args[n])
		case len(args) > n:
			return usagef(cmd, "%q is one argument too many: quote %s", args[n], what)
		}
		return nil
	}
}

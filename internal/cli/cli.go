// Package cli is the command line of fhirsynapse: one file per command.
//
// It parses, checks and prints; what a command does is a function in Commands,
// which the main package fills. Results go to stdout, everything else to stderr.
// The exit codes are in exit.go.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/query"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/conformance"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/warehouse/setup"

	"github.com/spf13/cobra"
)

// portSettings are how a Functions host tells its child that it is one, now and
// formerly.
var portSettings = []string{"FUNCTIONS_CUSTOMHANDLER_PORT", "FUNCTIONS_HTTPWORKER_PORT"}

// Commands are what the command line can do. A nil function means that this
// build has no such command.
type Commands struct {
	// Serve is the custom handler; it returns when ctx ends, or when it cannot go
	// on, after it has logged why, and gives the exit code.
	Serve func(ctx context.Context) int
	// Query answers one statement on a DuckDB file, which it opens read-only, and
	// hands the answer to show.
	Query func(ctx context.Context, db, statement string, show func(query.Result) error) error
	// Load puts the NDJSON files of a folder into a warehouse.
	Load func(ctx context.Context, r LoadRequest) (LoadReport, error)
	// Start does one export of one server into a warehouse.
	Start Starter
	// Exports lists the exports of the journal, of all plans where plan is empty.
	Exports func(ctx context.Context, plan string, most int) ([]pipeline.ExportSummary, error)
	// StartExport begins an export of a plan. One that comes with an error is in the
	// journal already: the app goes on with it.
	StartExport func(ctx context.Context, plan string) (pipeline.ExportSummary, error)
	// AskForExport has the app begin one at its next tick, and gives its id.
	AskForExport func(ctx context.Context, plan string) (id string, err error)
	// CancelExport ends an export, or the one of a plan that runs.
	CancelExport func(ctx context.Context, exportOrPlan string) (id string, jobs []pipeline.JobEnd, err error)
	// PausePlan keeps the schedule from starting a plan; ResumePlan lets it again.
	PausePlan, ResumePlan func(ctx context.Context, plan string) error
	// OpenServer signs in at a T-SQL server, to try bodies on it.
	OpenServer func(ctx context.Context, dsn string) (Server, error)
	// Shell writes the statements round the body of a view, as a warehouse of the
	// engine sends them.
	Shell func(v *sof.View, e tsql.Engine, s Statement) (string, error)
	// CheckSetup looks in a database for what the set-up makes. Rest is the warehouse without its scheme.
	CheckSetup func(ctx context.Context, s setup.Setup, rest string) (setup.Result, error)
	// Version describes the build.
	Version string
}

// Server is a session on a T-SQL server.
type Server interface {
	conformance.Server
	Close() error
}

// Streams are those of the process.
type Streams struct {
	Out, Err io.Writer
	// ErrIsTerminal says that a person watches Err: progress is drawn there.
	ErrIsTerminal bool
	// Now is the clock.
	Now func() time.Time
	// Ticks gives a tick every so often, until stop is called; nil means those of a
	// time.Ticker.
	Ticks func(every time.Duration) (ticks <-chan time.Time, stop func())
}

// Run does what args (without the program's name) say and gives the exit code.
func Run(ctx context.Context, args []string, getenv func(string) string, s Streams, c Commands) int {
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
				if c.Serve != nil && getenv(name) != "" {
					return ended(c.Serve(cmd.Context()))
				}
			}
			return cmd.Help()
		},
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetHelpTemplate(root.HelpTemplate() + "\n" + exitHelp)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usagef(cmd, "%w", err) })
	if c.Serve != nil {
		root.AddCommand(serveCommand(c))
	}
	if c.Query != nil {
		root.AddCommand(queryCommand(getenv, s, c))
	}
	if c.Load != nil {
		root.AddCommand(loadCommand(getenv, s, c))
	}
	if c.Start != nil {
		root.AddCommand(startCommand(getenv, s, c))
	}
	if c.Exports != nil {
		root.AddCommand(exportsCommand(s, c))
	}
	root.AddCommand(conformanceCommand(getenv, s, c), sqlCommand(getenv, s, c), versionCommand(s, c))
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

// one wants a single name; what says of which thing.
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

// arguments checks how many there are; what names them.
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

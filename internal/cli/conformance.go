package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"fhirsynapse/internal/sof/conformance"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/sqlserver"
)

func conformanceCommand(getenv func(string) string, s Streams, c Commands) *cobra.Command {
	var run conformanceRun
	cmd := &cobra.Command{
		Use:   "conformance DIR",
		Short: "Run the official SQL on FHIR test cases",
		Long: "Run the official SQL on FHIR test cases, or other cases in the same format: the *.json files of a\n" +
			"folder. A file in DIR/newer replaces the file of the same name. The comparison is strict: rows as a\n" +
			"multiset, values by the type of their column, and columns in order if the case gives an order. Cases\n" +
			"with FHIRPath that views do not allow, such as now(), are refused with the reason. The exit code is 1\n" +
			"if a case fails.\n\n" +
			"Without --engine the native engine runs the cases. With --engine and --dsn a server runs the SELECT\n" +
			"bodies of a T-SQL engine over a temporary table; cases that the engine cannot express are refused\n" +
			"and not counted. A case that expects an error for more than one item passes if the cast fails that\n" +
			"the body has for this. With --engine alone nothing is run: the command lists the cases that the\n" +
			"engine can express.",
		Example: "  fhirsynapse conformance ./sql-on-fhir-tests --report test_report.json\n" +
			"  fhirsynapse conformance ./sql-on-fhir-tests --engine fabric --list\n" +
			"  fhirsynapse conformance ./sql-on-fhir-tests --engine sqlserver --dsn 'sqlserver://user:password@host:1433?database=test'",
		Args: arguments(1, "the folder"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return run.do(cmd, getenv, s, c, args[0])
		},
	}
	cmd.Flags().StringVar(&run.report, "report", "",
		"write the results to a `FILE` in the format of the suite's registry")
	cmd.Flags().StringVar(&run.engine, "engine", "",
		"the T-SQL `ENGINE` whose bodies are tried: "+engineNames())
	cmd.Flags().StringVar(&run.dsn, "dsn", "",
		"the `URL` of the server to run bodies on, or env:NAME or file:PATH that contains it")
	cmd.Flags().BoolVar(&run.list, "list", false, "print a line for every case")
	return cmd
}

// conformanceRun is one call of the command conformance.
type conformanceRun struct {
	report, engine, dsn string
	list                bool
}

func (r conformanceRun) do(
	cmd *cobra.Command, getenv func(string) string, s Streams, c Commands, dir string,
) error {
	runner := conformance.Runner(conformance.Native)
	var err error
	if r.dsn, _, err = revealed(r.dsn, getenv); err != nil {
		return usagef(cmd, "--dsn: %w", err)
	}
	if r.dsn != "" && r.engine == "" {
		r.engine = string(tsql.SQLServer)
	}
	if r.engine != "" {
		e, err := tsql.ParseEngine(r.engine)
		if err != nil {
			return usagef(cmd, "%w", err)
		}
		runner = conformance.Expressible(e)
		if r.dsn != "" {
			server, err := c.signIn(cmd.Context(), r.dsn)
			if err != nil {
				return fmt.Errorf("conformance on a server: %w", err)
			}
			defer func() { _ = server.Close() }()
			runner = conformance.OnServer(cmd.Context(), e, server)
		}
	}
	files, err := conformance.Load(os.DirFS(dir))
	if err != nil {
		return fmt.Errorf("conformance of %s: %w", dir, err)
	}
	if len(files) == 0 {
		return fmt.Errorf("conformance: there are no case files (*.json with tests) in %s", dir)
	}
	results := conformance.RunAll(files, runner)
	if err := printConformance(s.Out, results, r.list); err != nil {
		return fmt.Errorf("write the results: %w", err)
	}
	if r.report != "" {
		if err := reportConformance(r.report, results); err != nil {
			return fmt.Errorf("write the report: %w", err)
		}
	}
	if conformance.Count(results, conformance.Failed) > 0 {
		return ended(failed)
	}
	return nil
}

// signIn opens a session on a T-SQL server, to run bodies on the server.
func (c Commands) signIn(ctx context.Context, dsn string) (Server, error) {
	if c.stubs.signIn != nil {
		return c.stubs.signIn(ctx, dsn)
	}
	return sqlserver.Open(ctx, dsn)
}

// printConformance writes a line for each file, and the totals. Below a file are its failed and
// refused cases, or all cases if list is set.
func printConformance(w io.Writer, results []conformance.FileResult, list bool) error {
	var b strings.Builder
	notRun := conformance.Count(results, conformance.ExpressibleCase) > 0
	for _, f := range results {
		good := f.Passed()
		if notRun {
			good = conformance.Count([]conformance.FileResult{f}, conformance.ExpressibleCase) +
				good
		}
		fmt.Fprintf(&b, "%s %d/%d\n", f.Name, good, len(f.Results))
		for _, r := range f.Results {
			outcome := r.Outcome()
			switch {
			case list && (outcome == conformance.Passed || outcome == conformance.ExpressibleCase):
				if outcome == conformance.Passed && notRun {
					// the view has a fault, as the case expects
					outcome = "no view"
				}
				fmt.Fprintf(&b, "  %s: %s\n", title(r), outcome)
			case outcome == conformance.OutcomeRefused:
				fmt.Fprintf(&b, "  %s: refused: %s\n", title(r),
					strings.ReplaceAll(r.Err.Error(), "\n", "\n    "))
			case outcome == conformance.Failed:
				fmt.Fprintf(&b, "  %s: %s\n", title(r),
					strings.ReplaceAll(r.Err.Error(), "\n", "\n    "))
			}
		}
	}
	refused := conformance.Count(results, conformance.OutcomeRefused)
	if notRun {
		fmt.Fprintf(&b,
			"%d expressible, %d no view, as expected, %d refused, %d failed; nothing was run: --dsn runs them\n",
			conformance.Count(results, conformance.ExpressibleCase),
			conformance.Count(results, conformance.Passed), refused,
			conformance.Count(results, conformance.Failed))
	} else {
		fmt.Fprintf(&b, "%d passed, %d failed", conformance.Count(results, conformance.Passed),
			conformance.Count(results, conformance.Failed))
		if refused > 0 {
			fmt.Fprintf(&b, ", %d refused", refused)
		}
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// title returns the title of a case on one line.
func title(r conformance.Result) string { return strings.Join(strings.Fields(r.Title), " ") }

// reportConformance writes the report whole or not at all.
func reportConformance(name string, results []conformance.FileResult) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".report-*")
	if err != nil {
		return err
	}
	err = errors.Join(conformance.Report(f, results), f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

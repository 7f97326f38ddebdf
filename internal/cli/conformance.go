package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"fhirsynapse/internal/sof/conformance"
)

func conformanceCommand(s Streams) *cobra.Command {
	var report string
	cmd := &cobra.Command{
		Use:   "conformance DIR",
		Short: "Run the official SQL on FHIR test cases",
		Long: "Run the official SQL on FHIR test cases, which are the *.json files of a folder, with the native\n" +
			"engine. A file is replaced by that of the same name in DIR/newer, where there is one. The comparison\n" +
			"is strict: rows as a multiset, values by the type of their column, columns in order where a case\n" +
			"gives one. The exit code is 1 when a case fails.",
		Example: "  fhirsynapse conformance ./sql-on-fhir-tests --report test_report.json",
		Args:    arguments(1, "the folder"),
		RunE: func(_ *cobra.Command, args []string) error {
			files, err := conformance.Load(os.DirFS(args[0]))
			if err != nil {
				return fmt.Errorf("conformance of %s: %w", args[0], err)
			}
			if len(files) == 0 {
				return fmt.Errorf("conformance: there are no case files (*.json with tests) in %s", args[0])
			}
			results := conformance.RunAll(files, conformance.Native)
			if err := printConformance(s.Out, results); err != nil {
				return fmt.Errorf("write the results: %w", err)
			}
			if report != "" {
				if err := reportConformance(report, results); err != nil {
					return fmt.Errorf("write the report: %w", err)
				}
			}
			if _, failures := conformance.Totals(results); failures > 0 {
				return ended(failed)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&report, "report", "", "write the results to a `FILE` in the format of the suite's registry")
	return cmd
}

// printConformance writes a line per file, what failed below it, and the sum.
func printConformance(w io.Writer, results []conformance.FileResult) error {
	var b strings.Builder
	for _, f := range results {
		fmt.Fprintf(&b, "%s %d/%d\n", f.Name, f.Passed(), len(f.Results))
		for _, r := range f.Results {
			if r.Err != nil {
				fmt.Fprintf(&b, "  %s: %s\n", r.Title, strings.ReplaceAll(r.Err.Error(), "\n", "\n    "))
			}
		}
	}
	passed, failures := conformance.Totals(results)
	fmt.Fprintf(&b, "%d passed, %d failed\n", passed, failures)
	_, err := io.WriteString(w, b.String())
	return err
}

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

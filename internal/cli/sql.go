package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/views"
)

// Statement names a part of the SQL of a view.
type Statement string

// The parts of the SQL of a view.
const (
	StatementBody   Statement = "body"   // the SELECT alone
	StatementView   Statement = "view"   // the CREATE VIEW statement with that SELECT
	StatementStage  Statement = "stage"  // fills a stage from documents
	StatementCommit Statement = "commit" // the transaction
	StatementAll    Statement = "all"
	// StatementMaintain rebuilds tables and renews statistics; it is not part of StatementAll.
	StatementMaintain Statement = "maintain"
)

var statementParts = []Statement{
	StatementBody, StatementStage, StatementView, StatementCommit, StatementMaintain,
	StatementAll,
}

func engineNames() string {
	var names []string
	for _, e := range tsql.Engines() {
		names = append(names, string(e))
	}
	return strings.Join(names, ", ")
}

func sqlCommand(getenv func(string) string, s Streams, c Commands) *cobra.Command {
	var engine, statement, from string
	cmd := &cobra.Command{
		Use:   "sql VIEW",
		Short: "Print the T-SQL of a view",
		Long: "Print the T-SQL of a view, given by the file of a ViewDefinition or by the name of a table.\n" +
			"The body is one SELECT over a table of documents. If the engine cannot express the view, the command\n" +
			"prints the place in the view and the reason, and ends with exit code 1.",
		Example: "  fhirsynapse sql views/patient.json --engine synapse-dedicated\n" +
			"  fhirsynapse sql patient --engine synapse-serverless --statement view --from dbo.patient_documents",
		Args: arguments(1, "the view"),
		RunE: func(cmd *cobra.Command, args []string) error {
			e, err := tsql.ParseEngine(engine)
			if err != nil {
				return usagef(cmd, "%w", err)
			}
			if !slices.Contains(statementParts, Statement(statement)) {
				return usagef(cmd,
					"there is no statement %q: it is one of body, stage, view, commit, maintain, all",
					statement)
			}
			v, err := viewOf(args[0])
			if err != nil {
				return fmt.Errorf("sql of %s: %w", args[0], err)
			}
			text, err := sqlText(v, e, Statement(statement), from)
			if err != nil {
				return err
			}
			_, err = io.WriteString(s.Out, text)
			return err
		},
	}
	cmd.AddCommand(sqlSetupCommand(getenv, s, c))
	cmd.Flags().StringVar(&engine, "engine", string(tsql.SQLServer), "the `ENGINE`: "+engineNames())
	cmd.Flags().StringVar(&statement, "statement", string(StatementBody),
		"the `PART`: body, stage, view, commit, maintain or all")
	cmd.Flags().StringVar(&from, "from", "dbo.documents",
		"the `TABLE` or view with the documents, in its column doc")
	return cmd
}

// viewOf compiles the view in a file, or returns that of a table.
func viewOf(name string) (*sof.View, error) {
	text, err := os.ReadFile(filepath.Clean(name))
	if err == nil {
		return sof.Compile(name, text)
	}
	if !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	v, named := views.Named(name)
	if errors.Is(named, os.ErrNotExist) {
		return nil, fmt.Errorf("there is no such file and no table of that name: %w", err)
	}
	return v, named
}

func sqlText(v *sof.View, e tsql.Engine, part Statement, from string) (string, error) {
	name, err := tsql.ParseName(from)
	if err != nil {
		return "", fmt.Errorf("--from: %w", err)
	}
	shape := tsql.Shape{From: name}
	switch part {
	case StatementBody:
		return tsql.Body(v, e, shape)
	case StatementView:
		return tsql.CreateView(v, e, shape)
	case StatementStage, StatementCommit, StatementMaintain, StatementAll:
	}
	return warehouseStatements(v, e, part)
}

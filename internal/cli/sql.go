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
	"fhirsynapse/internal/storage"
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
	var stored storageFlags
	var asJSON bool
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
			o, err := stored.options(e)
			if err != nil {
				return usagef(cmd, "%w", err)
			}
			text, err := sqlText(v, e, Statement(statement), from, o)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(s, viewSQL{v.Name, string(e), statement, text})
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
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object with the text")
	stored.add(cmd)
	return cmd
}

// viewSQL is the T-SQL of a view for scripts.
type viewSQL struct {
	View      string `json:"view"`
	Engine    string `json:"engine"`
	Statement string `json:"statement"`
	SQL       string `json:"sql"`
}

// storageFlags are the flags for how a table is stored.
type storageFlags struct {
	storage, distribute string
	clusterBy           []string
}

func (f *storageFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.storage, "storage", "",
		"`HOW` the warehouse stores the table: columnstore (sqlserver, synapse-dedicated)")
	cmd.Flags().StringVar(&f.distribute, "distribute", "",
		"by `WHAT` the rows are distributed: patient (synapse-dedicated)")
	cmd.Flags().StringSliceVar(&f.clusterBy, "cluster-by", nil,
		"the `COLUMNS` by which rows are stored together, as in observation.patient_id (fabric)")
}

// options returns the storage, which the engine must have.
func (f *storageFlags) options(e tsql.Engine) (storage.Options, error) {
	o, faults := storage.Parse(f.storage, f.distribute, f.clusterBy)
	err := storage.Join(append(faults, o.Check(string(e), false)...))
	return o, err
}

// viewOf returns a compiled view by the name of its file or of its table.
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

func sqlText(
	v *sof.View, e tsql.Engine, part Statement, from string, o storage.Options,
) (string, error) {
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
	return warehouseStatements(v, e, part, o)
}

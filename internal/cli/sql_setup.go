package cli

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/warehouse/setup"
)

// setupFlags holds the flags of sql setup.
type setupFlags struct {
	setup.Setup
	engine, part, to string
	check, asJSON    bool
}

func sqlSetupCommand(getenv func(string) string, s Streams, c Commands) *cobra.Command {
	var f setupFlags
	cmd := &cobra.Command{
		Use:   "setup",
		Short: "Print the T-SQL that prepares a database, for its administrator",
		Long: "Print the T-SQL that prepares a database: the user of the function app, its schemas, the\n" +
			"permissions that it needs and no more, a role for readers, and everything that only an administrator\n" +
			"can create. Read it, then pipe it to sqlcmd. It may be run again: existing objects stay as they are.\n\n" +
			"With --check and --to the command prints only what is missing in the database, and ends with exit\n" +
			"code 3 if something is, and with 0 otherwise. It only reads the catalog. Sign in as an\n" +
			"administrator: an object that the login cannot see counts as missing.",
		Example: "  fhirsynapse sql setup --engine synapse-dedicated --principal my-function --database fhirpool\n" +
			"  fhirsynapse sql setup --engine fabric --principal my-function --database fhir | sqlcmd -G -b -S HOST -d fhir\n" +
			"  fhirsynapse sql setup --check --to 'fabric://HOST?database=fhir' --principal my-function",
		Args: arguments(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.check {
				return checkSetup(cmd, getenv, s, c, f)
			}
			if f.asJSON {
				return usagef(cmd, "--json is only for --check: the script is T-SQL")
			}
			if f.to != "" {
				return usagef(cmd,
					"--to is only for --check: pipe the script to sqlcmd, or add --check")
			}
			return printSetup(cmd, s, f)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.engine, "engine", "", "the `ENGINE`: "+engineNames())
	flags.StringVar(&f.Principal, "principal", "",
		"the `NAME` of the function app's identity in Entra ID")
	flags.StringVar(&f.Schema, "schema", setup.DefaultSchema, "the `SCHEMA` of the plan")
	flags.StringVar(&f.Database, "database", setup.DefaultDatabase,
		"the `NAME` of the database, pool or warehouse")
	flags.StringArrayVar(&f.Readers, "reader", nil,
		"a user or group, by its `NAME` in Entra ID, that may read the tables; can be repeated")
	flags.StringVar(&f.part, "part", "",
		"one `PART` of the script: master or database, by where it is run (default: both)")
	flags.StringVar(&f.ClientID, "client-id", "",
		"sqlserver: create the user from this `GUID`, the client id of the identity, without a look-up in Entra ID")
	flags.BoolVar(&f.Login, "login", false, "sqlserver: create users for SQL logins of these names")
	flags.BoolVar(&f.Rebuild, "rebuild", false, "sqlserver: also grant what load --rebuild needs")
	flags.BoolVar(&f.Move, "move", false,
		"also grant what the first commit after an upgrade needs to move the tables of an older version")
	flags.StringVar(&f.Published, "published", "",
		"synapse-serverless: the container of the published lines, as the `URL` https://ACCOUNT.dfs.core.windows.net/CONTAINER")
	flags.BoolVar(&f.Snapshots, "snapshots", false,
		"synapse-serverless: also grant what the parameter snapshot needs")
	flags.BoolVar(&f.check, "check", false, "print what is missing in the database of --to")
	flags.BoolVar(&f.asJSON, "json", false, "with --check: print a JSON object")
	flags.StringVar(&f.to, "to", "",
		"the `WAREHOUSE` to check, as in the setting Warehouse, or env:NAME or file:PATH that contains it")
	return cmd
}

// printSetup prints the script, or returns all errors of the command line.
func printSetup(cmd *cobra.Command, s Streams, f setupFlags) error {
	var faults []error
	part := setup.Part(f.part)
	if f.part != "" && part != setup.Master && part != setup.Database {
		faults = append(faults, fmt.Errorf("--part %q is none: it is master or database", f.part))
	}
	var err error
	if f.Engine, err = tsql.ParseEngine(f.engine); f.engine == "" {
		err = fmt.Errorf("--engine is missing: it is one of %s", engineNames())
	}
	faults = append(faults, err)
	if err == nil || f.engine == "" {
		faults = append(faults, f.Validate())
	}
	if err := errors.Join(faults...); err != nil {
		return usagef(cmd, "%w", err)
	}
	text, err := f.Script(part)
	if err != nil {
		return err
	}
	_, err = io.WriteString(s.Out, text)
	return err
}

// setupState is the result of --check for scripts.
type setupState struct {
	Server  string   `json:"server"`
	Of      int      `json:"of"`
	Missing []string `json:"missing"`
	Command string   `json:"command"`
}

// checkSetup prints the parts of the set-up that a database lacks.
func checkSetup(
	cmd *cobra.Command, getenv func(string) string, s Streams, c Commands, f setupFlags,
) error {
	if f.to == "" {
		return usagef(cmd,
			"--to is missing: name the warehouse to check, as in the setting Warehouse")
	}
	if f.part != "" {
		return usagef(cmd, "--part is not for --check: leave it out")
	}
	scheme, rest, err := warehouseOf(f.to, getenv)
	if err != nil {
		return usagef(cmd, "%w", err)
	}
	if f.Engine, err = tsql.ParseEngine(scheme); err != nil {
		return usagef(cmd, "--to: only a warehouse that speaks T-SQL has a set-up: %w", err)
	}
	if f.engine != "" && f.engine != scheme {
		return usagef(cmd, "--engine is %s, but --to names a warehouse of %s: leave --engine out",
			f.engine, scheme)
	}
	result, err := c.checkSetup(cmd.Context(), f.Setup, rest)
	var wrong setup.FaultError
	if errors.As(err, &wrong) {
		return usagef(cmd, "%w", err)
	}
	if err != nil {
		return fmt.Errorf("check the set-up: %w", err)
	}
	if f.asJSON {
		if err := printJSON(s, setupState{
			Server: result.Server, Of: result.Of, Missing: append([]string{}, result.Missing...),
			Command: result.Command,
		}); err != nil {
			return err
		}
		s.Out = io.Discard
	}
	for _, what := range result.Missing {
		fmt.Fprintf(s.Out, "missing: %s\n", what)
	}
	if n := len(result.Missing); n > 0 {
		return Incompletef("%d of %d are missing in %s; an administrator adds them: %s%s", n,
			result.Of, result.Server, result.Command, result.Note)
	}
	fmt.Fprintf(s.Out, "complete: all %d are there\n", result.Of)
	return nil
}

package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"fhirsynapse/internal/sof/flatview"
	"fhirsynapse/internal/sof/schema"
)

func viewsCommand(s Streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "views",
		Short: "Write ViewDefinitions",
		Args:  subcommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(viewsNewCommand(s))
	return cmd
}

const viewsNewHelp = `Print a ViewDefinition of a resource type to start from: one row per resource, with the id, the patient,
codes, references, periods, quantities and the first of what repeats.

A type without a view of its own has exactly this table. To change it, save the ViewDefinition into a
folder under the name of the table, edit it, and name the folder by the setting ViewsFolder or by --views.`

func viewsNewCommand(s Streams) *cobra.Command {
	return &cobra.Command{
		Use:     "new TYPE",
		Short:   "Print a ViewDefinition of a resource type to start from",
		Long:    viewsNewHelp,
		Example: "  mkdir -p my-views && fhirsynapse views new Specimen > my-views/specimen.json",
		Args:    arguments(1, "the resource type"),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := flatview.Definition(args[0])
			if err != nil {
				return usagef(cmd, "%w%s", err, sameButCase(args[0]))
			}
			_, err = s.Out.Write(text)
			return err
		},
	}
}

// sameButCase names the resource type that differs from name in case only.
func sameButCase(name string) string {
	for _, resource := range schema.R4().Names(schema.Resource) {
		if strings.EqualFold(resource, name) && schema.R4().IsResource(resource) {
			return fmt.Sprintf(": write %s", resource)
		}
	}
	return ""
}

package cli

import (
	"fmt"

	"github.com/spf13/cobra"
)

func versionCommand(s Streams, c Commands) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  arguments(0, ""),
		RunE: func(*cobra.Command, []string) error {
			if asJSON {
				return printJSON(s, map[string]string{"version": c.Version})
			}
			_, err := fmt.Fprintln(s.Out, c.Version)
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object")
	return cmd
}

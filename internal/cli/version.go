package cli

import (
	"fmt"

	"github.com/spf13/cobra"
)

func versionCommand(s Streams, c Commands) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  arguments(0, ""),
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(s.Out, c.Version)
			return err
		},
	}
}

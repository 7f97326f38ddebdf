package cli

import (
	"github.com/spf13/cobra"
)

func serveCommand(c Commands) *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "Run as the custom handler of a Functions host",
		Long: "Run as the custom handler of a Functions host, which sets " + portSettings[0] +
			".\n" +
			"It reads its settings from the environment; docs/configuration.md lists them.",
		Args: arguments(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error { return ended(c.Serve(cmd.Context())) },
	}
}

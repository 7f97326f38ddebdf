package cli

import "github.com/spf13/cobra"

func serveCommand(getenv func(string) string, c Commands) *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "Run as the custom handler of a Functions host",
		Long: "Run as the custom handler of a Functions host, which sets " + portSetting + ".\n" +
			"The settings are those of the environment; docs/configuration.md lists them.",
		Args: arguments(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if getenv(portSetting) == "" {
				return usagef(cmd, "%s is not set: a Functions host starts this command, or set a port to listen on", portSetting)
			}
			return c.Serve(cmd.Context())
		},
	}
}

package sandbox

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"fhirsynapse/internal/packaging/stage"
	"fhirsynapse/internal/sandbox/coretools"
	"fhirsynapse/internal/warehouse/open/local"
)

func startCommand(stdout, stderr io.Writer) *cobra.Command {
	s := coretools.Start{
		Environ: os.Environ(), Now: time.Now, Out: stdout, Err: stderr,
		Engines: local.Engines(),
		Log:     slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	cmd := &cobra.Command{
		Use: "start", Short: "A staged app under Azure Functions Core Tools, with Azurite and a Service Bus emulator", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			root, err := stage.Repository()
			if err != nil {
				return err
			}
			s.Tools = filepath.Join(root, "tools", "azurite")
			return s.Run(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&s.App, "app", "dist-start", "the staged app, with a local.settings.json")
	cmd.Flags().StringVar(&s.Data, "data", ".start", "folder of Azurite's data; it stays")
	cmd.Flags().BoolVar(&s.Running, "emulators-running", false,
		"the emulators run already: start none")
	return cmd
}

package sandbox

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"fhirsynapse/internal/packaging/release"
	"fhirsynapse/internal/packaging/stage"
	"fhirsynapse/internal/sandbox/coldstart"
)

func coldStartCommand(out io.Writer) *cobra.Command {
	var runs int
	cmd := &cobra.Command{
		Use:   "coldstart",
		Short: "How long the cloud's handler takes to its first answer, and how large it is",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			root, err := stage.Repository()
			if err != nil {
				return err
			}
			dir, err := os.MkdirTemp("", "fhirsynapse-coldstart-")
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
			built, app := filepath.Join(dir, "built"), filepath.Join(dir, "app")
			// Without cgo, as in the cloud, but for the system of this machine.
			if err := Build(cmd.Context(), root, "./handler", built, []string{"CGO_ENABLED=0"},
				release.Flags("bench")...); err != nil {
				return err
			}
			if err := stage.Stage(stage.Options{
				Root: root, Out: app, Executable: built,
				Exports: filepath.Join(root, "exports.sample.yaml"),
			}); err != nil {
				return err
			}
			m := coldstart.Measure{
				App: app, Handler: "handler", Runs: runs, Now: time.Now,
				Environ: append(os.Environ(),
					// The handler connects to none of these before the first invocation.
					"Warehouse=sqlserver://127.0.0.1?database=fhir",
					"LakeStorage=UseDevelopmentStorage=true", "StepsQueue=export-steps",
					"BlobEventsQueue=blob-events",
					"ServiceBusConnection=Endpoint=sb://127.0.0.1;SharedAccessKeyName=k;SharedAccessKey=s;UseDevelopmentEmulator=true"),
			}
			r, err := m.Run(cmd.Context())
			if err != nil {
				return err
			}
			fmt.Fprintln(out, "bench: "+r.String())
			return nil
		},
	}
	cmd.Flags().IntVar(&runs, "runs", 21, "how many times it is started")
	return cmd
}

package stage

import (
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
)

// Command returns the command line of cmd/pack.
func Command(stdout, stderr io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use: "pack", Short: "Make what is sent to Azure, and releases",
		SilenceUsage: true, SilenceErrors: true,
	}
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.AddCommand(appCommand())
	return root
}

func appCommand() *cobra.Command {
	var o Options
	var zip string
	cmd := &cobra.Command{
		Use: "app", Short: "Stage a function app: host.json, the handler, its functions",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			root, err := Repository()
			if err != nil {
				return err
			}
			if zip != "" {
				if err := CheckCloud(o.Executable); err != nil {
					return err
				}
			}
			o.Root = root
			if o.Licenses, err = Licenses(cmd.Context(), root, o.Executable); err != nil {
				return err
			}
			if err := Stage(o); err != nil || zip == "" {
				return err
			}
			return Zip(o.Out, zip)
		},
	}
	cmd.Flags().StringVar(&o.Executable, "handler", "", "the built handler")
	cmd.Flags().StringVar(&o.Out, "out", "dist", "the folder to make")
	cmd.Flags().StringVar(&o.BlobTrigger, "blob-trigger", BlobTriggerEvents,
		"events, or polling for Core Tools with Azurite")
	cmd.Flags().StringVar(&o.Exports, "exports", "",
		"a `FILE` of plans to put beside host.json as exports.yaml")
	cmd.Flags().StringVar(&zip, "zip", "", "also write the folder to this zip `FILE`, for Azure")
	return cmd
}

// Repository returns the checkout that holds the working directory.
func Repository() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, hostFile)); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("this is not the repository: run it where host.json is")
		}
	}
}

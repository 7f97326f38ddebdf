package release

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"

	"github.com/spf13/cobra"

	"fhirsynapse/internal/packaging/stage"
)

// Commands returns the commands of cmd/pack that make a release.
func Commands(out io.Writer, environ []string) []*cobra.Command {
	return []*cobra.Command{releaseCommand(out, environ), checkCommand(out, environ), sumsCommand()}
}

func releaseCommand(out io.Writer, environ []string) *cobra.Command {
	r := Release{
		Log: out, Machine: Machine{OS: runtime.GOOS, Arch: runtime.GOARCH, Environ: environ},
	}
	var only string
	cmd := &cobra.Command{
		Use: "release", Short: "Build both programs for every platform that this machine can build",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			root, err := stage.Repository()
			if err != nil {
				return err
			}
			r.Root = root
			r.Targets = slices.DeleteFunc(Targets(), func(t Target) bool {
				return only != "" && t.String() != only && t.Program != only
			})
			if len(r.Targets) == 0 {
				return fmt.Errorf("--only %s: no such program or target", only)
			}
			return r.Run(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&r.Out, "out", "out/release", "the folder to make")
	cmd.Flags().StringVar(&r.Version, "version", "", "the version, as git describe prints it")
	cmd.Flags().StringVar(&r.SBOM, "sbom", "",
		"module of cyclonedx-gomod, with its version; without it there are no bills of materials")
	cmd.Flags().StringVar(&only, "only", "",
		"one program (handler) or one target (handler-linux-amd64)")
	return cmd
}

func checkCommand(out io.Writer, environ []string) *cobra.Command {
	var version, only string
	cmd := &cobra.Command{
		Use: "check", Short: "Build both programs for this machine twice, in two folders, and compare the bytes", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			root, err := stage.Repository()
			if err != nil {
				return err
			}
			for _, t := range Targets() {
				if t.OS != runtime.GOOS || t.Arch != runtime.GOARCH ||
					only != "" && t.Program != only {
					continue
				}
				c := Check{
					Root: root, Flags: Flags(version), Target: t,
					Machine: Machine{OS: runtime.GOOS, Arch: runtime.GOARCH, Environ: environ},
				}
				sum, err := c.Run(cmd.Context())
				if err != nil {
					return err
				}
				fmt.Fprintf(out, "check: %s is the same in both folders: %s\n", t, sum)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&version, "version", "unversioned",
		"the version, as git describe prints it")
	cmd.Flags().StringVar(&only, "only", "", "one program: handler or fhirsynapse")
	return cmd
}

func sumsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "sums FOLDER",
		Short: "Write SHA256SUMS for a folder of releases that several machines built",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if _, err := os.Stat(args[0]); err != nil {
				return err
			}
			return WriteSums(args[0])
		},
	}
}

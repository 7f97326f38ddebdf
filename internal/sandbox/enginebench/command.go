// Package enginebench measures the native engine on one or two processors, beside
// DuckDB's own reader of JSON, which gets the same columns out of the same files,
// and beside a read that does no more than find the lines; and a load into SQL Server,
// where one is named, beside what a bulk copy can do at all.
//
// Every measurement is a process of its own, pinned to its processors, so that its
// memory and its cores can be stated. What the sides have read is compared.
package enginebench

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"
)

// sideCommand is what a Bench runs: the same program, for one measurement.
const sideCommand = "engine-side"

// Commands are the benchmark and the hidden command of its child processes, which are
// made with the same server, or with none.
func Commands(out io.Writer, now func() time.Time, server string) []*cobra.Command {
	return []*cobra.Command{benchCommand(out, now, server), childCommand(out, now, server)}
}

func benchCommand(out io.Writer, now func() time.Time, server string) *cobra.Command {
	b := Bench{Server: server, Out: out, Now: now}
	cmd := &cobra.Command{
		Use: "engine", Short: "The engine beside DuckDB's reader: MB/s on one core and on two, peak memory, the same rows", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if b.Megabytes < 1 || b.Runs < 1 {
				return errors.New("--megabytes and --runs must be at least 1")
			}
			return b.Run(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&b.Dir, "dir", ".demo/engine", "folder of the run; replaced by it")
	cmd.Flags().StringVar(&b.Data, "data", "", "folder of NDJSON files with Patients and Observations, to be multiplied; made up without it")
	cmd.Flags().Int64Var(&b.Megabytes, "megabytes", 200, "how much NDJSON: a fifth Patients, the rest Observations")
	cmd.Flags().IntVar(&b.Runs, "runs", 5, "how many times each side is measured")
	cmd.Flags().Uint64Var(&b.Seed, "seed", 1, "seed of what is made up")
	return cmd
}

func childCommand(out io.Writer, now func() time.Time, server string) *cobra.Command {
	var name string
	j := job{server: server, now: now}
	cmd := &cobra.Command{
		Use: sideCommand, Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, s := range slices.Concat(sides, serverSides, []side{idle}) {
				if s.name == name {
					return measure(cmd.Context(), s, j, out)
				}
			}
			return fmt.Errorf("there is no side %q", name)
		},
	}
	cmd.Flags().StringVar(&name, "side", "", "the side")
	cmd.Flags().StringVar(&j.data, "data", "", "folder with the files")
	cmd.Flags().StringVar(&j.out, "out", "", "folder for what it writes")
	cmd.Flags().IntVar(&j.cores, "cores", 1, "threads")
	return cmd
}

package sandbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"fhirsynapse/internal/packaging/stage"
	"fhirsynapse/internal/warehouse/open/local"
)

// Command returns the command line of the sandbox.
func Command(stdout, stderr io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use: "sandbox", Short: "The whole system on one machine",
		SilenceUsage: true, SilenceErrors: true,
	}
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.AddCommand(demoCommand(stdout), runCommand(stdout), benchCommand(stdout),
		startCommand(stdout, stderr), coldStartCommand(stdout))
	return root
}

// common holds the flags that several commands share.
type common struct {
	dir, data string
	source    string
	patients  int
	seed      uint64
}

func (c *common) flags(cmd *cobra.Command, dir string) {
	cmd.Flags().StringVar(&c.dir, "dir", dir, "folder of the run; replaced by it")
	cmd.Flags().StringVar(&c.data, "data", "", "folder of NDJSON files that the FHIR server serves")
	cmd.Flags().IntVar(&c.patients, "patients", 100,
		"how many patients the FHIR server has, in full dozens, without --data")
	cmd.Flags().Uint64Var(&c.seed, "seed", 1, "seed of the ids and of the changes")
}

// sourceFlag adds the flag for the commands that work with either kind of server.
func (c *common) sourceFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&c.source, "source", SourceAzure,
		"the FHIR server: azure, or bulk, which keeps its files and wants a sign-in")
}

// world prepares the folder, the lock and the logs of a run.
func (c *common) world(out io.Writer) (o Options, done func(), err error) {
	if !slices.Contains([]string{"", SourceAzure, SourceBulk}, c.source) {
		return o, nil, fmt.Errorf("--source %s: known are azure and bulk", c.source)
	}
	root, err := stage.Repository()
	if err != nil {
		return o, nil, err
	}
	if c.dir, err = filepath.Abs(c.dir); err != nil {
		return o, nil, err
	}
	if c.data != "" {
		if info, err := os.Stat(c.data); err != nil || !info.IsDir() {
			return o, nil, fmt.Errorf("--data %s is no folder", c.data)
		}
	}
	unlock, err := Lock(c.dir)
	if err != nil {
		return o, nil, err
	}
	if err := Clear(c.dir); err != nil {
		unlock()
		return o, nil, err
	}
	logs, err := os.Create(filepath.Join(c.dir, "sandbox.log"))
	if err != nil {
		unlock()
		return o, nil, err
	}
	handler, err := os.Create(filepath.Join(c.dir, "handler.log"))
	if err != nil {
		unlock()
		return o, nil, errors.Join(err, logs.Close())
	}
	_, _ = fmt.Fprintf(out, "sandbox: logs are in %s and %s\n", logs.Name(), handler.Name())
	o = Options{
		Root: root, Dir: c.dir, Source: c.source, Now: time.Now, HandlerOutput: handler,
		Engines: local.Engines(),
		Log:     slog.New(slog.NewTextHandler(logs, &slog.HandlerOptions{Level: slog.LevelInfo})),
	}
	return o, func() {
		_ = logs.Close()
		_ = handler.Close()
		unlock()
	}, nil
}

func demoCommand(out io.Writer) *cobra.Command {
	var c common
	var stop, cohort string
	var withoutGroups bool
	cmd := &cobra.Command{
		Use: "demo", Short: "One full export, changes, one incremental export, and the comparison with a fresh load", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if stop != "" && stop != "full" {
				return fmt.Errorf("--stop %s: only full is known", stop)
			}
			if cohort != "" && cohort != FormerSmokers {
				return fmt.Errorf("--cohort %s: only %s is known", cohort, FormerSmokers)
			}
			if withoutGroups && (cohort == "" || c.source != SourceBulk) {
				return errors.New("--without-groups needs --cohort and --source bulk")
			}
			o, done, err := c.world(out)
			if err != nil {
				return err
			}
			defer done()
			o.Cohort, o.WithoutGroups = cohort, withoutGroups
			return Demo{
				World: o, Data: c.data, Patients: c.patients, Seed: c.seed,
				StopFull: stop == "full",
				Out:      out, Patience: 10 * time.Minute,
			}.Run(cmd.Context())
		},
	}
	c.flags(cmd, ".demo")
	c.sourceFlag(cmd)
	cmd.Flags().StringVar(&stop, "stop", "", "full: end after the full export")
	cmd.Flags().BoolVar(&withoutGroups, "without-groups", false,
		"the FHIR server refuses Groups: the kick-offs name the patients of the cohort")
	cmd.Flags().StringVar(&cohort, "cohort", "", FormerSmokers+
		": export this cohort instead of everything; then one patient leaves it and one joins")
	return cmd
}

func runCommand(out io.Writer) *cobra.Command {
	var c common
	var exports, address string
	cmd := &cobra.Command{
		Use: "run", Short: "The same world, staying up: an export every five minutes",
		Args: cobra.NoArgs,
		Long: `The same world, staying up: an export every five minutes.

With --exports FILE it runs the plans of a file of yours against their own servers: storage, queue,
functions and DuckDB are on this machine, and no FHIR server is started. ${NAME} in the file refers to
the environment of this command.`,
		Example: "  sandbox run --exports exports.yaml --dir .mine",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if exports != "" {
				for _, name := range []string{"data", "patients", "seed", "source"} {
					if cmd.Flags().Changed(name) {
						return fmt.Errorf(
							"--%s is of the FHIR server here, which --exports does without: leave one out", name)
					}
				}
				var err error
				if exports, err = plansFile(exports); err != nil {
					return err
				}
			}
			o, done, err := c.world(out)
			if err != nil {
				return err
			}
			defer done()
			o.ExportSchedule = "0 */5 * * * *"
			o.Exports, o.HTTP = exports, cmp.Or(address, usualAddress(cmd.Context()))
			return Demo{
				World: o, Data: c.data, Patients: c.patients, Seed: c.seed, Out: out,
			}.Stay(cmd.Context())
		},
	}
	c.flags(cmd, ".demo")
	c.sourceFlag(cmd)
	cmd.Flags().StringVar(&address, "address", "",
		"the `ADDRESS` of the status page (default 127.0.0.1:7071, or another port if it is taken)")
	cmd.Flags().StringVar(&exports, "exports", "",
		"a `FILE` of plans, as exports.yaml, with servers of yours")
	return cmd
}

// usualAddress returns the address that Core Tools use for requests, or "" if it is taken.
func usualAddress(ctx context.Context) string {
	const usual = "127.0.0.1:7071"
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", usual)
	if err != nil || l.Close() != nil {
		return ""
	}
	return usual
}

// plansFile returns the absolute path of a file of plans.
func plansFile(name string) (string, error) {
	path, err := filepath.Abs(name)
	if err != nil {
		return "", err
	}
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return "", fmt.Errorf("--exports %s is no file", name)
	}
	return path, nil
}

func benchCommand(out io.Writer) *cobra.Command {
	var c common
	var size int64
	var telemetry int
	cmd := &cobra.Command{
		Use: "bench", Short: "From the first blob event to loaded: MB/s, peak memory, the time of each step", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, done, err := c.world(out)
			if err != nil {
				return err
			}
			defer done()
			return Bench{
				World: o, Data: c.data, Megabytes: size, Telemetry: telemetry, Out: out,
			}.Run(cmd.Context())
		},
	}
	c.flags(cmd, ".demo/bench")
	cmd.Flags().Int64Var(&size, "megabytes", 1000, "how much NDJSON")
	cmd.Flags().IntVar(&telemetry, "telemetry", 0,
		"how often to repeat it without telemetry and with it, in turns, to compare them")
	return cmd
}

// Stay keeps the sandbox running until ctx ends.
func (d Demo) Stay(ctx context.Context) error {
	if d.World.Exports == "" {
		data, err := d.data()
		if err != nil {
			return err
		}
		d.World.Store = data
	}
	staged, err := Package(ctx, d.World.Root, d.World.Dir)
	if err != nil {
		return err
	}
	w, err := StartWorld(ctx, d.World)
	if err != nil {
		return err
	}
	defer w.Close()
	host, err := w.StartHost(ctx, staged, nil)
	if err != nil {
		return err
	}
	defer host.Stop()
	if d.World.Exports == "" {
		d.say("the FHIR server is at %s; the tables are in %s; ctrl-c ends it", w.BaseURL(),
			w.database())
	} else {
		d.say("the plans of %s run here; the tables are in %s; ctrl-c ends it", d.World.Exports,
			w.database())
	}
	d.say("the status page is at %s/api/status", host.URL())
	settings, err := w.writeSettings()
	if err != nil {
		return err
	}
	d.say("the Service Bus emulator, with a queue %q to try clients on: ServiceBusConnection='%s'",
		probeQueue, w.Bus.ConnectionString())
	d.say("work on its exports from another shell: . %s; fhirsynapse exports", settings)
	if d.World.Source == SourceBulk {
		d.say("export from it by hand: fhirsynapse start --once --source %s --auth smart --client-id %s --key-id %s --key file:%s --to duckdb:out/x.duckdb",
			w.BaseURL(), clientName, clientName, w.keyFile())
	}
	if err := host.FireTimer(ctx, "TimerExport"); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return nil
	case <-host.Done():
		return errors.Join(errors.New("the functions host ended"), host.Err())
	}
}

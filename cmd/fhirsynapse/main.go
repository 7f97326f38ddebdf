// Command fhirsynapse is the program for people: it loads and asks tables on this
// machine, looks into the journal, and is the custom handler of the local world,
// which has DuckDB. The custom handler of the cloud is handler/.
package main

import (
	"context"
	"log/slog"
	"maps"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/term"

	"fhirsynapse/internal/app"
	"fhirsynapse/internal/cli"
	"fhirsynapse/internal/cli/onduck"
	"fhirsynapse/internal/cli/onsql"
	"fhirsynapse/internal/cli/onstart"
	"fhirsynapse/internal/sqlserver"
	"fhirsynapse/internal/warehouse/open/local"
)

// kinds are the warehouses that start writes to.
func kinds() onstart.Kinds {
	all := onduck.Kinds()
	maps.Copy(all, onsql.Kinds())
	return all
}

func main() {
	os.Exit(run())
}

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second Ctrl-C ends the process at once.
	context.AfterFunc(ctx, stop)
	// net/http quotes there what it cannot read of an answer, which may be health data.
	slog.SetDefault(slog.New(slog.DiscardHandler))
	e := app.FromProcess(local.Engines())
	operator := app.Operator{Environment: e, Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))}
	streams := cli.Streams{Out: os.Stdout, Err: os.Stderr, ErrIsTerminal: term.IsTerminal(int(os.Stderr.Fd())), Now: time.Now}
	return cli.Run(ctx, os.Args[1:], os.Getenv, streams, cli.Commands{
		Serve:        func(ctx context.Context) int { return app.Serve(ctx, e, os.Stdout, os.Stderr) },
		Query:        onduck.Query,
		Load:         onsql.Loader(time.Now, onduck.Loader(time.Now)),
		Start:        onstart.Starter(onstart.Clock{Now: time.Now}, kinds()),
		Exports:      operator.Exports,
		StartExport:  operator.Start,
		AskForExport: operator.Ask,
		CancelExport: operator.Cancel,
		PausePlan:    operator.Pause,
		ResumePlan:   operator.Resume,
		OpenServer:   func(ctx context.Context, dsn string) (cli.Server, error) { return sqlserver.Open(ctx, dsn) },
		Shell:        onsql.Shell,
		CheckSetup:   onsql.CheckSetup,
		Version:      e.Version,
	})
}

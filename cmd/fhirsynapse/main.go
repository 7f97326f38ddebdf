// Command fhirsynapse is the program for people: it loads and asks tables on this
// machine, looks into the journal, and is the custom handler of the local world,
// which has DuckDB. The custom handler of the cloud is handler/.
package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"golang.org/x/term"

	"fhirsynapse/internal/app"
	"fhirsynapse/internal/app/sqlwarehouses"
	"fhirsynapse/internal/cli"
	"fhirsynapse/internal/cli/onduck"
	"fhirsynapse/internal/cli/onsql"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/sqlserver"
)

// warehouses are those that this program can open.
var warehouses = sqlwarehouses.Warehouses(map[string]app.OpenWarehouse{onduck.Scheme: onduck.Open})

func main() {
	os.Exit(run())
}

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// net/http quotes there what it cannot read of an answer, which may be health data.
	slog.SetDefault(slog.New(slog.DiscardHandler))
	info, _ := debug.ReadBuildInfo()
	streams := cli.Streams{Out: os.Stdout, Err: os.Stderr, ErrIsTerminal: term.IsTerminal(int(os.Stderr.Fd())), Now: time.Now}
	return cli.Run(ctx, os.Args[1:], os.Getenv, streams, cli.Commands{
		Serve:      serve,
		Query:      onduck.Query,
		Load:       onsql.Loader(time.Now, onduck.Loader(time.Now)),
		Start:      onduck.Starter(time.Now),
		Exports:    exports,
		OpenServer: func(ctx context.Context, dsn string) (cli.Server, error) { return sqlserver.Open(ctx, dsn) },
		Shell:      onsql.Shell,
		Version:    cli.Version(info),
	})
}

func serve(ctx context.Context) int {
	return app.Serve(ctx, app.FromProcess(warehouses), os.Stdout)
}

func exports(ctx context.Context, plan string, most int) ([]pipeline.ExportSummary, error) {
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	a, err := app.New(app.FromProcess(warehouses), log)
	if err != nil {
		return nil, err
	}
	return pipeline.Exports(ctx, a.Journal(), plan, most)
}

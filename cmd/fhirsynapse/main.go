// Command fhirsynapse is the program for people: it loads and queries tables on this machine, reads
// the journal, and is the local custom handler with DuckDB. The cloud's custom handler is handler/.
package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/term"

	"fhirsynapse/internal/app"
	"fhirsynapse/internal/app/connect"
	"fhirsynapse/internal/cli"
	"fhirsynapse/internal/warehouse/open/local"
)

func main() {
	os.Exit(run())
}

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second Ctrl-C ends the process at once.
	context.AfterFunc(ctx, stop)
	// net/http logs unreadable parts of an answer there, which may be health data.
	slog.SetDefault(slog.New(slog.DiscardHandler))
	e := app.FromProcess(local.Engines())
	operator := app.Operator{
		Environment: e,
		Log: slog.New(slog.NewTextHandler(os.Stderr,
			&slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	dir, err := os.Getwd()
	if err != nil {
		dir = "."
	}
	streams := cli.Streams{
		Out: os.Stdout, Err: os.Stderr, ErrIsTerminal: term.IsTerminal(int(os.Stderr.Fd())),
		Now: time.Now,
	}
	return cli.Run(ctx, os.Args[1:], os.Getenv, streams, cli.Commands{
		Serve: func(ctx context.Context) int {
			return app.Serve(ctx, e, os.Stdout, os.Stderr)
		},
		Runs:       connect.Runner(e.Engines, time.Now),
		Journal:    operator,
		Cohorts:    operator,
		Quarantine: operator, Messages: operator,
		Tables: operator,
		Doctor: connect.Doctor{
			Environment: e, Log: operator.Log, Dir: dir, DuckDB: local.DuckDBVersion,
		},
		Version: e.Version,
	})
}

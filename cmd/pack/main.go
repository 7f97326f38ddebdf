// Command pack makes what is sent to Azure, and releases. It needs no C compiler, unlike
// cmd/sandbox, so that a person who only deploys needs nothing but Go.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"fhirsynapse/internal/packaging/release"
	"fhirsynapse/internal/packaging/stage"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := stage.Command(os.Stdout, os.Stderr)
	root.AddCommand(release.Commands(os.Stdout, os.Environ())...)
	if err := root.ExecuteContext(ctx); err != nil {
		stop()
		fmt.Fprintf(os.Stderr, "pack: %v\n", err)
		os.Exit(1) //nolint:gocritic // stop has run
	}
}

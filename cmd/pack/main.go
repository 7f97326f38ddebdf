// Command pack builds the package for Azure and the releases. Unlike cmd/sandbox it needs no C
// compiler, so that deploying needs only Go.
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

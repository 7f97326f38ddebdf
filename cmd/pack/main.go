// Command pack makes what is sent to Azure. It needs no C compiler, unlike
// cmd/desk, so that a person who only deploys needs nothing but Go.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"fhirsynapse/internal/local/stage"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := stage.Command(os.Stdout, os.Stderr).ExecuteContext(ctx); err != nil {
		stop()
		fmt.Fprintf(os.Stderr, "pack: %v\n", err)
		os.Exit(1) //nolint:gocritic // stop has run
	}
}

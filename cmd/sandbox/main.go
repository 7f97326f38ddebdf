// Command sandbox runs the whole system on one machine, for developers: the demo, the benchmark,
// and the packaging of the function app.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"fhirsynapse/internal/sandbox"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := sandbox.Command(os.Stdout, os.Stderr).ExecuteContext(ctx); err != nil {
		stop()
		fmt.Fprintf(os.Stderr, "sandbox: %v\n", err)
		os.Exit(1) //nolint:gocritic // stop has run
	}
}

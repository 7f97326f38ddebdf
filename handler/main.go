// Command handler is the custom handler of the function app in the cloud: a
// static program without cgo. People use cmd/fhirsynapse instead.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"fhirsynapse/internal/app"
)

func main() {
	os.Exit(run())
}

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return app.Serve(ctx, app.FromProcess(engines), os.Stdout, os.Stderr)
}

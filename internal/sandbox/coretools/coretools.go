// Package coretools runs a packaged function app under Azure Functions Core Tools, as `func start`
// does. It starts the emulators that local.settings.json expects on this machine, Azurite at the
// ports of a storage emulator and the Service Bus emulator at port 5672, and ends both when func
// has ended.
package coretools

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"fhirsynapse/internal/app"
	"fhirsynapse/internal/emulator/azurite"
	"fhirsynapse/internal/emulator/servicebus"
	"fhirsynapse/internal/warehouse"
)

// Start is one run of func.
type Start struct {
	// Tools is the folder of Azurite, tools/azurite in the repository.
	Tools string
	// App is the packaged function app, with a local.settings.json.
	App string
	// Data is the folder of Azurite's data, which remains after the run.
	Data string
	// Running is set if the emulators already run, for example from compose.yaml.
	Running bool
	// Func is the program to run; empty means func from PATH.
	Func string
	// Environ is the environment of this process.
	Environ []string
	// Engines holds the warehouses that the handler can open.
	Engines warehouse.Engines
	Now     func() time.Time
	Log     *slog.Logger
	// Out receives our own lines and the output of func.
	Out, Err io.Writer
}

// Queue settings of the app. The deployment uses the same settings for Azure's queues.
const (
	// LockDuration is the longest duration that Service Bus allows.
	LockDuration = 5 * time.Minute
	// MaxDeliveryCount allows a burst of refused calls while a handler restarts.
	MaxDeliveryCount = 100
	// DuplicateWindow is how long a message id is remembered.
	DuplicateWindow = time.Hour
)

const (
	settingsFile = "local.settings.json"
	// funcPatience is how long func has to stop its functions. The host waits 10 s for calls in
	// progress.
	funcPatience = 20 * time.Second
)

// unwanted variables change how func runs a custom handler: func then treats the app as a native Go
// worker, or as an app on Linux Consumption.
var unwanted = []string{"FUNCTIONS_CLI_NATIVE_LANGUAGE", "CONTAINER_NAME"}

// Run starts the emulators, then func, and returns when func has ended and the emulators are
// stopped. When ctx ends, func gets an interrupt, as from Ctrl-C, and its end is not an error.
func (s Start) Run(ctx context.Context) error {
	program := s.Func
	if program == "" {
		program = "func"
	}
	program, err := exec.LookPath(program)
	if err != nil {
		return fmt.Errorf(
			"func is missing: install Azure Functions Core Tools 4 (npm i -g azure-functions-core-tools@4): %w", err)
	}
	values, err := readSettings(s.App)
	if err != nil {
		return err
	}
	// The handler reads the same settings, but reports their errors late and in func's log.
	handler, err := s.handler(values)
	if err != nil {
		return fmt.Errorf("the settings of %s:\n%w", filepath.Join(s.App, settingsFile), err)
	}
	ctx, lost := context.WithCancelCause(ctx)
	defer lost(nil)
	if !s.Running {
		stop, err := s.emulators(ctx, values, lost)
		defer stop()
		if err != nil {
			return err
		}
	}
	if isDevelopment(values["LakeStorage"]) {
		if err := errors.Join(handler.Lake().EnsureContainers(ctx),
			handler.Journal().EnsureContainer(ctx)); err != nil {
			return err
		}
	}
	return s.run(ctx, program)
}

func (s Start) say(format string, args ...any) {
	fmt.Fprintf(s.Out, "start: "+format+"\n", args...)
}

// readSettings returns the values of local.settings.json.
func readSettings(dir string) (map[string]string, error) {
	path := filepath.Join(dir, settingsFile)
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the settings: copy local.settings.sample.json there: %w", err)
	}
	var file struct{ Values map[string]string }
	if err := json.Unmarshal(text, &file); err != nil {
		return nil, fmt.Errorf("read the settings of %s: %w", path, err)
	}
	return file.Values, nil
}

// handler builds the app as the handler will, to report all errors of the settings. A variable of
// the environment overrides local.settings.json, as in func.
func (s Start) handler(values map[string]string) (*app.App, error) {
	root, err := filepath.Abs(s.App)
	if err != nil {
		return nil, err
	}
	environ := []string{"FUNCTIONS_APP_ROOT_PATH=" + root}
	for name, value := range values {
		if !slices.ContainsFunc(s.Environ, func(pair string) bool {
			return strings.HasPrefix(pair, name+"=")
		}) {
			environ = append(environ, name+"="+value)
		}
	}
	return app.New(app.Environment{
		Environ: append(environ, s.Environ...), ReadFile: os.ReadFile, Now: s.Now,
		Engines: s.Engines,
	}, s.Log)
}

// errAzuriteEnded is the reason to end func when storage has ended.
var errAzuriteEnded = errors.New("azurite has ended by itself")

// emulators starts the emulators that the settings require, and calls lost when one of them ends by
// itself. The caller must always call stop.
func (s Start) emulators(
	ctx context.Context, values map[string]string, lost func(error),
) (stop func(), err error) {
	var stops []func()
	stop = func() {
		for _, f := range slices.Backward(stops) {
			f()
		}
	}
	storage, wanted, err := storageOf(values)
	if err != nil {
		return stop, err
	}
	if wanted {
		storage.Tools, storage.Dir, storage.Log = s.Tools, s.Data, s.Log
		server, err := azurite.Start(ctx, storage)
		if err != nil {
			return stop, err
		}
		stops = append(stops, server.Stop)
		go func() {
			<-server.Done()
			lost(errAzuriteEnded)
		}()
		s.say("Azurite listens: %s", server.Endpoint())
	}
	bus, wanted, err := busOf(values)
	if err != nil || !wanted {
		return stop, err
	}
	server := servicebus.New(servicebus.Options{Log: s.Log, KeyName: bus.keyName, Key: bus.key})
	stops = append(stops, server.Close)
	for _, queue := range bus.queues {
		server.AddQueue(queue, servicebus.QueueConfig{
			LockDuration: LockDuration, MaxDeliveryCount: MaxDeliveryCount,
			DuplicateWindow: DuplicateWindow,
		})
	}
	addr, err := server.Listen(bus.addr) //nolint:contextcheck // it lives as long as func, not the start
	if err != nil {
		return stop, fmt.Errorf(
			"%w; where another emulator already runs there, add EMULATORS=running", err)
	}
	s.say("the Service Bus emulator listens: %s, queues %s", addr,
		strings.Join(bus.queues, " and "))
	return stop, nil
}

// run runs func start in our process group, so that a Ctrl-C reaches func directly and func keeps
// the terminal.
func (s Start) run(ctx context.Context, program string) error {
	s.say("func start in %s; Ctrl-C ends everything", s.App)
	cmd := exec.CommandContext(ctx, program, "start")
	cmd.Dir = s.App
	cmd.Env = slices.DeleteFunc(slices.Clone(s.Environ), func(pair string) bool {
		name, _, _ := strings.Cut(pair, "=")
		return slices.Contains(unwanted, name)
	})
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, s.Out, s.Err
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = funcPatience
	switch err, cause := cmd.Run(), context.Cause(ctx); {
	case errors.Is(cause, errAzuriteEnded):
		return cause
	case cause != nil: // ctx has ended
		s.say("func has ended")
	case err != nil:
		return fmt.Errorf("func start: %w", err)
	}
	return nil
}

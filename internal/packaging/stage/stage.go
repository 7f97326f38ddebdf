// Package stage lays out dist/, the folder of a function app:
//
//	host.json
//	handler                     the executable, under the name host.json gives it
//	THIRD-PARTY-LICENSES.txt    of the code in the handler
//	<Function>/function.json    one folder per function, with nothing else in it
//
// The Functions host reads function.json only in direct children of its root, treats a single extra
// file in such a folder as the function's script, and never starts the handler if it finds no
// function. So the layout is checked here, where the mistake can still be named. `func azure
// functionapp publish` and the emulated host use the same folder.
package stage

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"fhirsynapse/internal/azfunc"
)

// The ways in which BlobLoaded is notified of a blob.
const (
	// BlobTriggerEvents reads storage events from a Service Bus queue.
	BlobTriggerEvents = "events"
	// BlobTriggerPolling scans the container: for Core Tools with Azurite, which sends no events.
	// Not for Flex Consumption.
	BlobTriggerPolling = "polling"
)

// Options describe a folder to stage.
type Options struct {
	// Root is the repository with host.json and functions/.
	Root string
	// Out is the folder to make. The result of an earlier run is replaced, except a
	// local.settings.json, which a user has put there for Core Tools. Any other folder, or one with
	// a database, is left alone.
	Out string
	// Executable is the built program that becomes the handler.
	Executable string
	// BlobTrigger is BlobTriggerEvents (the default) or BlobTriggerPolling.
	BlobTrigger string
	// Licenses is the output of the function of that name; empty means no file.
	Licenses []byte
	// Exports is the file of plans to copy next to host.json, where the handler reads exports.yaml;
	// empty means none.
	Exports string
}

const (
	hostFile     = "host.json"
	functionFile = "function.json"
	pollingFile  = "function.polling.json"
	exportsFile  = "exports.yaml"
	licensesFile = "THIRD-PARTY-LICENSES.txt"
	settingsFile = "local.settings.json"
)

// Stage builds the folder next to Out and then renames it, so that a failed or killed run leaves no
// half folder under the name. All faults of the sources are reported together.
func Stage(o Options) error {
	functions, err := o.check()
	if err != nil {
		return fmt.Errorf("stage %s: %w", o.Out, err)
	}
	executable, err := executableName(filepath.Join(o.Root, hostFile))
	if err != nil {
		return fmt.Errorf("stage %s: %w", o.Out, err)
	}
	if err := replaceable(o.Out); err != nil {
		return err
	}
	out := filepath.Clean(o.Out)
	parent, prefix := filepath.Dir(out), filepath.Base(out)+"-new-"
	if err := os.MkdirAll(parent, 0o750); err != nil {
		return fmt.Errorf("stage %s: %w", o.Out, err)
	}
	if err := sweep(parent, prefix); err != nil {
		return fmt.Errorf("stage %s: %w", o.Out, err)
	}
	work, err := os.MkdirTemp(parent, prefix)
	if err != nil {
		return fmt.Errorf("stage %s: %w", o.Out, err)
	}
	defer func() { _ = os.RemoveAll(work) }() // the old or the failed folder
	fresh := filepath.Join(work, "fresh")
	if err := o.fill(fresh, executable, functions); err != nil {
		return fmt.Errorf("stage %s: %w", o.Out, err)
	}
	if err := swap(fresh, out, filepath.Join(work, "old")); err != nil {
		return fmt.Errorf("stage %s: %w", o.Out, err)
	}
	return nil
}

// check returns the function.json of each function, or all faults.
func (o Options) check() (map[string]string, error) {
	var faults []error
	source := map[string]string{azfunc.BlobLoaded: functionFile}
	switch o.BlobTrigger {
	case "", BlobTriggerEvents:
	case BlobTriggerPolling:
		source[azfunc.BlobLoaded] = pollingFile
	default:
		faults = append(faults,
			fmt.Errorf("blob trigger %q: must be %q or %q", o.BlobTrigger, BlobTriggerEvents,
				BlobTriggerPolling))
	}
	if info, err := os.Stat(o.Executable); err != nil {
		faults = append(faults, fmt.Errorf("executable: build it first: %w", err))
	} else if !info.Mode().IsRegular() {
		faults = append(faults, fmt.Errorf("executable %s is not a file", o.Executable))
	}
	entries, err := os.ReadDir(filepath.Join(o.Root, "functions"))
	if err != nil {
		return nil, errors.Join(append(faults, fmt.Errorf("functions: %w", err))...)
	}
	functions := map[string]string{}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		name := e.Name()
		if !slices.Contains(azfunc.Functions(), name) {
			faults = append(faults,
				fmt.Errorf("functions/%s: the handler has no route of that name", name))
			continue
		}
		file := source[name]
		if file == "" {
			file = functionFile
		}
		functions[name] = filepath.Join(o.Root, "functions", name, file)
		if err := checkFunction(functions[name]); err != nil {
			faults = append(faults, fmt.Errorf("functions/%s/%s: %w", name, file, err))
		}
	}
	for _, name := range azfunc.Functions() {
		if _, ok := functions[name]; !ok {
			faults = append(faults,
				fmt.Errorf("functions/%s: missing, but the handler has a route of that name", name))
		}
	}
	return functions, errors.Join(faults...)
}

// bindingNames are package azfunc's binding names by trigger.
var bindingNames = map[string]string{
	"timerTrigger":      azfunc.BindingTimer,
	"serviceBusTrigger": azfunc.BindingMessage,
	"blobTrigger":       azfunc.BindingBlob,
	"eventGridTrigger":  azfunc.BindingEvent,
	"httpTrigger":       azfunc.BindingRequest,
}

func checkFunction(path string) error {
	text, err := os.ReadFile(path) // #nosec G304 -- a file of the repository
	if err != nil {
		return err
	}
	var f struct {
		Bindings []struct {
			Type, Name       string
			Route, AuthLevel string
			Properties       struct {
				SupportsDeferredBinding bool
			}
		}
	}
	if err := json.Unmarshal(text, &f); err != nil {
		return err
	}
	for _, b := range f.Bindings {
		want, ok := bindingNames[b.Type]
		switch {
		case !ok:
		case b.Name != want:
			return fmt.Errorf("the %s is named %q, but the handler looks for %q", b.Type, b.Name,
				want)
		case b.Type == "httpTrigger":
			return checkRoute(filepath.Base(filepath.Dir(path)), b.Route, b.AuthLevel)
		case b.Type == "blobTrigger" && !b.Properties.SupportsDeferredBinding:
			return errors.New(
				"a blobTrigger needs properties.supportsDeferredBinding, or the host sends the whole blob")
		default:
			return nil
		}
	}
	return errors.New("it has no trigger that the handler knows")
}

// checkRoute refuses an address that the handler does not know, or that more people may call than
// intended.
func checkRoute(name, route, level string) error {
	if first, _, _ := strings.Cut(route, "/"); first != strings.ToLower(name) {
		return fmt.Errorf("its route is %q, but the handler serves it at %q", route,
			strings.ToLower(name))
	}
	if want := azfunc.AuthLevels()[name]; level != want {
		return fmt.Errorf("its authLevel is %q, and must be %q", level, want)
	}
	return nil
}

// executableName returns host.json's name for the handler. It must be a plain name: Core Tools sets
// the exec bit on the zip entry that equals it.
func executableName(hostJSON string) (string, error) {
	text, err := os.ReadFile(hostJSON) // #nosec G304 -- a file of the repository
	if err != nil {
		return "", err
	}
	var host struct {
		CustomHandler struct {
			Description struct {
				DefaultExecutablePath string
			}
		}
	}
	if err := json.Unmarshal(text, &host); err != nil {
		return "", fmt.Errorf("%s: %w", hostFile, err)
	}
	name := host.CustomHandler.Description.DefaultExecutablePath
	switch {
	case name == "":
		return "", fmt.Errorf("%s: customHandler.description.defaultExecutablePath is missing",
			hostFile)
	case name != filepath.Base(name) || name == "." || name == ".." ||
		strings.ContainsAny(name, `/\`):
		return "", fmt.Errorf(
			"%s: customHandler.description.defaultExecutablePath %q: must be a plain file name, or the zip loses the exec bit", hostFile, name)
	}
	return name, nil
}

// replaceable refuses to clear a folder that Stage has not made.
func replaceable(out string) error {
	if out == "" {
		return errors.New("stage: no folder given")
	}
	entries, err := os.ReadDir(out)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("stage %s: %w", out, err)
	case len(entries) == 0:
		return nil
	}
	foreign := slices.ContainsFunc(entries, func(e fs.DirEntry) bool {
		return e.Name() == "go.mod" || e.Name() == ".git" || filepath.Ext(e.Name()) == ".duckdb"
	})
	staged := slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == hostFile })
	if foreign || !staged {
		return fmt.Errorf(
			"stage %s: the folder holds something else than a staged app; remove it yourself or choose another", out)
	}
	return nil
}

// sweep removes the remains of killed runs.
func sweep(parent, prefix string) error {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return err
	}
	var faults []error
	for _, e := range entries {
		if e.IsDir() && strings.HasPrefix(e.Name(), prefix) {
			faults = append(faults, os.RemoveAll(filepath.Join(parent, e.Name())))
		}
	}
	return errors.Join(faults...)
}

// fill writes the app into a new folder.
func (o Options) fill(dir, executable string, functions map[string]string) error {
	if err := os.Mkdir(dir, 0o750); err != nil {
		return err
	}
	if err := copyFile(filepath.Join(o.Root, hostFile), filepath.Join(dir, hostFile),
		0o644); err != nil {
		return err
	}
	if err := copyFile(o.Executable, filepath.Join(dir, executable), 0o755); err != nil {
		return err
	}
	if len(o.Licenses) > 0 {
		// #nosec G306 -- a file for everybody
		if err := os.WriteFile(filepath.Join(dir, licensesFile), o.Licenses, 0o644); err != nil {
			return err
		}
	}
	if o.Exports != "" {
		if err := copyFile(o.Exports, filepath.Join(dir, exportsFile), 0o644); err != nil {
			return err
		}
	}
	err := copyFile(filepath.Join(o.Out, settingsFile), filepath.Join(dir, settingsFile), 0o600)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for name, source := range functions {
		if err := os.Mkdir(filepath.Join(dir, name), 0o750); err != nil {
			return err
		}
		if err := copyFile(source, filepath.Join(dir, name, functionFile), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// swap moves out to old, and fresh to out.
func swap(fresh, out, old string) error {
	err := os.Rename(out, old)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Rename(fresh, out); err != nil {
		return errors.Join(err, restore(old, out))
	}
	return nil
}

// restore moves the former folder back, if there was one.
func restore(old, out string) error {
	if err := os.Rename(old, out); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func copyFile(from, to string, mode fs.FileMode) (err error) {
	in, err := os.Open(from) // #nosec G304 -- named by the person who runs the build
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode) // #nosec G304 -- as above
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if _, err := io.Copy(out, in); err != nil {
		return fmt.Errorf("copy %s: %w", filepath.Base(from), err)
	}
	// The umask has changed the mode above.
	return out.Chmod(mode)
}

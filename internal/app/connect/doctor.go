package connect

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"fhirsynapse/internal/app"
	"fhirsynapse/internal/azure"
	"fhirsynapse/internal/doctor"
	"fhirsynapse/internal/fault"
)

// DoctorRequest names the installation to examine: the settings of the environment, a developer's
// machine, or a deployed app.
type DoctorRequest struct {
	Local bool
	// App is the name of a Function App; Subscription and Group narrow the search for it.
	App, Subscription, Group string
	// KickOff starts and cancels an export at each FHIR server.
	KickOff bool
}

// Doctor finds what a request names.
type Doctor struct {
	Environment app.Environment
	Log         *slog.Logger
	// Dir is the current folder.
	Dir string
	// Management returns a client of Azure's management API; nil means the public cloud's.
	Management func() (*azure.Management, error)
	// DuckDB returns the version of the linked DuckDB.
	DuckDB func(ctx context.Context) (string, error)
}

// Subject returns what a request names. close ends its connections.
func (d Doctor) Subject(
	ctx context.Context, q DoctorRequest,
) (s doctor.Subject, close func(context.Context), err error) {
	switch {
	case q.App != "":
		s, close, err = d.deployed(ctx, q)
	case q.Local:
		s, close, err = d.local()
	default:
		s, close = app.Operator{Environment: d.Environment, Log: d.Log}.Subject(app.Diagnosis{
			From: "the environment",
		})
	}
	s.KickOff, s.Now = q.KickOff, d.Environment.Now
	return s, close, err
}

// vault begins the value of a setting that only the app can see.
const vault = "@Microsoft.KeyVault("

// deployed reads the settings of a deployed app from Azure.
func (d Doctor) deployed(
	ctx context.Context, q DoctorRequest,
) (s doctor.Subject, close func(context.Context), err error) {
	close = func(context.Context) {}
	manage := d.Management
	if manage == nil {
		manage = azure.NewManagement
	}
	m, err := manage()
	if err != nil {
		return s, close, err
	}
	found, err := m.App(ctx,
		azure.AppQuery{Name: q.App, Subscription: q.Subscription, Group: q.Group})
	if err != nil {
		return s, close, err
	}
	here := variables(d.Environment.Environ)
	deployed := doctor.App{
		Name: found.Name, Group: found.Group, State: found.State, Settings: len(found.Settings),
	}
	values := map[string]string{}
	for name, value := range found.Settings {
		own, given := here[name]
		switch {
		case !strings.HasPrefix(value, vault):
			values[name] = value
		case given: // the person has set it for this command
			values[name] = own
		default:
			deployed.Unresolved = append(deployed.Unresolved, name)
		}
	}
	slices.Sort(deployed.Unresolved)
	e := d.Environment
	e.Environ = environ(values)
	s, close = app.Operator{Environment: e, Log: d.Log}.Subject(app.Diagnosis{
		From: "the function app " + found.Name, Person: true,
	})
	s.App, s.Roles = &deployed, roles{m, found}
	s.Settings.Faults = slices.DeleteFunc(s.Settings.Faults, func(err error) bool {
		return slices.ContainsFunc(deployed.Unresolved, func(name string) bool {
			return strings.HasPrefix(err.Error(), name+":") ||
				strings.Contains(err.Error(), "the setting "+name+",")
		})
	})
	if file := values["ExportsFile"]; !strings.HasPrefix(file, "blob:") {
		s.Settings.Warnings = append(s.Settings.Warnings,
			"ExportsFile: the plans are in the package of the app; this command reads the file of that name here")
	}
	return s, close, nil
}

// settingsFiles may have the settings of Core Tools, in this order.
var settingsFiles = []string{
	"local.settings.json", "dist-start/local.settings.json", "dist-local/local.settings.json",
}

// local describes this machine, with the settings of Core Tools or of the environment if there are
// any.
func (d Doctor) local() (s doctor.Subject, close func(context.Context), err error) {
	close = func(context.Context) {}
	dir, least := checkout(d.Dir)
	here := variables(d.Environment.Environ)
	e := d.Environment
	from := "the environment"
	for _, name := range settingsFiles {
		values, err := coreTools(filepath.Join(d.Dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return s, close, err
		}
		from = name
		// The Functions host runs in the folder of the file. Variables of the environment win.
		root := filepath.Dir(filepath.Join(d.Dir, name))
		values["FUNCTIONS_APP_ROOT_PATH"] = root
		if file, ok := strings.CutPrefix(values["Warehouse"], "duckdb:"); ok &&
			!filepath.IsAbs(file) {
			values["Warehouse"] = "duckdb:" + filepath.Join(root, file)
		}
		maps.Copy(values, here)
		e.Environ = environ(values)
		break
	}
	operator := app.Operator{Environment: e, Log: d.Log}
	subject, closing := operator.Subject(app.Diagnosis{From: from})
	if from != "the environment" || someSetting(here) {
		s, close = subject, closing
	} else {
		s.Views = subject.Views // a laptop run needs no settings of its own
	}
	s.Local = true
	s.Machine = &doctor.Machine{
		Dir: dir, GoLeast: least, Tool: tool, DuckDB: d.DuckDB, Dial: dial,
		Azurite: "127.0.0.1:10000",
		Exists: func(path string) bool {
			_, err := os.Stat(filepath.Join(dir, filepath.FromSlash(path)))
			return err == nil
		},
	}
	return s, close, nil
}

// someSetting reports whether an environment has a required setting of the app.
func someSetting(here map[string]string) bool {
	for name := range here {
		for _, ours := range []string{"Warehouse", "LakeStorage", "ServiceBusConnection"} {
			if strings.EqualFold(name, ours) || strings.HasPrefix(name, ours+"__") {
				return true
			}
		}
	}
	return false
}

// coreTools reads the values of a local.settings.json.
func coreTools(path string) (map[string]string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err //nolint:wrapcheck // the caller asks whether the file exists
	}
	var file struct {
		IsEncrypted bool
		Values      map[string]string
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	switch err := json.Unmarshal(data, &file); {
	case err != nil:
		return nil, &fault.Error{
			Class: fault.Permanent, Err: fmt.Errorf("%s is not the JSON of Core Tools", path),
			Remedy: "write it anew: cp local.settings.sample.json " + path,
		}
	case file.IsEncrypted:
		return nil, &fault.Error{
			Class: fault.Permanent, Err: fmt.Errorf("%s is encrypted", path),
			Remedy: "decrypt it: func settings decrypt",
		}
	}
	if file.Values == nil {
		file.Values = map[string]string{}
	}
	return file.Values, nil
}

func variables(environ []string) map[string]string {
	out := map[string]string{}
	for _, pair := range environ {
		if name, value, ok := strings.Cut(pair, "="); ok && name != "" {
			out[name] = value
		}
	}
	return out
}

func environ(values map[string]string) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		out = append(out, name+"="+values[name])
	}
	return out
}

var goLine = regexp.MustCompile(`(?m)^go (\S+)$`)

// checkout returns the folder of the source that has dir in it, and the version of Go in its
// go.mod; empty outside one.
func checkout(dir string) (root, goLeast string) {
	for at := dir; ; {
		data, err := os.ReadFile(filepath.Join(at, "go.mod"))
		if err == nil && bytes.HasPrefix(data, []byte("module fhirsynapse\n")) {
			if m := goLine.FindSubmatch(data); m != nil {
				goLeast = string(m[1])
			}
			return at, goLeast
		}
		parent := filepath.Dir(at)
		if parent == at {
			return "", ""
		}
		at = parent
	}
}

// tool runs a program and returns what it prints.
func tool(ctx context.Context, name string, args ...string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("find %s: %w", name, err)
	}
	out, err := exec.CommandContext(ctx, path, args...).Output() //nolint:gosec // names of package doctor
	if err != nil {
		return "", fmt.Errorf("run %s: %w", name, err)
	}
	return string(out), nil
}

// dial opens and closes a connection.
func dial(ctx context.Context, address string) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("dial: %w", err)
	}
	return conn.Close() //nolint:wrapcheck // nobody prints it
}

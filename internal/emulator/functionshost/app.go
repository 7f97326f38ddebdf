package functionshost

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ErrNoFunctions reports that no direct child folder of the root has a function. The real host
// continues to run in this case, and never starts the handler.
var ErrNoFunctions = errors.New(
	"no functions found: each needs a function.json in a folder directly below the root; the real host would never start the handler")

// Trigger types of function.json that have a listener in this package.
const (
	timerTrigger      = "timerTrigger"
	serviceBusTrigger = "serviceBusTrigger"
)

// listened are the triggers that this package has.
var listened = []string{timerTrigger, serviceBusTrigger, httpTrigger}

// functionName matches the folder names that the host accepts for a function.
var functionName = regexp.MustCompile(`(?i)^[a-z][a-z0-9_-]{0,127}$`)

// app is a function app, read from its folder.
type app struct {
	root       string
	executable string
	arguments  []string
	dir        string // working directory of the handler

	initialization  time.Duration
	functionTimeout time.Duration // 0: none
	maxCalls        int           // per Service Bus listener
	renewFor        time.Duration

	routePrefix string // of requests

	functions []*function
	notes     []string // for the log
}

// function is one folder.
type function struct {
	name    string
	trigger binding
	// Set for a timer. A run holds turn, because runs never overlap.
	schedule schedule
	turn     chan struct{}
	// Set for a Service Bus queue. The connection string is a secret.
	queue, connection string
}

// binding is a trigger of function.json.
type binding struct {
	Type, Name, Direction               string
	Schedule                            string
	QueueName, TopicName, Connection    string
	DataType, Cardinality               string
	IsSessionsEnabled, RunOnStartup     bool
	UseMonitor                          *bool
	Path                                string
	Properties                          map[string]any
	SubscriptionName, Source, AuthLevel string
	Route                               string
	Methods                             []string
}

// load reads the app below root, with settings to resolve its values. All faults are reported
// together.
func load(root string, settings settings) (*app, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	// #nosec G304 -- the folder we are told to run
	text, err := os.ReadFile(filepath.Join(root, "host.json"))
	if err != nil {
		return nil, err
	}
	var tree map[string]any
	if err := json.Unmarshal(text, &tree); err != nil {
		return nil, fmt.Errorf("host.json: %w", err)
	}
	c := hostConfig{tree: tree, settings: settings}
	a := &app{
		root:            root,
		initialization:  c.span(30*time.Second, "customHandler", "initializationTimeout"),
		functionTimeout: c.span(30*time.Minute, "functionTimeout"),
		// The extension's default is 16 per core.
		maxCalls: c.number(16*runtime.NumCPU(), "extensions", "serviceBus", "maxConcurrentCalls"),
		renewFor: c.span(5*time.Minute, "extensions", "serviceBus", "maxAutoLockRenewalDuration"),
	}
	c.checkVersion()
	a.routePrefix = "api"
	if v := c.value("extensions", "http", "routePrefix"); v != nil {
		a.routePrefix = fmt.Sprint(v)
	}
	a.findExecutable(&c)
	functions, err := a.readFunctions(settings)
	if err != nil {
		c.faults = append(c.faults, err)
	}
	if err := errors.Join(c.faults...); err != nil {
		return nil, err
	}
	if len(functions) == 0 {
		return nil, fmt.Errorf("%s: %w", root, ErrNoFunctions)
	}
	a.functions = functions
	return a, nil
}

// findExecutable applies the host's rule: a file in workerDirectory, or else a command of the PATH.
func (a *app) findExecutable(c *hostConfig) {
	description := func(name string) string { return c.text("customHandler", "description", name) }
	a.dir = a.root
	if d := description("workingDirectory"); d != "" {
		a.dir = filepath.Join(a.root, d)
	}
	name := description("defaultExecutablePath")
	if name == "" {
		c.fault("customHandler.description.defaultExecutablePath is missing: the host does not know what to start")
		return
	}
	for _, list := range []string{"arguments", "workerArguments"} {
		for _, arg := range c.texts("customHandler", "description", list) {
			arg, err := c.settings.expand(arg)
			if err != nil {
				c.faults = append(c.faults, fmt.Errorf("host.json: %s: %w", list, err))
			}
			a.arguments = append(a.arguments, arg)
		}
	}
	path := name
	if !filepath.IsAbs(path) {
		path = filepath.Join(a.root, description("workerDirectory"), name)
	}
	info, err := os.Stat(path)
	switch {
	case err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 == 0 &&
		runtime.GOOS != "windows":
		c.fault("the handler %s is not executable: the real host logs that once and never retries",
			name)
	case err == nil && info.Mode().IsRegular():
		a.executable = path
	default:
		if a.executable, err = exec.LookPath(name); err != nil {
			c.fault("the handler %s is neither a file of the app nor a command: the real host logs that once and never retries", name)
		}
	}
}

// readFunctions reads the direct child folders.
func (a *app) readFunctions(settings settings) ([]*function, error) {
	entries, err := os.ReadDir(a.root)
	if err != nil {
		return nil, err
	}
	var functions []*function
	var faults []error
	for _, e := range entries {
		dir := filepath.Join(a.root, e.Name())
		text, err := os.ReadFile(filepath.Join(dir, "function.json")) // #nosec G304 -- as above
		if err != nil {
			continue // not a folder, or not of a function: skipped silently, as the host does
		}
		if !functionName.MatchString(e.Name()) || strings.EqualFold(e.Name(), "host") {
			a.note("folder %s: not a valid function name, skipped", e.Name())
			continue
		}
		f, err := readFunction(e.Name(), text, settings)
		switch {
		case err != nil:
			faults = append(faults, fmt.Errorf("%s/function.json: %w", e.Name(), err))
			continue
		case f == nil:
			a.note("function %s: disabled", e.Name())
			continue
		}
		if files, err := os.ReadDir(dir); err == nil && len(files) > 1 {
			a.note("function %s: its folder has more than function.json; the host may take a lone extra file for its script", f.name)
		}
		if !slices.Contains(listened, f.trigger.Type) {
			a.note("function %s: this stand-in has no listener for a %s", f.name, f.trigger.Type)
		}
		functions = append(functions, f)
	}
	return functions, errors.Join(faults...)
}

func (a *app) note(format string, args ...any) {
	a.notes = append(a.notes, fmt.Sprintf(format, args...))
}

// readFunction reads a function.json. It returns nil for a disabled function.
func readFunction(name string, text []byte, settings settings) (*function, error) {
	var file struct {
		Disabled any
		Bindings []binding
	}
	if err := json.Unmarshal(text, &file); err != nil {
		return nil, err
	}
	off, _ := settings.find("AzureWebJobs." + name + ".Disabled")
	if truth(off) || truth(fmt.Sprint(file.Disabled)) {
		return nil, nil //nolint:nilnil // nil is the documented answer
	}
	var triggers []binding
	for _, b := range file.Bindings {
		if strings.HasSuffix(strings.ToLower(b.Type), "trigger") {
			triggers = append(triggers, b)
		}
	}
	if len(triggers) != 1 {
		return nil, fmt.Errorf("it has %d triggers, and must have one", len(triggers))
	}
	f := &function{name: name, trigger: triggers[0]}
	if f.trigger.Type == httpTrigger && f.trigger.Route == "" {
		f.trigger.Route = name
	}
	b := &f.trigger
	if b.Name == "" {
		return nil, errors.New("the trigger has no name")
	}
	var faults []error
	var err error
	switch b.Type {
	case timerTrigger:
		if b.Schedule, err = settings.expand(b.Schedule); err != nil {
			return nil, fmt.Errorf("schedule: %w", err)
		}
		if f.schedule, err = parseSchedule(b.Schedule); err != nil {
			return nil, fmt.Errorf("schedule: %w", err)
		}
		f.turn = make(chan struct{}, 1)
	case serviceBusTrigger:
		if b.TopicName != "" || b.IsSessionsEnabled || strings.EqualFold(b.Cardinality, "many") {
			faults = append(faults, errors.New("this stand-in has no topics, sessions or batches"))
		}
		if f.queue, err = settings.expand(b.QueueName); err != nil {
			faults = append(faults, fmt.Errorf("queueName: %w", err))
		} else if f.queue == "" && b.TopicName == "" {
			faults = append(faults, errors.New("queueName is missing"))
		}
		if f.connection, err = settings.connection(b.Connection); err != nil {
			faults = append(faults, fmt.Errorf("connection: %w", err))
		}
	}
	return f, errors.Join(faults...)
}

// settings holds the app settings, which take precedence over the environment.
type settings struct {
	given       map[string]string
	environment []string
}

// find returns a setting. Case does not matter, as in .NET.
func (s settings) find(name string) (string, bool) {
	if v, ok := s.given[name]; ok {
		return v, true
	}
	for k, v := range s.given {
		if strings.EqualFold(k, name) {
			return v, true
		}
	}
	for _, e := range slices.Backward(s.environment) {
		if k, v, ok := strings.Cut(e, "="); ok && strings.EqualFold(k, name) {
			return v, true
		}
	}
	return "", false
}

var reference = regexp.MustCompile(`%([^%]+)%`)

// expand replaces %NAME% by the setting NAME.
func (s settings) expand(text string) (string, error) {
	var faults []error
	out := reference.ReplaceAllStringFunc(text, func(m string) string {
		v, ok := s.find(m[1 : len(m)-1])
		if !ok || v == "" {
			faults = append(faults,
				fmt.Errorf("%s does not resolve to a value: the setting is not set", m))
		}
		return v
	})
	return out, errors.Join(faults...)
}

// connection returns the connection string of a Service Bus trigger.
func (s settings) connection(name string) (string, error) {
	name, err := s.expand(name)
	if err != nil {
		return "", err
	}
	if name == "" {
		name = "AzureWebJobsServiceBus" // the extension's default
	}
	if v, ok := s.find(name); ok && v != "" {
		return v, nil
	}
	if _, ok := s.find(name + "__fullyQualifiedNamespace"); ok {
		return "", fmt.Errorf(
			"%s names a namespace for a managed identity, which this stand-in has not: set %s to a connection string", name, name)
	}
	return "", fmt.Errorf("the setting %s is not set", name)
}

// hostConfig reads host.json. Settings named AzureFunctionsJobHost__a__b override it.
type hostConfig struct {
	tree     map[string]any
	settings settings
	faults   []error
}

func (c *hostConfig) fault(format string, args ...any) {
	c.faults = append(c.faults, fmt.Errorf("host.json: "+format, args...))
}

func (c *hostConfig) value(path ...string) any {
	if v, ok := c.settings.find("AzureFunctionsJobHost__" + strings.Join(path, "__")); ok {
		return v
	}
	var at any = c.tree
	for _, name := range path {
		m, ok := at.(map[string]any)
		if !ok {
			return nil
		}
		at = nil
		for k, v := range m {
			if strings.EqualFold(k, name) {
				at = v
			}
		}
	}
	return at
}

func (c *hostConfig) text(path ...string) string {
	switch v := c.value(path...).(type) {
	case nil:
		return ""
	case string:
		return v
	default:
		return fmt.Sprint(v)
	}
}

func (c *hostConfig) texts(path ...string) []string {
	list, _ := c.value(path...).([]any)
	var out []string
	for _, v := range list {
		out = append(out, fmt.Sprint(v))
	}
	return out
}

func (c *hostConfig) number(fallback int, path ...string) int {
	s := c.text(path...)
	if s == "" {
		return fallback
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		c.fault("%s is %q: must be a number above 0", strings.Join(path, "."), s)
		return fallback
	}
	return n
}

func (c *hostConfig) span(fallback time.Duration, path ...string) time.Duration {
	s := c.text(path...)
	if s == "" {
		return fallback
	}
	d, err := parseSpan(s)
	if err != nil {
		c.fault("%s: %w", strings.Join(path, "."), err)
	}
	return d
}

func (c *hostConfig) checkVersion() {
	if v := c.text("version"); v != "2.0" {
		c.fault("version is %q: must be \"2.0\"", v)
	}
}

var span = regexp.MustCompile(`^(?:(\d{1,4})\.)?(\d{1,2}):(\d{1,2})(?::(\d{1,2}(?:\.\d{1,7})?))?$`)

// parseSpan reads a .NET TimeSpan. "-1" means no limit and returns 0.
func parseSpan(s string) (time.Duration, error) {
	if s == "-1" {
		return 0, nil
	}
	m := span.FindStringSubmatch(s)
	if m == nil {
		return 0, fmt.Errorf("%q is no time span: write hh:mm:ss", s)
	}
	part := func(i int) float64 {
		f, err := strconv.ParseFloat(m[i], 64)
		if err != nil {
			return 0 // missing
		}
		return f
	}
	if part(2) > 23 || part(3) > 59 || part(4) >= 60 {
		return 0, fmt.Errorf("%q is no time span: write hh:mm:ss", s)
	}
	seconds := ((part(1)*24+part(2))*60+part(3))*60 + part(4)
	return time.Duration(math.Round(seconds * float64(time.Second))), nil
}

func truth(s string) bool { return strings.EqualFold(s, "true") || s == "1" }

package config

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"fhirsynapse/internal/fault"
)

// Config is everything that a process of ours is told from outside.
type Config struct {
	// Warehouse is where the tables are.
	Warehouse Warehouse
	// WarehouseStatements is how many statements run there at the same time.
	WarehouseStatements int
	// EngineTransforms says that the engine makes the rows of views.
	EngineTransforms bool
	// Bus and Lake are how the two Azure services are reached.
	Bus  Connection
	Lake Connection

	StepsQueue, BlobEventsQueue string

	LandingContainer, StagingContainer, QuarantineContainer, JournalContainer, PublishedContainer string

	// ExportsFile says where exports.yaml is. Exports is its content, and empty
	// where it lies in the journal container: then the app reads it, and
	// ParseExports parses it.
	ExportsFile ExportsFile
	Exports     Exports

	// ViewsFolder adds to the bundled ViewDefinitions, or replaces those of the same name.
	ViewsFolder string

	Settle, StepTimeout, PollMin, PollMax, SilentAfter, ExportTimeout, StuckAfter, KickOffPatience, LeaseFor time.Duration

	// LineLimit is the longest line of an NDJSON file, in bytes.
	LineLimit int
	LogLevel  slog.Level

	// Warnings are for the log: what works and is probably not meant. Those about
	// the plans are in Exports.
	Warnings []string
}

// Warehouse is the setting of that name, cut at its first colon.
type Warehouse struct {
	Scheme string
	// Rest may carry a password, as connection strings do.
	Rest Secret
}

// Connection is how one Azure service is reached: by a connection string, or at
// an address with a managed identity.
type Connection struct {
	ConnectionString Secret
	// Address is a host name for Service Bus and a URL for storage.
	Address  string
	ClientID string // of a user-assigned identity; empty for the system-assigned one
}

// Identity says that the connection signs in with a managed identity.
func (c Connection) Identity() bool { return c.ConnectionString.IsZero() }

// ExportsFile is where exports.yaml is: exactly one of the two is set.
type ExportsFile struct {
	Path string // of a file
	Blob string // inside the journal container
}

// FromEnv reads the settings from environ (as os.Environ gives them) and files
// with readFile (as os.ReadFile reads them). Schemes are the warehouses that the
// caller can open. The error joins every fault and is permanent; a Config that
// comes with an error is not to be used.
func FromEnv(environ []string, readFile func(string) ([]byte, error), schemes ...string) (Config, error) {
	e := newEnv(environ)
	c := Config{
		StepsQueue:          e.queue("StepsQueue"),
		BlobEventsQueue:     e.queue("BlobEventsQueue"),
		LandingContainer:    e.container("LandingContainer"),
		StagingContainer:    e.container("StagingContainer"),
		QuarantineContainer: e.container("QuarantineContainer"),
		JournalContainer:    e.container("JournalContainer"),
		PublishedContainer:  e.container("PublishedContainer"),
		Settle:              e.duration("Settle", 0),
		StepTimeout:         e.duration("StepTimeout", time.Second),
		PollMin:             e.duration("PollMin", time.Millisecond),
		PollMax:             e.duration("PollMax", time.Millisecond),
		SilentAfter:         e.duration("SilentAfter", time.Second),
		ExportTimeout:       e.duration("ExportTimeout", time.Minute),
		StuckAfter:          e.duration("StuckAfter", time.Minute),
		KickOffPatience:     e.duration("KickOffPatience", time.Second),
		LeaseFor:            e.duration("LeaseFor", time.Second),
		LineLimit:           e.lineLimit("LineLimit"),
		LogLevel:            e.level("LogLevel"),
		ViewsFolder:         e.path(e.get("ViewsFolder")),
		Warehouse:           e.warehouse(schemes),
		WarehouseStatements: e.number("WarehouseStatements", 1, 64),
		EngineTransforms:    e.oneOf("WarehouseTransform", "native", "tsql") == "tsql",
		Bus:                 e.bus(),
		Lake:                e.lake(),
	}
	e.distinct("StepsQueue", "BlobEventsQueue")
	e.distinct("LandingContainer", "StagingContainer", "QuarantineContainer", "JournalContainer", "PublishedContainer")
	if c.PollMin > c.PollMax {
		e.fault("PollMin", "%s is above PollMax, %s", c.PollMin, c.PollMax)
	}
	if c.LeaseFor > time.Minute {
		e.fault("LeaseFor", "%s must be at most 1m: a killed committer keeps others from its tables for so long", c.LeaseFor)
	}
	if c.SilentAfter <= c.PollMax {
		e.fault("SilentAfter", "%s must be above PollMax, %s: an export that waits for its next poll is not silent", c.SilentAfter, c.PollMax)
	}
	e.functionTimeout(c.StepTimeout, readFile)
	c.ExportsFile = e.exportsFile()
	c.Exports = e.exports(c.ExportsFile, readFile)
	e.misspelt()

	c.Warnings = e.warnings
	if len(e.faults) > 0 {
		return c, &fault.Error{Class: fault.Permanent, Err: errors.Join(e.faults...)}
	}
	return c, nil
}

// env is the environment, with the faults found in it.
type env struct {
	values   map[string]string
	folded   map[string]string // lower-case name -> name
	faults   []error
	warnings []string
}

func newEnv(environ []string) *env {
	e := &env{values: map[string]string{}, folded: map[string]string{}}
	for _, line := range environ {
		name, value, _ := strings.Cut(line, "=")
		if name == "" {
			continue // Windows keeps its drives' directories as "=C:=..."
		}
		e.values[name] = value
		e.folded[strings.ToLower(name)] = name
	}
	return e
}

// given is the value of a setting, or "". Names are compared as the host does,
// without regard to case; an exact match goes first.
func (e *env) given(name string) string {
	if v, ok := e.values[name]; ok {
		return strings.TrimSpace(v)
	}
	return strings.TrimSpace(e.values[e.folded[strings.ToLower(name)]])
}

// get is the value of a setting, or its documented default.
func (e *env) get(name string) string {
	if v := e.given(name); v != "" {
		return v
	}
	i := slices.IndexFunc(settings, func(s setting) bool { return s.name == name })
	return settings[i].fallback
}

func (e *env) fault(name, format string, args ...any) {
	e.faults = append(e.faults, fmt.Errorf("%s: %w", name, fmt.Errorf(format, args...)))
}

// path is one that starts beside host.json when it is relative.
func (e *env) path(p string) string {
	if p == "" || filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(e.given(appRoot), p)
}

func (e *env) duration(name string, least time.Duration) time.Duration {
	d, err := parseDuration(e.get(name))
	switch {
	case err != nil:
		e.fault(name, "%w", err)
	case d < least:
		e.fault(name, "%s is below the least, %s", d, least)
	}
	return d
}

func (e *env) oneOf(name string, values ...string) string {
	v := strings.ToLower(e.get(name))
	if !slices.Contains(values, v) {
		e.fault(name, "%q must be one of %s", v, strings.Join(values, ", "))
	}
	return v
}

func (e *env) number(name string, least, most int) int {
	n, err := strconv.Atoi(e.get(name))
	if err != nil || n < least || n > most {
		e.fault(name, "%q must be a number from %d to %d", e.get(name), least, most)
	}
	return n
}

func (e *env) lineLimit(name string) int {
	n, err := ParseLineLimit(e.get(name))
	if err != nil {
		e.fault(name, "%w", err)
	}
	return n
}

func (e *env) level(name string) slog.Level {
	levels := map[string]slog.Level{
		"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
	}
	l, ok := levels[strings.ToLower(e.get(name))]
	if !ok {
		e.fault(name, "%q is no level: write debug, info, warn or error", e.get(name))
	}
	return l
}

// exportsFile says where exports.yaml is, and reads nothing.
func (e *env) exportsFile() ExportsFile {
	text := e.get(exportsFile)
	blob, ok := strings.CutPrefix(text, "blob:")
	if !ok {
		return ExportsFile{Path: e.path(text)}
	}
	if blob = strings.TrimPrefix(blob, "/"); blob == "" {
		e.fault(exportsFile, "blob: needs a path inside the journal container")
	}
	return ExportsFile{Blob: blob}
}

// exports reads and parses exports.yaml, unless it is in the journal.
func (e *env) exports(file ExportsFile, readFile func(string) ([]byte, error)) Exports {
	if file.Path == "" {
		return Exports{}
	}
	exports, err := e.readExports(file.Path, readFile)
	if err != nil {
		e.faults = append(e.faults, err)
	}
	return exports
}

func (e *env) readExports(path string, readFile func(string) ([]byte, error)) (Exports, error) {
	data, err := readFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Exports{}, fault.Permanentf("%s: there is no file %s: start from exports.sample.yaml", exportsFile, path)
	case err != nil:
		return Exports{}, fault.Permanentf("%s: read plans: %w", exportsFile, err)
	}
	return ParseExports(filepath.Base(path), data, e.given)
}

// Azure's naming rules for queues and containers. The length of a queue's name is
// checked apart: 258 repetitions take a millisecond to compile, at each start.
var (
	queueName     = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._/-]*[A-Za-z0-9])?$`)
	containerName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{1,61})[a-z0-9]$`)
)

func (e *env) queue(name string) string {
	v := e.get(name)
	if len(v) > 260 || !queueName.MatchString(v) {
		e.fault(name, "%q is no queue name: up to 260 letters, digits, dots, hyphens, underscores and slashes, beginning and ending with a letter or digit", v)
	}
	return v
}

func (e *env) container(name string) string {
	v := e.get(name)
	if !containerName.MatchString(v) || strings.Contains(v, "--") {
		e.fault(name, "%q is no container name: 3 to 63 small letters, digits and single hyphens", v)
	}
	return v
}

func (e *env) distinct(names ...string) {
	for i, a := range names {
		for _, b := range names[:i] {
			if strings.EqualFold(e.get(a), e.get(b)) {
				e.fault(a, "%q is also the value of %s: they must differ", e.get(a), b)
			}
		}
	}
}

// misspelt warns of settings that look like ours and are not.
func (e *env) misspelt() {
	var known []string
	for _, s := range settings {
		known = append(known, s.name)
	}
	known = append(known, foreign...)
	isKnown := func(name string) bool {
		return slices.ContainsFunc(known, func(k string) bool { return strings.EqualFold(k, name) })
	}
	var warnings []string
	for name := range e.values {
		if isKnown(name) {
			continue
		}
		// Two letters may be wrong in a short word by chance: PATH is not Path.
		if m := meant(name, known); m != "" && len(name) > 5 {
			warnings = append(warnings, fmt.Sprintf("setting %s is not known: did you mean %s?", name, m))
			continue
		}
		for _, prefix := range []string{serviceBus + "__", lakeStorage + "__"} {
			if len(name) > len(prefix) && strings.EqualFold(name[:len(prefix)], prefix) {
				warnings = append(warnings, fmt.Sprintf("setting %s is not known", name))
			}
		}
	}
	slices.Sort(warnings)
	e.warnings = warnings
}

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

// Config is the complete configuration of a process.
type Config struct {
	// Warehouse is the database of the tables.
	Warehouse Warehouse
	// WarehouseStatements is the number of concurrent statements.
	WarehouseStatements int
	// EngineTransforms lets the engine compute the rows of views.
	EngineTransforms bool
	// Bus and Lake are the connections to the two Azure services.
	Bus  Connection
	Lake Connection

	StepsQueue, BlobEventsQueue string

	LandingContainer, StagingContainer, QuarantineContainer string
	JournalContainer, PublishedContainer                    string

	// ExportsFile is the location of exports.yaml. Exports is its content, but empty if the file is
	// in the journal container: then the app reads it and ParseExports parses it.
	ExportsFile ExportsFile
	Exports     Exports

	// ViewsFolder has ViewDefinitions that add to the bundled ones, or replace those with the same
	// name.
	ViewsFolder string

	Settle, StepTimeout, PollMin, PollMax, SilentAfter, ExportTimeout time.Duration
	StuckAfter, KickOffPatience, LeaseFor                             time.Duration

	// LineLimit bounds a line of an NDJSON file, in bytes.
	LineLimit int
	LogLevel  slog.Level

	// Warnings are for the log: valid settings that are probably mistakes. Warnings about plans are
	// in Exports.
	Warnings []string
}

// Warehouse is the setting Warehouse, split at its first colon.
type Warehouse struct {
	Scheme string
	// Rest may hold a password, like a connection string.
	Rest Secret
}

// Connection is the connection to one Azure service: a connection string, or an address with a
// managed identity.
type Connection struct {
	ConnectionString Secret
	// Address is a host name for Service Bus and a URL for storage.
	Address  string
	ClientID string // of a user-assigned identity; empty for the system-assigned one
}

// Identity reports whether the connection signs in with a managed identity.
func (c Connection) Identity() bool { return c.ConnectionString.IsZero() }

// ExportsFile is the location of exports.yaml. Exactly one field is set.
type ExportsFile struct {
	Path string // of a file
	Blob string // inside the journal container
}

// FromEnv reads the settings from environ (as from os.Environ) and files with readFile (like
// os.ReadFile). schemes are the warehouses that the caller can open. The error joins all faults and
// is Permanent; the Config is then unusable.
func FromEnv(
	environ []string, readFile func(string) ([]byte, error), schemes ...string,
) (Config, error) {
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
	e.distinct("LandingContainer", "StagingContainer", "QuarantineContainer", "JournalContainer",
		"PublishedContainer")
	if c.PollMin > c.PollMax {
		e.fault("PollMin", "%s is above PollMax, %s", c.PollMin, c.PollMax)
	}
	if c.LeaseFor > time.Minute {
		e.fault("LeaseFor",
			"%s must be at most 1m: for that time a killed committer blocks others from its tables",
			c.LeaseFor)
	}
	if c.SilentAfter <= c.PollMax {
		e.fault("SilentAfter",
			"%s must be above PollMax, %s: an export that waits for its next poll must not count as silent", c.SilentAfter, c.PollMax)
	}
	e.functionTimeout(c.StepTimeout, readFile)
	c.ExportsFile = e.exportsFile()
	c.Exports = e.exports(c.ExportsFile, readFile)
	if to := c.Warehouse.Scheme; to != "" {
		if err := c.Exports.CheckStorage(to, c.EngineTransforms); err != nil {
			e.faults = append(e.faults, err)
		}
	}
	return e.finish(c)
}

// env is the environment and the faults found in it.
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
			continue // Windows keeps the current directories of drives as "=C:=..."
		}
		e.values[name] = value
		e.folded[strings.ToLower(name)] = name
	}
	return e
}

// given returns the value of a setting, or "". Names ignore case like the host's, but an exact
// match wins.
func (e *env) given(name string) string {
	if v, ok := e.values[name]; ok {
		return strings.TrimSpace(v)
	}
	return strings.TrimSpace(e.values[e.folded[strings.ToLower(name)]])
}

// get returns the value of a setting, or its documented default.
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

// path resolves a relative path from the folder of host.json.
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
		"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn,
		"error": slog.LevelError,
	}
	l, ok := levels[strings.ToLower(e.get(name))]
	if !ok {
		e.fault(name, "%q is not a level: write debug, info, warn or error", e.get(name))
	}
	return l
}

// exportsFile returns the location of exports.yaml without reading it.
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
		return Exports{},
			fault.Permanentf("%s: file %s does not exist: start from exports.sample.yaml",
				exportsFile, path)
	case err != nil:
		return Exports{}, fault.Permanentf("%s: read plans: %w", exportsFile, err)
	}
	return ParseExports(filepath.Base(path), data, e.given)
}

// Azure's naming rules for queues and containers. The length of a queue's name is checked
// separately, because 258 repetitions take a millisecond to compile at each start.
var (
	queueName     = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._/-]*[A-Za-z0-9])?$`)
	containerName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{1,61})[a-z0-9]$`)
)

func (e *env) queue(name string) string {
	v := e.get(name)
	if len(v) > 260 || !queueName.MatchString(v) {
		e.fault(name, "%q is not a queue name: up to 260 letters, digits, dots, hyphens, underscores and slashes, beginning and ending with a letter or digit", v)
	}
	return v
}

func (e *env) container(name string) string {
	v := e.get(name)
	if !containerName.MatchString(v) || strings.Contains(v, "--") {
		e.fault(name, "%q is not a container name: 3 to 63 lower-case letters, digits and single hyphens", v)
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

// misspelt warns about unknown settings that resemble known ones.
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
		// Short words differ in two letters by chance: PATH is not Path.
		if m := meant(name, known); m != "" && len(name) > 5 {
			warnings = append(warnings,
				fmt.Sprintf("setting %s is not known: did you mean %s?", name, m))
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

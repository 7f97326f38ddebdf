package config

import (
	"errors"

	"fhirsynapse/internal/fault"
)

// JournalFromEnv reads only the settings for work on the journal: the storage account, its
// containers, and the location of the plans, which are not read. Other settings may be missing. The
// error joins all faults and is Permanent.
func JournalFromEnv(environ []string) (Config, error) {
	e := newEnv(environ)
	return e.finish(e.journal())
}

// QueueFromEnv reads the settings of JournalFromEnv and the queue of steps.
func QueueFromEnv(environ []string) (Config, error) {
	e := newEnv(environ)
	c := e.journal()
	c.Bus = e.bus()
	return e.finish(c)
}

// TablesFromEnv reads the settings of JournalFromEnv and of the tables. schemes are the
// warehouses that the caller can open.
func TablesFromEnv(environ []string, schemes ...string) (Config, error) {
	e := newEnv(environ)
	c := e.journal()
	c.StagingContainer = e.container("StagingContainer")
	c.PublishedContainer = e.container("PublishedContainer")
	c.ViewsFolder = e.path(e.get("ViewsFolder"))
	c.Warehouse = e.warehouse(schemes)
	c.EngineTransforms = e.oneOf("WarehouseTransform", "native", "tsql") == "tsql"
	return e.finish(c)
}

func (e *env) journal() Config {
	return Config{
		Lake:                e.lake(),
		JournalContainer:    e.container("JournalContainer"),
		LandingContainer:    e.container("LandingContainer"),
		QuarantineContainer: e.container("QuarantineContainer"),
		LineLimit:           e.lineLimit("LineLimit"),
		ExportsFile:         e.exportsFile(),
		StepsQueue:          e.queue("StepsQueue"),
	}
}

// finish adds the warnings to a Config, and returns its faults.
func (e *env) finish(c Config) (Config, error) {
	e.misspelt()
	c.Warnings = e.warnings
	if len(e.faults) > 0 {
		return c, &fault.Error{Class: fault.Permanent, Err: errors.Join(e.faults...)}
	}
	return c, nil
}

// ReadExports reads and parses the exports.yaml at a path, like FromEnv.
func ReadExports(
	path string, environ []string, readFile func(string) ([]byte, error),
) (Exports, error) {
	return newEnv(environ).readExports(path, readFile)
}

package config

import (
	"errors"

	"fhirsynapse/internal/fault"
)

// JournalFromEnv reads only the settings for work on the journal: the storage account, its
// containers, and the location of the plans, which are not read. Other settings may be missing. The
// error joins all faults and is Permanent.
func JournalFromEnv(environ []string) (Config, error) {
	return newEnv(environ).journal(false)
}

// QueueFromEnv reads the settings of JournalFromEnv and the queue of steps.
func QueueFromEnv(environ []string) (Config, error) { return newEnv(environ).journal(true) }

func (e *env) journal(withQueue bool) (Config, error) {
	c := Config{
		Lake:                e.lake(),
		JournalContainer:    e.container("JournalContainer"),
		LandingContainer:    e.container("LandingContainer"),
		QuarantineContainer: e.container("QuarantineContainer"),
		LineLimit:           e.lineLimit("LineLimit"),
		ExportsFile:         e.exportsFile(),
		StepsQueue:          e.queue("StepsQueue"),
	}
	if withQueue {
		c.Bus = e.bus()
	}
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

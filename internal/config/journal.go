package config

import (
	"errors"

	"fhirsynapse/internal/fault"
)

// JournalFromEnv reads the settings of who works on the journal alone: the storage
// account and its containers, and where the plans are, which stay unread. What else
// an app needs may be missing. The error joins every fault and is permanent.
func JournalFromEnv(environ []string) (Config, error) {
	e := newEnv(environ)
	c := Config{
		Lake:             e.lake(),
		JournalContainer: e.container("JournalContainer"),
		LandingContainer: e.container("LandingContainer"),
		LineLimit:        e.lineLimit("LineLimit"),
		ExportsFile:      e.exportsFile(),
	}
	e.misspelt()
	c.Warnings = e.warnings
	if len(e.faults) > 0 {
		return c, &fault.Error{Class: fault.Permanent, Err: errors.Join(e.faults...)}
	}
	return c, nil
}

// ReadExports reads and parses exports.yaml of a path, as FromEnv does.
func ReadExports(path string, environ []string, readFile func(string) ([]byte, error)) (Exports, error) {
	return newEnv(environ).readExports(path, readFile)
}

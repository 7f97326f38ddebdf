//go:build standin

package main

import (
	"fhirsynapse/internal/testkit/standin"
	"fhirsynapse/internal/warehouse"
)

// engines of a build for tests: a warehouse that lives in another process.
var engines = warehouse.Engines{standin.Scheme: standin.Engine()}

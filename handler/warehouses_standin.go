//go:build standin

package main

import (
	"fhirsynapse/internal/app"
	"fhirsynapse/internal/config"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/testkit/standin"
)

// warehouses of a build for tests: one that lives in another process.
var warehouses = map[string]app.OpenWarehouse{
	standin.Scheme: func(rest config.Secret, _ app.Resources) (pipeline.Warehouse, error) {
		return standin.NewClient(rest.Reveal())
	},
}

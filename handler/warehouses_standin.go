//go:build standin

package main

import (
	"fhirsynapse/internal/app"
	"fhirsynapse/internal/config"
	"fhirsynapse/internal/local/standin"
	"fhirsynapse/internal/pipeline"
)

// warehouses of a build for tests: one that lives in another process.
var warehouses = map[string]app.OpenWarehouse{
	standin.Scheme: func(rest config.Secret, _ app.Resources) (pipeline.Warehouse, error) {
		return standin.NewClient(rest.Reveal())
	},
}

//go:build !standin

package main

import "fhirsynapse/internal/app"

// warehouses are those that this program can open.
var warehouses = map[string]app.OpenWarehouse{}

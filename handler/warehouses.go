//go:build !standin

package main

import "fhirsynapse/internal/app/sqlserver"

// warehouses are those that this program can open.
var warehouses = sqlserver.Warehouses(nil)

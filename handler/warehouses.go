//go:build !standin

package main

import "fhirsynapse/internal/app/sqlwarehouses"

// warehouses are those that this program can open.
var warehouses = sqlwarehouses.Warehouses(nil)

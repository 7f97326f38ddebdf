package main

import (
	"fhirsynapse/internal/warehouse/open"
)

// engines are the warehouses that this program can open.
var engines = open.Engines()

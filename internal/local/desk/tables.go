package desk

import "fhirsynapse/internal/app"

// Warehouses are those that the desk's own process can open.
var Warehouses = map[string]app.OpenWarehouse{}

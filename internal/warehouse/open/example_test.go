package open_test

import (
	"fmt"
	"maps"
	"slices"

	"fhirsynapse/internal/warehouse/open"
)

// The scheme of the setting Warehouse chooses the engine.
func ExampleEngines() {
	for _, scheme := range slices.Sorted(maps.Keys(open.Engines())) {
		fmt.Println(scheme)
	}
	// Output:
	// fabric
	// sqlserver
	// synapse-dedicated
	// synapse-serverless
}

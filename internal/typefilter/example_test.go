package typefilter_test

import (
	"fmt"

	"fhirsynapse/internal/typefilter"
)

func ExampleType() {
	fmt.Println(typefilter.Type("Observation?status=final"))
	fmt.Println(typefilter.Type("status=final"))
	// Output:
	// Observation true
	// status=final false
}

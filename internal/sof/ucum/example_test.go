package ucum_test

import (
	"fmt"

	"fhirsynapse/internal/sof/ucum"
)

func ExampleRatio() {
	gram, _ := ucum.Parse("g")
	milligram, _ := ucum.Parse("mg")
	litre, _ := ucum.Parse("L")
	fmt.Println(ucum.Ratio(gram, milligram))
	fmt.Println(ucum.Ratio(gram, litre))
	// Output:
	// 1000/1 true
	// <nil> false
}

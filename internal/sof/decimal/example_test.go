package decimal_test

import (
	"fmt"

	"fhirsynapse/internal/sof/decimal"
)

func ExampleParse() {
	for _, text := range []string{"1.20", "1.2E+2", "one"} {
		d, ok := decimal.Parse(text)
		fmt.Println(d, ok)
	}
	// Output:
	// 1.20 true
	// 120 true
	// 0 false
}

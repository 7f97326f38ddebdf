package ndjson_test

import (
	"fmt"
	"strings"

	"fhirsynapse/internal/ndjson"
)

func ExampleLines() {
	input := `{"resourceType":"Patient","id":"a"}` + "\n\n" + `{"resourceType":"Patient","id":"b"}`
	for line, err := range ndjson.Lines(strings.NewReader(input), ndjson.DefaultLimit) {
		switch {
		case err != nil:
			fmt.Println(err)
		case line.Blank():
			fmt.Printf("line %d is blank\n", line.Number)
		default:
			fmt.Printf("line %d at byte %d: %s\n", line.Number, line.Offset, line.JSON)
		}
	}
	// Output:
	// line 1 at byte 0: {"resourceType":"Patient","id":"a"}
	// line 2 is blank
	// line 3 at byte 37: {"resourceType":"Patient","id":"b"}
}

package fault_test

import (
	"errors"
	"fmt"

	"fhirsynapse/internal/fault"
)

func ExampleOf() {
	busy := fault.Transientf("the server answered HTTP 503")
	wrong := &fault.Error{
		Class: fault.Permanent, Err: errors.New("the group is unknown"),
		Remedy: "check the plan's group",
	}
	for _, err := range []error{
		busy, fmt.Errorf("kick-off: %w", wrong), errors.New("unclassified"),
	} {
		fmt.Printf("%v, %s, remedy %q\n", err, fault.Of(err), fault.Remedy(err))
	}
	// Output:
	// the server answered HTTP 503, transient, remedy ""
	// kick-off: the group is unknown: check the plan's group, permanent, remedy "check the plan's group"
	// unclassified, transient, remedy ""
}

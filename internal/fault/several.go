package fault

import (
	"errors"
	"fmt"
)

// maxFaults bounds the faults that one error lists.
const maxFaults = 20

// Several joins faults into one error. It lists the first 20 and counts the rest, to keep the
// message short.
func Several(faults []error) error {
	if len(faults) <= maxFaults {
		return errors.Join(faults...)
	}
	named := append(faults[:maxFaults:maxFaults], fmt.Errorf("and %d more", len(faults)-maxFaults))
	return errors.Join(named...)
}

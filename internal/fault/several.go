package fault

import (
	"errors"
	"fmt"
)

// maxFaults is the most faults that one error names.
const maxFaults = 20

// Several joins the faults of one thing. It names the first 20 and counts the others,
// so that the message stays short however many there are.
func Several(faults []error) error {
	if len(faults) <= maxFaults {
		return errors.Join(faults...)
	}
	named := append(faults[:maxFaults:maxFaults], fmt.Errorf("and %d more", len(faults)-maxFaults))
	return errors.Join(named...)
}

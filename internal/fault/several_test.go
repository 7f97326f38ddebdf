package fault_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"fhirsynapse/internal/fault"
)

func TestSeveralNamesTheFirstTwenty(t *testing.T) {
	t.Parallel()
	first := errors.New("fault 0")
	faults := []error{first}
	for n := 1; n < 200_000; n++ {
		faults = append(faults, fmt.Errorf("fault %d", n))
	}
	err := fault.Several(faults)
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != 21 || lines[19] != "fault 19" || lines[20] != "and 199980 more" ||
		!errors.Is(err, first) {
		t.Errorf("%d lines, the last: %s", len(lines), lines[len(lines)-1])
	}
	if err := fault.Several(faults[:20]); strings.Count(err.Error(), "\n") != 19 {
		t.Errorf("twenty faults read %s", err)
	}
	if err := fault.Several(nil); err != nil {
		t.Errorf("no fault is %v", err)
	}
}

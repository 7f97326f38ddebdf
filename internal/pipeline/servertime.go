package pipeline

import (
	"fmt"
	"time"

	"fhirsynapse/internal/fault"
)

// maxAhead is how far a server's time may be ahead of our clock. With a watermark in the
// future, a plan would never export again.
const maxAhead = 24 * time.Hour

func (d *deps) notAhead(what string, t time.Time) error {
	if !t.After(d.Now().Add(maxAhead)) {
		return nil
	}
	return &fault.Error{
		Class: fault.Permanent, Whose: fault.TheirServer,
		Err: fmt.Errorf("%s, %s, is more than a day ahead of our clock", what,
			t.UTC().Format(time.RFC3339)),
		Remedy: "check the clock of the FHIR server, and ours",
	}
}

// clockSkew is how far the server's clock may be from ours.
const clockSkew = 5 * time.Minute

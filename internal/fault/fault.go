// Package fault holds the three classes of error that steer every step.
//
// The adapter that meets an error knows what it means and says so once, by code
// and never by message text; the pipeline alone acts on the class:
//
//	Transient  may pass by itself: the step is sent again later
//	Permanent  needs a person or a deployment: the export fails, and the next one covers its time
//	BadData    this input never; the others are fine: the line goes to quarantine
//
// An error that nobody classified is Transient: attempts are bounded, so hope is
// cheap, and giving up an export for a fault that would have passed is not.
package fault

import (
	"errors"
	"fmt"
	"time"
)

// Class says what may be done about an error.
type Class int

// The classes. The zero value is the hopeful one.
const (
	Transient Class = iota
	Permanent
	BadData
)

// String names the class as it appears in logs.
func (c Class) String() string {
	switch c {
	case Permanent:
		return "permanent"
	case BadData:
		return "bad data"
	case Transient:
		return "transient"
	}
	return fmt.Sprintf("class %d", int(c))
}

// Error is an error with a class.
type Error struct {
	Class Class
	// After is how long the other side asked us to wait; zero where it did not say.
	After time.Duration
	// Remedy tells a person what to do; empty where the message already does.
	Remedy string
	// Whose says on which side the cause lies; empty where nobody knows.
	Whose Party
	Err   error
}

// Party is a side on which the cause of a failure may lie.
type Party string

// The parties, in the words that people read.
const (
	OurSetting     Party = "our setting"
	OurPermission  Party = "our permission"
	TheirStorage   Party = "the FHIR service's permission on storage"
	TheirServer    Party = "the FHIR server"
	BetweenServers Party = "the network"
)

// Error is the text of the cause, then the remedy.
func (e *Error) Error() string {
	if e.Remedy == "" {
		return e.Err.Error()
	}
	return e.Err.Error() + ": " + e.Remedy
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Of is the class of err: that of the outermost Error in its chain, since the
// layer that knows most has the last word.
func Of(err error) Class {
	var f *Error
	if errors.As(err, &f) {
		return f.Class
	}
	return Transient
}

// After is the longest wait that the chain of err asks for.
func After(err error) time.Duration {
	var longest time.Duration
	for err != nil {
		var f *Error
		if !errors.As(err, &f) {
			break
		}
		longest = max(longest, f.After)
		err = f.Err
	}
	return longest
}

// Whose is the party that the innermost Error of err's chain names, since who met
// the failure knows whose it is.
func Whose(err error) Party {
	var whose Party
	for err != nil {
		var f *Error
		if !errors.As(err, &f) {
			break
		}
		if f.Whose != "" {
			whose = f.Whose
		}
		err = f.Err
	}
	return whose
}

// Remedy is what the innermost Error of err's chain tells a person to do.
func Remedy(err error) string {
	var remedy string
	for err != nil {
		var f *Error
		if !errors.As(err, &f) {
			break
		}
		if f.Remedy != "" {
			remedy = f.Remedy
		}
		err = f.Err
	}
	return remedy
}

// Transientf is fmt.Errorf for an error that may pass by itself.
func Transientf(format string, args ...any) error {
	return &Error{Class: Transient, Err: fmt.Errorf(format, args...)}
}

// Permanentf is fmt.Errorf for an error that needs a person.
func Permanentf(format string, args ...any) error {
	return &Error{Class: Permanent, Err: fmt.Errorf(format, args...)}
}

// BadDataf is fmt.Errorf for an input that will never do.
func BadDataf(format string, args ...any) error {
	return &Error{Class: BadData, Err: fmt.Errorf(format, args...)}
}

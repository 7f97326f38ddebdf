// Package fault defines the three classes of error that control every step.
//
// The adapter that meets an error classifies it once, by code and never by message text. Only the
// pipeline acts on the class:
//
//	Transient  may pass by itself: the step is sent again later
//	Permanent  needs a person or a deployment: the export fails, and the next one covers its time
//	BadData    this input never works, others do: the line goes to quarantine
//
// An unclassified error is Transient. Tries are bounded, so a needless retry costs less than an
// export that failed for a passing fault.
package fault

import (
	"errors"
	"fmt"
	"time"
)

// Class is the class of an error.
type Class int

// The classes. The zero value is Transient.
const (
	Transient Class = iota
	Permanent
	BadData
)

// String returns the class's name in logs.
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
	// After is the delay that the other side asked for; zero if none.
	After time.Duration
	// Remedy is the advice for a person; empty if the message has it.
	Remedy string
	// Whose is the party that caused the failure; empty if unknown.
	Whose Party
	Err   error
}

// Party is a side that can cause a failure.
type Party string

// The parties, as people read them.
const (
	OurSetting     Party = "our setting"
	OurPermission  Party = "our permission"
	TheirStorage   Party = "the FHIR service's permission on storage"
	TheirServer    Party = "the FHIR server"
	BetweenServers Party = "the network"
)

// Error returns the text of the cause and the remedy.
func (e *Error) Error() string {
	if e.Remedy == "" {
		return e.Err.Error()
	}
	return e.Err.Error() + ": " + e.Remedy
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Of returns the class of the outermost Error in err's chain, because the outer layer knows most.
func Of(err error) Class {
	var f *Error
	if errors.As(err, &f) {
		return f.Class
	}
	return Transient
}

// After returns the longest delay in err's chain.
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

// Whose returns the party of the innermost Error in err's chain, because the code that met the
// failure knows its cause.
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

// Remedy returns the remedy of the innermost Error in err's chain.
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

// BadDataf is fmt.Errorf for an input that can never be used.
func BadDataf(format string, args ...any) error {
	return &Error{Class: BadData, Err: fmt.Errorf(format, args...)}
}

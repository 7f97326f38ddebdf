package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/tsql"
)

// Refused says that an engine cannot say a view. It is neither a pass nor a
// failure, and neither is a view with FHIRPath that views do not take.
type Refused struct{ Err error }

// Error gives the reasons, each with its place.
func (e *Refused) Error() string { return e.Err.Error() }

// Unwrap gives the reasons.
func (e *Refused) Unwrap() error { return e.Err }

// NotRun says that a server did not get as far as a verdict on the data, so that
// a case that expects an error has not passed either.
type NotRun struct{ Err error }

// Error says what went wrong.
func (e *NotRun) Error() string { return e.Err.Error() }

// Unwrap gives what went wrong.
func (e *NotRun) Unwrap() error { return e.Err }

// Server runs SELECT statements over documents.
type Server interface {
	// Rows puts documents into a table source and runs the statement that body
	// writes over it. A nil cell is NULL, others are text as of Table. Data that
	// makes the statement fail is a plain error, everything else a *NotRun.
	Rows(ctx context.Context, docs []json.RawMessage, body func(from string) (string, error)) ([][][]byte, error)
}

// OnServer runs views by the bodies of an engine, with the allowances of Native.
func OnServer(ctx context.Context, e tsql.Engine, s Server) Runner {
	return func(view []byte, resources []json.RawMessage) (Table, error) {
		v, err := sof.Compile("view.json", view, sof.Lenient())
		if err != nil {
			return Table{}, err
		}
		rows, err := s.Rows(ctx, resources, func(from string) (string, error) {
			body, err := tsql.Body(v, e, tsql.Shape{From: from})
			if err != nil {
				return "", &Refused{err}
			}
			return body, nil
		})
		return Table{v.Columns, rows}, err
	}
}

// errNotRun is what Expressible gives for a view that could be run.
var errNotRun = errors.New("not run")

// Expressible runs nothing: each case is refused, or its view has a fault, or it
// could be run.
func Expressible(e tsql.Engine) Runner {
	return func(view []byte, _ []json.RawMessage) (Table, error) {
		v, err := sof.Compile("view.json", view, sof.Lenient())
		if err != nil {
			return Table{}, err
		}
		if _, err := tsql.Body(v, e, tsql.Shape{From: "[documents]"}); err != nil {
			return Table{}, &Refused{err}
		}
		return Table{}, &NotRun{errNotRun}
	}
}

// Outcome is what became of a case in one word.
type Outcome string

// The outcomes.
const (
	Passed          Outcome = "passed"
	Failed          Outcome = "failed"
	OutcomeRefused  Outcome = "refused"
	ExpressibleCase Outcome = "expressible" // and not run
)

// Outcome sorts the result.
func (r Result) Outcome() Outcome {
	var refused *Refused
	switch {
	case r.Err == nil:
		return Passed
	case errors.As(r.Err, &refused), unsupported(r.Err):
		return OutcomeRefused
	case errors.Is(r.Err, errNotRun):
		return ExpressibleCase
	}
	return Failed
}

// unsupported says that a view was refused for FHIRPath that views do not take, and
// for nothing else.
func unsupported(err error) bool {
	var fault *sof.Fault
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		return !slices.ContainsFunc(many.Unwrap(), func(e error) bool { return !unsupported(e) })
	}
	return errors.As(err, &fault) && fault.Unsupported
}

// Count counts the results of an outcome.
func Count(results []FileResult, o Outcome) int {
	n := 0
	for _, f := range results {
		for _, r := range f.Results {
			if r.Outcome() == o {
				n++
			}
		}
	}
	return n
}

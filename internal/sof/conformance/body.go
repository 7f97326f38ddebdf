package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/tsql"
)

// Refused reports that an engine cannot express a view, or that the view uses unsupported FHIRPath.
// It is neither a pass nor a failure.
type Refused struct{ Err error }

// Error returns the reasons, each with its place.
func (e *Refused) Error() string { return e.Err.Error() }

// Unwrap returns the reasons.
func (e *Refused) Unwrap() error { return e.Err }

// NotRun reports that a server returned no verdict on the data. A case that expects an error has
// then not passed either.
type NotRun struct{ Err error }

// Error returns the cause.
func (e *NotRun) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *NotRun) Unwrap() error { return e.Err }

// Server runs SELECT statements over documents.
type Server interface {
	// Rows puts documents into a table source and runs the statement that body writes over it. A
	// nil cell is NULL, others are text as in Table. Data that makes the statement fail is a plain
	// error, everything else a *NotRun.
	Rows(
		ctx context.Context, docs []json.RawMessage, body func(from string) (string, error),
	) ([][][]byte, error)
}

// OnServer runs views with the SELECT bodies of an engine, with the same leniency as Native.
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

// errNotRun is Expressible's result for a view that could be run.
var errNotRun = errors.New("not run")

// Expressible runs nothing. It reports whether a case is refused, its view has a fault, or it could
// be run.
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

// Outcome is the result of a case in one word.
type Outcome string

// The outcomes.
const (
	Passed          Outcome = "passed"
	Failed          Outcome = "failed"
	OutcomeRefused  Outcome = "refused"
	ExpressibleCase Outcome = "expressible" // and not run
)

// Outcome classifies the result.
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

// unsupported reports whether a view was refused only for unsupported FHIRPath.
func unsupported(err error) bool {
	var fault *sof.Fault
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		return !slices.ContainsFunc(many.Unwrap(), func(e error) bool { return !unsupported(e) })
	}
	return errors.As(err, &fault) && fault.Unsupported
}

// Count counts the results with an outcome.
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

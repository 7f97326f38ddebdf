package eval

import (
	"errors"
	"fmt"

	"fhirsynapse/internal/emulator/sqlserver"
)

func fail(number int32, format string, args ...any) error {
	return &sqlserver.Error{Number: number, Message: fmt.Sprintf(format, args...), Severity: 16}
}

// refuse returns the error for what the emulator does not support, or what servers do differently.
func refuse(format string, args ...any) error { return fail(40517, format, args...) }

// conversionError is an error that TRY_CAST turns into NULL.
type conversionError struct{ error }

// Unwrap returns the error with its number.
func (e conversionError) Unwrap() error { return e.error }

func dataError(number int32, format string, args ...any) error {
	return conversionError{fail(number, format, args...)}
}

// IsDataError reports whether a statement failed by a cast that its data does not allow, rather
// than by its own text.
func IsDataError(err error) bool {
	var failed conversionError
	return errors.As(err, &failed)
}

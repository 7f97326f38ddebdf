package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

// Exit codes of every command. exitHelp and docs/commands.md list the codes for users.
const (
	complete   = 0 // everything that the user asked for is done
	failed     = 1 // the command failed; the message has the reason
	misuse     = 2 // the command line is wrong; nothing was done
	incomplete = 3 // the command did everything possible, but something is missing in the result
)

// exitHelp ends the help of every command.
const exitHelp = `Exit codes: 0 complete, 1 failed, 2 wrong command line, 3 incomplete.
`

// IncompleteError reports that a command has done its work, but that something is missing in the
// result. The command prints its report as usual and exits with code 3.
type IncompleteError struct {
	// Err names the missing part, and how to get it.
	Err error
}

func (e IncompleteError) Error() string { return e.Err.Error() }
func (e IncompleteError) Unwrap() error { return e.Err }

// Incompletef returns an IncompleteError.
func Incompletef(format string, args ...any) error {
	return IncompleteError{Err: fmt.Errorf(format, args...)}
}

// usageError reports a wrong command line, as opposed to a failure.
type usageError struct {
	command string
	err     error
}

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

func usagef(c *cobra.Command, format string, args ...any) error {
	return usageError{command: c.CommandPath(), err: fmt.Errorf(format, args...)}
}

// exitCode ends a command that has already printed everything.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// ended returns the error that ends a command with a code.
func ended(code int) error {
	if code == complete {
		return nil
	}
	return exitCode(code)
}

// codeOf returns the exit code for the error of a command. Among joined errors, a failure outweighs
// an incomplete result.
func codeOf(err error) int {
	var code exitCode
	var wrong usageError
	switch {
	case err == nil:
		return complete
	case errors.As(err, &code):
		return int(code)
	case errors.As(err, &wrong):
		return misuse
	case isIncomplete(err):
		return incomplete
	}
	return failed
}

// isIncomplete reports whether every error in err is an IncompleteError.
func isIncomplete(err error) bool {
	switch e := err.(type) { //nolint:errorlint // walks the tree itself, which errors.As does only to the first match
	case IncompleteError:
		return true
	case interface{ Unwrap() []error }:
		for _, one := range e.Unwrap() {
			if !isIncomplete(one) {
				return false
			}
		}
		return true
	case interface{ Unwrap() error }:
		inner := e.Unwrap()
		return inner != nil && isIncomplete(inner)
	}
	return false
}

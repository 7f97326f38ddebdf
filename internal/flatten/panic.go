package flatten

import (
	"fmt"
	"path"
	"runtime"
	"strings"

	"fhirsynapse/internal/fault"
)

// place names the current line.
func (e *evaluation) place() string { return fmt.Sprintf("line %d", e.number) }

// caught turns a panic of its deferring function into an error. A panic's text may hold a value of
// the line, so only errors of the Go runtime are shown, with the source position.
func caught(err *error, during func() string) {
	p := recover()
	if p == nil {
		return
	}
	*err = &fault.Error{
		Class:  fault.Permanent,
		Err:    fmt.Errorf("%s: %s", during(), panicText(p)),
		Remedy: "report this as a bug of fhirsynapse; remove the line from the file to load the others",
	}
}

// panicText describes a panic whose value p was just recovered.
func panicText(p any) string {
	what := fmt.Sprintf("a value of type %T", p)
	if e, ok := p.(runtime.Error); ok {
		what = e.Error()
	}
	return fmt.Sprintf("the program panicked: %s, at %s", what, panicPlace())
}

// panicPlace returns the file and line of the panic.
func panicPlace() string {
	var pcs [256]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(1, pcs[:])])
	place, panicked := "an unknown place", false
	for {
		f, more := frames.Next()
		switch {
		case f.Function == "runtime.gopanic":
			panicked = true // the last one is the original; the others passed it on
		case panicked && !strings.HasPrefix(f.Function, "runtime."):
			place = fmt.Sprintf("%s:%d", path.Join(path.Base(path.Dir(f.File)), path.Base(f.File)),
				f.Line)
			panicked = false
		}
		if !more {
			return place
		}
	}
}

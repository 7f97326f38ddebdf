package tsql

import (
	"errors"

	"fhirsynapse/internal/sof"
)

type writer struct {
	view  *sof.View
	facts Facts
	shape Shape
}

func newWriter(v *sof.View, e Engine, s Shape) *writer { return &writer{v, e.Facts(), s} }

func (w *writer) body() (string, error) {
	return "", errors.New("not written yet")
}

package mssql

import (
	"context"
	"errors"

	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/warehouse/mssql/statements"
)

func (w *Warehouse) copyInto(_ context.Context, _ *session, _ statements.Attempt, _ []pipeline.PreparedFile) error {
	return errors.New("not written yet")
}

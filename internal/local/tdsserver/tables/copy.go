package tables

import (
	"context"

	"github.com/sqlc-dev/teesql/ast"

	"fhirsynapse/internal/local/tdsserver"
)

func (s *session) copyInto(_ context.Context, st *ast.CopyStatement) (tdsserver.Result, error) {
	return tdsserver.Result{}, unknown(st)
}

package cli

import (
	"context"
	"errors"

	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/warehouse/serverless"
	"fhirsynapse/internal/warehouse/setup"
	"fhirsynapse/internal/warehouse/tds"
)

// checkSetup signs in to a warehouse and looks for the objects of its set-up. The connection string
// has the name of the database and, for the serverless pool, the parameter for snapshots.
func (c Commands) checkSetup(
	ctx context.Context, s setup.Setup, rest string,
) (result setup.Result, failed error) {
	if c.stubs.checkSetup != nil {
		return c.stubs.checkSetup(ctx, s, rest)
	}
	var server tds.Server
	var err error
	if s.Engine == tsql.Serverless {
		var snapshots serverless.Snapshots
		server, snapshots, err = serverless.ParseServer(rest)
		s.Snapshots = s.Snapshots || snapshots.Every > 0
	} else {
		server, err = tds.ParseServer(s.Engine, rest)
	}
	if err != nil {
		return result, err
	}
	s.Database = server.Database()
	if err := s.Validate(); err != nil {
		return result, err
	}
	pool, err := tds.Connect(server, tds.Options{Statements: 1})
	if err != nil {
		return result, err
	}
	defer func() { failed = errors.Join(failed, pool.Close()) }()
	err = pool.Again(ctx, func(int) error {
		return pool.With(ctx, func(session *tds.Session) (err error) {
			result, err = s.Check(ctx, session)
			return err
		})
	})
	result.Server = server.String()
	return result, err
}

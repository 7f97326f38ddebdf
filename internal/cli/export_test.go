package cli

import (
	"context"

	"github.com/spf13/cobra"

	"fhirsynapse/internal/query"
	"fhirsynapse/internal/warehouse/setup"
)

// StubQuery replaces the query of a DuckDB file.
func (c *Commands) StubQuery(
	f func(ctx context.Context, db, statement string, show func(query.Result) error) error,
) {
	c.stubs.query = f
}

// StubSignIn replaces the session on a T-SQL server.
func (c *Commands) StubSignIn(f func(ctx context.Context, dsn string) (Server, error)) {
	c.stubs.signIn = f
}

// StubCheckSetup replaces the check of a database.
func (c *Commands) StubCheckSetup(
	f func(ctx context.Context, s setup.Setup, rest string) (setup.Result, error),
) {
	c.stubs.checkSetup = f
}

// Tree returns all commands.
func Tree() *cobra.Command {
	return newRoot(func(string) string { return "" }, Streams{}, Commands{})
}

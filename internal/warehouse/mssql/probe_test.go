package mssql_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"testing"

	mssqldriver "github.com/microsoft/go-mssqldb"
)

// ability is a feature of SQL Server that another server with its protocol may lack.
type ability struct {
	name string
	has  func(ctx context.Context, db *sql.DB, schema string) error
}

var errOther = errors.New("the answer is another")

var (
	keepsScale = ability{
		"a TRY_CAST that keeps the scale of a decimal",
		func(ctx context.Context, db *sql.DB, _ string) error {
			var text string
			err := db.QueryRowContext(ctx,
				"SELECT CAST(TRY_CAST(N'0.05898711471314295' AS decimal(38, 18)) AS varchar(60))").
				Scan(&text)
			if err == nil && text != "0.058987114713142950" {
				err = errOther
			}
			return err
		},
	}
	copiesDecimals = ability{
		"bulk copy into decimal(9, 2)",
		func(ctx context.Context, db *sql.DB, schema string) (err error) {
			if _, err := db.ExecContext(ctx,
				"CREATE TABLE ["+schema+"].[copied] ([v] decimal(9, 2) NULL)"); err != nil {
				return err
			}
			defer func() {
				_, dropped := db.ExecContext(ctx, "DROP TABLE ["+schema+"].[copied]")
				err = errors.Join(err, dropped)
			}()
			tx, err := db.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			defer func() { _ = tx.Rollback() }()
			in, err := tx.PrepareContext(ctx,
				mssqldriver.CopyIn("["+schema+"].[copied]", mssqldriver.BulkOptions{}, "v"))
			if err != nil {
				return err
			}
			if _, err := in.ExecContext(ctx, "1234567.89"); err != nil {
				return err
			}
			if _, err := in.ExecContext(ctx); err != nil {
				return err
			}
			if err := errors.Join(in.Close(), tx.Commit()); err != nil {
				return err
			}
			var text string
			err = db.QueryRowContext(ctx,
				"SELECT CAST([v] AS varchar(20)) FROM ["+schema+"].[copied]").Scan(&text)
			if err == nil && text != "1234567.89" {
				err = errOther
			}
			return err
		},
	}
	transfersTables = ability{
		"ALTER SCHEMA TRANSFER", func(ctx context.Context, db *sql.DB, schema string) error {
			for _, statement := range []string{
				"CREATE SCHEMA [" + schema + "2]",
				"CREATE TABLE [" + schema + "].[moved] ([v] int NULL)",
				"ALTER SCHEMA [" + schema + "2] TRANSFER [" + schema + "].[moved]",
				"DROP TABLE [" + schema + "2].[moved]", "DROP SCHEMA [" + schema + "2]",
			} {
				if _, err := db.ExecContext(ctx, statement); err != nil {
					_, _ = db.ExecContext(ctx, "DROP TABLE IF EXISTS ["+schema+"].[moved]")
					_, _ = db.ExecContext(ctx, "DROP SCHEMA IF EXISTS ["+schema+"2]")
					return err
				}
			}
			return nil
		},
	}
)

// needs skips the test if the server lacks an ability, and names the ability. The server's message
// is left out, because it may repeat connection names.
func needs(t *testing.T, dsn string, all ...ability) {
	t.Helper()
	db := sharedReader(t, dsn)
	ctx := t.Context()
	var b [4]byte
	_, _ = rand.Read(b[:])
	schema := "probe" + hex.EncodeToString(b[:])
	if _, err := db.ExecContext(ctx, "CREATE SCHEMA ["+schema+"]"); err != nil {
		t.Fatal("the server makes no schema")
	}
	defer func() { _, _ = db.ExecContext(context.WithoutCancel(ctx), "DROP SCHEMA ["+schema+"]") }()
	for _, a := range all {
		if err := a.has(ctx, db, schema); err != nil {
			t.Skipf("the server lacks %s", a.name)
		}
	}
}

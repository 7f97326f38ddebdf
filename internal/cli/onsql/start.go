package onsql

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"fhirsynapse/internal/cli/onstart"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/warehouse/mssql"
	"fhirsynapse/internal/warehouse/tds"
)

// Kinds are the warehouses of start that speak T-SQL.
func Kinds() onstart.Kinds { return KindsThrough(AzureStaging) }

// KindsThrough is Kinds with other containers than Azure's.
func KindsThrough(open func(url string) (Staging, error)) onstart.Kinds {
	kinds := onstart.Kinds{}
	for _, engine := range []tsql.Engine{tsql.SQLServer, tsql.Dedicated, tsql.Fabric} {
		kinds[string(engine)] = onstart.Kind{
			// Bad lines lie where the person is: a server has no folder.
			Places: func(string) (parent, quarantine string) { return os.TempDir(), "start.quarantine" },
			Open: func(ctx context.Context, s onstart.Site) (onstart.Target, error) {
				return openTarget(ctx, s, engine, open)
			},
		}
	}
	return kinds
}

func openTarget(ctx context.Context, s onstart.Site, engine tsql.Engine, open func(string) (Staging, error)) (to onstart.Target, err error) {
	server, err := tds.ParseServer(engine, s.Request.Rest)
	if err != nil {
		return to, err
	}
	o := mssql.Options{Server: server, Lake: s.Lake, Views: s.Views.Tables, TempDir: filepath.Clean(s.Work), Now: s.Now}
	var in *stage
	if s.Request.Staging != "" {
		if in, err = openStage(ctx, s.Lake, s.Request.Staging, open); err != nil {
			return to, err
		}
		o.Lake, o.StagingURL = in, in.url
	}
	tables, err := mssql.Open(o)
	if err != nil {
		return to, err
	}
	return onstart.Target{
		Warehouse: tables, Schema: schema,
		Check: func(ctx context.Context) error {
			_, err := tables.Ledger(ctx, schema, "once-000001")
			return err
		},
		Close: func(ctx context.Context) error {
			err := tables.Close()
			if in != nil {
				err = errors.Join(err, in.remove(ctx))
			}
			return err
		},
	}, nil
}

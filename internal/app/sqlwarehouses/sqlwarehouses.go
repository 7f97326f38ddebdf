// Package sqlwarehouses is the warehouses that speak T-SQL, as a program opens them by
// the setting Warehouse. It has no cgo: the cloud's handler has them, too.
package sqlwarehouses

import (
	"maps"
	"net/url"
	"strings"

	"fhirsynapse/internal/app"
	"fhirsynapse/internal/config"
	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/prepared"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/warehouse/mssql"
	"fhirsynapse/internal/warehouse/serverless"
	"fhirsynapse/internal/warehouse/tds"
)

// Warehouses are the openers by scheme, beside others.
func Warehouses(others map[string]app.OpenWarehouse) map[string]app.OpenWarehouse {
	all := maps.Clone(others)
	if all == nil {
		all = map[string]app.OpenWarehouse{}
	}
	for _, engine := range []tsql.Engine{tsql.SQLServer, tsql.Dedicated, tsql.Fabric} {
		all[string(engine)] = opener(engine)
	}
	all[string(tsql.Serverless)] = openServerless
	return all
}

func openServerless(rest config.Secret, r app.Resources) (pipeline.Warehouse, error) {
	server, snapshots, err := serverless.ParseServer(rest.Reveal())
	if err != nil {
		return nil, err
	}
	views, err := compiled(tsql.Serverless, r)
	if err != nil {
		return nil, err
	}
	return serverless.Open(serverless.Options{
		Server: server, Lake: r.Lake, Published: r.Published, PublishedURL: DataLakeURL(r.Published.StagingURL()),
		Snapshots: snapshots, Remover: r.Published, Now: r.Now,
		Views: views, LineLimit: r.LineLimit, Statements: r.Statements, Log: r.Log,
	})
}

func opener(engine tsql.Engine) app.OpenWarehouse {
	return func(rest config.Secret, r app.Resources) (pipeline.Warehouse, error) {
		server, err := tds.ParseServer(engine, rest.Reveal())
		if err != nil {
			return nil, err
		}
		o := mssql.Options{
			Server: server, Lake: r.Lake, Views: r.Views.Tables, StagingURL: DataLakeURL(r.Lake.StagingURL()),
			LineLimit: r.LineLimit, Statements: r.Statements, Now: r.Now, Log: r.Log,
		}
		if r.EngineTransforms {
			if o.Documents, err = compiled(engine, r); err != nil {
				return nil, err
			}
		}
		return mssql.Open(o)
	}
}

// compiled returns the compiled views, from which the engine's bodies are written.
func compiled(engine tsql.Engine, r app.Resources) (prepared.Native, error) {
	views, ok := r.Views.(prepared.Native)
	if !ok {
		return nil, fault.Permanentf("warehouse %s: its rows are made from ViewDefinitions, which this program does not have", engine)
	}
	return views, nil
}

// DataLakeURL is a container of Azure by its data lake endpoint, the one at which a
// managed identity may read Parquet; empty elsewhere than in Azure, where there is none.
func DataLakeURL(blob string) string {
	u, err := url.Parse(blob)
	if err != nil || u.Scheme != "https" || !strings.Contains(u.Host, ".blob.") {
		return ""
	}
	u.Host = strings.Replace(u.Host, ".blob.", ".dfs.", 1)
	u.RawQuery = ""
	return u.String()
}

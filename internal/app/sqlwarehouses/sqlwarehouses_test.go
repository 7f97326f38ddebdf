package sqlwarehouses_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/service"

	"fhirsynapse/internal/app"
	"fhirsynapse/internal/app/sqlwarehouses"
	"fhirsynapse/internal/azure"
	"fhirsynapse/internal/config"
)

func lake(t *testing.T, url string) *azure.Lake {
	t.Helper()
	client, err := service.NewClientWithNoCredential(url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return azure.NewLake(client, azure.Containers{Staging: "c"})
}

func TestEachSchemeOpensItsWarehouse(t *testing.T) {
	t.Parallel()
	views, err := app.Views("")
	if err != nil {
		t.Fatal(err)
	}
	azureLake, local := lake(t, "https://account.blob.core.windows.net/"), lake(t, "http://127.0.0.1:10000/account")
	warehouses := sqlwarehouses.Warehouses(map[string]app.OpenWarehouse{"other": nil})
	if len(warehouses) != 5 {
		t.Errorf("%d warehouses", len(warehouses))
	}
	for scheme, readsFiles := range map[string]bool{"sqlserver": false, "synapse-dedicated": true, "synapse-serverless": true, "fabric": true} {
		for _, l := range []*azure.Lake{azureLake, local} {
			r := app.Resources{Lake: l, Published: l, Views: views, Statements: 2, EngineTransforms: l == azureLake, Now: time.Now}
			_, err := warehouses[scheme](config.NewSecret("//host.example?database=x"), r)
			if want := l == azureLake || !readsFiles; (err == nil) != want {
				t.Errorf("%s: %v", scheme, err)
			}
			if err != nil && !strings.Contains(fmt.Sprint(err), "https address") {
				t.Errorf("%s: %v", scheme, err)
			}
		}
	}
}

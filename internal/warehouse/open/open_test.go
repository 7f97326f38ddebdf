package open_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/service"

	"fhirsynapse/internal/app"
	"fhirsynapse/internal/azure"
	"fhirsynapse/internal/warehouse"
	"fhirsynapse/internal/warehouse/open"
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
	azureLake, local := lake(t, "https://account.blob.core.windows.net/"),
		lake(t, "http://127.0.0.1:10000/account")
	engines := open.Engines()
	if len(engines) != 4 {
		t.Errorf("%d engines", len(engines))
	}
	for scheme, readsFiles := range map[string]bool{
		"sqlserver": false, "synapse-dedicated": true, "synapse-serverless": true, "fabric": true,
	} {
		for _, l := range []*azure.Lake{azureLake, local} {
			r := warehouse.OpenOptions{
				Lake: l, StagingURL: l.DataLakeURL(), Published: l, PublishedURL: l.DataLakeURL(),
				Views: views, Statements: 2, EngineTransforms: l == azureLake, Now: time.Now,
			}
			_, err := engines[scheme].Open("//host.example?database=x", r)
			if want := l == azureLake || !readsFiles; (err == nil) != want {
				t.Errorf("%s: %v", scheme, err)
			}
			if err != nil && !strings.Contains(fmt.Sprint(err), "https address") {
				t.Errorf("%s: %v", scheme, err)
			}
		}
	}
}

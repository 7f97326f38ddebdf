package azure

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/service"

	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/testkit/azuritetest"
	"fhirsynapse/internal/testkit/pipelinetest"
)

// smallPages splits listings of a few blobs into several pages.
const smallPages = 7

// storage starts Azurite for one test and its subtests, or skips.
func storage(t *testing.T) *service.Client {
	t.Helper()
	srv := azuritetest.Start(t)
	clients, err := Connect(Settings{Storage: Account{ConnectionString: srv.ConnectionString()}})
	if err != nil {
		t.Fatal(err)
	}
	return clients.Storage
}

func TestStorageKeepsThePortsContracts(t *testing.T) {
	t.Parallel()
	client := storage(t)
	var n atomic.Int64
	lake := func(t *testing.T) *Lake {
		i := n.Add(1)
		l := NewLake(client, Containers{
			Landing: fmt.Sprintf("landing%d", i), Staging: fmt.Sprintf("staging%d", i),
			Quarantine: fmt.Sprintf("quarantine%d", i),
		})
		l.pageSize = smallPages
		for range 2 { // creating them again is not an error
			if err := l.EnsureContainers(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		return l
	}
	t.Run("lake", func(t *testing.T) {
		pipelinetest.TestLake(t, func(t *testing.T) pipeline.Lake { return lake(t) })
	})
	t.Run("landings", func(t *testing.T) {
		pipelinetest.TestLandings(t, func(t *testing.T) pipelinetest.LakeWithLandings {
			return lake(t)
		})
	})
	t.Run("a fetched blob carries its checksum", func(t *testing.T) { checksum(t, lake(t)) })
	t.Run("remover", func(t *testing.T) {
		pipelinetest.TestRemover(t, func(t *testing.T) pipelinetest.LakeWithRemover {
			return lake(t)
		})
	})
	t.Run("journal", func(t *testing.T) {
		pipelinetest.TestJournal(t, func(t *testing.T) pipeline.Journal {
			j := NewJournal(client, fmt.Sprintf("journal%d", n.Add(1)))
			j.pageSize = smallPages
			for range 2 {
				if err := j.EnsureContainer(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			return j
		})
	})
	t.Run("a container that is missing needs a person", func(t *testing.T) {
		missingContainer(t, client)
	})
}

func checksum(t *testing.T, l *Lake) {
	t.Parallel()
	for _, size := range []int{100, 9 << 20} {
		data := bytes.Repeat([]byte("x"), size)
		path := fmt.Sprintf("e/%d.ndjson", size)
		if _, err := l.Create(t.Context(), pipeline.Landing, path,
			bytes.NewReader(data)); err != nil {
			t.Fatal(err)
		}
		props, err := l.client.NewContainerClient(l.areas.Landing).NewBlobClient(path).
			GetProperties(t.Context(), nil)
		want := fmt.Sprintf("%08x", crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli)))
		if err != nil || !hasMetadata(props.Metadata, checksumKey, want) {
			t.Errorf("%d bytes: metadata %v, %v, want %s", size, props.Metadata, err, want)
		}
	}
}

// hasMetadata looks up a key ignoring case, as in HTTP.
func hasMetadata(m map[string]*string, key, want string) bool {
	for k, v := range m {
		if strings.EqualFold(k, key) && v != nil && *v == want {
			return true
		}
	}
	return false
}

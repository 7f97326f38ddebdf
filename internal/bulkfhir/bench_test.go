package bulkfhir_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"testing"
	"time"

	"fhirsynapse/internal/azure"
	"fhirsynapse/internal/bulkfhir"
	"fhirsynapse/internal/pipeline"
)

const benchFile = 256 << 20

// fileServer serves one NDJSON file of benchFile bytes.
func fileServer(b *testing.B) *httptest.Server {
	var block bytes.Buffer
	for i := 0; block.Len() < 1<<20; i++ {
		fmt.Fprintf(&block,
			`{"resourceType":"Observation","id":"o%d","status":"final","code":{"text":"%032d"}}`+
				"\n", i, i)
	}
	for block.Len() > 1<<20 {
		block.Truncate(1 << 20)
	}
	data := block.Bytes()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(benchFile))
		for range benchFile / len(data) {
			if _, err := w.Write(data); err != nil {
				return
			}
		}
	}))
	b.Cleanup(s.Close)
	return s
}

// blobServer accepts every blob that is uploaded.
func blobServer(b *testing.B) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("ETag", `"0x1"`)
		w.Header().Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
		w.WriteHeader(http.StatusCreated)
	}))
	b.Cleanup(s.Close)
	return s
}

// BenchmarkFetch compares a fetch with a plain copy between the same two servers.
func BenchmarkFetch(b *testing.B) {
	from, to := fileServer(b), blobServer(b)
	b.Run("plain copy", func(b *testing.B) {
		b.SetBytes(benchFile)
		for b.Loop() {
			resp, err := http.Get(from.URL)
			if err != nil {
				b.Fatal(err)
			}
			req, err := http.NewRequestWithContext(b.Context(), http.MethodPut, to.URL, resp.Body)
			if err != nil {
				b.Fatal(err)
			}
			req.ContentLength = benchFile
			put, err := http.DefaultClient.Do(req)
			if err != nil {
				b.Fatal(err)
			}
			_ = put.Body.Close()
		}
	})
	b.Run("fetch", func(b *testing.B) {
		clients, err := azure.Connect(
			azure.Settings{
				Storage: azure.Account{
					ConnectionString: "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=aGVsbG8=;BlobEndpoint=" + to.URL + "/a;",
				},
			})
		if err != nil {
			b.Fatal(err)
		}
		lake := azure.NewLake(clients.Storage, azure.Containers{
			Landing: "landing", Staging: "staging", Quarantine: "quarantine",
		})
		s, err := bulkfhir.New(bulkfhir.Options{
			Dialect: bulkfhir.DialectBulk, BaseURL: from.URL, Now: time.Now,
		})
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(benchFile)
		var most uint64
		for b.Loop() {
			r, err := s.Files.Download(b.Context(),
				pipeline.OutputFile{Type: "Observation", URL: from.URL + "/files/1", Count: -1},
				false)
			if err != nil {
				b.Fatal(err)
			}
			f, err := lake.Create(b.Context(), pipeline.Landing, "e/Observation-1.ndjson", r)
			if err != nil || f.Size != benchFile {
				b.Fatalf("%d bytes, %v", f.Size, err)
			}
			_ = r.Close()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapInuse)
		}
		b.ReportMetric(float64(most)/(1<<20), "MiB-heap")
	})
}

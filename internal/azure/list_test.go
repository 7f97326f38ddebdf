package azure

import (
	"encoding/base64"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/pipeline"
)

// An account with hierarchical namespace lists directories as blobs, and "a/x" before "a-b".
func TestListOfAHierarchicalAccountIsInOrderAndHasNoDirectories(t *testing.T) {
	t.Parallel()
	item := func(name string, folder bool) string {
		m := "<Metadata />"
		if folder {
			m = "<Metadata><hdi_isfolder>true</hdi_isfolder></Metadata>"
		}
		return "<Blob><Name>" + name +
			"</Name><Properties><Etag>0x1</Etag><Content-Length>1</Content-Length></Properties>" +
			m + "</Blob>"
	}
	page := func(next string, items ...string) string {
		return `<?xml version="1.0" encoding="utf-8"?><EnumerationResults ContainerName="lake"><Blobs>` + strings.Join(items, "") +
			"</Blobs><NextMarker>" + next + "</NextMarker></EnumerationResults>"
	}
	l, _ := fake(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/xml")
		if r.URL.Query().Get("marker") == "" {
			_, _ = io.WriteString(w,
				page("2", item("0", false), item("a", true), item("a/x", false), item("a/y", true),
					item("a/y/1", false)))
			return
		}
		_, _ = io.WriteString(w,
			page("", item("a/y.c", false), item("a-b", true), item("a-b/z", false),
				item("b", false)))
	})
	var got []string
	for f, err := range l.List(t.Context(), pipeline.Landing, "") {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, f.Path)
	}
	if diff := cmp.Diff([]string{"0", "a-b/z", "a/x", "a/y.c", "a/y/1", "b"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestADirectoryIsNoBlob(t *testing.T) {
	t.Parallel()
	l, _ := fake(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("ETag", `"1"`)
		w.Header().Set("x-ms-meta-hdi_isfolder", "true")
	})
	if _, err := l.Stat(t.Context(), pipeline.Landing, "a"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Stat: %v", err)
	}
	if _, err := l.Open(t.Context(), pipeline.Landing, "a", ""); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open: %v", err)
	}
}

func TestAPutNeverHoldsMoreThanItsBuffers(t *testing.T) {
	t.Parallel()
	var largest atomic.Int64
	l, _ := fake(t, func(w http.ResponseWriter, r *http.Request) {
		largest.Store(max(largest.Load(), r.ContentLength))
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("ETag", `"1"`)
		w.WriteHeader(http.StatusCreated)
	})
	const size = 10*blockSize + 5
	f, err := l.Put(t.Context(), pipeline.Staging, "p", io.LimitReader(zeros{}, size))
	if err != nil || f.Size != size || f.ETag != "1" {
		t.Errorf("%+v, %v", f, err)
	}
	if largest.Load() > blockSize {
		t.Errorf("a request had %d bytes", largest.Load())
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestLandingKnowsOurURLs(t *testing.T) {
	t.Parallel()
	cloud := "AccountName=acct;AccountKey=" + base64.StdEncoding.EncodeToString([]byte("key"))
	local := cloud + ";BlobEndpoint=http://127.0.0.1:10000/acct"
	for _, c := range []struct {
		account, url, want string // want is empty for a foreign URL
	}{
		{
			cloud, "https://acct.blob.core.windows.net/lake/20261123T070000-17/Patient-1-1.ndjson",
			"20261123T070000-17/Patient-1-1.ndjson",
		},
		{cloud, "https://acct.dfs.core.windows.net/lake/e/p", "e/p"},
		{cloud, "https://ACCT.blob.core.windows.net:443/lake/e/p", "e/p"},
		{
			cloud, "https://acct.blob.core.windows.net/lake/a%20b/%D0%9F+%25.ndjson?sv=1&sig=x",
			"a b/П+%.ndjson",
		},
		{cloud, "https://acct.blob.core.windows.net/lake/a b/ü", "a b/ü"},
		{cloud, "https://acct.blob.core.windows.net/staging/e/p", ""},
		{cloud, "https://acct.blob.core.windows.net/lake2/e/p", ""},
		{cloud, "https://acct.blob.core.windows.net/lake/", ""},
		{cloud, "https://acct.blob.core.windows.net/lake", ""},
		{cloud, "https://other.blob.core.windows.net/lake/e/p", ""},
		{cloud, "https://acct.blob.core.windows.net.evil.example/lake/e/p", ""},
		{cloud, "http://127.0.0.1:10000/acct/lake/e/p", ""},
		{cloud, "lake/e/p", ""},
		{cloud, "https://acct.blob.core.windows.net/lake/%zz", ""},
		{cloud, "", ""},
		{local, "http://127.0.0.1:10000/acct/lake/e/p%40q", "e/p@q"},
		{local, "http://localhost:10000/acct/lake/e/p", "e/p"},
		{local, "http://127.0.0.1:10000/other/lake/e/p", ""},
		{local, "http://127.0.0.1:10001/acct/lake/e/p", ""},
		{local, "http://127.0.0.1:10000/lake/e/p", ""},
	} {
		clients, err := Connect(Settings{Storage: Account{ConnectionString: c.account}})
		if err != nil {
			t.Fatal(err)
		}
		l := NewLake(clients.Storage, Containers{
			Landing: "lake", Staging: "staging", Quarantine: "quarantine",
		})
		if got, ok := l.Landing(c.url); got != c.want || ok != (c.want != "") {
			t.Errorf("%s: %q, %v, want %q", c.url, got, ok, c.want)
		}
	}
}

func FuzzLandingReadsWhatTheSDKWrites(f *testing.F) {
	for _, path := range []string{
		"e/Patient-1.ndjson", "a b/%25+&=.ndjson", "П/患?#;:@", "a//b", "x/../y", "\x00",
	} {
		f.Add(path)
	}
	clients, err := Connect(
		Settings{Storage: Account{ConnectionString: "UseDevelopmentStorage=true"}})
	if err != nil {
		f.Fatal(err)
	}
	l := NewLake(clients.Storage, Containers{Landing: "lake"})
	f.Fuzz(func(t *testing.T, path string) {
		u := clients.Storage.NewContainerClient("lake").NewBlobClient(path).URL()
		got, ok := l.Landing(u)
		if path == "" || strings.HasPrefix(path, "/") {
			return // no blob can have such a name
		}
		if !ok || got != path {
			t.Fatalf("%q became %s became %q, %v", path, u, got, ok)
		}
	})
}

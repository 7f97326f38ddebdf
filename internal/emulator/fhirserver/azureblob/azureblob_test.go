package azureblob_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/emulator/fhirserver"
	"fhirsynapse/internal/emulator/fhirserver/azureblob"
	"fhirsynapse/internal/emulator/fhirserver/jobs"
	"fhirsynapse/internal/emulator/fhirserver/store"
	"fhirsynapse/internal/emulator/fhirserver/synthetic"
	"fhirsynapse/internal/testkit/azuritetest"
)

func account(t *testing.T) (*azblob.Client, *azureblob.Account) {
	t.Helper()
	srv := azuritetest.Start(t)
	client, err := azblob.NewClientFromConnectionString(srv.ConnectionString(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return client, azureblob.New(client)
}

func TestBlobsAreWrittenAsTheServersSDKDoes(t *testing.T) {
	t.Parallel()
	client, a := account(t)
	ctx := t.Context()
	for range 2 { // the second call finds the container
		if err := a.Ensure(ctx, "lake"); err != nil {
			t.Fatal(err)
		}
	}
	b, err := a.Create(ctx, "lake", "job/Patient-2-1.ndjson")
	if err != nil {
		t.Fatal(err)
	}
	content := bytes.Repeat([]byte("0123456789abcde\n"), (9<<20)/16) // more than two blocks
	stat := func() (string, int64) {
		t.Helper()
		p, err := client.ServiceClient().NewContainerClient("lake").NewBlobClient(
			"job/Patient-2-1.ndjson").GetProperties(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		return string(*p.ETag), *p.ContentLength
	}
	etag, size := stat()
	if size != 0 || etag != `"`+b.ETag()+`"` && etag != b.ETag() {
		t.Fatalf("created with %d bytes at %s, the writer knows %s", size, etag, b.ETag())
	}
	seen := map[string]bool{b.ETag(): true}
	for half := content; len(half) > 0; half = half[len(half)/2+len(half)%2:] {
		if err := b.Write(ctx, half[:len(half)/2+len(half)%2]); err != nil {
			t.Fatal(err)
		}
	}
	if _, size := stat(); size != 0 {
		t.Fatalf("%d bytes are visible before the commit", size)
	}
	for range 3 {
		n, err := b.Commit(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if _, size := stat(); n != int64(len(content)) || size != n {
			t.Fatalf("committed %d, visible %d, want %d", n, size, len(content))
		}
		seen[b.ETag()] = true
	}
	if len(seen) != 4 {
		t.Errorf("%d different etags, want 4", len(seen))
	}
	got := make([]byte, len(content))
	if _, err := client.DownloadBuffer(ctx, "lake", "job/Patient-2-1.ndjson", got,
		nil); err != nil || !bytes.Equal(got, content) {
		t.Errorf("the content differs, %v", err)
	}
	if a.URL("lake", "job/Patient-2-1.ndjson") != client.URL()+"lake/job/Patient-2-1.ndjson" {
		t.Errorf("URL is %s", a.URL("lake", "job/Patient-2-1.ndjson"))
	}

	// A change of the blob by anyone during the job makes the next commit fail.
	value := "x"
	if _, err := client.ServiceClient().NewContainerClient("lake").NewBlobClient(
		"job/Patient-2-1.ndjson").SetMetadata(ctx, map[string]*string{"touched": &value},
		&blob.SetMetadataOptions{}); err != nil {
		t.Fatal(err)
	}
	var refused *jobs.StorageError
	if _, err := b.Commit(ctx); !errors.As(err, &refused) || refused.Status != 412 {
		t.Errorf("commit of a touched blob: %v, want status 412", err)
	}
	if _, err := a.Create(ctx, "missing", "x.ndjson"); !errors.As(err, &refused) ||
		refused.Status != 404 {
		t.Errorf("create in a missing container: %v, want status 404", err)
	}
	if err := a.Ensure(ctx, "Not A Container"); err == nil ||
		errors.As(err, new(*azcore.ResponseError)) {
		t.Errorf("a bad container name: %v, want the storage's refusal", err)
	}
}

func TestAnEmptyBlobCanBeCommitted(t *testing.T) {
	t.Parallel()
	_, a := account(t)
	if err := a.Ensure(t.Context(), "lake"); err != nil {
		t.Fatal(err)
	}
	b, err := a.Create(t.Context(), "lake", "empty.ndjson")
	if err != nil {
		t.Fatal(err)
	}
	if n, err := b.Commit(t.Context()); n != 0 || err != nil {
		t.Errorf("committed %d, %v", n, err)
	}
}

func TestAnExportCanBeReadFromTheURLsOfItsManifest(t *testing.T) {
	t.Parallel()
	client, a := account(t)
	data, err := store.New(store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := synthetic.Generate(synthetic.Options{Seed: 1, Patients: 12},
		func(_ string, line []byte) error { return data.Add(line) }); err != nil {
		t.Fatal(err)
	}
	srv, err := fhirserver.New(fhirserver.Options{Store: data, Blobs: a, Now: func() time.Time {
		return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	}})
	if err != nil {
		t.Fatal(err)
	}
	base, err := srv.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
	})
	get := func(url string) (*http.Response, []byte) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", "application/fhir+json")
		req.Header.Set("Prefer", "respond-async")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res, body
	}
	kickOff, _ := get(base + "/$export?_container=lake&_maxCount=20")
	status := kickOff.Header.Get("Content-Location")
	if err := srv.Wait(t.Context(), status[strings.LastIndex(status, "/")+1:]); err != nil {
		t.Fatal(err)
	}
	var manifest struct {
		Output []struct {
			Type, URL string
			Count     int
		}
	}
	res, body := get(status)
	if err := json.Unmarshal(body, &manifest); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("status %d, %v", res.StatusCode, err)
	}
	got := map[string]int{}
	for _, o := range manifest.Output {
		parts, err := blob.ParseURL(o.URL)
		if err != nil {
			t.Fatal(err)
		}
		stream, err := client.DownloadStream(t.Context(), parts.ContainerName, parts.BlobName, nil)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(stream.Body)
		if err = errors.Join(err, stream.Body.Close()); err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(text, []byte("\n")); n != o.Count {
			t.Errorf("%s: %d lines, the manifest says %d", o.Type, n, o.Count)
		}
		got[o.Type] += o.Count
	}
	if diff := cmp.Diff(data.Counts(), got); diff != "" {
		t.Errorf("resources by type (-present +exported):\n%s", diff)
	}
}

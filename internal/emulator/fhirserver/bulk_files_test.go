package fhirserver_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"

	"fhirsynapse/internal/emulator/fhirserver"
	"fhirsynapse/internal/emulator/fhirserver/jobs"
)

func TestFilesCanBeResumedAndCompressed(t *testing.T) {
	t.Parallel()
	w := newBulk(t, fhirserver.Bulk{}, patient("a"), patient("b"))
	target := w.page(w.start("/$export")).Output[0].URL
	whole := w.mustAsk(http.MethodGet, target, "")
	etag := whole.header.Get("ETag")
	if whole.header.Get("Accept-Ranges") != "bytes" || etag == "" {
		t.Fatalf("headers %v", whole.header)
	}
	rest := w.mustAsk(http.MethodGet, target, "", "Range", "bytes=10-", "If-Range", etag)
	if rest.status != http.StatusPartialContent || rest.body != whole.body[10:] {
		t.Errorf("range answered %d with %d bytes", rest.status, len(rest.body))
	}
	changed := w.mustAsk(http.MethodGet, target, "", "Range", "bytes=10-", "If-Range", `"other"`)
	if changed.status != http.StatusOK || changed.body != whole.body {
		t.Errorf("a range of another file answered %d", changed.status)
	}
	zipped := w.mustAsk(http.MethodGet, target, "", "Accept-Encoding", "gzip")
	z, err := gzip.NewReader(strings.NewReader(zipped.body))
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(z); err != nil || string(text) != whole.body ||
		zipped.header.Get("Content-Encoding") != "gzip" || zipped.header.Get("ETag") == etag {
		t.Errorf("gzip: %v, %v", err, zipped.header)
	}

	plain := newBulk(t, fhirserver.Bulk{NoGzip: true, NoRanges: true}, patient("a"))
	target = plain.page(plain.start("/$export")).Output[0].URL
	r := plain.mustAsk(http.MethodGet, target, "", "Range", "bytes=10-", "Accept-Encoding", "gzip")
	if r.status != http.StatusOK || r.header.Get("Content-Encoding") != "" ||
		!strings.HasPrefix(r.body, "{") {
		t.Errorf("answered %d %v", r.status, r.header)
	}
}

func TestFilesExpireAndTheManifestHasFreshAddresses(t *testing.T) {
	t.Parallel()
	w := newBulk(t, fhirserver.Bulk{FileLife: time.Minute, ExpiredStatus: http.StatusGone},
		patient("a"))
	status := w.start("/$export")
	old := w.page(status).Output[0].URL
	if got, want := w.mustAsk(http.MethodGet, status, "").header.Get("Expires"),
		start.Add(time.Minute).Format(http.TimeFormat); got != want {
		t.Errorf("Expires %s, want %s", got, want)
	}
	w.lines(old)
	w.pass(time.Minute)
	if r := w.mustAsk(http.MethodGet, old, ""); r.status != http.StatusGone {
		t.Errorf("an expired address answered %d", r.status)
	}
	w.lines(w.page(status).Output[0].URL)
}

func TestAFolderHoldsTheFilesOfLargeExports(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := newWorld(t, func(o *fhirserver.Options) {
		o.Bulk, o.Blobs = &fhirserver.Bulk{}, jobs.NewFolder(dir)
	}, patient("a"), patient("b"))
	rows, _ := w.exported(w.start("/$export"))
	if diff := cmp.Diff([]string{"Patient/a/1", "Patient/b/1"}, rows); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func TestLinesOfFortyMegabytes(t *testing.T) {
	t.Parallel()
	long := `{"resourceType":"Patient","id":"long","name":[{"family":"` +
		strings.Repeat("x", 40<<20) + `"}]}`
	w := newBulk(t, fhirserver.Bulk{}, long)
	m := w.page(w.start("/$export"))
	req, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodGet,
		m.Output[0].URL, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var got bytes.Buffer
	if n, err := io.Copy(&got, res.Body); err != nil || n < 40<<20 ||
		bytes.Count(got.Bytes(), []byte("\n")) != 1 {
		t.Errorf("%d bytes, %v", n, err)
	}
}

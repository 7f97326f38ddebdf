package browsertest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The contents that the tests of package statuspage expect are accessible: states that one story
// in a sandbox does not reach, such as cohorts with members and charts of a month.
func TestEveryStateIsAccessible(t *testing.T) {
	t.Parallel()
	chromium(t)
	axe(t)
	pages := filepath.Join(root, "internal", "statuspage")
	style, err := os.ReadFile(filepath.Join(pages, "style.css"))
	if err != nil {
		t.Fatal(err)
	}
	contents, err := filepath.Glob(filepath.Join(pages, "testdata", "*.html"))
	if err != nil || len(contents) < 10 {
		t.Fatal(len(contents), err)
	}
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := filepath.Base(r.URL.Path)
		content, err := os.ReadFile(filepath.Join(pages, "testdata", name+".html"))
		if err != nil {
			http.NotFound(w, r)
			return
		}
		_, _ = fmt.Fprintf(w, `<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">`+
			`<title>%s</title><meta name="viewport" content="width=device-width, initial-scale=1">`+
			`<link rel="icon" href="data:,"><style>%s</style></head><body>`+
			`<header><nav aria-label="Pages"><ul><li><a href="/plans">Plans</a></li></ul></nav></header>`+
			`%s</body></html>`,
			name, style, content)
	}))
	t.Cleanup(site.Close)
	b := open(t, site.URL)
	for _, path := range contents {
		name := strings.TrimSuffix(filepath.Base(path), ".html")
		b.visit("/" + name)
		b.accessible("state-" + name)
	}
}

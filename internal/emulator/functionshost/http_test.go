package functionshost

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

const (
	pageFunction   = `{"bindings":[{"type":"httpTrigger","name":"req","route":"page/{*rest}","methods":["get"],"authLevel":"function"},{"type":"http","name":"res","direction":"out"}]}`
	buttonFunction = `{"bindings":[{"type":"httpTrigger","name":"req","route":"button","methods":["post"],"authLevel":"admin"},{"type":"http","name":"res","direction":"out"}]}`
)

// As the real host does with enableProxyingHttpRequest: Http/DefaultHttpProxyService.cs and
// Http/ScriptInvocationRequestTransformer.cs.
func TestRequestsArePassedOn(t *testing.T) {
	t.Parallel()
	root := newApp(t, map[string]string{"Page": pageFunction, "Button": buttonFunction})
	w := start(t, root, "web", func(o *Options) {
		o.HTTP = "127.0.0.1:0"
		o.Keys = Keys{Function: "fun", Admin: "adm"}
	})
	for _, c := range []struct {
		method, path, key string
		status            int
		says              string
	}{
		{"GET", "/api/page?x=1&code=fun", "", 200, "GET /api/page?x=1&code=fun"},
		{"GET", "/api/page/a/b", "fun", 200, "GET /api/page/a/b"},
		{"GET", "/API/Page/a", "adm", 200, "GET /API/Page/a"},
		{"POST", "/api/button", "adm", 200, "POST /api/button"},
		{"POST", "/api/button?code=adm", "", 200, "POST /api/button"},
		{"GET", "/api/page", "", 401, ""},
		{"GET", "/api/page?code=wrong", "", 401, ""},
		{"POST", "/api/button", "fun", 401, ""},
		{"POST", "/api/page", "adm", 404, ""},
		{"GET", "/api/button", "adm", 404, ""},
		{"GET", "/page", "adm", 404, ""},
		{"GET", "/api/button/more", "adm", 404, ""},
	} {
		r, err := http.NewRequestWithContext(t.Context(), c.method, w.URL()+c.path,
			strings.NewReader("body"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Functions-Key", c.key)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(answer.Body)
		if err := answer.Body.Close(); err != nil {
			t.Error(err)
		}
		if err != nil || answer.StatusCode != c.status || !strings.Contains(string(text), c.says) {
			t.Errorf("%s %s: %d %s, %v", c.method, c.path, answer.StatusCode, text, err)
		}
		if c.status != http.StatusOK {
			continue
		}
		for _, want := range []string{
			"forwarded=" + strings.TrimPrefix(w.URL(), "http://") + " http", "loopback=true",
			"invocation=true", "body=body",
		} {
			if !strings.Contains(string(text), want) {
				t.Errorf("%s %s: %q misses %q", c.method, c.path, text, want)
			}
		}
	}
	if s := w.Stats().Functions["Page"]; s.Invocations != 3 || s.Failed != 0 {
		t.Errorf("page: %+v", s)
	}
}

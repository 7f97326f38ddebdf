package azfunc

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestPagesGetTheRestOfThePath(t *testing.T) {
	t.Parallel()
	named := func(name string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte(name + " " + r.URL.Path))
		})
	}
	h := WithPages(map[string]http.Handler{Status: named("status"), Start: named("start")},
		named("next"))
	for path, want := range map[string]string{
		"/api/status":           "status ",
		"/api/status/":          "status /",
		"/api/status/exports":   "status /exports",
		"/api/status/exports/x": "status /exports/x",
		"/status":               "status ",
		"/a/b/Status/x":         "status /x",
		"/api/start":            "start ",
		"/":                     "next /",
		"/TimerExport":          "next /TimerExport",
		"/api/statuspage":       "next /api/statuspage",
		"/api//status":          "status ",
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if got := w.Body.String(); got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
}

package app_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"fhirsynapse/internal/azfunc"
	"fhirsynapse/internal/sandbox"
)

// press sends the form of a button to the pages of an app, as the host passes it on.
func press(
	t *testing.T, pages http.Handler, button, form string,
) (status int, answer map[string]string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost,
		"http://127.0.0.1:8080/api/"+button, strings.NewReader(form))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	w := httptest.NewRecorder()
	pages.ServeHTTP(w, r)
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	return w.Code, answer
}

func show(t *testing.T, pages http.Handler, path string) string {
	t.Helper()
	w := httptest.NewRecorder()
	pages.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet,
		"http://127.0.0.1:8080/api/status"+path, nil))
	return w.Body.String()
}

func pagesOf(w *sandbox.World) http.Handler {
	return azfunc.WithPages(w.App.Pages("v1"), http.NotFoundHandler())
}

func TestThePagesStartAndCancel(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pages := pagesOf(w)
	if html := show(t, pages, ""); !strings.Contains(html, "Plan demo") {
		t.Errorf("the first page does not show the plan: %s", html)
	}
	status, answer := press(t, pages, azfunc.Start, "plan=demo")
	if status != http.StatusAccepted || answer["export"] != "demo-000001" {
		t.Fatalf("start: %d %v", status, answer)
	}
	if status, answer = press(t, pages, azfunc.Start, "plan=demo"); status != http.StatusConflict ||
		!strings.Contains(answer["error"], "still") {
		t.Errorf("a second start: %d %v", status, answer)
	}
	if html := show(t, pages, "/exports/demo-000001"); !strings.Contains(html,
		"accepted by the server") {
		t.Errorf("the export did not begin at once: %s", html)
	}
	if status, answer = press(t, pages, azfunc.Cancel,
		"export=demo-000001"); status != http.StatusAccepted {
		t.Errorf("cancel: %d %v", status, answer)
	}
	if status, answer = press(t, pages, azfunc.Cancel,
		"export=demo-000001"); status != http.StatusConflict ||
		!strings.Contains(answer["error"], "it is cancelled") {
		t.Errorf("a second cancel: %d %v", status, answer)
	}
	if status, answer = press(t, pages, azfunc.Retry,
		"export=demo-000001"); status != http.StatusAccepted || answer["export"] != "demo-000002" {
		t.Errorf("retry: %d %v", status, answer)
	}
	status, answer = press(t, pages, azfunc.Start, "plan=other")
	if status != http.StatusConflict || !strings.Contains(answer["error"], "no such plan") {
		t.Errorf("a strange plan: %d %v", status, answer)
	}
}

// Each tick sums up what has ended.
func TestATickWritesTheHistory(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pages := pagesOf(w)
	press(t, pages, azfunc.Start, "plan=demo")
	press(t, pages, azfunc.Cancel, "export=demo-000001")
	if err := w.App.Functions()[azfunc.TimerExport](t.Context(), azfunc.Invocation{}); err != nil {
		t.Fatal(err)
	}
	found := false
	for key, err := range w.App.Journal().List(t.Context(), "history/demo/") {
		if err != nil {
			t.Fatal(err)
		}
		found = found || strings.HasPrefix(key, "history/demo/segment-")
	}
	if !found {
		t.Error("the tick wrote no history")
	}
}

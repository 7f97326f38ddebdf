package statuspage_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
)

func TestEveryAnswerHasThePolicy(t *testing.T) {
	t.Parallel()
	w := example(t)
	for _, path := range []string{"", "/exports/x", "/nowhere", "?format=json"} {
		h := w.get(t, path).Header()
		policy := h.Get("Content-Security-Policy")
		for _, want := range []string{
			"default-src 'none'", "frame-ancestors 'none'", "form-action 'self'",
			"base-uri 'none'", "script-src 'sha256-",
		} {
			if !strings.Contains(policy, want) {
				t.Errorf("%s: the policy misses %s", path, want)
			}
		}
		if strings.Contains(policy, "unsafe") {
			t.Errorf("%s: %s", path, policy)
		}
		if h.Get("Referrer-Policy") != "no-referrer" || h.Get("Cache-Control") != "no-store" ||
			h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", path, h)
		}
	}
}

func TestButtons(t *testing.T) {
	t.Parallel()
	w := example(t)
	plan, export := url.Values{"plan": {"nightly"}}, url.Values{"export": {"nightly-000006"}}
	for _, c := range []struct {
		to   http.Handler
		form url.Values
		want string
	}{
		{w.Start(), plan, "status/exports/nightly-000099"},
		{w.Retry(), export, "status/exports/nightly-000099"},
		{w.Cancel(), export, "status/exports/nightly-000006"},
	} {
		answer := w.post(t, c.to, c.form, "Sec-Fetch-Site", "same-origin")
		if got := answer.Header().Get("Location"); answer.Code != http.StatusSeeOther ||
			got != c.want {
			t.Errorf("%v: %d, to %q", c.form, answer.Code, got)
		}
	}
	if len(w.started) != 2 || len(w.cancelled) != 1 || w.cancelled[0] != "nightly-000006" {
		t.Errorf("started %v, cancelled %v", w.started, w.cancelled)
	}
	answer := w.post(t, w.Start(), plan, "Accept", "application/json") // a script
	if answer.Code != http.StatusAccepted ||
		!strings.Contains(answer.Body.String(), "nightly-000099") {
		t.Errorf("as JSON: %d %s", answer.Code, answer.Body)
	}
}

func TestRetryKeepsTheWindowThatAPersonAskedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pipeline.Plan{Name: "p"})
	w.put(t, "plans/p", records.PlanRecord{
		Seq: 4, Current: "p-000004", Window: records.Window{Full: true},
	})
	w.post(t, w.Retry(), url.Values{"export": {"p-000004"}})
	if !w.window.Full {
		t.Errorf("the window is %+v", w.window)
	}
	w.post(t, w.Retry(), url.Values{"export": {"p-000003"}})
	if w.window.Full {
		t.Error("an earlier export has the window of the last one")
	}
}

func TestARefusedButtonSaysWhy(t *testing.T) {
	t.Parallel()
	w := example(t)
	w.operatorErr = errNoPlan
	answer := w.post(t, w.Start(), url.Values{"plan": {"x"}})
	if answer.Code == http.StatusSeeOther ||
		!strings.Contains(answer.Body.String(), "there is no such plan") {
		t.Errorf("%d %s", answer.Code, content.FindString(answer.Body.String()))
	}
	if answer := w.ask(t, w.Start(), http.MethodGet, "", ""); answer.Code !=
		http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", answer.Code)
	}
	if answer := w.ask(t, w.Status(), http.MethodPost, "", ""); answer.Code !=
		http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", answer.Code)
	}
}

func TestRequestsOfOtherSitesAreRefused(t *testing.T) {
	t.Parallel()
	w := example(t)
	form := url.Values{"plan": {"nightly"}}
	for name, headers := range map[string][]string{
		"another site":         {"Sec-Fetch-Site", "cross-site"},
		"a neighbour":          {"Sec-Fetch-Site", "same-site"},
		"an old browser":       {"Origin", "https://example.org"},
		"a name for loopback":  {"X-Forwarded-Host", "example.org:7071", "Sec-Fetch-Site", "same-origin"},
		"without its own name": {"X-Forwarded-Host", "example.org", "Origin", "http://example.org"},
		"an opaque page":       {"Origin", "null"},
	} {
		if answer := w.post(t, w.Start(), form, headers...); answer.Code != http.StatusForbidden {
			t.Errorf("%s: %d", name, answer.Code)
		}
	}
	if len(w.started) > 0 {
		t.Errorf("started %v", w.started)
	}
	if answer := w.get(t, "", "X-Forwarded-Host", "example.org"); answer.Code !=
		http.StatusForbidden {
		t.Errorf("a page under a strange name: %d", answer.Code)
	}
	for name, headers := range map[string][]string{
		"our page":      {"X-Forwarded-Host", "localhost:7071", "Sec-Fetch-Site", "same-origin"},
		"an old one":    {"X-Forwarded-Host", "localhost:7071", "Origin", "http://localhost:7071"},
		"a bookmark":    {"Sec-Fetch-Site", "none"},
		"not a browser": nil,
	} {
		if answer := w.post(t, w.Start(), form, headers...); answer.Code != http.StatusSeeOther {
			t.Errorf("%s: %d", name, answer.Code)
		}
	}
}

func TestLinksRepeatTheKeyAndLeadToTheSamePlace(t *testing.T) {
	t.Parallel()
	w := example(t)
	for path, want := range map[string][]string{
		"?code=k%2F1": {
			`href="status/exports?code=k%2F1"`, `action="start?code=k%2F1"`,
			`href="status/exports/nightly-000006?code=k%2F1"`,
		},
		"/exports?code=k1":                {`href="../status/tables?code=k1"`},
		"/exports/nightly-000006?code=k1": {`href="../../status?code=k1"`, `action="../../retry?code=k1"`},
		"/exports/nightly-000003/files":   {`href="../../../status/exports/nightly-000003"`},
	} {
		html := w.get(t, path).Body.String()
		for _, link := range want {
			if !strings.Contains(html, link) {
				t.Errorf("%s: the page misses %s", path, link)
			}
		}
	}
	answer := w.ask(t, w.Start(), http.MethodPost, "?code=k1", "plan=nightly", "Content-Type",
		"application/x-www-form-urlencoded")
	if got := answer.Header().Get("Location"); got != "status/exports/nightly-000099?code=k1" {
		t.Errorf("a button leads to %q", got)
	}
}

func TestTextsOfServersAreEscaped(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pipeline.Plan{Name: "p"})
	const evil = `"><script>alert(1)</script><img src=x onerror=alert(1)>`
	w.put(t, "plans/p", records.PlanRecord{Seq: 1, Current: "p-000001", RequestedAt: now})
	w.put(t, "exports/p/000001", records.Export{
		ID: "p-000001", Plan: "p", State: records.Failed, RequestedAt: now, FinishedAt: now,
		Jobs:    []records.Request{{Types: []string{evil}}},
		Failure: &records.Failure{Step: evil, Cause: evil, Remedy: evil, Whose: evil, Text: evil},
		Notices: []string{evil}, Schema: evil, Cohort: evil,
	})
	w.put(t, "jobs/p-000001.1", records.Job{ID: "p-000001.1", Progress: evil})
	w.put(t, "cohorts/c", map[string]any{"name": evil, "membership": evil, "trouble": evil})
	w.catch(t)
	for _, path := range []string{
		"", "/exports", "/exports/p-000001", "/tables", "/cohorts", "/quarantine", "/activity",
		"/exports?plan=" + url.QueryEscape(evil), "/exports/" + url.PathEscape(evil),
		"?code=" + url.QueryEscape(evil),
	} {
		html := w.get(t, path).Body.String()
		wellFormed(t, html)
		if strings.Count(html, "<script>") != 1 || strings.Contains(html, "<img") {
			t.Errorf("%s: a text is not escaped", path)
		}
	}
}

package bulkfhir_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
)

// gaveUp begins the diagnostics of a failed job in dialect azure.
const gaveUp = "Export operation failed for reason: "

func always(kind string, h http.HandlerFunc) func(*rig) {
	return func(r *rig) { r.always(kind, h) }
}

func firstly(kind string, n int, h http.HandlerFunc) func(*rig) {
	return func(r *rig) { r.firstly(kind, n, h) }
}

// expiredToken sets up a token that the server refuses and a fresh one.
func expiredToken(r *rig) {
	r.options.Token = func(context.Context) (string, error) { return "old", nil }
	r.options.Renew = func(context.Context, string) (string, error) { return "fresh", nil }
	refuse := func(w http.ResponseWriter, req *http.Request, _ int) bool {
		if req.Header.Get("Authorization") == "Bearer fresh" {
			return false
		}
		w.WriteHeader(http.StatusUnauthorized)
		return true
	}
	r.server.on["kick-off"] = refuse
}

func expiredFileToken(r *rig) {
	expiredToken(r)
	delete(r.server.on, "kick-off")
	r.server.edit = func(m map[string]any, _ int) { m["requiresAccessToken"] = true }
	renewed := false
	r.options.Token = func(context.Context) (string, error) {
		if renewed {
			return "fresh", nil
		}
		return "old", nil
	}
	r.options.Renew = func(context.Context, string) (string, error) {
		renewed = true
		return "fresh", nil
	}
	r.server.on["file"] = func(w http.ResponseWriter, req *http.Request, _ int) bool {
		if req.Header.Get("Authorization") == "Bearer fresh" {
			return false
		}
		w.WriteHeader(http.StatusUnauthorized)
		return true
	}
}

func toAnotherHost(r *rig) {
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Header.Get("Authorization") != "" {
			r.t.Error("the token went to another host")
		}
		r.server.file(w, req)
	}))
	r.t.Cleanup(other.Close)
	withToken(r)
	r.options.AllowPrivate = true
	r.server.edit = func(m map[string]any, _ int) { m["requiresAccessToken"] = true }
	r.always("file", func(w http.ResponseWriter, req *http.Request) {
		http.Redirect(w, req, other.URL+req.URL.Path, http.StatusTemporaryRedirect)
	})
}

func truncated(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "500")
	_, _ = w.Write([]byte(patient("p1") + "\n"))
	w.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

func zipped(r *rig) {
	r.server.on["file"] = func(w http.ResponseWriter, req *http.Request, _ int) bool {
		text := patient("p1") + "\n" + patient("p2") + "\n"
		if strings.Contains(req.URL.Path, "Observation") {
			text = observation("o1", "Patient/p1") + "\n"
		}
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write([]byte(zip(text)))
		return true
	}
}

func longManifest(r *rig) {
	r.server.edit = func(m map[string]any, _ int) { m["extension"] = strings.Repeat("x", 6<<20) }
}

package azfunc

import (
	"net/http"
	"strings"
)

// WithPages passes the requests of functions with an httpTrigger to their handlers, by function,
// and all other requests to next.
//
// With enableProxyingHttpRequest the host passes such a request on with its path, for example
// /api/status/exports, under its own name in Host and the browser's in X-Forwarded-Host. The route
// of a function is its name in lower case. A handler gets the rest of the path.
func WithPages(pages map[string]http.Handler, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page, rest, ok := pageOf(pages, r.URL.Path)
		if !ok {
			next.ServeHTTP(w, r)
			return
		}
		r = r.Clone(r.Context())
		r.URL.Path, r.URL.RawPath = rest, ""
		page.ServeHTTP(w, r)
	})
}

// pageOf finds the handler of a path: the first folder that is a route. The host's prefix, "api"
// unless host.json has another, is before it.
func pageOf(
	pages map[string]http.Handler, path string,
) (page http.Handler, rest string, ok bool) {
	rest = path
	for rest != "" {
		var folder string
		folder, rest, _ = strings.Cut(strings.TrimPrefix(rest, "/"), "/")
		if rest != "" || strings.HasSuffix(path, "/") {
			rest = "/" + rest
		}
		for name, page := range pages {
			if strings.EqualFold(name, folder) {
				return page, rest, true
			}
		}
		if rest == "/" {
			break
		}
	}
	return nil, "", false
}

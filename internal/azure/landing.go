package azure

import (
	"net"
	"net/url"
	"strings"
)

// origin tells an account's URLs from those of others.
type origin struct {
	host string // as canonicalHost writes it
	base string // "/" or, where the account is a path segment, "/account/"
}

func originOf(serviceURL string) origin {
	u, err := url.Parse(serviceURL)
	if err != nil {
		return origin{}
	}
	return origin{host: canonicalHost(u), base: strings.TrimSuffix(u.Path, "/") + "/"}
}

// canonicalHost makes the names of one account equal: .dfs. is .blob. with another
// API, a default port may be written out, and an emulator has two names.
func canonicalHost(u *url.URL) string {
	host, port := strings.ToLower(u.Hostname()), u.Port()
	host = strings.TrimSuffix(host, ".")
	host = strings.Replace(host, ".dfs.", ".blob.", 1)
	if host == "localhost" || host == "::1" {
		host = "127.0.0.1"
	}
	if port == "" {
		port = "443"
		if strings.EqualFold(u.Scheme, "http") {
			port = "80"
		}
	}
	return net.JoinHostPort(host, port)
}

// Landing gives the path in the landing area that a URL names, in the forms
// https://ACCOUNT.blob.core.windows.net/CONTAINER/PATH, the same with .dfs., and
// http://127.0.0.1:PORT/ACCOUNT/CONTAINER/PATH. A query is ignored. It is false for
// other accounts, other containers and what is no URL.
func (l *Lake) Landing(blobURL string) (path string, ok bool) {
	u, err := url.Parse(blobURL)
	if err != nil || u.Host == "" || canonicalHost(u) != l.origin.host {
		return "", false
	}
	rest, ok := strings.CutPrefix(u.Path, l.origin.base)
	if !ok {
		return "", false
	}
	path, ok = strings.CutPrefix(rest, l.areas.Landing+"/")
	if !ok || path == "" {
		return "", false
	}
	return path, true
}

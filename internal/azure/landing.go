package azure

import (
	"net"
	"net/url"
	"strings"
)

// origin distinguishes an account's URLs from others.
type origin struct {
	host string // from canonicalHost
	base string // "/", or "/account/" if the account is a path segment
}

func originOf(serviceURL string) origin {
	u, err := url.Parse(serviceURL)
	if err != nil {
		return origin{}
	}
	return origin{host: canonicalHost(u), base: strings.TrimSuffix(u.Path, "/") + "/"}
}

// canonicalHost maps all host names of one account to one: .dfs. is another API of .blob., a
// default port may be written out, and an emulator has two names.
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

// Landing returns the path in the landing area of a URL of the form
// https://ACCOUNT.blob.core.windows.net/CONTAINER/PATH, the same with .dfs., or
// http://127.0.0.1:PORT/ACCOUNT/CONTAINER/PATH. It ignores the query, and returns false for other
// accounts and containers.
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

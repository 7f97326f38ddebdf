package bulkfhir

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"
	"time"

	"fhirsynapse/internal/fault"
)

// maxRedirects is what browsers and net/http allow.
const maxRedirects = 10

// redirect keeps a redirect from being more than a detour: Authorization stays
// with the host that it was meant for, the port included, TLS stays on, and a
// request does not become another one.
func redirect(req *http.Request, via []*http.Request) error {
	first := via[0]
	switch {
	case len(via) >= maxRedirects:
		return fault.Transientf("the server redirects more than %d times", maxRedirects)
	case req.Method != first.Method:
		return http.ErrUseLastResponse // POST and DELETE would go on as GET
	case !mayCarryToken(req.URL) && mayCarryToken(first.URL):
		return &fault.Error{Class: fault.Permanent, Whose: fault.TheirServer, Err: errors.New("the server redirects from https to http, where anybody can read on the way")}
	}
	if req.URL.Host != first.URL.Host || req.URL.Scheme != first.URL.Scheme {
		req.Header.Del("Authorization")
	}
	return nil
}

// onceOnly is a client whose requests go out once. net/http sends a GET again when
// the server closes an idle link under it, and a kick-off that is sent twice is
// two exports; a link of its own is never idle before.
func onceOnly(c *http.Client) *http.Client {
	rt := c.Transport
	if rt == nil {
		rt = http.DefaultTransport
	}
	t, ok := rt.(*http.Transport)
	if !ok {
		return c
	}
	fresh := t.Clone()
	fresh.DisableKeepAlives = true
	once := *c
	once.Transport = fresh
	return &once
}

// mayCarryToken says that a token sent to u cannot be read on the way.
func mayCarryToken(u *url.URL) bool {
	if u.Scheme == "https" {
		return true
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || (ip != nil && ip.IsLoopback())
}

// Guarded returns a client for requests to a server that another server names, such
// as its sign-in server: the configured URLs are reached wherever they are, any other
// host only at a public address.
func Guarded(allowPrivate bool, now func() time.Time, configured ...string) *http.Client {
	var urls []*url.URL
	for _, text := range configured {
		if u, err := url.Parse(text); err == nil && u.Host != "" {
			urls = append(urls, u)
		}
	}
	return &http.Client{Transport: transport(newGuard(allowPrivate, now, urls...), 2)}
}

// transport reaches what the guard lets it.
func transport(g *guard, perHost int) *http.Transport {
	return &http.Transport{
		Proxy:                 g.proxyFor,
		DialContext:           g.dial,
		ForceAttemptHTTP2:     true,
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: requestTimeout,
		ExpectContinueTimeout: time.Second,
		MaxIdleConns:          4 * perHost,
		MaxIdleConnsPerHost:   2 * perHost,
		IdleConnTimeout:       90 * time.Second,
	}
}

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

// maxRedirects is the limit of browsers and of net/http.
const maxRedirects = 10

// redirect refuses redirects that change the request: Authorization stays with its host and port,
// TLS stays on, and the method stays the same.
func redirect(req *http.Request, via []*http.Request) error {
	first := via[0]
	switch {
	case len(via) >= maxRedirects:
		return fault.Transientf("the server redirects more than %d times", maxRedirects)
	case req.Method != first.Method:
		return http.ErrUseLastResponse // POST and DELETE would continue as GET
	case !mayCarryToken(req.URL) && mayCarryToken(first.URL):
		return &fault.Error{
			Class: fault.Permanent, Whose: fault.TheirServer,
			Err: errors.New(
				"the server redirects from https to http, where anybody can read on the way"),
		}
	}
	if req.URL.Host != first.URL.Host || req.URL.Scheme != first.URL.Scheme {
		req.Header.Del("Authorization")
	}
	return nil
}

// onceOnly returns a client that sends each request once. net/http resends a GET when the server
// closes an idle connection, and a repeated kick-off is a second export; a new connection is never
// idle.
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

// mayCarryToken reports whether a token sent to u is protected by TLS.
func mayCarryToken(u *url.URL) bool {
	if u.Scheme == "https" {
		return true
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || (ip != nil && ip.IsLoopback())
}

// Guarded returns a client for servers that another server names, such as a sign-in server.
// Configured URLs are reached at any address, other hosts at public addresses only.
func Guarded(allowPrivate bool, now func() time.Time, configured ...string) *http.Client {
	var urls []*url.URL
	for _, text := range configured {
		if u, err := url.Parse(text); err == nil && u.Host != "" {
			urls = append(urls, u)
		}
	}
	return &http.Client{Transport: transport(newGuard(allowPrivate, now, urls...), 2)}
}

// transport returns a transport that dials through the guard.
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

package bulkfhir

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"syscall"
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

// transport dials the configured server wherever it is, and every other host only
// at a public address: a manifest and a redirect may name any host they like. The
// address is looked at after its name was resolved, so that no name can hide it.
func transport(base *url.URL, allowPrivate bool, perHost int) *http.Transport {
	known := &hosts{names: map[string]bool{hostPort(base): true}}
	dialer := net.Dialer{Timeout: 10 * time.Second, KeepAlive: 15 * time.Second}
	guarded := dialer
	guarded.Control = func(_, address string, _ syscall.RawConn) error { return refusePrivate(address) }
	return &http.Transport{
		Proxy: func(r *http.Request) (*url.URL, error) {
			proxy, err := http.ProxyFromEnvironment(r)
			if proxy == nil || err != nil {
				return proxy, err
			}
			known.add(hostPort(proxy))
			// The proxy resolves names, so that only addresses can be looked at here.
			if _, literal := netip.ParseAddr(r.URL.Hostname()); literal == nil && !allowPrivate && !known.has(hostPort(r.URL)) {
				err = refusePrivate(hostPort(r.URL))
			}
			return proxy, err
		},
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if allowPrivate || known.has(address) {
				return dialer.DialContext(ctx, network, address)
			}
			return guarded.DialContext(ctx, network, address)
		},
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

// hosts are those that may be private.
type hosts struct {
	mu    sync.Mutex
	names map[string]bool
}

func (h *hosts) add(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.names[name] = true
}

func (h *hosts) has(name string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.names[name]
}

func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = "443"
		if u.Scheme == "http" {
			port = "80"
		}
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// sharedSpace is the address space of carriers (RFC 6598), and cloudMetadata the
// one address of a cloud's own that is neither private nor link-local.
var (
	sharedSpace   = netip.MustParsePrefix("100.64.0.0/10")
	cloudMetadata = netip.MustParseAddr("168.63.129.16")
)

func refusePrivate(address string) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("dial: %w", err)
	}
	ip := ap.Addr().Unmap()
	if ip.IsGlobalUnicast() && !ip.IsPrivate() && !sharedSpace.Contains(ip) && ip != cloudMetadata {
		return nil
	}
	return &fault.Error{
		Class: fault.Permanent, Whose: fault.OurSetting,
		Err:    errors.New("the server names a host whose address is of a private network, or of this machine"),
		Remedy: "write privateFiles: true for this source if its files are meant to be there",
	}
}

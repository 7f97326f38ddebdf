package bulkfhir

import (
	"context"
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

// guard allows requests to the configured servers at any address, and to other hosts at public
// addresses only: a manifest or a redirect may name any host.
//
// Without a proxy the resolved address is checked when it is dialled. With a proxy the host is
// resolved and checked here first, and an unresolvable name is refused; the proxy itself may still
// resolve the name to another address.
type guard struct {
	known        map[string]bool // host and port of each configured server
	allowPrivate bool
	proxy        func(*http.Request) (*url.URL, error)
	lookup       func(ctx context.Context, network, host string) ([]netip.Addr, error)
	now          func() time.Time

	mu      sync.Mutex
	proxies map[string]bool    // by host and port
	looked  map[string]verdict // by host
}

type verdict struct {
	err error
	at  time.Time
}

const (
	verdictFor   = time.Minute
	keptVerdicts = 1000
	lookupTime   = 10 * time.Second
)

func newGuard(allowPrivate bool, now func() time.Time, configured ...*url.URL) *guard {
	known := map[string]bool{}
	for _, u := range configured {
		known[hostPort(u)] = true
	}
	return &guard{
		known: known, allowPrivate: allowPrivate, proxy: http.ProxyFromEnvironment,
		lookup: net.DefaultResolver.LookupNetIP, now: now,
		proxies: map[string]bool{}, looked: map[string]verdict{},
	}
}

// proxyFor implements http.Transport.Proxy.
func (g *guard) proxyFor(r *http.Request) (*url.URL, error) {
	proxy, err := g.proxy(r)
	if err != nil {
		return nil, err
	}
	target := hostPort(r.URL)
	g.mu.Lock()
	if proxy != nil {
		g.proxies[hostPort(proxy)] = true
	}
	// A proxy may be dialled, but as a target it must pass the check.
	look := proxy != nil || g.proxies[target]
	g.mu.Unlock()
	if look && !g.allowPrivate && !g.known[target] {
		if err := g.check(r.Context(), r.URL.Hostname()); err != nil {
			return nil, err
		}
	}
	return proxy, nil
}

// dial implements http.Transport.DialContext.
func (g *guard) dial(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: 10 * time.Second, KeepAlive: 15 * time.Second}
	g.mu.Lock()
	known := g.known[address] || g.proxies[address]
	g.mu.Unlock()
	if !g.allowPrivate && !known {
		dialer.Control = func(_, address string, _ syscall.RawConn) error {
			return refusePrivate(address)
		}
	}
	return dialer.DialContext(ctx, network, address)
}

// check returns an error if a host may not be requested through a proxy. The result is cached for a
// while, except for transient errors.
func (g *guard) check(ctx context.Context, host string) error {
	g.mu.Lock()
	v, ok := g.looked[host]
	g.mu.Unlock()
	if ok && g.now().Sub(v.at) < verdictFor {
		return v.err
	}
	err := g.look(ctx, host)
	if fault.Of(err) == fault.Transient && err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.looked) >= keptVerdicts {
		clear(g.looked)
	}
	g.looked[host] = verdict{err, g.now()}
	return err
}

func (g *guard) look(ctx context.Context, host string) error {
	if ip, err := netip.ParseAddr(host); err == nil {
		return publicOnly(ip)
	}
	ctx, done := context.WithTimeout(ctx, lookupTime)
	defer done()
	ips, err := g.lookup(ctx, "ip", host)
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns) && dns.IsNotFound, err == nil && len(ips) == 0:
		return &fault.Error{
			Class: fault.Permanent, Whose: fault.OurSetting,
			Err: errors.New(
				"the server names a host that this machine cannot resolve, so the proxy may lead to a private network"),
			Remedy: "let this machine resolve public names; or, where the proxy itself refuses private addresses, write privateFiles: true for this source",
		}
	case err != nil:
		return fault.Transientf("a host that the server names could not be resolved")
	}
	for _, ip := range ips {
		if err := publicOnly(ip); err != nil {
			return err
		}
	}
	return nil
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

func refusePrivate(address string) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("dial: %w", err)
	}
	return publicOnly(ap.Addr())
}

// notPublic lists ranges that look public but lead to this host, its network or its cloud.
var notPublic = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),        // this network
	netip.MustParsePrefix("100.64.0.0/10"),    // carrier-grade NAT, RFC 6598
	netip.MustParsePrefix("168.63.129.16/32"), // Azure's platform services
	netip.MustParsePrefix("192.0.0.0/24"),     // IETF protocol assignments
	netip.MustParsePrefix("198.18.0.0/15"),    // benchmarks
	netip.MustParsePrefix("240.0.0.0/4"),      // reserved
	netip.MustParsePrefix("::/96"),            // IPv4-compatible, deprecated
	netip.MustParsePrefix("64:ff9b::/96"),     // NAT64, RFC 6052: embeds an IPv4 address
	netip.MustParsePrefix("64:ff9b:1::/48"),   // NAT64 of a local network, RFC 8215
	netip.MustParsePrefix("2001::/32"),        // Teredo, RFC 4380: embeds an IPv4 address
	netip.MustParsePrefix("2002::/16"),        // 6to4, RFC 3056: embeds an IPv4 address
	netip.MustParsePrefix("fec0::/10"),        // site-local, deprecated
}

func publicOnly(ip netip.Addr) error {
	ip = ip.Unmap().WithZone("")
	public := ip.IsGlobalUnicast() && !ip.IsPrivate()
	for _, p := range notPublic {
		public = public && !p.Contains(ip)
	}
	if !public {
		return &fault.Error{
			Class: fault.Permanent, Whose: fault.OurSetting,
			Err: errors.New(
				"the server names a host with an address in a private network or on this machine"),
			Remedy: "write privateFiles: true for this source if its files are stored there",
		}
	}
	return nil
}

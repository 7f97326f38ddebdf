package bulkfhir

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"fhirsynapse/internal/fault"
)

// ownAddress refuses a URL that is neither on the configured server nor on an allowed host, because
// requests to it carry the token.
func (s *caller) ownAddress(what string, u *url.URL) error {
	if s.sameOrigin(u) {
		return nil
	}
	allowed := func(host string) bool {
		return strings.EqualFold(host, u.Host) || strings.EqualFold(host, hostPort(u))
	}
	if slices.ContainsFunc(s.o.StatusHosts, allowed) &&
		(mayCarryToken(u) || !mayCarryToken(s.base)) {
		return nil
	}
	return &fault.Error{
		Class: fault.Permanent, Whose: fault.TheirServer,
		Err: fmt.Errorf("the URL of %s is at %s://%s, and the server is at %s://%s", what,
			u.Scheme, clip(u.Host, 100), s.base.Scheme, s.base.Host),
		Remedy: "correct the base URL in the server's own settings (behind a proxy: the public one); if that host is the server's, name it in statusHosts of the source (start: --status-host)",
	}
}

// sameOrigin reports whether u is on the configured server. An upgrade from http to https and the
// names of the local machine count as the same.
func (s *caller) sameOrigin(u *url.URL) bool {
	b := s.base
	switch {
	case u.Scheme == b.Scheme && strings.EqualFold(hostPort(u), hostPort(b)):
		return true
	case u.Scheme == "https" && b.Scheme == "http" && u.Port() == "" && b.Port() == "":
		return strings.EqualFold(u.Hostname(), b.Hostname())
	}
	return u.Scheme == b.Scheme && u.Port() == b.Port() && isLoopback(u.Hostname()) &&
		isLoopback(b.Hostname())
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || host == "127.0.0.1" ||
		(ip != nil && ip.Equal(net.IPv6loopback))
}

// sameServer corrects a status URL that lost its https or port at a proxy which ends TLS. The host
// stays the configured one.
func (s *caller) sameServer(u *url.URL) *url.URL {
	if s.base.Scheme != "https" || u.Scheme != "http" ||
		!strings.EqualFold(u.Hostname(), s.base.Hostname()) ||
		(u.Port() != "" && u.Port() != "80" && u.Port() != s.base.Port()) {
		return u
	}
	fixed := *u
	fixed.Scheme, fixed.Host = s.base.Scheme, s.base.Host
	return &fixed
}

// unreachable makes a DNS failure permanent if only a status URL names the host: the server sent a
// wrong URL, and waiting does not help.
func (s *caller) unreachable(target string, err error) error {
	u, parseErr := url.Parse(target)
	var dns *net.DNSError
	if parseErr != nil || !errors.As(err, &dns) || !dns.IsNotFound ||
		u.Hostname() == s.base.Hostname() {
		return err
	}
	return &fault.Error{
		Class: fault.Permanent, Whose: fault.TheirServer,
		Err: fmt.Errorf("the host %s of the status URL does not resolve: %w",
			clip(u.Hostname(), 100), err),
		Remedy: "correct the base URL in the server's own settings: its status URLs cannot be reached from here",
	}
}

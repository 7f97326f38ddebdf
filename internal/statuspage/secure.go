package statuspage

import (
	"crypto/sha256"
	_ "embed" // the style and the script
	"encoding/base64"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

//go:embed style.css
var style string

//go:embed refresh.js
var script string

// policy allows the one style and the one script by their digests, and no other content.
var policy = strings.Join([]string{
	"default-src 'none'", "style-src " + digest(style), "script-src " + digest(script),
	"connect-src 'self'", "img-src data:", "form-action 'self'", "base-uri 'none'",
	"frame-ancestors 'none'",
}, "; ")

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// secure sets the headers of every answer. The address of a page may have a key of the app, so no
// other site may learn it.
func secure(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

var crossOrigin = http.NewCrossOriginProtection()

// fromOurSite refuses what a page of another site sends through a person's browser. The Functions
// host passes a request on under this machine's name, and the name that the browser used in
// X-Forwarded-Host.
func (s *Site) fromOurSite(r *http.Request) error {
	if host := r.Header.Get("X-Forwarded-Host"); host != "" {
		r.Host, _, _ = strings.Cut(host, ",")
	}
	refused := problem{
		http.StatusForbidden, "this request comes from another site",
		"open the status page by its own address and use its buttons",
	}
	if !s.Public && !isThisMachine(r.Host) {
		return refused
	}
	if err := crossOrigin.Check(r); err != nil {
		return refused
	}
	return nil
}

// isThisMachine reports whether a Host header names this machine.
func isThisMachine(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	if strings.EqualFold(strings.TrimSuffix(host, "."), "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

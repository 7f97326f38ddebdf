package bulkfhir

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"fhirsynapse/internal/fault"
)

func TestPublicAddresses(t *testing.T) {
	t.Parallel()
	for address, public := range map[string]bool{
		"93.184.216.34": true, "2606:2800:220:1::1": true, "::ffff:93.184.216.34": true,
		"64:ff9b::5db8:d822": false, "64:ff9b:1::5db8:d822": false,
		"64:ff9b:1:5db8:d8:2200::": false, "2002:5db8:d822::1": false, "2001::1": false,
		"2001:0:5db8:d822::1":  false,
		"2001:4860:4860::8888": true,
		"127.0.0.1":            false, "127.9.9.9": false, "::1": false, "::": false,
		"0.0.0.0": false, "0.1.2.3": false,
		"10.1.2.3": false, "172.16.0.1": false, "192.168.1.1": false, "fd00:ec2::254": false,
		"fe80::1%eth0": false, "fec0::1": false,
		"169.254.169.254": false, "168.63.129.16": false, "100.64.0.1": false, "192.0.0.192": false,
		"198.18.0.1": false,
		"224.0.0.1":  false, "255.255.255.255": false, "240.0.0.1": false, "ff02::1": false,
		"::ffff:10.0.0.1": false, "::7f00:1": false, "64:ff9b::a9fe:a9fe": false,
		"2002:a00:1::1": false,
	} {
		ip, err := netip.ParseAddr(address)
		if err != nil {
			t.Fatal(err)
		}
		if err := publicOnly(ip); (err == nil) != public {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// proxied is a client behind a proxy that answers every request and resolves names itself.
type proxied struct {
	guard   *guard
	client  *http.Client
	proxy   *url.URL
	asked   []string // requests to the proxy
	lookups int
	names   map[string][]string
	broken  error
	now     time.Time
}

func behindProxy(t *testing.T, allowPrivate bool) *proxied {
	t.Helper()
	p := &proxied{now: time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC), names: map[string][]string{
		"files.example": {"93.184.216.34", "2606:2800:220:1::1"}, "inside.example": {"10.0.0.7"},
		"both.example": {"93.184.216.34", "127.0.0.1"}, "empty.example": {},
	}}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.asked = append(p.asked, r.URL.Host)
		_, _ = io.WriteString(w, "ok")
	}))
	t.Cleanup(s.Close)
	base, err := url.Parse("http://fhir.inside:8080/r4")
	if err != nil {
		t.Fatal(err)
	}
	if p.proxy, err = url.Parse(s.URL); err != nil {
		t.Fatal(err)
	}
	p.guard = newGuard(allowPrivate, func() time.Time { return p.now }, base)
	p.guard.proxy = func(r *http.Request) (*url.URL, error) {
		if r.URL.Host == p.proxy.Host {
			return nil, nil
		}
		return p.proxy, nil
	}
	p.guard.lookup = func(_ context.Context, _, host string) ([]netip.Addr, error) {
		p.lookups++
		texts, known := p.names[host]
		switch {
		case p.broken != nil:
			return nil, p.broken
		case !known:
			return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
		}
		var ips []netip.Addr
		for _, text := range texts {
			ips = append(ips, netip.MustParseAddr(text))
		}
		return ips, nil
	}
	transport := transport(p.guard, 1)
	t.Cleanup(transport.CloseIdleConnections)
	p.client = &http.Client{Transport: transport}
	return p
}

func (p *proxied) get(t *testing.T, target string) error {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// The client checks a target before it asks the proxy, because the proxy dials it.
func TestNothingPrivateThroughAProxy(t *testing.T) {
	t.Parallel()
	for target, says := range map[string]string{
		"http://files.example/x":         "",
		"http://93.184.216.34/x":         "",
		"http://fhir.inside:8080/r4/x":   "", // the configured server itself
		"http://fhir.inside:9090/r4/x":   "cannot resolve",
		"http://inside.example/x":        "in a private network",
		"https://inside.example/x":       "in a private network",
		"http://both.example/x":          "in a private network",
		"http://empty.example/x":         "cannot resolve",
		"http://nowhere.example/x":       "cannot resolve",
		"http://2130706433/x":            "cannot resolve", // many proxies read it as 127.0.0.1
		"http://0x7f.1/x":                "cannot resolve",
		"http://10.0.0.1/x":              "in a private network",
		"http://169.254.169.254/latest/": "in a private network",
		"http://[fd00:ec2::254]/latest/": "in a private network",
		"http://[::ffff:127.0.0.1]/x":    "in a private network",
	} {
		p := behindProxy(t, false)
		err := p.get(t, target)
		if says == "" {
			if err != nil || len(p.asked) != 1 {
				t.Errorf("%s: %v, the proxy was asked for %v", target, err, p.asked)
			}
			continue
		}
		var f *fault.Error
		if !errors.As(err, &f) || f.Class != fault.Permanent || f.Whose != fault.OurSetting ||
			!strings.Contains(f.Remedy, "privateFiles") || !strings.Contains(f.Error(), says) {
			t.Errorf("%s: %v, want it refused: %s", target, err, says)
		}
		if len(p.asked) > 0 {
			t.Errorf("%s: the proxy was asked for %v", target, p.asked)
		}
	}
}

func TestThePlanMayAllowPrivateAddressesThroughAProxy(t *testing.T) {
	t.Parallel()
	p := behindProxy(t, true)
	for _, target := range []string{
		"http://inside.example/x", "http://10.0.0.1/x", "http://nowhere.example/x",
	} {
		if err := p.get(t, target); err != nil {
			t.Errorf("%s: %v", target, err)
		}
	}
	if len(p.asked) != 3 || p.lookups != 0 {
		t.Errorf("the proxy was asked for %v after %d lookups", p.asked, p.lookups)
	}
}

// The proxy's own address may be dialled but is not a permitted target.
func TestTheProxyItselfIsNoTarget(t *testing.T) {
	t.Parallel()
	p := behindProxy(t, false)
	if err := p.get(t, p.proxy.String()+"/admin"); err == nil {
		t.Error("the proxy's own pages were read before it was used")
	}
	if err := p.get(t, "http://files.example/x"); err != nil {
		t.Fatal(err)
	}
	if err := p.get(t, p.proxy.String()+"/admin"); err == nil || len(p.asked) != 1 {
		t.Errorf("%v, the proxy was asked for %v", err, p.asked)
	}
}

func TestNamesAreResolvedOnceAMinute(t *testing.T) {
	t.Parallel()
	p := behindProxy(t, false)
	for range 3 {
		if err := p.get(t, "http://files.example/x"); err != nil {
			t.Fatal(err)
		}
	}
	if p.lookups != 1 {
		t.Errorf("%d lookups within a minute, want 1", p.lookups)
	}
	p.now = p.now.Add(time.Minute)
	p.names["files.example"] = []string{"10.0.0.1"}
	if err := p.get(t, "http://files.example/x"); err == nil {
		t.Error("a name that has moved into a private network is still asked for")
	}
}

func TestNamesThatCannotBeResolvedNowAreTriedAgain(t *testing.T) {
	t.Parallel()
	p := behindProxy(t, false)
	p.broken = &net.DNSError{Err: "timeout", Name: "files.example", IsTimeout: true}
	err := p.get(t, "http://files.example/x")
	var f *fault.Error
	if !errors.As(err, &f) || f.Class != fault.Transient {
		t.Errorf("%v, want it to be transient", err)
	}
	p.broken = nil
	if err := p.get(t, "http://files.example/x"); err != nil {
		t.Error(err)
	}
}

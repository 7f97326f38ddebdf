package auth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"

	"fhirsynapse/internal/fault"
)

func TestKeysThatAreNone(t *testing.T) {
	t.Parallel()
	r, e := keys()
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Skipf("this Go makes no short keys: %v", err)
	}
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		text []byte
		id   string
		want string
	}{
		"nothing":      {nil, "k", "neither PEM nor a JWK"},
		"nonsense":     {[]byte("hunter2"), "k", "neither PEM nor a JWK"},
		"a public JWK": {jwk(t, "k", &r.PublicKey), "k", "0 private keys"},
		"two keys, no choice": {fmt.Appendf(nil, `{"keys":[%s,%s]}`, jwk(t, "a", r),
			jwk(t, "b", e)), "", "2 private keys"},
		"no id": {pkcs8(t, r), "", "keyId"},
		"short": {pkcs8(t, short), "k", "1024 bits"},
		"P-256": {pkcs8(t, p256), "k", "P-384"},
		"damaged": {
			pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("hunter2")}),
			"k", "damaged",
		},
		"encrypted": {pem.EncodeToMemory(&pem.Block{
			Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte("hunter2"),
		}), "k", "without a password"},
	} {
		_, err := ParseKey(c.text, c.id)
		if fault.Of(err) != fault.Permanent || !strings.Contains(fmt.Sprint(err), c.want) ||
			strings.Contains(fmt.Sprint(err), "hunter2") {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func FuzzParseKey(f *testing.F) {
	f.Add([]byte(`{"kty":"RSA","n":"AQAB","e":"AQAB","d":"AQ","p":"AQ","q":"AQ"}`), "k")
	f.Add([]byte(`{"keys":[{"kty":"EC","crv":"P-384","x":"AQ","y":"AQ","d":"AQ"}]}`), "")
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\nAQ==\n-----END PRIVATE KEY-----\n"), "k")
	f.Fuzz(func(t *testing.T, text []byte, id string) {
		k, err := ParseKey(text, id)
		if (k == nil) == (err == nil) {
			t.Fatalf("a key and an error, or neither: %v", err)
		}
	})
}

package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"

	"github.com/go-jose/go-jose/v4"
)

// minBits is the minimum size of an RSA key (RFC 7518 §3.3).
const minBits = 2048

// Key is a private key that signs assertions.
type Key struct {
	private crypto.Signer
	alg     jose.SignatureAlgorithm
	id      string
}

// Format never prints the key, whatever the verb.
func (k *Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[redacted]") } // cannot fail

// MarshalJSON returns "[redacted]", never the key.
func (k *Key) MarshalJSON() ([]byte, error) { return []byte(`"[redacted]"`), nil }

func (k *Key) algorithm() string { return string(k.alg) }

// ParseKey parses a private key: PEM (PKCS #8, PKCS #1 or SEC 1), a JWK, or a set of JWKs. id is
// the key's kid at the server; empty means the kid of the JWK or of the only private key in a set.
// RSA keys sign with RS384 and P-384 keys with ES384, which SMART requires servers to support.
// Errors never show the text.
func ParseKey(text []byte, id string) (*Key, error) {
	if block, _ := pem.Decode(text); block != nil {
		return parsePEM(block, id)
	}
	var set jose.JSONWebKeySet
	if json.Unmarshal(text, &set) != nil || len(set.Keys) == 0 {
		var one jose.JSONWebKey
		if json.Unmarshal(text, &one) != nil {
			return nil, setting("the key is neither PEM nor a JWK")
		}
		set.Keys = []jose.JSONWebKey{one}
	}
	var found []jose.JSONWebKey
	for _, k := range set.Keys {
		if _, private := k.Key.(crypto.Signer); private &&
			(id == "" || k.KeyID == id || len(set.Keys) == 1) {
			found = append(found, k)
		}
	}
	if len(found) != 1 {
		return nil, setting("the key set has %d private keys that fit: name one by keyId",
			len(found))
	}
	if id == "" {
		id = found[0].KeyID
	}
	return newKey(found[0].Key, id)
}

func parsePEM(block *pem.Block, id string) (*Key, error) {
	var key any
	var err error
	switch block.Type {
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	default:
		return nil, setting(
			"the key file begins with %q, which is not a private key without a password",
			clip(block.Type))
	}
	if err != nil {
		return nil, setting("the PEM of the key is damaged")
	}
	return newKey(key, id)
}

func clip(s string) string { return s[:min(len(s), 40)] }

func newKey(key any, id string) (*Key, error) {
	if id == "" {
		return nil, setting(
			"the key has no id: write keyId, the kid under which the server knows our public key")
	}
	switch k := key.(type) {
	case *rsa.PrivateKey:
		if k.N.BitLen() < minBits {
			return nil, setting("the RSA key has %d bits: at least %d are required", k.N.BitLen(),
				minBits)
		}
		return &Key{private: k, alg: jose.RS384, id: id}, nil
	case *ecdsa.PrivateKey:
		if k.Curve != elliptic.P384() {
			return nil, setting("the EC key is on %s: ES384 needs P-384", k.Curve.Params().Name)
		}
		return &Key{private: k, alg: jose.ES384, id: id}, nil
	}
	return nil, setting("the key is neither RSA nor on an elliptic curve")
}

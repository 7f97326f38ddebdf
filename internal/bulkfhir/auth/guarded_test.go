package auth_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"fhirsynapse/internal/bulkfhir"
	"fhirsynapse/internal/bulkfhir/auth"
)

// A FHIR server must not direct the client secret to another port of this machine or to its
// network.
func TestASecretIsNotPostedToAPrivateAddress(t *testing.T) {
	t.Parallel()
	var posted atomic.Int32
	inside := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		posted.Add(1)
		_, _ = w.Write([]byte(`{"access_token":"t","token_type":"bearer"}`))
	}))
	t.Cleanup(inside.Close)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"token_endpoint":"` + inside.URL + `/token"}`))
	}))
	t.Cleanup(server.Close)
	base := server.URL + "/fhir"
	sign := func(allowPrivate bool, tokenURL string) error {
		tokens, err := auth.ClientSecret(auth.Client{
			BaseURL: base, TokenURL: tokenURL, ClientID: "me", Now: time.Now,
			HTTP: bulkfhir.Guarded(allowPrivate, time.Now, base, tokenURL),
		}, "secret")
		if err != nil {
			return err
		}
		_, err = tokens.Token(t.Context())
		return err
	}
	if err := sign(false, ""); err == nil || !strings.Contains(err.Error(), "private network") ||
		posted.Load() != 0 {
		t.Errorf("%v, posted %d times, want it refused", err, posted.Load())
	}
	if err := sign(true, ""); err != nil {
		t.Errorf("allowed: %v", err)
	}
	if err := sign(false, inside.URL+"/token"); err != nil {
		t.Errorf("configured: %v", err)
	}
}

// Package link tells what went wrong with a connection, without a word of what came
// over it: net/http quotes what it cannot read of an answer, and that may be the
// rest of a file of health data, or a secret that the other side repeats.
package link

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"fhirsynapse/internal/fault"
)

// errUnreadable stands for everything whose words are not ours or the system's.
var errUnreadable = errors.New("the answer is no HTTP, or broke off in its head")

// Error is err in words that hold nothing of an answer, and without the URL, whose
// query may be a capability. What err is stays known to errors.Is and errors.As.
func Error(err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err
	}
	if err == nil || plain(err) {
		return err
	}
	return &other{err}
}

// plain says that the words of err are known: those of the network, of TLS, of
// contexts, and our own.
func plain(err error) bool {
	var (
		network     net.Error
		certificate *tls.CertificateVerificationError
		ours        *fault.Error
	)
	for _, known := range []error{io.EOF, io.ErrUnexpectedEOF, context.Canceled, context.DeadlineExceeded, http.ErrSchemeMismatch} {
		if errors.Is(err, known) {
			return err == known || errors.As(err, &network) //nolint:errorlint // around a wrapped one are the words of others
		}
	}
	return errors.As(err, &network) || errors.As(err, &certificate) || errors.As(err, &ours) || strings.HasPrefix(err.Error(), "tls: ")
}

// other is an error with our words.
type other struct{ err error }

func (o *other) Error() string {
	for _, known := range []error{io.ErrUnexpectedEOF, io.EOF} {
		if errors.Is(o.err, known) {
			return known.Error()
		}
	}
	return errUnreadable.Error()
}

func (o *other) Unwrap() error { return o.err }

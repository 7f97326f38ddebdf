// Package link describes connection errors without any content of the connection. net/http quotes
// unreadable parts of an answer, which may be health data or a secret.
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

// errUnreadable replaces errors that may quote the answer.
var errUnreadable = errors.New("the answer is not HTTP, or broke off in its header")

// Error returns err with a message that holds no part of an answer and no URL, because a query may
// be a capability. errors.Is and errors.As still find err.
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

// plain reports whether the text of err is safe: from the network, TLS, a context, or this program.
func plain(err error) bool {
	var (
		network     net.Error
		certificate *tls.CertificateVerificationError
		ours        *fault.Error
	)
	for _, known := range []error{
		io.EOF, io.ErrUnexpectedEOF, context.Canceled, context.DeadlineExceeded,
		http.ErrSchemeMismatch,
	} {
		if errors.Is(err, known) {
			return err == known || errors.As(err, &network) //nolint:errorlint // around a wrapped one are the words of others
		}
	}
	return errors.As(err, &network) || errors.As(err, &certificate) || errors.As(err, &ours) ||
		strings.HasPrefix(err.Error(), "tls: ")
}

// other replaces the message of an error.
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

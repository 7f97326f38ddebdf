package azure

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/go-amqp"

	"fhirsynapse/internal/fault"
)

// longestAdvice bounds the Retry-After that is obeyed.
const longestAdvice = 15 * time.Minute

// serviceError prints an SDK error in one line. The SDK's text has many lines and repeats the
// response body.
type serviceError struct {
	text string
	err  error
}

func (e *serviceError) Error() string { return e.text }
func (e *serviceError) Unwrap() error { return e.err }

// classifyBlob classifies an error of Blob Storage. The callers handle missing blobs and failed
// conditions first.
func classifyBlob(err error, container, role string) error {
	var re *azcore.ResponseError
	if !errors.As(err, &re) {
		return classifyTransport(err)
	}
	f := &fault.Error{
		Class: fault.Transient, Err: responseError(re), After: retryAfter(re.RawResponse),
	}
	switch {
	case re.StatusCode == http.StatusUnauthorized:
		f.Class = fault.Permanent
		f.Remedy = "check the storage connection string, or that this app has an identity"
	case re.StatusCode == http.StatusForbidden:
		f.Class = fault.Permanent
		f.Remedy = fmt.Sprintf(
			"give this app's identity the role %q on container %q and let the account's firewall admit it; a new role takes minutes to work",
			role, container)
	case hasCode(re, bloberror.ContainerNotFound):
		f.Class = fault.Permanent
		f.Remedy = fmt.Sprintf("create container %q, or correct its name in the settings",
			container)
	case hasCode(re, bloberror.ContainerBeingDeleted, bloberror.InvalidBlockList,
		bloberror.InvalidBlobOrBlock,
		bloberror.MD5Mismatch, bloberror.InvalidRange):
		// Another writer changed the same blob, or bytes were damaged in transit.
	case hasCode(re, "BlobImmutableDueToPolicy"):
		f.Class = fault.Permanent
		f.Remedy = fmt.Sprintf("container %q has an immutability policy: use another one",
			container)
	case passing(re.StatusCode):
	case re.StatusCode == http.StatusConflict, re.StatusCode == http.StatusPreconditionFailed,
		re.StatusCode == http.StatusRequestedRangeNotSatisfiable:
	default:
		f.Class = fault.Permanent
	}
	return f
}

// passing reports whether a status may be temporary.
func passing(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests:
		return true
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported:
		return false
	}
	return status >= 500
}

func hasCode(re *azcore.ResponseError, codes ...bloberror.Code) bool {
	for _, c := range codes {
		if re.ErrorCode == string(c) {
			return true
		}
	}
	return false
}

func responseError(re *azcore.ResponseError) error {
	text := "HTTP " + strconv.Itoa(re.StatusCode)
	if re.ErrorCode != "" {
		text += " " + re.ErrorCode
	}
	if re.RawResponse != nil {
		if id := re.RawResponse.Header.Get("x-ms-request-id"); id != "" {
			text += " (request " + id + ")"
		}
	}
	return &serviceError{text: text, err: re}
}

// classifyTransport classifies errors without an answer: connection, name, token, context.
func classifyTransport(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return &fault.Error{Class: fault.Transient, Err: withoutURL(err)}
	}
	var auth *azidentity.AuthenticationFailedError
	if errors.As(err, &auth) {
		f := &fault.Error{
			Class: fault.Transient,
			Err:   &serviceError{text: "no token from Microsoft Entra ID", err: err},
		}
		if resp := auth.RawResponse; resp != nil {
			f.Err = &serviceError{
				text: fmt.Sprintf("no token from Microsoft Entra ID: HTTP %d", resp.StatusCode),
				err:  err,
			}
			f.After = retryAfter(resp)
			if !passing(resp.StatusCode) {
				f.Class = fault.Permanent
				f.Remedy = "check this app's identity: its client id, and that it is assigned to the app"
			}
		}
		return f
	}
	// The SDK marks "no credential is available" as not retriable. It stays Transient here, because
	// the identity endpoint of a starting instance may be late.
	var hopeless interface {
		error
		NonRetriable()
	}
	if errors.As(err, &hopeless) {
		return &fault.Error{
			Class: fault.Transient,
			Err: &serviceError{
				text: "no credential: " + strings.Join(strings.Fields(hopeless.Error()), " "),
				err:  err,
			},
			Remedy: "assign an identity to this app, or sign in with the Azure CLI",
		}
	}
	return &fault.Error{Class: fault.Transient, Err: withoutURL(err)}
}

// withoutURL removes the URL from errors of net/http, because its query may be a shared access
// signature.
func withoutURL(err error) error {
	var ue *url.Error
	if !errors.As(err, &ue) {
		return err
	}
	host := "the service"
	if u, perr := url.Parse(ue.URL); perr == nil && u.Host != "" {
		host = u.Host
	}
	return fmt.Errorf("%s %s: %w", strings.ToUpper(ue.Op), host, ue.Err)
}

// retryAfter returns the delay from Retry-After. A date is compared with the answer's own Date, so
// this machine's clock does not matter.
func retryAfter(resp *http.Response) time.Duration {
	if resp == nil {
		return 0
	}
	for _, h := range []string{"retry-after-ms", "x-ms-retry-after-ms"} {
		if n, err := strconv.Atoi(resp.Header.Get(h)); err == nil && n > 0 {
			return min(time.Duration(n)*time.Millisecond, longestAdvice)
		}
	}
	v := resp.Header.Get("Retry-After")
	if n, err := strconv.Atoi(v); err == nil && n > 0 {
		return min(time.Duration(min(n, int(longestAdvice/time.Second)))*time.Second, longestAdvice)
	}
	at, err := http.ParseTime(v)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		return 0
	}
	return max(0, min(at.Sub(now), longestAdvice))
}

// classifyBus classifies an error of Service Bus.
func classifyBus(err error, queue string) error {
	f := &fault.Error{Class: fault.Transient, Err: err}
	denied := fmt.Sprintf(
		"give this app's identity the role \"Azure Service Bus Data Sender\" on queue %q, or check the connection string", queue)
	missing := fmt.Sprintf("create queue %q, or correct its name in the settings", queue)
	var sb *azservicebus.Error
	if errors.As(err, &sb) {
		f.Err = &serviceError{text: "Service Bus: " + string(sb.Code), err: err}
		switch sb.Code {
		case azservicebus.CodeUnauthorizedAccess:
			f.Class, f.Remedy = fault.Permanent, denied
		case azservicebus.CodeNotFound:
			f.Class, f.Remedy = fault.Permanent, missing
		case azservicebus.CodeTimeout, azservicebus.CodeConnectionLost, azservicebus.CodeLockLost,
			azservicebus.CodeClosed:
		}
		return f
	}
	var ae *amqp.Error
	if !errors.As(err, &ae) {
		return classifyTransport(err)
	}
	f.Err = &serviceError{text: "Service Bus: " + string(ae.Condition), err: err}
	switch ae.Condition {
	case amqp.ErrCondNotFound:
		f.Class, f.Remedy = fault.Permanent, missing
	case amqp.ErrCondUnauthorizedAccess:
		f.Class, f.Remedy = fault.Permanent, denied
	case "com.microsoft:entity-disabled":
		f.Class, f.Remedy = fault.Permanent, fmt.Sprintf("enable queue %q", queue)
	case amqp.ErrCondMessageSizeExceeded, amqp.ErrCondNotAllowed, amqp.ErrCondNotImplemented:
		f.Class = fault.Permanent
	case amqp.ErrCondResourceLimitExceeded:
		f.Remedy = fmt.Sprintf("queue %q is full: drain it or raise its size", queue)
	default:
	}
	return f
}

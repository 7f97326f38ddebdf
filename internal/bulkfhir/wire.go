package bulkfhir

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"fhirsynapse/internal/bulkfhir/link"
	"fhirsynapse/internal/fault"
)

// maxResumes bounds how often one download is resumed. At most maxStalls resumes in a row may yield
// no data.
const (
	maxResumes = 20
	maxStalls  = 2
)

// wire reads a file and hides broken connections.
type wire struct {
	s      *Source
	parent context.Context
	url    string
	signed bool // with our token, if TLS protects it

	body   io.ReadCloser
	stop   context.CancelCauseFunc
	idle   *time.Timer
	closed bool

	n         int64 // bytes so far
	total     int64 // of the whole file; -1 if unknown
	validator string
	encoding  string
	sum       maphash.Hash // of the bytes so far
	resumes   int
	stalls    int
	since     int64 // bytes at the last break
	err       error
}

var errIdle = &fault.Error{
	Class: fault.Transient, Whose: fault.TheirServer,
	Err: errors.New("the server has stopped sending"),
}

// open requests the file from the start.
func (w *wire) open() error {
	resp, err := w.ask(0) //nolint:bodyclose // the body is the wire's, which Close closes
	if err != nil {
		return err
	}
	if resp == nil {
		w.body, w.total = http.NoBody, 0
		return nil
	}
	w.body, w.total = resp.Body, resp.ContentLength
	w.encoding = encodingOf(resp.Header)
	w.validator = validatorOf(resp.Header)
	return nil
}

func encodingOf(h http.Header) string {
	e := strings.ToLower(strings.TrimSpace(h.Get("Content-Encoding")))
	if e == "identity" {
		return ""
	}
	return e
}

// validatorOf returns the validator for If-Range, which ties a range to one version of the file
// (RFC 9110, 13.1.5).
func validatorOf(h http.Header) string {
	if e := h.Get("ETag"); e != "" && !strings.HasPrefix(e, "W/") {
		return e
	}
	return ""
}

// ask requests the bytes from an offset on. It returns nil for a file without content.
func (w *wire) ask(from int64) (*http.Response, error) {
	token, err := w.token()
	if err != nil {
		return nil, err
	}
	began := w.s.now()
	resp, err := w.once(from, token)
	if err == nil && resp.StatusCode == http.StatusUnauthorized && token != "" {
		fresh, renewErr := w.s.fresh(w.parent, token)
		if renewErr != nil {
			_ = resp.Body.Close() // no longer needed
			return nil, renewErr
		}
		if fresh != token {
			_ = resp.Body.Close() // no longer needed
			token = fresh
			resp, err = w.once(from, token)
		}
	}
	if err != nil {
		return nil, err
	}
	switch {
	case resp.StatusCode == http.StatusNoContent:
		_ = resp.Body.Close() // empty
		return nil, nil
	case resp.StatusCode == http.StatusOK && aPage(resp.Header):
		_ = resp.Body.Close() // a web page
		return nil, &fault.Error{
			Class: fault.Transient, Whose: fault.TheirServer,
			Err: errors.New("the server answered with a web page"),
		}
	case resp.StatusCode == http.StatusOK, from > 0 && resp.StatusCode == http.StatusPartialContent:
		return resp, nil
	}
	a := answer{status: resp.StatusCode, header: resp.Header, url: resp.Request.URL, token: token}
	if plain, err := unpacked(resp.Header.Get("Content-Encoding"), resp.Body); err == nil {
		_ = a.read(plain, maxErrorBody) // a truncated answer is still an answer
	}
	_ = resp.Body.Close() // the needed part has been read
	a.clean()
	if err := w.s.throttle(a, began); err != nil {
		return nil, err
	}
	return nil, w.s.refusedFile(a, token != "")
}

func (w *wire) token() (string, error) {
	if !w.signed {
		return "", nil
	}
	return w.s.bearer(w.parent, w.url)
}

// once sends one request. Its context is cancelled when no data arrives for a while.
func (w *wire) once(from int64, token string) (*http.Response, error) {
	if w.stop != nil {
		w.stop(nil)
	}
	if w.idle != nil {
		w.idle.Stop()
	}
	ctx, stop := context.WithCancelCause(w.parent)
	w.stop = stop
	w.idle = time.AfterFunc(w.s.idle, func() { stop(errIdle) })
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.url, nil)
	if err != nil {
		return nil, fault.Permanentf("the URL does not parse")
	}
	req.Header.Set("Accept", fhirNDJSON)
	req.Header.Set("Accept-Encoding", "gzip")
	sign(req, token)
	if from > 0 && w.validator != "" {
		req.Header.Set("Range", "bytes="+strconv.FormatInt(from, 10)+"-")
		req.Header.Set("If-Range", w.validator)
	}
	resp, err := w.s.client.Do(req)
	if err != nil {
		if cause := context.Cause(ctx); errors.Is(cause, errIdle) {
			err = cause
		}
		return nil, transportError(req, err)
	}
	return resp, nil
}

// Read returns the bytes of the file across broken connections.
func (w *wire) Read(p []byte) (int, error) {
	for w.err == nil {
		n, err := w.read(p)
		if n > 0 {
			w.n += int64(n)
			_, _ = w.sum.Write(p[:n]) // documented to never fail
			return n, nil
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF) && (w.total < 0 || w.n == w.total):
			w.err = io.EOF
			w.s.limiter.well()
		default:
			w.err = w.resume(err)
		}
	}
	return 0, w.err
}

func (w *wire) read(p []byte) (int, error) {
	w.idle.Reset(w.s.idle)
	n, err := w.body.Read(p)
	w.idle.Stop()
	if w.total >= 0 && w.n+int64(n) > w.total {
		return 0, errors.New("the server sent more bytes than the file has")
	}
	return n, err
}

// resume continues the download after a break.
func (w *wire) resume(cause error) error {
	_ = w.body.Close() // broken
	if err := w.parent.Err(); err != nil {
		return &fault.Error{Class: fault.Transient, Err: err}
	}
	if w.n == w.since {
		w.stalls++
	} else {
		w.stalls = 0
	}
	w.resumes, w.since = w.resumes+1, w.n
	if w.resumes > maxResumes || w.stalls > maxStalls {
		if errors.Is(cause, io.EOF) {
			cause = io.ErrUnexpectedEOF
		}
		return &fault.Error{
			Class: fault.Transient, Whose: fault.BetweenServers,
			Err: fmt.Errorf("the download keeps breaking off after %d bytes: %w", w.n,
				link.Error(cause)),
		}
	}
	resp, err := w.ask(w.n)
	switch {
	case err != nil:
		return fmt.Errorf("resume a download that broke after %d bytes: %w", w.n, err)
	case resp == nil || encodingOf(resp.Header) != w.encoding:
		if resp != nil {
			_ = resp.Body.Close() // not the requested range
		}
		return rewritten()
	}
	w.body = resp.Body
	if resp.StatusCode == http.StatusPartialContent {
		return w.fits(resp)
	}
	if w.total = resp.ContentLength; w.total >= 0 && w.total < w.n {
		return rewritten()
	}
	w.validator = validatorOf(resp.Header)
	return w.skip()
}

// fits checks that a part begins at the current offset.
func (w *wire) fits(resp *http.Response) error {
	var from, to, total int64
	_, err := fmt.Sscanf(resp.Header.Get("Content-Range"), "bytes %d-%d/%d", &from, &to, &total)
	if err != nil || from != w.n || (w.total >= 0 && total != w.total) {
		return rewritten()
	}
	w.total = total
	return nil
}

// skip reads the known bytes again and compares their hash with the first read.
func (w *wire) skip() error {
	var again maphash.Hash
	again.SetSeed(w.sum.Seed())
	buf := make([]byte, 64<<10)
	for left := w.n; left > 0; {
		w.idle.Reset(w.s.idle)
		n, err := w.body.Read(buf[:min(left, int64(len(buf)))])
		w.idle.Stop()
		_, _ = again.Write(buf[:n]) // documented to never fail
		if left -= int64(n); err != nil && left > 0 {
			return &fault.Error{
				Class: fault.Transient, Whose: fault.BetweenServers,
				Err: fmt.Errorf("the download broke off again, within its first %d bytes: %w", w.n,
					transportCause(err)),
			}
		}
	}
	if again.Sum64() != w.sum.Sum64() {
		return rewritten()
	}
	return nil
}

func transportCause(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return link.Error(err)
}

func rewritten() error {
	return &fault.Error{
		Class: fault.Transient, Whose: fault.TheirServer,
		Err: errors.New("the file was rewritten at the server while it was read"),
	}
}

// Close ends the download.
func (w *wire) Close() error {
	if w.body != nil && !w.closed {
		_ = w.body.Close() // read or abandoned
	}
	w.finish()
	return nil
}

func (w *wire) finish() {
	if w.closed {
		return
	}
	w.closed = true
	if w.idle != nil {
		w.idle.Stop()
	}
	if w.stop != nil {
		w.stop(nil)
	}
	w.s.limiter.leave()
}

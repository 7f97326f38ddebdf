package bulkfhir

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
)

// Values of Options.FileToken.
const (
	fileTokenAlways = "always"
	fileTokenNever  = "never"
)

// Download implements pipeline.Downloader. A broken download is resumed at its offset by a range
// request, or from the start with the known bytes skipped; both require that the file has not
// changed.
func (k *servesFiles) Download(
	ctx context.Context, f pipeline.OutputFile, requiresToken bool,
) (io.ReadCloser, error) {
	r, err := k.download(ctx, f, requiresToken)
	if err != nil {
		return nil, fmt.Errorf("download a %s file: %w", typeWords(f.Type), err)
	}
	return r, nil
}

func typeWords(typ string) string {
	if typ == "" {
		return "Bundle"
	}
	return typ
}

func (s *Source) download(
	ctx context.Context, f pipeline.OutputFile, requiresToken bool,
) (io.ReadCloser, error) {
	u, err := s.base.Parse(f.URL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, &fault.Error{
			Class: fault.Permanent, Whose: fault.TheirServer,
			Err: errors.New("its URL in the manifest is not http or https"),
		}
	}
	if !mayCarryToken(u) && mayCarryToken(s.base) {
		return nil, &fault.Error{
			Class: fault.Permanent, Whose: fault.TheirServer,
			Err: errors.New("its URL is without TLS: health data travels over https only"),
		}
	}
	if err := s.limiter.enter(ctx); err != nil {
		return nil, err
	}
	w := &wire{s: s, parent: ctx, url: f.URL, signed: requiresToken}
	if u.String() != f.URL && !strings.Contains(f.URL, "://") {
		w.url = u.String()
	}
	switch s.o.FileToken {
	case fileTokenAlways:
		w.signed = true
	case fileTokenNever:
		w.signed = false
	}
	if err := w.open(); err != nil { //nolint:contextcheck // it is in the wire: a Read that takes a link up again is given none
		w.finish()
		return nil, err
	}
	return decode(w, u)
}

const gzipMagic = "\x1f\x8b"

// decode undoes Content-Encoding. A .gz file may come without that header.
func decode(w *wire, u *url.URL) (io.ReadCloser, error) {
	switch w.encoding {
	case "":
		if !strings.HasSuffix(strings.ToLower(u.Path), ".gz") {
			return w, nil
		}
		b := bufio.NewReader(w)
		// The next Read returns the link's error again.
		if magic, _ := b.Peek(len(gzipMagic)); string(magic) != gzipMagic {
			return &decoded{Reader: b, wire: w}, nil
		}
		return unzip(w, b)
	case "gzip", "x-gzip":
		return unzip(w, w)
	}
	encoding := w.encoding
	_ = w.Close() // no data has been read
	return nil, &fault.Error{
		Class: fault.Permanent, Whose: fault.TheirServer,
		Err: fmt.Errorf("its content encoding is %q, which was not requested", clip(encoding, 40)),
	}
}

func unzip(w *wire, r io.Reader) (io.ReadCloser, error) {
	z, err := gzip.NewReader(r)
	if errors.Is(err, io.EOF) && w.total == 0 {
		return w, nil // an empty file has no gzip header
	}
	if err != nil {
		_ = w.Close() // the data is unusable
		return nil, broken(err)
	}
	return &decoded{Reader: z, wire: w}, nil
}

// broken reports a body that does not match its encoding. The wire reports truncation itself.
func broken(err error) error {
	var known *fault.Error
	if errors.As(err, &known) {
		return err
	}
	return &fault.Error{
		Class: fault.Transient, Whose: fault.TheirServer,
		Err: fmt.Errorf("its gzip is cut short or damaged: %w", err),
	}
}

type decoded struct {
	io.Reader
	wire *wire
	n    int64 // bytes unpacked
}

// Limits against decompression bombs. NDJSON compresses by a factor of 10 to 30.
const (
	maxRatio     = 500
	ratioMatters = 64 << 20
)

func (d *decoded) Read(p []byte) (int, error) {
	n, err := d.Reader.Read(p)
	if d.n += int64(n); d.n > ratioMatters && d.n > maxRatio*d.wire.n {
		return 0, &fault.Error{
			Class: fault.Permanent, Whose: fault.TheirServer,
			Err: fmt.Errorf("its gzip unpacks to more than %d times its size", maxRatio),
		}
	}
	if err != nil && err != io.EOF { //nolint:errorlint // io.Reader's contract is the bare value
		err = broken(err)
	}
	return n, err
}

func (d *decoded) Close() error { return d.wire.Close() }

// refusedFile classifies a failed answer to a file request.
func (s *Source) refusedFile(a answer, signed bool) error {
	err := s.refused(a)
	f := &fault.Error{
		Class: fault.Of(err), Whose: fault.TheirServer, After: fault.After(err),
		Err: fmt.Errorf("%w: the server answered HTTP %d", pipeline.ErrExpired, a.status),
	}
	switch a.status {
	case http.StatusUnauthorized:
		f.Class, f.Whose = fault.Permanent, fault.OurPermission
		f.Remedy = "the server refuses our token for the file"
		if !signed {
			f.Whose = fault.OurSetting
			f.Remedy = "the manifest says that files need no token, but the server requires one: write fileToken: always for this source"
		}
	case http.StatusForbidden:
		f.Class = fault.Permanent
		f.Remedy = "its link may have expired, and the manifest has no new one: the next export lists new files"
	case http.StatusGone:
		f.Class, f.Remedy = fault.Permanent,
			"the server has deleted the file: the next export lists new files"
	case http.StatusNotFound:
		// Some servers list a file in the manifest before they can serve it.
		f.Class, f.Remedy = fault.Transient, ""
	default:
		return err
	}
	return f
}

// aPage reports whether an answer is a web page. Gateways send their sign-in page with status 200.
func aPage(h http.Header) bool {
	t, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	return err == nil && t == "text/html"
}

// throttle lowers the limit after an answer that asks for fewer downloads. A 429 becomes
// pipeline.ErrThrottled.
func (s *Source) throttle(a answer, began time.Time) error {
	switch a.status {
	case http.StatusTooManyRequests:
		wait := s.retryIn(a)
		if wait == 0 {
			wait = turnWait
		}
		s.limiter.tooMany(began, wait)
		return throttled(wait)
	case http.StatusBadGateway, http.StatusServiceUnavailable:
		s.limiter.tooMany(began, s.retryIn(a))
	}
	return nil
}

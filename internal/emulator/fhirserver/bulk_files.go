package fhirserver

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
)

const fhirNDJSON = "application/fhir+ndjson"

// ListenFiles serves only the files of dialect bulk, on another loopback address. Like object
// storage, this address refuses tokens; Faults.FileHost and Answer.Redirect refer to it.
func (s *Server) ListenFiles(addr string) (string, error) {
	if s.bulk == nil {
		return "", errors.New("dialect azure hands out no files")
	}
	return s.listen(addr, s.dated(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, bulkFilesPath) {
			http.NotFound(w, r)
			return
		}
		s.bulk.file(w, r.WithContext(context.WithValue(r.Context(), foreign{}, true)))
	})))
}

// foreign marks a request to ListenFiles.
type foreign struct{}

// file serves one file.
func (b *bulk) file(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		refuse(w, http.StatusMethodNotAllowed, issue{"not-supported", "Files can be read only."})
		return
	}
	elsewhere, _ := r.Context().Value(foreign{}).(bool)
	switch token := r.Header.Get("Authorization") != ""; {
	case token && (elsewhere || !b.requiresToken()) && !b.faultsNow().TokenForFiles:
		refuse(w, http.StatusBadRequest,
			issue{"security", "The address of the file says it all: a token must not come here."})
		return
	case !elsewhere && b.SignIn != nil && (b.requiresToken() || b.faultsNow().TokenForFiles):
		if err := b.SignIn.Authorize(r); err != nil {
			w.Header().Set("WWW-Authenticate", "Bearer")
			refuse(w, http.StatusUnauthorized, issue{"login", "Authentication failed."})
			return
		}
	}
	if text := r.URL.Query().Get("until"); text != "" {
		if until, err := strconv.ParseInt(text, 10, 64); err != nil ||
			!b.o.Now().Before(time.UnixMilli(until)) {
			refuse(w, b.ExpiredStatus,
				issue{"expired", "The address of the file is no longer good."})
			return
		}
	}
	j, f, ok := b.fileOf(r)
	if !ok {
		refuse(w, http.StatusNotFound, issue{"not-found", "There is no such file."})
		return
	}
	content, etag, err := b.files.Open(j.Container, f.Path())
	if err != nil {
		refuse(w, http.StatusInternalServerError, issue{"exception", "The file cannot be read."})
		return
	}
	defer func() { _ = content.Close() }()
	w.Header().Set("Content-Type", fhirNDJSON)
	w.Header().Set("Vary", "Accept-Encoding")
	b.send(w, r, content, etag)
}

func (b *rules) send(w http.ResponseWriter, r *http.Request, content io.ReadSeeker, etag string) {
	switch {
	case !b.NoGzip && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") &&
		r.Header.Get("Range") == "":
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("ETag", `"`+etag+`-gzip"`)
		z := gzip.NewWriter(w)
		_, _ = io.Copy(z, content) // the client may be gone
		_ = z.Close()
	case b.NoRanges:
		w.Header().Set("ETag", `"`+etag+`"`)
		size, err := content.Seek(0, io.SeekEnd)
		if err == nil {
			_, err = content.Seek(0, io.SeekStart)
		}
		if err != nil {
			refuse(w, http.StatusInternalServerError,
				issue{"exception", "The file cannot be read."})
			return
		}
		w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
		_, _ = io.Copy(w, content) // the client may be gone
	default:
		w.Header().Set("ETag", `"`+etag+`"`)
		http.ServeContent(w, r, "", time.Time{}, content)
	}
}

// Package fhirserver emulates a FHIR server with bulk exports, for one machine: it runs in the
// process, on loopback, and writes its exports to a configured place.
//
// It speaks two dialects. "azure" is the dialect of microsoft/fhir-server, with its strict rules
// for headers and parameters, its status answers, and its files in storage. "bulk" is the dialect
// of servers that follow the Bulk Data guide, versions 1 to 3, and serve their files themselves.
// The protocol is in this package, data in package store, export jobs in package jobs, sign-in in
// package signin, made-up data in package synthetic. A dialect (routes.go) consists of the
// differences in azure.go or in the bulk files. Tests cause faults with the methods of faults.go
// and the fields of Faults.
package fhirserver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"fhirsynapse/internal/emulator/fhirserver/jobs"
	"fhirsynapse/internal/emulator/fhirserver/store"
)

// Options configures a server. Store, Blobs and Now are required.
type Options struct {
	Store *store.Store
	Blobs jobs.Blobs
	Now   func() time.Time
	Log   *slog.Logger // nil means none
	// OnCommit is called for every creation (PutBlob, size 0) and commit (PutBlockList) of a blob;
	// the etag has no quotes. It may be called from several goroutines.
	OnCommit func(container, path, etag string, size int64, api string)
	// PollsBeforeDone is the number of polls of a job that are answered with 202, even if the job
	// has already ended.
	PollsBeforeDone int
	// MaxCount is the number of resources per file if the request has no _maxCount; zero means the
	// server's 10,000.
	MaxCount int
	// Authorize refuses a request with an error, which becomes a 401; nil admits all requests.
	Authorize func(*http.Request) error
	// Bulk selects dialect bulk; nil means azure.
	Bulk *Bulk
	// ConflictOnCancel answers the cancel of an ended job with 409, as builds before February 2026
	// did, instead of 202.
	ConflictOnCancel bool
	// GroupWrites is the status that refuses every write of a Group, such as 403; zero allows them.
	GroupWrites int
	// Anonymization has the ETag of each configuration of de-identified exports, by its file name;
	// nil means that the server supports none (dialect azure).
	Anonymization map[string]string
	// Pages selects how search answers with pages.
	Pages Pages
}

// Server is the emulator. Its methods are safe for concurrent use.
type Server struct {
	o       Options
	runner  *jobs.Runner
	dialect dialect
	bulk    *bulk // nil in dialect azure
	faults
	polls   polls
	results results

	mu        sync.Mutex
	listening []*http.Server
}

// New returns a server. Listen or Handler serve its requests, and Close ends it.
func New(o Options) (*Server, error) {
	var errs []error
	if o.Store == nil {
		errs = append(errs, errors.New("fhirserver needs a Store"))
	}
	if o.Blobs == nil {
		errs = append(errs, errors.New("fhirserver needs Blobs to write to"))
	}
	if o.Now == nil {
		errs = append(errs, errors.New("fhirserver needs a clock: Now"))
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.MaxCount = cmp.Or(o.MaxCount, maxMaxCount)
	s := &Server{o: o}
	s.runner = jobs.New(jobs.Options{
		Store: o.Store, Blobs: o.Blobs, Now: o.Now, Log: o.Log, OnCommit: o.OnCommit,
	})
	if o.Bulk == nil {
		s.dialect = azureDialect(o)
		return s, nil
	}
	var err error
	if s.bulk, err = newBulk(o, s.runner); err != nil {
		return nil, err
	}
	s.dialect = s.bulk.dialect()
	if o.Bulk.SignIn != nil {
		s.o.Authorize = o.Bulk.SignIn.Authorize
	}
	return s, nil
}

// Listen serves on a loopback address, with port 0 for any port, and returns the base URL without a
// slash at its end.
func (s *Server) Listen(addr string) (string, error) { return s.listen(addr, s.Handler()) }

func (s *Server) listen(addr string, handler http.Handler) (string, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return "", fmt.Errorf("listen: %w", err)
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return "", fmt.Errorf(
			"listen on %s: the stand-in serves on loopback only, such as 127.0.0.1:0", addr)
	}
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", addr)
	if err != nil {
		return "", fmt.Errorf("listen: %w", err)
	}
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: 10 * time.Second,
		ErrorLog: slog.NewLogLogger(s.o.Log.Handler(), slog.LevelDebug),
	}
	s.mu.Lock()
	s.listening = append(s.listening, server)
	s.mu.Unlock()
	go func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.o.Log.LogAttrs(context.Background(), slog.LevelError, "fhir server stand-in stopped",
				slog.Any("error", err))
		}
	}()
	return "http://" + l.Addr().String(), nil
}

// Close cuts the connections, cancels the running jobs, and waits for them.
func (s *Server) Close() error {
	var errs []error
	s.mu.Lock()
	for _, server := range s.listening {
		errs = append(errs, server.Close())
	}
	s.mu.Unlock()
	s.runner.Close()
	return errors.Join(errs...)
}

// Store returns the server's data, for changes and comparisons.
func (s *Server) Store() *store.Store { return s.o.Store }

// Wait waits for the end of a job, with or without success. PollsBeforeDone does not delay it.
func (s *Server) Wait(ctx context.Context, jobID string) error {
	j, ok := s.runner.Job(jobID)
	if !ok {
		return fmt.Errorf("wait for job %s: %w", jobID, jobs.ErrNotDone)
	}
	select {
	case <-j.Done():
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for job %s: %w", jobID, ctx.Err())
	}
}

// Handler returns the handler of the dialect, including its faults.
func (s *Server) Handler() http.Handler {
	return s.dated(s.faulty(s.scripted(s.authorized(http.HandlerFunc(s.route)))))
}

// scripted answers with Faults before the answers of dialect bulk.
func (s *Server) scripted(next http.Handler) http.Handler {
	if s.bulk == nil {
		return next
	}
	return s.bulk.scripted(next)
}

// trouble returns the faults of the next job.
func (s *Server) trouble() jobs.Trouble {
	t := s.faults.trouble()
	if s.bulk != nil {
		s.bulk.trouble(&t)
	}
	return t
}

// dated sets the Date header from the configured clock, because clients read the server's time from
// it. HTTP dates have whole seconds.
func (s *Server) dated(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", s.o.Now().UTC().Format(http.TimeFormat))
		next.ServeHTTP(w, r)
	})
}

// authorized checks bearer tokens. No other function does.
func (s *Server) authorized(next http.Handler) http.Handler {
	if s.o.Authorize == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.dialect.open != nil && s.dialect.open(r) {
			next.ServeHTTP(w, r)
			return
		}
		if err := s.o.Authorize(r); err != nil {
			w.Header().Set("WWW-Authenticate", "Bearer")
			refuse(w, http.StatusUnauthorized, issue{"login", "Authentication failed."})
			return
		}
		next.ServeHTTP(w, r)
	})
}

package pipeline_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"strings"
	"testing"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
)

// keeper is a server that keeps its files: it serves each at a URL, reports deletes in files
// of their own, and never writes into our lake.
type keeper struct {
	gatedSource
	*kept
}

// kept holds the state that a keeper keeps when the handler boots again.
type kept struct {
	w       *world
	content map[string][]byte // by URL
	reads   map[string]int    // downloads by URL
	// download, if set, runs before each download.
	download func(f pipeline.OutputFile) error
	// meddle, if set, changes a manifest before it is returned.
	meddle func(*pipeline.Manifest)
	// signature is the query in the address of the next job.
	signature string
	// generation is part of the URLs, so that a fresh manifest has fresh URLs.
	generation int
	manifests  int
}

// newKeeperWorld returns a world whose server keeps its files.
func newKeeperWorld(t *testing.T) (*world, *kept) {
	w := newWorld(t)
	k := &kept{w: w, content: map[string][]byte{}, reads: map[string]int{}}
	w.wrap = func(s gatedSource) pipeline.Server { return keeper{s, k} }
	w.server.fileSize = 2
	w.plans[0].Overlap = 0
	w.boot()
	return w, k
}

func (k keeper) KickOff(ctx context.Context, r pipeline.Request) (pipeline.Accepted, error) {
	a, err := k.gatedSource.KickOff(ctx, r)
	a.Folder = ""
	if err == nil && k.signature != "" {
		job := k.w.server.jobs[a.StatusURL]
		a.StatusURL += k.signature
		k.w.server.jobs[a.StatusURL] = job
		a.Exchange.Answer = map[string]string{
			"Content-Location": a.StatusURL, "Link": "<https://bulk.example/s" + k.signature + ">",
		}
		k.signature = ""
	}
	return a, err
}

// Status returns a manifest with URLs for the files that the world's server would write.
func (k keeper) Status(ctx context.Context, url string) (pipeline.Status, error) {
	return gated(ctx, k.gate, "source status", func() (pipeline.Status, error) {
		s := k.w.server
		j := s.jobs[url]
		if s.status != nil {
			if err := s.status(); err != nil {
				return pipeline.Status{}, err
			}
		}
		if j == nil || j.ended {
			return pipeline.Status{}, &fault.Error{
				Class: fault.Permanent, Err: pipeline.ErrUnknownJob,
			}
		}
		if j.polls++; j.polls <= s.pollsBeforeDone {
			return pipeline.Status{Progress: "half way"}, nil
		}
		m := k.manifest(url, j)
		if k.meddle != nil {
			k.meddle(m)
		}
		return pipeline.Status{Manifest: m}, nil
	})
}

func (k keeper) manifest(url string, j *serverJob) *pipeline.Manifest {
	k.manifests++
	m := &pipeline.Manifest{
		TransactionTime: j.request.Till, Raw: []byte(`{"from":"the server"}`),
		Pages: [][]byte{[]byte(`{"page":2}`)},
	}
	add := func(to *[]pipeline.OutputFile, typ string, lines []string) {
		data := strings.Join(lines, "\n") + "\n"
		// The same content has the same URL.
		u := fmt.Sprintf("https://files/%s/%x?sig=%d", url, sha256.Sum256([]byte(data)),
			k.generation)
		k.content[u] = []byte(data)
		*to = append(*to, pipeline.OutputFile{
			Type: typ, URL: u, Count: int64(len(lines)), Foreign: true,
		})
	}
	var deletes []string
	for _, typ := range k.w.server.types(j.request) {
		var lines []string
		for _, r := range k.w.server.newest(typ, j.request.Since, j.request.Till) {
			if r.Deleted {
				deletes = append(deletes, typ+"/"+r.ID)
				continue
			}
			line, _ := json.Marshal(r)
			lines = append(lines, string(line))
		}
		for len(lines) > 0 {
			n := min(len(lines), k.w.server.fileSize)
			add(&m.Output, typ, lines[:n])
			lines = lines[n:]
		}
	}
	if len(deletes) > 0 && !j.request.Since.IsZero() {
		add(&m.Deleted, "Bundle", deletes)
	}
	if reports := k.w.server.reports; len(reports) > 0 {
		add(&m.Errors, "OperationOutcome", reports)
	}
	return m
}

func (k keeper) Download(
	ctx context.Context, f pipeline.OutputFile, _ bool,
) (io.ReadCloser, error) {
	return gated(ctx, k.gate, "source download", func() (io.ReadCloser, error) {
		if k.download != nil {
			if err := k.download(f); err != nil {
				return nil, err
			}
		}
		k.reads[f.URL]++
		data, ok := k.content[f.URL]
		if !ok {
			return nil, &fault.Error{
				Class: fault.Permanent, Err: fmt.Errorf("%w: HTTP 410", pipeline.ErrExpired),
			}
		}
		return io.NopCloser(bytes.NewReader(data)), nil
	})
}

func (k keeper) Deletes(r io.Reader) iter.Seq2[pipeline.Tombstone, error] {
	return func(yield func(pipeline.Tombstone, error) bool) {
		lines := bufio.NewScanner(r)
		for lines.Scan() {
			typ, id, _ := strings.Cut(lines.Text(), "/")
			line, _ := json.Marshal(resource{Type: typ, ID: id, Deleted: true})
			if !yield(pipeline.Tombstone{Type: typ, Line: line}, nil) {
				return
			}
		}
		if err := lines.Err(); err != nil {
			yield(pipeline.Tombstone{}, err)
			return
		}
		for range k.w.foreignDeletes {
			if !yield(pipeline.Tombstone{Type: "Patient", Foreign: true}, nil) {
				return
			}
		}
	}
}

func (k keeper) Issues(f pipeline.OutputFile, r io.Reader) ([]pipeline.Issue, error) {
	return k.w.server.Issues(f, r)
}

package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"
)

// removeLinks takes the signed links out of the journal once an export has ended:
// whoever reads the journal could follow them until they expire.
func (p *Pipeline) removeLinks(ctx context.Context, e Export) error {
	for n := range e.Jobs {
		job := jobID(e.ID, n+1)
		var parts int
		if err := rewrite(ctx, p.Journal, manifestKey(job), func(m *manifestRecord) {
			parts = m.Parts
			removeURLs(m.Output, m.Deleted, m.Errors)
			m.Request = withoutQuery(m.Request)
		}); err != nil {
			return err
		}
		for part := range parts {
			if err := rewrite(ctx, p.Journal, manifestPartKey(job, part+1), func(m *manifestPart) { removeURLs(m.Output, m.Deleted, m.Errors) }); err != nil {
				return err
			}
		}
		for _, key := range []string{rawManifestKey(job), freshManifestKey(job)} {
			if err := rewrite(ctx, p.Journal, key, func(v *verbatim) {
				v.Manifest = withoutQueries(v.Manifest)
				for i := range v.Pages {
					v.Pages[i] = withoutQueries(v.Pages[i])
				}
			}); err != nil {
				return err
			}
		}
	}
	return nil
}

// removeStatusQueries cuts the queries of the addresses that ask for the status of an
// export's jobs: some servers sign them. It comes after the last request about the jobs.
func (p *Pipeline) removeStatusQueries(ctx context.Context, e Export) error {
	for n := range e.Jobs {
		if err := rewrite(ctx, p.Journal, jobKey(jobID(e.ID, n+1)), func(j *Job) {
			short := withoutQuery(j.StatusURL)
			if x := j.Exchange; x != nil {
				for name, value := range x.Answer {
					x.Answer[name] = withoutQueries(value)
					if name == "Content-Location" || name == "Location" { // they may be relative
						x.Answer[name] = withoutQuery(value)
					}
				}
			}
			j.GivenBack = j.GivenBack || short != j.StatusURL
			j.StatusURL = short
		}); err != nil {
			return err
		}
	}
	return nil
}

// rewrite changes a document if it is there.
func rewrite[T any](ctx context.Context, j Journal, key string, change func(*T)) error {
	for range swapTries {
		d, err := read[T](ctx, j, key)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		before, err := json.Marshal(d.value)
		if err != nil {
			return err
		}
		change(&d.value)
		if after, err := json.Marshal(d.value); err != nil || string(after) == string(before) {
			return err
		}
		if err := d.write(ctx, j); !errors.Is(err, ErrConflict) {
			return err
		}
	}
	return fmt.Errorf("write journal %s: %w", key, ErrConflict)
}

// removeURLs removes the addresses of files that a server keeps, and the queries of
// all others. The paths in our lake stay.
func removeURLs(lists ...[]OutputFile) {
	for _, files := range lists {
		for i := range files {
			if files[i].Foreign {
				files[i].URL = ""
			} else {
				files[i].URL = withoutQuery(files[i].URL)
			}
		}
	}
}

// withoutQuery cuts an address before its query or fragment.
func withoutQuery(address string) string {
	address, _, _ = strings.Cut(address, "?")
	address, _, _ = strings.Cut(address, "#")
	return address
}

// signed matches an address with a query or fragment in JSON text, where slashes may
// be escaped.
var signed = regexp.MustCompile(`(https?:(?:\\?/){2}[^"?#\s]*)[?#][^"\s]*`)

// withoutQueries cuts all addresses in a text before their queries.
func withoutQueries(text string) string {
	return signed.ReplaceAllString(text, "$1?removed")
}

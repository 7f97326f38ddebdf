package records

import (
	"context"
	"regexp"
	"strings"
)

// RemoveLinks removes the signed links from the journal once an export has ended: readers of
// the journal could follow them until they expire.
func (s Store) RemoveLinks(ctx context.Context, e Export) error {
	for n := range e.Jobs {
		job := JobID(e.ID, n+1)
		var parts int
		if err := rewrite(ctx, s.Journal, manifestKey(job), func(m *manifestRecord) {
			parts = m.Parts
			removeURLs(m.Output, m.Deleted, m.Errors)
			m.Request = withoutQuery(m.Request)
		}); err != nil {
			return err
		}
		for part := range parts {
			if err := rewrite(ctx, s.Journal, manifestPartKey(job, part+1), func(m *manifestPart) {
				removeURLs(m.Output, m.Deleted, m.Errors)
			}); err != nil {
				return err
			}
		}
		for _, key := range []string{rawManifestKey(job), freshManifestKey(job)} {
			if err := rewrite(ctx, s.Journal, key, func(v *verbatim) {
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

// RemoveStatusQueries removes the queries from the status URLs of an export's jobs, because
// some servers sign them. Call it after the last request about the jobs.
func (s Store) RemoveStatusQueries(ctx context.Context, e Export) error {
	for n := range e.Jobs {
		if err := rewrite(ctx, s.Journal, jobKey(JobID(e.ID, n+1)), func(j *Job) {
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

// removeURLs removes the URLs of files that a server keeps, and the queries of all other URLs.
// Paths in our lake stay.
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

// withoutQuery returns an address up to its query or fragment.
func withoutQuery(address string) string {
	address, _, _ = strings.Cut(address, "?")
	address, _, _ = strings.Cut(address, "#")
	return address
}

// signed matches an address with a query or fragment in JSON text. Slashes may be escaped.
var signed = regexp.MustCompile(`(https?:(?:\\?/){2}[^"?#\s]*)[?#][^"\s]*`)

// withoutQueries removes the queries of all addresses in a text.
func withoutQueries(text string) string {
	return signed.ReplaceAllString(text, "$1?removed")
}

package bulkfhir

import (
	"net/url"
	"strings"
	"time"

	"fhirsynapse/internal/pipeline"
)

// folderTime is the layout of the time in microsoft/fhir-server's folder names:
// <yyyyMMddTHHmmss>-<job id>.
const folderTime = "20060102T150405"

// Prefixes implements pipeline.Tracer. It returns one prefix per hour.
func (w *exportsToStorage) Prefixes(from, to time.Time) []string {
	var prefixes []string
	for t := from.UTC().Truncate(time.Hour); !t.After(to) &&
		len(prefixes) < 48; t = t.Add(time.Hour) {
		prefixes = append(prefixes, t.Format("20060102T15"))
	}
	return prefixes
}

// Traced implements pipeline.Tracer.
func (w *exportsToStorage) Traced(folder string) (pipeline.Accepted, bool) {
	at, id, ok := strings.Cut(folder, "-")
	if _, err := time.Parse(folderTime, at); !ok || err != nil || id == "" ||
		strings.ContainsAny(id, "/?#%") {
		return pipeline.Accepted{}, false
	}
	return pipeline.Accepted{
		StatusURL: w.base.String() + "/_operations/export/" + id, Folder: id,
	}, true
}

// Answers implements pipeline.Tracer. The manifest repeats the kick-off's URL; the end of the
// window, in milliseconds, distinguishes kick-offs.
func (w *exportsToStorage) Answers(m pipeline.Manifest, r pipeline.Request) bool {
	k, err := w.dialect.kickOff(r, w.o)
	if err != nil {
		return false
	}
	got, err := url.Parse(m.Request)
	if err != nil || !strings.HasSuffix(got.Path, k.path) {
		return false
	}
	want, err := url.ParseQuery(k.query())
	return err == nil && got.Query().Encode() == want.Encode()
}

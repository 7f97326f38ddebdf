package fhirserver

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"fhirsynapse/internal/emulator/fhirserver/jobs"
	"fhirsynapse/internal/emulator/fhirserver/store"
)

// bulkManifest is a manifest by versions 1 to 3 of the guide.
type bulkManifest struct {
	TransactionTime     string          `json:"transactionTime"`
	Request             string          `json:"request"`
	RequiresAccessToken bool            `json:"requiresAccessToken"`
	OutputOrganizedBy   string          `json:"outputOrganizedBy,omitempty"`
	Output              []manifestFile  `json:"output"`
	Deleted             *[]manifestFile `json:"deleted,omitempty"`
	Error               *[]manifestFile `json:"error,omitempty"`
	Outcome             *[]manifestFile `json:"outcome,omitempty"`
	Link                []link          `json:"link,omitempty"`
	Extension           map[string]any  `json:"extension,omitempty"`
}

// Members of a manifest that list files. They are also part of a file's URL.
const (
	listOutput  = "output"
	listDeleted = "deleted"
	listErrors  = "error"
)

// listed is one file of a completed job.
type listed struct {
	list   string
	number int // in its list, from 0
	jobs.Output
}

// filesIn returns the files of one list of a job.
func filesIn(j *jobs.Job, list string) []jobs.Output {
	switch list {
	case listOutput:
		output, _ := j.Result()
		return output
	case listDeleted:
		return j.Deleted()
	case listErrors:
		return j.Errors()
	}
	return nil
}

// filesOf returns the files of a job in the order of the manifest.
func filesOf(j *jobs.Job) []listed {
	var all []listed
	for _, list := range []string{listOutput, listDeleted, listErrors} {
		for i, o := range filesIn(j, list) {
			all = append(all, listed{list, i, o})
		}
	}
	return all
}

// finished implements statuses.
func (b *bulk) finished(w http.ResponseWriter, r *http.Request, j *jobs.Job) {
	faults := b.faultsNow()
	m := bulkManifest{
		TransactionTime:     cmp.Or(faults.TransactionTime, store.Instant(j.Created)),
		Request:             j.Request.URL,
		RequiresAccessToken: b.requiresToken(),
		OutputOrganizedBy:   faults.OrganizedBy,
		Output:              []manifestFile{},
		Extension:           faults.extension(),
	}
	var deleted, failed []manifestFile
	files, page, last := b.page(r, filesOf(j))
	for _, f := range files {
		entry := b.entry(r, j, f, faults)
		switch f.list {
		case listOutput:
			m.Output = append(m.Output, entry)
		case listDeleted:
			deleted = append(deleted, entry)
		case listErrors:
			failed = append(failed, entry)
		}
	}
	list := func(files []manifestFile) *[]manifestFile {
		files = append([]manifestFile{}, files...)
		return &files
	}
	if b.Guide >= 2 && !faults.NoDeletes {
		m.Deleted = list(deleted)
	}
	switch {
	case faults.OutcomeMember:
		m.Outcome = list(failed)
	case !faults.NoErrorMember || len(failed) > 0:
		m.Error = list(failed)
	}
	switch {
	case page < last:
		m.Link = []link{{"next", b.pageURL(r, page+1)}}
	case faults.LinkLoop:
		m.Link = []link{{"next", b.pageURL(r, 1)}}
	}
	if b.FileLife > 0 {
		w.Header().Set("Expires", b.o.Now().Add(b.FileLife).UTC().Format(http.TimeFormat))
	}
	answer(w, http.StatusOK, "application/json", m)
}

// entry returns the manifest's entry for a file, with the configured faults.
func (b *bulk) entry(r *http.Request, j *jobs.Job, f listed, faults Faults) manifestFile {
	e := manifestFile{Type: f.Type, URL: b.fileURL(r, j, f, faults), Count: &f.Count}
	if f.list == listOutput {
		e.Type = cmp.Or(faults.WrongType, e.Type)
		wrong := f.Count + faults.WrongCount
		e.Count = &wrong
	}
	if faults.NoCounts {
		e.Count = nil
	}
	return e
}

// page returns the requested page of a job's files, its number from 1, and the number of pages.
func (b *bulk) page(r *http.Request, files []listed) (part []listed, page, last int) {
	if b.PageSize == 0 || len(files) == 0 {
		return files, 1, 1
	}
	last = (len(files) + b.PageSize - 1) / b.PageSize
	page = 1
	if n, err := strconv.Atoi(r.URL.Query().Get("page")); err == nil {
		page = max(1, min(n, last))
	}
	from := (page - 1) * b.PageSize
	return files[from:min(from+b.PageSize, len(files))], page, last
}

func (b *bulk) pageURL(r *http.Request, page int) string {
	query, _, _ := strings.Cut(r.URL.RawQuery, "page=")
	if query = strings.TrimSuffix(query, "&"); query != "" {
		query += "&"
	}
	return base(r) + r.URL.EscapedPath() + "?" + query + "page=" + strconv.Itoa(page)
}

// fileURL returns the URL of a job's file, valid for FileLife.
func (b *bulk) fileURL(r *http.Request, j *jobs.Job, f listed, faults Faults) string {
	name := f.Path()
	if faults.SameNames {
		name = f.Type + ".ndjson"
	}
	u := fmt.Sprintf("%s%s%s/%s/%d/%s", cmp.Or(faults.FileHost, base(r)), bulkFilesPath, j.ID,
		f.list, f.number, url.PathEscape(name))
	if b.FileLife > 0 {
		u += "?until=" + strconv.FormatInt(b.o.Now().Add(b.FileLife).UnixMilli(), 10)
	}
	return u
}

// fileOf returns the file of a URL that fileURL made.
func (b *bulk) fileOf(r *http.Request) (j *jobs.Job, f listed, ok bool) {
	part := strings.Split(strings.TrimPrefix(r.URL.Path, bulkFilesPath), "/")
	if len(part) != 4 {
		return nil, listed{}, false
	}
	number, err := strconv.Atoi(part[2])
	if err != nil {
		return nil, listed{}, false
	}
	if j, ok = b.runner.Job(part[0]); !ok {
		return nil, listed{}, false
	}
	select {
	case <-j.Done():
	default:
		return nil, listed{}, false
	}
	files := filesIn(j, part[1])
	if number < 0 || number >= len(files) {
		return nil, listed{}, false
	}
	return j, listed{part[1], number, files[number]}, true
}

package bulkfhir

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
)

// dialect is what one kind of server does its own way. Everything that asks "which
// server is it?" asks here.
type dialect struct {
	name string
	// method of the kick-off.
	method string
	// till is the parameter for the end of the window; empty where there is none.
	till string
	// container is the parameter that names the storage container; empty for
	// servers that keep the files to themselves.
	container string
	// maxCount is the parameter for the resources per query.
	maxCount string
	// deleted is includeAssociatedData's value for deletes, and deletedLevels where
	// the server heeds it.
	deleted       string
	deletedLevels []string
	// deletedExcludesFilter: the server refuses deleted beside _typeFilter.
	deletedExcludesFilter bool
	// naiveFilters: the server splits _typeFilter at "," and "=" before it decodes.
	naiveFilters bool
	// failure begins the diagnostics of a job that has failed for good, whatever
	// the HTTP status says.
	failure string
	// folder takes the folder of a job's files from its status URL; nil where the
	// files do not land in our lake.
	folder func(status *url.URL) string
}

// azure is microsoft/fhir-server: Azure Health Data Services and its open source.
// It accepts GET only, refuses every parameter and Prefer token that it does not
// know, and writes into <container>/<time>-<job id>/.
var azure = dialect{
	name:                  "azure",
	method:                http.MethodGet,
	till:                  "_till",
	container:             "_container",
	maxCount:              "_maxCount",
	deleted:               "_deleted",
	deletedLevels:         []string{pipeline.LevelSystem},
	deletedExcludesFilter: true,
	naiveFilters:          true,
	failure:               "export operation failed for reason:",
	folder:                lastSegment,
}

// lastSegment is the job id of <base>/_operations/export/<id>.
func lastSegment(u *url.URL) string {
	p := strings.TrimRight(u.Path, "/")
	return p[strings.LastIndexByte(p, '/')+1:]
}

// instant is a FHIR instant of milliseconds: finer ones are cut by the server.
const instant = "2006-01-02T15:04:05.000Z"

// query is the kick-off's path below the base URL and its query, or everything
// that is wrong with the request.
func (d dialect) query(r pipeline.Request, container string, maxCount int) (path, query string, err error) {
	var q parameters
	errs := d.faults(r)
	switch r.Level {
	case pipeline.LevelSystem:
		path = "/$export"
	case pipeline.LevelPatient:
		path = "/Patient/$export"
	case pipeline.LevelGroup:
		path = "/Group/" + url.PathEscape(r.Group) + "/$export"
	}
	if len(r.Types) > 0 {
		q.add("_type", strings.Join(r.Types, ","))
	}
	for _, f := range r.TypeFilter {
		q.add("_typeFilter", f)
	}
	if !r.Since.IsZero() {
		q.add("_since", r.Since.UTC().Format(instant))
	}
	if !r.Till.IsZero() {
		q.add(d.till, r.Till.UTC().Format(instant))
	}
	// Below the system level the server would ignore it without a word.
	if r.Deleted && slices.Contains(d.deletedLevels, r.Level) {
		q.add("includeAssociatedData", d.deleted)
	}
	if container != "" && d.container != "" {
		q.add(d.container, container)
	}
	if maxCount > 0 {
		q.add(d.maxCount, strconv.Itoa(maxCount))
	}
	if len(errs) > 0 {
		return "", "", &fault.Error{Class: fault.Permanent, Err: errors.Join(errs...)}
	}
	return path, strings.Join(q, "&"), nil
}

// faults lists what the server would refuse or, worse, misread.
func (d dialect) faults(r pipeline.Request) []error {
	var errs []error
	refuse := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	switch r.Level {
	case pipeline.LevelSystem, pipeline.LevelPatient:
		if r.Group != "" {
			refuse("group %q is given, but the level is %s: use level group", r.Group, r.Level)
		}
	case pipeline.LevelGroup:
		if r.Group == "" {
			refuse("level group needs the id of a Group")
		}
	default:
		refuse("level %q is unknown: use system, patient or group", r.Level)
	}
	for _, t := range r.Types {
		if !isTypeName(t) {
			refuse("%q is no resource type", t)
		}
	}
	if !r.Till.IsZero() && d.till == "" {
		refuse("servers of dialect %s cannot end a window", d.name)
	}
	if !r.Till.IsZero() && !r.Since.IsZero() && !r.Till.Truncate(time.Millisecond).After(r.Since.Truncate(time.Millisecond)) {
		refuse("the window is empty: it ends at %s, not after its begin at %s", r.Till.UTC().Format(instant), r.Since.UTC().Format(instant))
	}
	if len(r.TypeFilter) == 0 {
		return errs
	}
	if r.Deleted && d.deletedExcludesFilter {
		refuse("type filters and deletes exclude each other at this server: leave out one of the two")
	}
	if len(r.Types) == 0 {
		refuse("type filters need a list of types")
	}
	for _, f := range r.TypeFilter {
		errs = append(errs, d.filterFaults(f, r.Types)...)
	}
	return errs
}

func (d dialect) filterFaults(filter string, types []string) []error {
	var errs []error
	refuse := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("type filter %q "+format, append([]any{filter}, args...)...))
	}
	t, search, ok := strings.Cut(filter, "?")
	switch {
	case !ok || !isTypeName(t) || search == "":
		refuse("must look like Observation?code=...")
		return errs
	case len(types) > 0 && !slices.Contains(types, t):
		refuse("is for %s, which is not among the types", t)
	}
	if !d.naiveFilters {
		return errs
	}
	// microsoft/fhir-server issue 1780.
	if strings.Contains(filter, ",") {
		refuse("has a comma, at which this server would cut it: write one filter for each value")
	}
	for p := range strings.SplitSeq(search, "&") {
		if name, v, ok := strings.Cut(p, "="); !ok || name == "" || strings.Contains(v, "=") {
			refuse("has the part %q: this server takes name=value, without a further \"=\"", p)
		}
	}
	return errs
}

func isTypeName(s string) bool {
	for _, c := range s {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return s != ""
}

// parameters is a query in its order. Every value is encoded on its own, with %20
// for a space: "+" is a convention of forms, not of URLs.
type parameters []string

func (p *parameters) add(name, value string) {
	*p = append(*p, name+"="+strings.ReplaceAll(url.QueryEscape(value), "+", "%20"))
}

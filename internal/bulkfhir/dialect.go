package bulkfhir

import (
	"encoding/json"
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
	"fhirsynapse/internal/typefilter"
)

// dialect holds all differences between the kinds of server. No other code asks for the kind.
type dialect struct {
	name string
	// methods are the HTTP methods to try for the kick-off, in order.
	methods []string
	// till is the parameter for the end of the window; empty if there is none.
	till string
	// container is the parameter that names the storage container; empty if the server keeps the
	// files.
	container string
	// maxCount is the parameter for the resources per query, parallel the parameter for parallel
	// work.
	maxCount, parallel string
	// deleted is the value of includeAssociatedData that requests deletes. The server honours it at
	// deletedLevels only.
	deleted       string
	deletedLevels []string
	// filters are the server's rules for _typeFilter.
	filters typefilter.Rules
	// patients: the server accepts a list of patients.
	patients bool
	// deidentifies: the server changes the resources as it writes them, by rules that the kick-off
	// names.
	deidentifies bool
	// failure begins the diagnostics of a job that has failed for good, whatever the HTTP status
	// is.
	failure string
	// outcomeEnds: a 500 with an OperationOutcome ends the job, unless its code is in FHIR's
	// transient family.
	outcomeEnds bool
	// keepsFiles: the server keeps the files, and the pipeline fetches them.
	keepsFiles bool
	// folder returns the folder of a job's files from its status URL; nil if the files do not land
	// in the lake.
	folder func(status *url.URL) string
}

// azure describes microsoft/fhir-server: Azure Health Data Services and its open source. It accepts
// GET only, refuses unknown parameters and Prefer tokens, and writes into <container>/<time>-<job
// id>/.
var azure = dialect{
	name:          DialectAzure,
	methods:       []string{http.MethodGet},
	till:          "_till",
	container:     "_container",
	maxCount:      "_maxCount",
	parallel:      "_isParallel",
	deleted:       "_deleted",
	deletedLevels: []string{pipeline.LevelSystem},
	filters:       typefilter.Azure,
	deidentifies:  true,
	failure:       "export operation failed for reason:",
	folder:        lastSegment,
}

const untilParameter = "_until"

// bulk describes servers that follow the Bulk Data Access guide, versions 1 to 3. They report
// deletes without being asked when _since is given.
var bulk = dialect{
	name:        DialectBulk,
	methods:     []string{http.MethodGet, http.MethodPost},
	till:        untilParameter,
	patients:    true,
	outcomeEnds: true,
	keepsFiles:  true,
}

func (d dialect) optionFaults(o Options) []error {
	var errs []error
	refuse := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if d.container != "" && o.Container == "" {
		refuse("the container for the exported files is missing: without one the server makes a new container for every export")
	}
	if o.MaxCount < 0 || o.MaxCount > 10_000 {
		refuse("%d resources per query: the server takes 1 to 10000", o.MaxCount)
	}
	if o.MaxCount > 0 && d.maxCount == "" && d.name != "" {
		refuse("servers of dialect %s cannot be told how many resources to take per query", d.name)
	}
	switch o.Parallel {
	case "", "true", "false":
	default:
		refuse("parallel work is true or false, not %q", o.Parallel)
	}
	if o.Parallel != "" && d.parallel == "" && d.name != "" {
		refuse("servers of dialect %s cannot be told whether to work in parallel", d.name)
	}
	if o.Method != "" && !slices.Contains(d.methods, o.Method) && d.name != "" {
		refuse("servers of dialect %s are not asked by %q: use %s", d.name, o.Method,
			strings.Join(d.methods, " or "))
	}
	if len(o.Patients) > 0 && !d.patients && d.name != "" {
		refuse("servers of dialect %s take no list of patients: use a Group", d.name)
	}
	if len(o.Patients) > 0 && o.Method == http.MethodGet {
		refuse("a list of patients travels by POST only")
	}
	if o.Until && d.till != untilParameter && d.name != "" {
		refuse("servers of dialect %s do not know _until", d.name)
	}
	switch o.FileToken {
	case "", fileTokenAlways, fileTokenNever:
	default:
		refuse("the token for files is %q: use always or never, or leave it to the manifest",
			o.FileToken)
	}
	if o.Downloads < 0 {
		refuse("%d downloads at once", o.Downloads)
	}
	return errs
}

// lastSegment returns the job id of <base>/_operations/export/<id>.
func lastSegment(u *url.URL) string {
	p := strings.TrimRight(u.Path, "/")
	return p[strings.LastIndexByte(p, '/')+1:]
}

// instant is the layout of a FHIR instant in milliseconds. Servers cut finer ones.
const instant = "2006-01-02T15:04:05.000Z"

// parameter is one parameter of a kick-off, with its type in a Parameters resource.
type parameter struct {
	name, kind, value string
	// list is set for a parameter that is a comma-separated list in a URL.
	list []string
}

// kickOff is a kick-off before it is encoded as a URL or as a Parameters resource.
type kickOff struct {
	path       string // relative to the base URL
	parameters []parameter
}

// kickOff translates a request into the server's parameters. The error joins all faults.
func (d dialect) kickOff(r pipeline.Request, o Options) (kickOff, error) {
	if errs := d.faults(r, o); len(errs) > 0 {
		return kickOff{}, &fault.Error{
			Class: fault.Permanent, Whose: fault.OurSetting, Err: errors.Join(errs...),
		}
	}
	var k kickOff
	add := func(name, kind, value string) {
		k.parameters = append(k.parameters, parameter{name: name, kind: kind, value: value})
	}
	switch r.Level {
	case pipeline.LevelSystem:
		k.path = "/$export"
	case pipeline.LevelPatient:
		k.path = "/Patient/$export"
	case pipeline.LevelGroup:
		k.path = "/Group/" + url.PathEscape(r.Group) + "/$export"
	}
	if len(r.Types) > 0 {
		k.parameters = append(k.parameters, parameter{
			name: "_type", kind: "valueString", list: r.Types,
		})
	}
	for _, f := range r.TypeFilter {
		add("_typeFilter", "valueString", f)
	}
	if !r.Since.IsZero() {
		add("_since", "valueInstant", r.Since.UTC().Format(instant))
	}
	if !r.Till.IsZero() && d.till != "" {
		add(d.till, "valueInstant", r.Till.UTC().Format(instant))
	}
	// Below system level the server would ignore the parameter silently.
	if r.Deleted && slices.Contains(d.deletedLevels, r.Level) {
		add("includeAssociatedData", "valueCode", d.deleted)
	}
	for _, id := range o.Patients {
		add("patient", "valueReference", "Patient/"+id)
	}
	if o.Container != "" && d.container != "" {
		add(d.container, "valueString", o.Container)
	}
	if rules := r.Deidentify; rules != nil {
		add("_anonymizationConfig", "valueString", rules.Config)
		if rules.ETag != "" {
			// Some builds of the server compare the text with the header, which has quotes.
			add("_anonymizationConfigEtag", "valueString", `"`+rules.ETag+`"`)
		}
		if rules.Collection != "" {
			add("_anonymizationConfigCollectionReference", "valueString", rules.Collection)
		}
	}
	if o.MaxCount > 0 {
		add(d.maxCount, "valueInteger", strconv.Itoa(o.MaxCount))
	}
	if o.Parallel != "" {
		add(d.parallel, "valueBoolean", o.Parallel)
	}
	return k, nil
}

// query writes the parameters for a URL. Every value is encoded on its own, with
// %20 for a space: "+" is a convention of forms, not of URLs.
func (k kickOff) query() string {
	var parts []string
	for _, p := range k.parameters {
		v := p.value
		if p.list != nil {
			v = strings.Join(p.list, ",") // not all servers accept a repeated parameter
		}
		parts = append(parts, p.name+"="+strings.ReplaceAll(url.QueryEscape(v), "+", "%20"))
	}
	return strings.Join(parts, "&")
}

// resource encodes the parameters as a Parameters resource, except the names in without.
func (k kickOff) resource(without ...string) []byte {
	entries := []map[string]any{}
	for _, p := range k.parameters {
		if slices.Contains(without, p.name) {
			continue
		}
		values := p.list
		if values == nil {
			values = []string{p.value}
		}
		for _, v := range values {
			e := map[string]any{"name": p.name, p.kind: v}
			if p.kind == "valueReference" {
				e[p.kind] = map[string]string{"reference": v}
			}
			entries = append(entries, e)
		}
	}
	body, err := json.Marshal(map[string]any{"resourceType": "Parameters", "parameter": entries})
	if err != nil {
		return nil // marshalling strings and maps of strings cannot fail
	}
	return body
}

// faults returns an error for each setting that the server would refuse or misread.
func (d dialect) faults(r pipeline.Request, o Options) []error {
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
	if len(o.Patients) > 0 && r.Level == pipeline.LevelSystem {
		refuse("a list of patients has no meaning at level system: use level patient or group")
	}
	for _, t := range r.Types {
		if !isTypeName(t) {
			refuse("%q is not a resource type", t)
		}
	}
	if !r.Till.IsZero() && d.till == "" {
		refuse("the window has an end, but this server does not support _until: leave it open, or declare that the server supports it")
	}
	if !r.Till.IsZero() && !r.Since.IsZero() &&
		!r.Till.Truncate(time.Millisecond).After(r.Since.Truncate(time.Millisecond)) {
		refuse("the window is empty: it ends at %s, not after its begin at %s",
			r.Till.UTC().Format(instant), r.Since.UTC().Format(instant))
	}
	if r.Deidentify != nil && !d.deidentifies {
		refuse("this server cannot be asked for a de-identified export")
	}
	for _, err := range d.filters.Check(r.TypeFilter, r.Types, r.Deleted) {
		errs = append(errs, fmt.Errorf("type filter: %w", err))
	}
	return errs
}

// isTypeName reports whether s has the form of a resource type: a capital letter, then
// 1 to 63 letters.
func isTypeName(s string) bool {
	for _, c := range s {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return len(s) >= 2 && len(s) <= 64 && s[0] >= 'A' && s[0] <= 'Z'
}

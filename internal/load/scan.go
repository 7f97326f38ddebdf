package load

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
)

// source is a file to load, and what is in it.
type source struct {
	pipeline.File
	typ string
}

// scan finds the files of the folder and their resource types, by the first line
// of each: names differ from server to server. All faults come together, before
// anything is loaded.
func (l Loader) scan(ctx context.Context, report *Report) ([]source, error) {
	var files []source
	var faults []error
	seen := 0
	for f, err := range l.Lake.List(ctx, pipeline.Landing, "") {
		if err != nil {
			return nil, err
		}
		if name := strings.TrimSuffix(f.Path, ".gz"); !strings.HasSuffix(name, ".ndjson") || hidden(f.Path) {
			continue
		}
		seen++
		typ, err := l.typeOf(ctx, f)
		switch {
		case err != nil:
			faults = append(faults, err)
		case typ == "":
			report.Skipped = append(report.Skipped, f.Path)
		default:
			files = append(files, source{f, typ})
		}
	}
	if seen == 0 {
		faults = append(faults, errors.New("there is no *.ndjson or *.ndjson.gz file in the folder"))
	}
	if len(faults) > 0 {
		return nil, &fault.Error{Class: fault.Permanent, Err: errors.Join(faults...)}
	}
	return files, nil
}

// hidden says that a file or one of its folders is not meant to be seen: half a
// download, what a version control system keeps.
func hidden(path string) bool {
	return strings.HasPrefix(path, ".") || strings.Contains(path, "/.")
}

// byName is "Patient" of Patient.000.ndjson and Patient-1.ndjson.
var (
	byName       = regexp.MustCompile(`(?:^|/)([A-Z][A-Za-z]{1,63})[^/]*$`)
	resourceType = regexp.MustCompile(`^[A-Z][A-Za-z]{1,63}$`)
)

// longestFirst bounds what is held of a first line.
const longestFirst = 64 << 20

// typeOf gives the resource type of a file, or "" for one without resources.
func (l Loader) typeOf(ctx context.Context, f pipeline.File) (string, error) {
	r, err := Loader{Lake: l.Lake}.open(ctx, f)
	if err != nil {
		return "", err
	}
	defer r.Close()
	var first struct {
		ResourceType string `json:"resourceType"`
	}
	// Only the first value is read, and of a very long one only the beginning.
	err = json.NewDecoder(bufio.NewReader(io.LimitReader(r, longestFirst))).Decode(&first)
	var syntax *json.SyntaxError
	var shape *json.UnmarshalTypeError
	switch {
	case err == nil && resourceType.MatchString(first.ResourceType):
		return first.ResourceType, nil
	case err == nil || errors.Is(err, io.EOF): // an object of another kind; nothing at all
		return "", nil
	case errors.As(err, &syntax), errors.As(err, &shape), errors.Is(err, io.ErrUnexpectedEOF) && fault.Of(err) != fault.Permanent:
		// A bad first line is no reason to lose the others.
		if m := byName.FindStringSubmatch(f.Path); m != nil {
			return m[1], nil
		}
		return "", fmt.Errorf("%s: neither its first line nor its name tells the resource type: name it like Patient.ndjson", f.Path)
	default:
		return "", err
	}
}

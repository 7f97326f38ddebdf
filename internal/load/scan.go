package load

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"regexp"
	"slices"
	"strings"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/localdir"
	"fhirsynapse/internal/pipeline"
)

// source is a file to load, and what is in it.
type source struct {
	pipeline.File
	typ string
}

// folder is the folder to load.
type folder struct {
	lake *localdir.Lake
	read func(bytes int64) // told of what is read, may be nil
}

// scan finds the files of the folder and their resource types, by the first line
// of each: names differ from server to server. It says which files have no
// resources. All faults come together, before anything is loaded.
func (d folder) scan(ctx context.Context) (files []source, skipped []string, err error) {
	var faults []error
	seen := 0
	for f, err := range d.lake.List(ctx, pipeline.Landing, "") {
		if err != nil {
			return nil, nil, err
		}
		if name := strings.TrimSuffix(f.Path, ".gz"); !strings.HasSuffix(name, ".ndjson") || hidden(f.Path) {
			continue
		}
		seen++
		typ, err := folder{lake: d.lake}.typeOf(ctx, f)
		switch {
		case err != nil:
			faults = append(faults, err)
		case typ == "":
			skipped = append(skipped, f.Path)
		default:
			files = append(files, source{f, typ})
		}
	}
	if seen == 0 {
		faults = append(faults, errors.New("there is no *.ndjson or *.ndjson.gz file in the folder"))
	}
	if len(faults) > 0 {
		return nil, nil, &fault.Error{Class: fault.Permanent, Err: errors.Join(faults...)}
	}
	slices.SortStableFunc(files, func(a, b source) int { return strings.Compare(a.typ, b.typ) })
	return files, skipped, nil
}

// size is that of all files on the disk.
func size(files []source) int64 {
	var n int64
	for _, f := range files {
		n += f.Size
	}
	return n
}

// byType yields the files of each resource type, in order.
func byType(files []source) iter.Seq2[string, []source] {
	return func(yield func(string, []source) bool) {
		for i := 0; i < len(files); {
			j := i
			for j < len(files) && files[j].typ == files[i].typ {
				j++
			}
			if !yield(files[i].typ, files[i:j]) {
				return
			}
			i = j
		}
	}
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
func (d folder) typeOf(ctx context.Context, f pipeline.File) (string, error) {
	r, err := d.open(ctx, f)
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

package batch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"regexp"
	"slices"
	"strings"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/pipeline"
)

// source is one resource type of a file to load.
type source struct {
	pipeline.File
	typ string
	// others are the other types of the file; each is a source of its own.
	others []string
	// main marks the source that has the file's bad and blank lines.
	main bool
	// surveyed is set if every line of the file was read.
	surveyed bool
	// unpacked is the size of the file after unpacking, or an estimate.
	unpacked int64
}

// ledgerPath names the source in the ledger, which has an entry for each type of a file.
func (s source) ledgerPath() string {
	if len(s.others) == 0 {
		return s.Path
	}
	return s.Path + "#" + s.typ
}

// flattening fills in the fields that the source knows.
func (s source) flattening(in pipeline.Flattening) pipeline.Flattening {
	in.Type, in.Path = s.typ, s.Path
	switch {
	case !s.surveyed:
		in.Foreign = pipeline.ForeignStops
	case s.main:
		in.Foreign, in.Others = pipeline.ForeignElsewhere, s.others
	default:
		in.Foreign = pipeline.ForeignSkipped
	}
	return in
}

// scan finds the files of the folder and the resource types of their lines, by content, because
// names differ from server to server. It reads every line if whole is set, else the first lines of
// each file. It returns all errors together.
func (d folder) scan(
	ctx context.Context, whole bool,
) (sources []source, left []LeftOut, err error) {
	var faults []error
	for f, err := range d.lake.List(ctx, pipeline.Landing, "") {
		if err != nil {
			return nil, nil, err
		}
		if hidden(f.Path) {
			continue
		}
		if unfinished.MatchString(f.Path) {
			left = append(left, LeftOut{
				File: f.Path, Reason: "its name says that it is not finished", Resources: true,
			})
			continue
		}
		s, out, err := d.sources(ctx, f, whole)
		switch {
		case err != nil:
			faults = append(faults, err)
		case out != nil:
			left = append(left, *out)
		default:
			sources = append(sources, s...)
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	if len(faults) == 0 && len(sources) == 0 {
		faults = append(faults, nothingLeft(left))
	}
	faults = append(faults, sameButCase(sources))
	if err := errors.Join(faults...); err != nil {
		return nil, left, &fault.Error{Class: fault.Permanent, Err: err}
	}
	slices.SortStableFunc(sources, func(a, b source) int { return strings.Compare(a.typ, b.typ) })
	return sources, left, nil
}

// nothingLeft reports a folder without anything to load, unless it holds an empty export.
func nothingLeft(left []LeftOut) error {
	exported := false
	var resources []error
	for _, l := range left {
		exported = exported || saysLines(l.File)
		if l.Resources {
			resources = append(resources, fmt.Errorf("%s: %s", l.File, l.Reason))
		}
	}
	switch {
	case len(resources) > 0:
		return errors.Join(resources...)
	case !exported:
		return errors.New(
			"there is no file with resources in the folder: NDJSON has one on each line")
	}
	return nil
}

// sources surveys one file, at first only its beginning.
func (d folder) sources(
	ctx context.Context, f pipeline.File, whole bool,
) ([]source, *LeftOut, error) {
	c, err := d.survey(ctx, f, whole)
	if err == nil && !whole && len(c.types) > 1 {
		whole = true
		c, err = d.survey(ctx, f, true)
	}
	if err != nil {
		return nil, nil, err
	}
	if c.left != nil {
		c.left.File = f.Path
		return nil, c.left, nil
	}
	var out []source
	for i, typ := range c.types {
		others := slices.Concat(c.types[:i], c.types[i+1:])
		out = append(out, source{
			File: f, typ: typ, others: others, main: i == 0, surveyed: whole, unpacked: c.size,
		})
	}
	return out, nil, nil
}

// sameButCase refuses types that differ in case only, because some databases mix up their tables.
func sameButCase(sources []source) error {
	var faults []error
	seen := map[string]source{}
	for _, s := range sources {
		key := strings.ToLower(s.typ)
		other, ok := seen[key]
		if !ok {
			seen[key] = s
		} else if other.typ != s.typ {
			faults = append(faults,
				fmt.Errorf("the resource types %s in %s and %s in %s differ in case only: correct one", other.typ, other.Path, s.typ, s.Path))
		}
	}
	return errors.Join(faults...)
}

// packedSize sums the sizes of the files on the disk.
func packedSize(sources []source) int64 {
	var n int64
	for _, s := range sources {
		n += s.Size
	}
	return n
}

// unpackedSize sums the sizes of the files after unpacking, each once.
func unpackedSize(sources []source) int64 {
	var n int64
	for _, s := range sources {
		if s.main {
			n += s.unpacked
		}
	}
	return n
}

// byType yields the sources of each resource type, in order.
func byType(sources []source) iter.Seq2[string, []source] {
	return func(yield func(string, []source) bool) {
		for i := 0; i < len(sources); {
			j := i
			for j < len(sources) && sources[j].typ == sources[i].typ {
				j++
			}
			if !yield(sources[i].typ, sources[i:j]) {
				return
			}
			i = j
		}
	}
}

// hidden reports whether the name of a file, or of one of its folders, begins with a dot: part of
// a download, or of a version control system.
func hidden(path string) bool {
	return strings.HasPrefix(path, ".") || strings.Contains(path, "/.")
}

// unfinished matches the names of files that a download or an editor has not finished.
var unfinished = regexp.MustCompile(`(?i)(\.(part|partial|tmp|crdownload|download|filepart)|~)$`)

// byName matches "Patient" of Patient.000.ndjson and Patient-1.ndjson.
var byName = regexp.MustCompile(`(?:^|/)([A-Z][A-Za-z]{1,63})[^/]*$`)

// named returns the resource type in a file's name.
func named(path string) (string, bool) {
	m := byName.FindStringSubmatch(path)
	if m == nil || !flatten.IsResourceType(m[1]) {
		return "", false
	}
	return m[1], true
}

// saysLines reports whether a file's name promises a resource on each line.
func saysLines(path string) bool {
	name := strings.TrimSuffix(strings.ToLower(path), ".gz")
	return strings.HasSuffix(name, ".ndjson") || strings.HasSuffix(name, ".jsonl")
}

// reader opens a source to be flattened. A file is read once for each of its types, so each reading
// reports its share of the bytes.
func (d folder) reader(ctx context.Context, s source) (*stream, error) {
	if d.read == nil {
		return d.open(ctx, s.File, nil)
	}
	passes, rest := int64(len(s.others)+1), int64(0)
	return d.open(ctx, s.File, func(n int64) {
		rest += n
		d.read(rest / passes)
		rest %= passes
	})
}

var _ io.ReadCloser = (*stream)(nil)

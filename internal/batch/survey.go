package batch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/ndjson"
	"fhirsynapse/internal/pipeline"
)

// content is the result of a survey of a file.
type content struct {
	types []string // of its lines, in their order
	size  int64    // after unpacking, or an estimate
	left  *LeftOut // why the file is left out; nil when it is loaded
}

const (
	// surveyed is the number of bytes after the first resource that are searched for other types.
	surveyed = 256 << 10
	// mostTypes bounds the types of one file: more than FHIR has. Lines of further types are bad.
	mostTypes = 200
)

// survey reads the lines of a file until it knows their types; with whole it reads all lines.
func (d folder) survey(ctx context.Context, f pipeline.File, whole bool) (c content, err error) {
	r, err := d.open(ctx, f, nil)
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	// A file that is damaged at its beginning fails here.
	head, err := r.Peek(readBuffer)
	if err != nil && !errors.Is(err, io.EOF) {
		return c, err
	}
	head = bytes.Clone(head)
	if c.left = archiveOf(head, saysLines(f.Path)); c.left != nil {
		return c, nil
	}
	form := formOf(head)
	if c.left = form.left; c.left != nil {
		return c, nil
	}
	var wrappers []string
	var oddName string
	found := int64(-1) // offset of the first resource
	for line, err := range ndjson.Lines(r, d.lineLimit) {
		if err != nil && !errors.Is(err, ndjson.ErrTooLong) {
			return c, fmt.Errorf("read %s: %w", f.Path, err)
		}
		typ := flatten.LineType(line.JSON)
		switch {
		case typ == "" && len(c.types) == 0 && oddName == "":
			oddName = oddTypeOf(line.JSON)
		case typ == "" || slices.Contains(c.types, typ) || slices.Contains(wrappers, typ):
		case !json.Valid(line.JSON) && err == nil: // a bad line has no type
		default:
			resource, err := d.note(typ, &c.types, &wrappers)
			if err != nil {
				return c, err
			}
			if resource && found < 0 {
				found = line.Offset
			}
		}
		if !whole && found >= 0 && line.Offset-found > surveyed ||
			found < 0 && !form.lines && !saysLines(f.Path) && line.Offset > surveyed {
			break
		}
	}
	if c.size = r.size.n; !whole {
		c.size = max(c.size, r.hint)
	}
	if len(c.types) > 0 {
		return c, nil
	}
	if oddName != "" {
		return c, fmt.Errorf(
			"%s: resourceType %q is not a resource type of FHIR: correct its lines", f.Path,
			oddName)
	}
	return d.untyped(f, c, form, wrappers)
}

// note adds a type to the resource types or to the wrappers of a file.
func (d folder) note(typ string, types, wrappers *[]string) (resource bool, err error) {
	wraps, err := d.wraps(typ)
	switch {
	case err != nil:
		return false, err
	case wraps:
		*wrappers = append(*wrappers, typ)
		return false, nil
	}
	if len(*types) < mostTypes {
		*types = append(*types, typ)
	}
	return true, nil
}

// untyped decides about a file without a good line that names a resource type.
func (d folder) untyped(f pipeline.File, c content, form form, wrappers []string) (content, error) {
	typ, isNamed := named(f.Path)
	switch {
	case slices.Contains(wrappers, "Bundle"):
		c.left = bundle()
	case len(wrappers) > 0:
		c.left = &LeftOut{Reason: "it holds no resources but " + strings.Join(wrappers, " and ") +
			", in which a server reports what it did"}
	case form.empty:
		c.left = &LeftOut{Reason: "it is empty"}
	case form.lines:
		c.left = &LeftOut{
			Reason: "its lines are JSON without a resourceType, as those of a log or a manifest",
		}
	case saysLines(f.Path) && isNamed:
		// A bad line must not go unreported: it is counted and quarantined.
		c.types = []string{typ}
	case saysLines(f.Path):
		return c, fmt.Errorf(
			"%s: neither its lines nor its name tell the resource type: name it like Patient.ndjson", f.Path)
	default:
		c.left = &LeftOut{Reason: "no line of it is a resource in JSON"}
	}
	return c, nil
}

// oddTypeOf returns the resourceType of a line if it is a word that cannot be a type.
func oddTypeOf(line []byte) string {
	if !bytes.Contains(line, []byte(`"resourceType"`)) {
		return ""
	}
	var r struct {
		ResourceType string `json:"resourceType"`
	}
	if json.Unmarshal(line, &r) != nil || !oddWord.MatchString(r.ResourceType) {
		return ""
	}
	return r.ResourceType
}

// oddWord matches a word that an error may repeat, because the word cannot describe a person.
var oddWord = regexp.MustCompile(`^[A-Za-z]{1,64}$`)

// wraps reports whether resources of a type only carry other resources, or messages, and no view
// reads the type.
func (d folder) wraps(typ string) (bool, error) {
	if typ != "Bundle" && typ != "OperationOutcome" && typ != "Parameters" {
		return false, nil
	}
	read, err := d.hasViews(typ)
	return !read, err
}

func bundle() *LeftOut {
	return &LeftOut{
		Resources: true,
		Reason:    "it is a Bundle: write the resources in it on a line each, with jq -c '.entry[].resource'",
	}
}

// form describes the beginning of a file.
type form struct {
	empty bool
	lines bool     // its first line is a whole JSON value
	left  *LeftOut // why the file is left out
}

// formOf distinguishes a file of lines from one JSON document over several lines.
func formOf(head []byte) (f form) {
	cut := len(head) == readBuffer
	text := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n")
	if len(text) == 0 {
		f.empty = !cut
		return f
	}
	first, rest, more := bytes.Cut(text, []byte("\n"))
	first = bytes.TrimSpace(first)
	f.lines = json.Valid(first)
	switch {
	case text[0] == '[' &&
		(string(first) == "[" || bytes.HasSuffix(first, []byte(",")) || !startsObject(rest)):
		f.left = &LeftOut{Reason: "it is a JSON array without resources"}
		if bytes.Contains(text, []byte(`"resourceType"`)) {
			f.left = &LeftOut{
				Resources: true,
				Reason:    "it is a JSON array: write its elements on a line each, with jq -c '.[]'",
			}
		}
	case text[0] == '{' && !f.lines && more && spread(text, cut):
		f.left = documentOf(flatten.LineType(text))
	case text[0] == '<':
		f.left = &LeftOut{
			Reason:    "it is XML or HTML, not JSON",
			Resources: bytes.Contains(text, []byte("http://hl7.org/fhir")),
		}
	}
	return f
}

// startsObject reports whether a complete JSON object is on the first line.
func startsObject(text []byte) bool {
	line, _, _ := bytes.Cut(text, []byte("\n"))
	line = bytes.TrimSpace(line)
	return len(line) > 0 && line[0] == '{' && json.Valid(line)
}

// spread reports whether a text is one JSON object over several lines, or, if cut, the beginning of
// such an object.
func spread(text []byte, cut bool) bool {
	depth := 0
	for d := json.NewDecoder(bytes.NewReader(text)); ; {
		t, err := d.Token()
		if err != nil {
			ended := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
			return cut && ended && bytes.Count(text, []byte("\n")) > 2
		}
		switch t {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			if depth--; depth == 0 {
				return true
			}
		}
	}
}

func documentOf(typ string) *LeftOut {
	switch typ {
	case "":
		return &LeftOut{Reason: "it is a JSON document without a resourceType, as a manifest"}
	case "Bundle":
		return bundle()
	}
	return &LeftOut{
		Resources: true,
		Reason:    "it is one " + typ + " over several lines: write it on one line, with jq -c .",
	}
}

// archiveOf names the kind of a file that is not text in UTF-8. One bad byte in a file that
// promises lines makes a bad line, not another kind of file.
func archiveOf(head []byte, lines bool) *LeftOut {
	for _, kind := range []struct{ magic, what string }{
		{"PK\x03\x04", "a zip archive: unpack it"},
		{"\x28\xb5\x2f\xfd", "packed with zstd: unpack it"},
		{"BZh", "packed with bzip2: unpack it"},
		{"\xfd7zXZ\x00", "packed with xz: unpack it"},
		{"PAR1", "a Parquet file"},
		{"\xff\xfe", "in UTF-16: write it in UTF-8"},
		{"\xfe\xff", "in UTF-16: write it in UTF-8"},
	} {
		if bytes.HasPrefix(head, []byte(kind.magic)) {
			return &LeftOut{Reason: "it is " + kind.what, Resources: lines}
		}
	}
	const tarMagic, at = "ustar", 257
	if len(head) > at && bytes.HasPrefix(head[at:], []byte(tarMagic)) {
		return &LeftOut{Reason: "it is a tar archive: unpack it", Resources: true}
	}
	if !lines && bytes.IndexByte(head, 0) >= 0 {
		return &LeftOut{Reason: "it is not text"}
	}
	return nil
}

package synthetic

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"fhirsynapse/internal/emulator/fhirserver/store"
)

// maxID is the maximum length of a FHIR id.
const maxID = 64

// template is a line with the positions of a copy's suffix.
type template struct {
	typ  string
	line []byte
	cuts []int
}

// newTemplate prepares a resource for many copies: the k-th copy has the id id-k, and refers to the
// k-th copies of its references. Only relative literal references (Type/id) are rewritten.
func newTemplate(line []byte) (template, error) {
	if !json.Valid(line) {
		return template{}, errors.New("not valid JSON")
	}
	t := template{typ: gjson.GetBytes(line, "resourceType").Str, line: bytes.Clone(line)}
	if t.typ == "" {
		return template{}, errors.New("no resourceType")
	}
	id := gjson.GetBytes(line, "id")
	if id.Str == "" || len(id.Str) > maxID-8 {
		return template{},
			fmt.Errorf("the id must have 1 to %d characters to take a suffix", maxID-8)
	}
	t.cuts = []int{id.Index + len(id.Raw) - 1}
	for at := 0; ; {
		i := bytes.Index(t.line[at:], []byte(`"reference"`))
		if i < 0 {
			break
		}
		at += i + len(`"reference"`)
		if cut := referenceEnd(t.line, at); cut > 0 {
			t.cuts = append(t.cuts, cut)
		}
	}
	slices.Sort(t.cuts) // the id may come after a reference
	return t, nil
}

// referenceEnd returns the position after the id of "Type/id" in the value of a member whose name
// ends at i, or 0 for any other value.
func referenceEnd(line []byte, i int) int {
	skip := func(c byte) bool {
		for i < len(line) && (line[i] == ' ' || line[i] == '\t') {
			i++
		}
		if i < len(line) && line[i] == c {
			i++
			return true
		}
		return false
	}
	if !skip(':') || !skip('"') {
		return 0
	}
	end := bytes.IndexByte(line[i:], '"')
	if end < 0 {
		return 0
	}
	value := string(line[i : i+end])
	typ, id, found := strings.Cut(value, "/")
	if !found || typ == "" || typ[0] < 'A' || typ[0] > 'Z' || strings.ContainsAny(value, ":\\?#") {
		return 0
	}
	id, _, _ = strings.Cut(id, "/")
	return i + len(typ) + 1 + len(id)
}

func (t template) append(out []byte, suffix string) []byte {
	from := 0
	for _, cut := range t.cuts {
		out = append(append(out, t.line[from:cut]...), suffix...)
		from = cut
	}
	return append(out, t.line[from:]...)
}

// Multiply emits copies 1 to n of every line of a folder's *.ndjson and *.ndjson.gz files, file by
// file, copy after copy: a resource x becomes x-k, a reference Patient/x becomes Patient/x-k. The
// line is valid until emit returns; memory holds the templates of one file.
func Multiply(dir fs.FS, n int, emit func(typ string, line []byte) error) error {
	return multiply(dir, "", n, emit)
}

// multiply works as Multiply, with the text mark between an id and the number of the copy.
func multiply(dir fs.FS, mark string, n int, emit func(typ string, line []byte) error) error {
	files, err := store.DataFiles(dir)
	if err != nil {
		return err
	}
	var buf []byte
	for _, f := range files {
		var templates []template
		if err := store.Lines(dir, f, func(_ int, line []byte) error {
			t, err := newTemplate(line)
			templates = append(templates, t)
			return err
		}); err != nil {
			return err
		}
		for k := 1; k <= n; k++ {
			suffix := mark + "-" + strconv.Itoa(k)
			for _, t := range templates {
				buf = t.append(buf[:0], suffix)
				if err := emit(t.typ, buf); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// Size returns the number of bytes of one copy, including newlines. It determines the number of
// copies per gigabyte.
func Size(dir fs.FS) (size int64, err error) {
	err = multiply(dir, "", 1, func(_ string, line []byte) error {
		size += int64(len(line)) + 1
		return nil
	})
	return size, err
}

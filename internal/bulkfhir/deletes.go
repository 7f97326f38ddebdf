package bulkfhir

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"net/http"
	"strings"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/ndjson"
	"fhirsynapse/internal/pipeline"
)

// defaultLineLimit is the default for Options.LineLimit.
const defaultLineLimit = ndjson.DefaultLimit

// deletedState is the meta element by which microsoft/fhir-server marks a deleted resource.
const deletedState = `","meta":{"extension":[{"url":"http://azurehealthcareapis.com/data-extensions/deleted-state","valueString":"soft-deleted"}]}}`

// Deletes implements pipeline.Downloader. Each line is a transaction Bundle with any number of
// DELETE entries; an unreadable delete is an error, because skipping it would keep the row for
// ever.
func (k *servesFiles) Deletes(r io.Reader) iter.Seq2[pipeline.Tombstone, error] {
	return func(yield func(pipeline.Tombstone, error) bool) {
		for line, err := range ndjson.Lines(r, k.o.LineLimit) {
			more := true
			switch {
			case err != nil && !errors.Is(err, ndjson.ErrTooLong):
			case err != nil:
				err = unusableDeletes(line.Number, "it is longer than the limit of a line")
			case line.Blank():
				continue
			default:
				// The whole Bundle is checked before its first delete is returned.
				if err = k.eachDelete(line, func(reference) bool { return true }); err == nil {
					err = k.eachDelete(line, func(id reference) bool {
						more = yield(id.tombstone(), nil)
						return more
					})
				}
			}
			if err != nil && more {
				yield(pipeline.Tombstone{}, err)
			}
			if err != nil {
				return
			}
		}
	}
}

func (r reference) tombstone() pipeline.Tombstone {
	if r.foreign {
		return pipeline.Tombstone{Type: r.typ, Foreign: true}
	}
	return pipeline.Tombstone{
		Type: r.typ, Line: []byte(`{"resourceType":"` + r.typ + `","id":"` + r.id + deletedState),
	}
}

// reference names a deleted resource. foreign means that it belongs to another server.
type reference struct {
	typ, id string
	foreign bool
}

var errStopped = errors.New("nobody wants more")

// eachDelete visits the deletes of a Bundle one by one, so that memory does not grow with their
// number. It returns errStopped when visit returns false.
func (k *servesFiles) eachDelete(line ndjson.Line, visit func(reference) bool) error {
	bundle := false
	s := newStream(bytes.NewReader(line.JSON))
	entry := func(i int) error {
		var e struct {
			Request struct {
				Method string `json:"method"`
				URL    string `json:"url"`
			} `json:"request"`
		}
		if err := s.value(&e, maxOutcome); err != nil {
			return err
		}
		id, ok := k.referenceOf(e.Request.URL)
		if e.Request.Method != http.MethodDelete || !ok {
			return unusableDeletes(line.Number,
				fmt.Sprintf("its entry %d does not delete one resource by type and id", i))
		}
		if !visit(id) {
			return errStopped
		}
		return nil
	}
	err := s.object(func(key string) error {
		switch key {
		case "resourceType":
			typ, err := text(s)
			bundle = typ != nil && *typ == "Bundle"
			return err
		case "entry":
			list, err := s.array(math.MaxInt, entry)
			if err == nil && !list {
				err = errors.New("its entries are not a list")
			}
			return err
		}
		return s.skip()
	})
	if err == nil {
		err = s.end()
	}
	var known *fault.Error
	if errors.As(err, &known) || errors.Is(err, errStopped) {
		return err
	}
	if err != nil || !bundle {
		return unusableDeletes(line.Number, "it is not a Bundle")
	}
	return nil
}

// unusableDeletes returns an error with the line's number. Ids must not reach logs.
func unusableDeletes(line int64, what string) error {
	return &fault.Error{
		Class: fault.Permanent, Whose: fault.TheirServer,
		Err: fmt.Errorf("line %d of the deletes cannot be applied: %s", line, what),
	}
}

// referenceOf parses Type/id, relative or absolute. An absolute reference is foreign if its base is
// not the server's.
func (k *servesFiles) referenceOf(u string) (reference, bool) {
	if strings.ContainsAny(u, "?#") {
		return reference{}, false
	}
	parts := strings.Split(u, "/")
	if len(parts) < 2 {
		return reference{}, false
	}
	r := reference{typ: parts[len(parts)-2], id: parts[len(parts)-1]}
	if base := strings.Join(parts[:len(parts)-2], "/"); base != "" {
		r.foreign = base != strings.TrimRight(k.o.BaseURL, "/") &&
			(k.o.ReferenceBase == "" || base != strings.TrimRight(k.o.ReferenceBase, "/"))
	}
	return r, isTypeName(r.typ) && isID(r.id)
}

// maxID is the length of the tables' id columns.
const maxID = 128

// isID reports whether s is a FHIR R4 id (§2.24.0.1). Underscores and up to maxID characters are
// allowed too, because some servers use them.
func isID(s string) bool {
	for _, c := range s {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' &&
			c != '.' && c != '_' {
			return false
		}
	}
	return s != "" && len(s) <= maxID
}

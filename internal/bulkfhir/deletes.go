package bulkfhir

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strings"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/ndjson"
	"fhirsynapse/internal/pipeline"
)

// defaultLineLimit is the longest line that is read here.
const defaultLineLimit = ndjson.DefaultLimit

// deletedState is how microsoft/fhir-server marks a resource that is no more.
const deletedState = `","meta":{"extension":[{"url":"http://azurehealthcareapis.com/data-extensions/deleted-state","valueString":"soft-deleted"}]}}`

// Deletes implements pipeline.Downloader: transaction Bundles, one a line, each
// with any number of DELETE entries. A delete that cannot be read would be a row
// that stays for ever, so it is an error and not skipped.
func (k *keeper) Deletes(r io.Reader) iter.Seq2[pipeline.Tombstone, error] {
	return func(yield func(pipeline.Tombstone, error) bool) {
		for line, err := range ndjson.Lines(r, k.o.LineLimit) {
			var ids []reference
			switch {
			case err != nil && !errors.Is(err, ndjson.ErrTooLong):
			case err != nil:
				err = unusableDeletes(line.Number, "it is longer than the limit of a line")
			case line.Blank():
				continue
			default:
				ids, err = k.deletesOf(line)
			}
			if err != nil {
				yield(pipeline.Tombstone{}, err)
				return
			}
			for _, id := range ids {
				if id.foreign {
					if !yield(pipeline.Tombstone{Type: id.typ, Foreign: true}, nil) {
						return
					}
					continue
				}
				if !yield(pipeline.Tombstone{Type: id.typ, Line: []byte(`{"resourceType":"` + id.typ + `","id":"` + id.id + deletedState)}, nil) {
					return
				}
			}
		}
	}
}

// reference is a resource that a delete names; foreign says that it is of another server.
type reference struct {
	typ, id string
	foreign bool
}

func (k *keeper) deletesOf(line ndjson.Line) ([]reference, error) {
	var b struct {
		ResourceType string `json:"resourceType"`
		Entry        []struct {
			Request struct {
				Method string `json:"method"`
				URL    string `json:"url"`
			} `json:"request"`
		} `json:"entry"`
	}
	if err := json.Unmarshal(line.JSON, &b); err != nil || b.ResourceType != "Bundle" {
		return nil, unusableDeletes(line.Number, "it is no Bundle")
	}
	ids := make([]reference, 0, len(b.Entry))
	for i, e := range b.Entry {
		id, ok := k.referenceOf(e.Request.URL)
		if e.Request.Method != http.MethodDelete || !ok {
			return nil, unusableDeletes(line.Number, fmt.Sprintf("its entry %d does not delete one resource by type and id", i))
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// unusableDeletes speaks of the line by its number: an id is not for logs.
func unusableDeletes(line int64, what string) error {
	return &fault.Error{Class: fault.Permanent, Whose: fault.TheirServer, Err: fmt.Errorf("line %d of the deletes cannot be applied: %s", line, what)}
}

// referenceOf reads Type/id, relative or absolute. An absolute one is foreign where its
// base is not the server's.
func (k *keeper) referenceOf(u string) (reference, bool) {
	if strings.ContainsAny(u, "?#") {
		return reference{}, false
	}
	parts := strings.Split(u, "/")
	if len(parts) < 2 {
		return reference{}, false
	}
	r := reference{typ: parts[len(parts)-2], id: parts[len(parts)-1]}
	if base := strings.Join(parts[:len(parts)-2], "/"); base != "" {
		r.foreign = base != strings.TrimRight(k.o.BaseURL, "/") && (k.o.ReferenceBase == "" || base != strings.TrimRight(k.o.ReferenceBase, "/"))
	}
	return r, isTypeName(r.typ) && r.typ[0] >= 'A' && r.typ[0] <= 'Z' && isID(r.id)
}

// maxID is the longest id that the tables take.
const maxID = 128

// isID is the id type of FHIR R4 §2.24.0.1, with the underscores and the length of servers
// that do not hold to it.
func isID(s string) bool {
	for _, c := range s {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '.' && c != '_' {
			return false
		}
	}
	return s != "" && len(s) <= maxID
}

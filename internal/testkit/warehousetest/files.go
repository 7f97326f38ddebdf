// Package warehousetest lands and prepares files for tests of warehouses that read the files of a
// FHIR server, in addition to the prepared ones.
package warehousetest

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/testkit/pipelinetest"
	"fhirsynapse/views"
)

// Files is a lake of patients.
type Files struct {
	Lake  *pipelinetest.MemoryLake
	Views flatten.Native
	n     int
}

// bundled compiles the views once for all tests.
var bundled = sync.OnceValues(views.Bundled)

// NewFiles makes an empty lake, and compiles the bundled views of the given names.
func NewFiles(t *testing.T, lake *pipelinetest.MemoryLake, names ...string) *Files {
	t.Helper()
	all, err := bundled()
	if err != nil {
		t.Fatal(err)
	}
	var kept []*sof.View
	for _, v := range all {
		for _, name := range names {
			if v.Name == name {
				kept = append(kept, v)
			}
		}
	}
	return &Files{Lake: lake, Views: func(string) ([]*sof.View, error) { return kept, nil }}
}

// Prepare lands and prepares a file of patients for each of texts.
func (f *Files) Prepare(t *testing.T, export string, texts ...string) pipeline.Batch {
	t.Helper()
	return f.PrepareType(t, export, "Patient", texts...)
}

// PrepareType lands and prepares a file of resources of a type for each of texts.
func (f *Files) PrepareType(
	t *testing.T, export, resource string, texts ...string,
) pipeline.Batch {
	t.Helper()
	flattener, err := flatten.NewFlattener(flatten.Options{Lake: f.Lake, Views: f.Views})
	if err != nil {
		t.Fatal(err)
	}
	b := pipeline.Batch{Schema: "fhir", Plan: "plan", Export: export, Type: resource, ViewSet: 1}
	for _, text := range texts {
		f.n++
		path := fmt.Sprintf("folder/%s-%d.ndjson", resource, f.n)
		landed, err := f.Lake.Put(t.Context(), pipeline.Landing, path, strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		in := pipeline.Flattening{
			Plan: "plan", Export: export, Type: resource, Path: path,
			Dir: path + "@" + landed.ETag,
		}
		done, err := flattener.Flatten(t.Context(), in, strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		b.Files = append(b.Files, pipeline.PreparedFile{File: landed, Dir: in.Dir, Done: done})
	}
	b.Attempt = fmt.Sprintf("%04x", f.n)
	return b
}

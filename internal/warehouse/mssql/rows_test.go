package mssql_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/testkit/pipelinetest"
	"fhirsynapse/internal/testkit/refwarehouse"
	"fhirsynapse/internal/warehouse/mssql"
)

// limited reports whether the server's OPENJSON returns at most 4,000 characters or does not decode
// escapes, as on some servers that resemble SQL Server.
func (r *real) limited(t *testing.T) bool {
	t.Helper()
	const long = 5000
	var length int
	var text string
	err := r.db.QueryRowContext(t.Context(), `SELECT LEN(j.[long]) AS [length], j.[text] AS [text]
FROM OPENJSON(N'{"long":"`+strings.Repeat("x", long)+`","text":"\""}') WITH ([long] nvarchar(max) '$.long', [text] nvarchar(max) '$.text') AS j`).Scan(&length, &text)
	return err == nil && (length != long || text != `"`)
}

// within removes the lines that such a server cannot handle.
func within(text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		if len(line) <= 4000 && !strings.Contains(line, `\`) {
			out.WriteString(line)
		}
	}
	return out.String()
}

func sameRows(t *testing.T, r *real, native, documents flatten.Native, resource, text string) {
	t.Helper()
	lake := pipelinetest.NewMemoryLake(now)
	f, err := lake.Put(t.Context(), pipeline.Landing, "folder/x.ndjson", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	flattener, err := flatten.NewFlattener(flatten.Options{Lake: lake, Views: native})
	if err != nil {
		t.Fatal(err)
	}
	in := pipeline.Flattening{
		Plan: "plan", Export: "plan-1", Type: resource, Path: f.Path, Dir: "x", LastUpdated: start,
	}
	done, err := flattener.Flatten(t.Context(), in, strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	b := pipeline.Batch{
		Schema: "fhir", Plan: "plan", Export: "plan-1", Type: resource, ViewSet: 1, Attempt: "a1",
		Files: []pipeline.PreparedFile{{File: f, Dir: in.Dir, Done: done}},
	}
	o := mssql.Options{
		Server: r.pool.Server(), Pool: r.pool, Lake: lake, Views: native.Tables, Now: now,
		TempDir: t.TempDir(),
	}
	if documents != nil {
		o.Documents = documents
	}
	w, err := mssql.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	if err := (renamed{w, r.prefix}).Commit(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	model := refwarehouse.NewWarehouse(lake, native.Tables)
	if err := model.Commit(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	want, err := model.Content(t.Context(), "fhir")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, r.Content(t, "fhir")); d != "" {
		t.Errorf("tables (-model +got):\n%.4000s", d)
	}
}

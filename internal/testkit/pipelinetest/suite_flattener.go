package pipelinetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/pipeline"
)

// FlattenerPlan is the plan of the flatteners under test. It must have a table patient for Patient,
// with one row per resource.
const FlattenerPlan = "plan"

// TestFlattener is the definition of pipeline.Flattener. open makes a flattener that writes into
// lake and knows FlattenerPlan.
func TestFlattener(t *testing.T, open func(t *testing.T, lake pipeline.Lake) pipeline.Flattener) {
	t.Helper()
	for _, c := range []struct {
		name string
		test func(t *testing.T, lake *MemoryLake, f pipeline.Flattener)
	}{
		{"every line is accounted for", flattenerAccounts},
		{"an empty file leaves nothing", flattenerEmpty},
		{"the same input gives the same files", flattenerSame},
		{"a resource without an instant waits for the manifest's", flattenerInstant},
		{"input that ends too early leaves nothing", flattenerCut},
		{"an ended context leaves nothing", flattenerCancelled},
		{"the view set of a plan does not change by itself", flattenerViewSet},
		{"a type that no view reads is known", flattenerHasViews},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			lake := NewMemoryLake(func() time.Time { return time.Unix(0, 0) })
			c.test(t, lake, open(t, lake))
		})
	}
}

func flattening(dir string) pipeline.Flattening {
	return pipeline.Flattening{
		Plan: FlattenerPlan, Export: "plan-1", Type: "Patient", Path: "x/Patient-1.ndjson",
		Dir: dir,
	}
}

// patientLine returns one Patient as a line of NDJSON.
func patientLine(id string) string {
	return fmt.Sprintf(
		`{"resourceType":"Patient","id":%q,"meta":{"lastUpdated":%q,"versionId":"1"}}`+"\n", id,
		instant("08:00"))
}

func flattenerAccounts(t *testing.T, lake *MemoryLake, f pipeline.Flattener) {
	in := patientLine("a") + "\n{broken\n" +
		`{"resourceType":"Observation","id":"o","meta":{"lastUpdated":"2024-05-06T08:00:00Z"}}` +
		"\n" +
		`{"resourceType":"OperationOutcome"}` + "\n" + patientLine("a b") +
		patientLine(strings.Repeat("x", 129)) + patientLine("b\xff") +
		strings.TrimSpace(patientLine("z"))
	done, err := f.Flatten(t.Context(), flattening("d"), strings.NewReader(in))
	must(t, err)
	want := pipeline.Done{
		Lines: 9, Blank: 1, Quarantined: 6, Heads: 2, Rows: map[string]int64{"patient": 2},
		Longest: map[string]pipeline.Extent{"patient.id": {Characters: 1, Bytes: 1}},
	}
	if d := cmp.Diff(want, done); d != "" {
		t.Errorf("done (-want +got):\n%s", d)
	}
	var heads []string
	for h, err := range flatten.Heads(t.Context(), lake, "d") {
		must(t, err)
		heads = append(heads, fmt.Sprint(h.Line, " ", h.ID, " ", h.Version))
	}
	version := "2024-05-06T08:00:00.000000000Z/00000000000000000001/1/0"
	if d := cmp.Diff([]string{"1 a " + version, "9 z " + version}, heads); d != "" {
		t.Errorf("heads (-want +got):\n%s", d)
	}
	bad := string(read(t, lake, pipeline.Quarantine, "d.ndjson", ""))
	if n := strings.Count(bad, "\n"); n != 6 || !strings.Contains(bad, "{broken") {
		t.Errorf("%d lines in quarantine", n)
	}
}

func flattenerEmpty(t *testing.T, lake *MemoryLake, f pipeline.Flattener) {
	done, err := f.Flatten(t.Context(), flattening("d"), strings.NewReader(""))
	must(t, err)
	want := pipeline.Done{Rows: map[string]int64{}, Longest: map[string]pipeline.Extent{}}
	if d := cmp.Diff(want, done); d != "" {
		t.Errorf("done (-want +got):\n%s", d)
	}
	noBlobs(t, lake)
}

func noBlobs(t *testing.T, lake *MemoryLake) {
	t.Helper()
	for _, area := range []pipeline.Area{pipeline.Staging, pipeline.Quarantine} {
		if files := listFiles(t, lake, area, ""); len(files) > 0 {
			t.Errorf("%s has %d blobs", area, len(files))
		}
	}
}

func manyPatients() []byte {
	var b bytes.Buffer
	for i := range 4000 {
		b.WriteString(patientLine(fmt.Sprint("p", i)))
		if i%100 == 7 {
			b.WriteString("{broken\n")
		}
	}
	return b.Bytes()
}

func flattenerSame(t *testing.T, lake *MemoryLake, f pipeline.Flattener) {
	in := manyPatients()
	for i, r := range []io.Reader{
		bytes.NewReader(in), iotest.HalfReader(bytes.NewReader(in)),
		iotest.DataErrReader(bytes.NewReader(in)),
	} {
		_, err := f.Flatten(t.Context(), flattening(fmt.Sprint("d", i)), r)
		must(t, err)
	}
	for _, name := range []string{"/head.parquet", "/patient.parquet"} {
		first := read(t, lake, pipeline.Staging, "d0"+name, "")
		for _, dir := range []string{"d1", "d2"} {
			if !bytes.Equal(first, read(t, lake, pipeline.Staging, dir+name, "")) {
				t.Errorf("%s%s differs", dir, name)
			}
		}
	}
}

func flattenerInstant(t *testing.T, lake *MemoryLake, f pipeline.Flattener) {
	const text = `{"resourceType":"Patient","id":"a"}`
	in := flattening("d")
	if _, err := f.Flatten(t.Context(), in,
		strings.NewReader(text)); !errors.Is(err, pipeline.ErrNoInstant) {
		t.Errorf("error: %v", err)
	}
	noBlobs(t, lake)
	in.LastUpdated = time.Date(2024, 5, 6, 8, 0, 0, 0, time.UTC)
	_, err := f.Flatten(t.Context(), in, strings.NewReader(text))
	must(t, err)
	for h, err := range flatten.Heads(t.Context(), lake, "d") {
		must(t, err)
		if want := flatten.Version(in.LastUpdated, "", false); h.Version != want {
			t.Errorf("version %s, want %s", h.Version, want)
		}
	}
}

func flattenerCut(t *testing.T, lake *MemoryLake, f pipeline.Flattener) {
	for _, cut := range []error{io.ErrUnexpectedEOF, fs.ErrClosed} {
		r := io.MultiReader(bytes.NewReader(manyPatients()), iotest.ErrReader(cut))
		if _, err := f.Flatten(t.Context(), flattening("d"), r); !errors.Is(err, cut) {
			t.Errorf("error: %v, want %v", err, cut)
		}
	}
	noBlobs(t, lake)
}

func flattenerCancelled(t *testing.T, lake *MemoryLake, f pipeline.Flattener) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.Flatten(ctx, flattening("d"),
		bytes.NewReader(manyPatients())); !errors.Is(err, context.Canceled) {
		t.Errorf("error: %v", err)
	}
	noBlobs(t, lake)
}

func flattenerViewSet(t *testing.T, _ *MemoryLake, f pipeline.Flattener) {
	first, err := f.ViewSet(FlattenerPlan)
	must(t, err)
	second, err := f.ViewSet(FlattenerPlan)
	must(t, err)
	if first == "" || first != second {
		t.Errorf("view sets %q and %q", first, second)
	}
	if _, err := f.ViewSet("no such plan"); err == nil {
		t.Error("an unknown plan has a view set")
	}
}

func flattenerHasViews(t *testing.T, _ *MemoryLake, f pipeline.Flattener) {
	for typ, want := range map[string]bool{"Patient": true, "Specimen": false} {
		if got, err := f.HasViews(FlattenerPlan, typ); got != want || err != nil {
			t.Errorf("%s: %v, %v", typ, got, err)
		}
	}
}

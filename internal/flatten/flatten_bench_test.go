package flatten_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"iter"
	"os"
	"testing"

	"fhirsynapse/internal/emulator/fhirserver/store"
	"fhirsynapse/internal/emulator/fhirserver/synthetic"
	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/flatview"
	bundled "fhirsynapse/views"
)

// sinkLake discards blobs and counts their bytes.
type sinkLake struct{ bytes, blobs int64 }

func (*sinkLake) List(context.Context, pipeline.Area, string) iter.Seq2[pipeline.File, error] {
	return nil
}

func (*sinkLake) Stat(context.Context, pipeline.Area, string) (pipeline.File, error) {
	return pipeline.File{}, os.ErrNotExist
}

func (*sinkLake) Open(context.Context, pipeline.Area, string, string) (io.ReadCloser, error) {
	return nil, os.ErrNotExist
}

func (l *sinkLake) Put(
	_ context.Context, _ pipeline.Area, _ string, r io.Reader,
) (pipeline.File, error) {
	n, err := io.Copy(io.Discard, r)
	l.bytes += n
	l.blobs++
	return pipeline.File{}, err
}

// BenchmarkFlatten flattens one generated file of about 9 MB for all bundled tables of its type, on
// -cpu goroutines.
func BenchmarkFlatten(b *testing.B) {
	data := madeUp(b, 500)
	set, err := bundled.Load(nil)
	if err != nil {
		b.Fatal(err)
	}
	plan := flatten.Native(func(string) ([]*sof.View, error) { return set, nil })
	for _, typ := range []string{
		"Patient", "Encounter", "Condition", "Observation", "ExplanationOfBenefit",
	} {
		b.Run(typ, func(b *testing.B) {
			lake := &sinkLake{}
			f, err := flatten.NewFlattener(flatten.Options{Lake: lake, Views: plan})
			if err != nil {
				b.Fatal(err)
			}
			file := data[typ]
			b.SetBytes(int64(len(file)))
			b.ReportAllocs()
			var done pipeline.Done
			for b.Loop() {
				lake.bytes, lake.blobs = 0, 0
				if done, err = f.Flatten(b.Context(),
					pipeline.Flattening{Plan: "p", Export: "e", Type: typ, Path: "x", Dir: "d"},
					bytes.NewReader(file)); err != nil {
					b.Fatal(err)
				}
			}
			if done.Quarantined > 0 {
				b.Fatalf("%d lines are bad", done.Quarantined)
			}
			var rows int64
			for _, n := range done.Rows {
				rows += n
			}
			b.ReportMetric(float64(rows)/float64(done.Heads), "rows/line")
			b.ReportMetric(float64(lake.bytes)/float64(len(file)), "out/in")
			b.ReportMetric(float64(lake.blobs), "blobs")
		})
	}
}

// madeUp returns generated resources of this number of patients by type, with meta, and repeats
// them up to 9 MB per type.
func madeUp(b *testing.B, patients int) map[string][]byte {
	b.Helper()
	s, err := store.New(store.Options{})
	if err != nil {
		b.Fatal(err)
	}
	if err := synthetic.Generate(synthetic.Options{Seed: 1, Patients: patients},
		func(_ string, line []byte) error { return s.Add(line) }); err != nil {
		b.Fatal(err)
	}
	dir := b.TempDir()
	if _, err := s.Dump(dir); err != nil {
		b.Fatal(err)
	}
	out := map[string][]byte{}
	err = synthetic.Multiply(os.DirFS(dir), 40, func(typ string, line []byte) error {
		if len(out[typ]) < 9<<20 {
			out[typ] = append(append(out[typ], line...), '\n')
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	return out
}

// BenchmarkMembers compares the files of a cohort, which are filtered by its members and have a
// table of compartments, with the same files of a plan without one.
func BenchmarkMembers(b *testing.B) {
	data := madeUp(b, 500)
	set, err := bundled.Load(nil)
	if err != nil {
		b.Fatal(err)
	}
	members := pipeline.Members{}
	for line := range bytes.Lines(data["Patient"]) {
		var p struct{ ID string }
		if err := json.Unmarshal(line, &p); err != nil {
			b.Fatal(err)
		}
		members[p.ID] = struct{}{}
	}
	for _, typ := range []string{"Patient", "Observation"} {
		text, err := flatview.Compartment(typ)
		if err != nil {
			b.Fatal(err)
		}
		compartment, err := sof.Compile("compartment.json", text)
		if err != nil {
			b.Fatal(err)
		}
		for name, of := range map[string]struct {
			views   []*sof.View
			members pipeline.Members
		}{
			"everybody": {set, nil},
			"members":   {append(set[:len(set):len(set)], compartment), members},
		} {
			b.Run(typ+" of "+name, func(b *testing.B) {
				lake := &sinkLake{}
				views := flatten.Native(func(string) ([]*sof.View, error) { return of.views, nil })
				f, err := flatten.NewFlattener(flatten.Options{Lake: lake, Views: views})
				if err != nil {
					b.Fatal(err)
				}
				b.SetBytes(int64(len(data[typ])))
				for b.Loop() {
					lake.bytes, lake.blobs = 0, 0
					done, err := f.Flatten(b.Context(), pipeline.Flattening{
						Plan: "p", Export: "e", Type: typ, Path: "x", Dir: "d", Members: of.members,
					}, bytes.NewReader(data[typ]))
					if err != nil || done.Heads == 0 || done.Filtered > 0 {
						b.Fatal(done.Heads, done.Filtered, err)
					}
				}
			})
		}
	}
}

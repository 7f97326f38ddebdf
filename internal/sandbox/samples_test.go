package sandbox_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
)

var keepSample = flag.String("keep-sample", "",
	"write what this version leaves behind into testdata/left/`NAME`.zip")

// left is the folder of what versions of the program have left behind in the middle of an export:
// documents of the journal, a waiting message, landed and prepared files.
const left = "testdata/left"

// sampled makes a cohort's plan with the data of the samples.
func sampled(t *testing.T, change ...func(*partsOptions)) *parts {
	t.Helper()
	w := newParts(t, pipeline.ModeSystemFiltered, 3, change...)
	for i := range 4 {
		id := fmt.Sprint("p", i)
		w.put(`{"resourceType":"Patient","id":%q}`, id)
		w.observe(id, 1)
		w.smokes(id, i < 3)
	}
	return w
}

// A version of the program ends the exports that older versions have begun.
func TestANewerVersionGoesOn(t *testing.T) {
	t.Parallel()
	if *keepSample != "" {
		writeSample(t, filepath.Join(left, *keepSample+".zip"))
	}
	samples, err := filepath.Glob(left + "/*.zip")
	if err != nil || len(samples) == 0 {
		t.Fatalf("samples: %v, %v", samples, err)
	}
	for _, sample := range samples {
		t.Run(filepath.Base(sample), func(t *testing.T) {
			t.Parallel()
			w := sampled(t)
			w.pass(2 * time.Hour) // the sample was left an hour after these changes
			landed := readSample(t, sample, w)
			w.exports = 1
			if e := w.finish(records.ExportID(w.plan.Name, 1)); e.State != records.Loaded {
				t.Fatalf("%s: %+v", e.State, e.Failure)
			}
			if d := cmp.Diff(w.present(), w.loaded()); d != "" {
				t.Errorf("tables (-server +tables):\n%s", d)
			}
			if n := preparedFirst(t, w); n > landed {
				t.Errorf("%d files were prepared again", n-landed)
			}
			w.put(`{"resourceType":"Patient","id":"p1","active":true}`)
			w.export(records.Window{})
			if d := cmp.Diff(w.present(), w.loaded()); d != "" {
				t.Errorf("tables after the next export (-server +tables):\n%s", d)
			}
		})
	}
}

// preparedFirst counts the files that were prepared with the first view set.
func preparedFirst(t *testing.T, w *parts) (n int) {
	t.Helper()
	for f, err := range w.lake.List(t.Context(), pipeline.Staging, "") {
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(f.Path, "/v1.done/") {
			n++
		}
	}
	return n
}

// writeSample writes what this version leaves behind when it is stopped before the first commit.
func writeSample(t *testing.T, name string) {
	t.Helper()
	var commit []byte
	w := sampled(t, func(o *partsOptions) {
		o.queue = func(sent []pipeline.Message) {
			for _, m := range sent {
				if strings.Contains(string(m.Body), `"step":"commit"`) {
					commit = m.Body
				}
			}
		}
	})
	w.pass(time.Hour)
	if _, err := w.p.Start(t.Context(), w.plan.Name, records.Window{}); err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		if commit != nil {
			break
		}
		w.step()
	}
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	add := func(name string, data []byte) {
		f, err := z.Create(name)
		if err == nil {
			_, err = f.Write(data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for key, err := range w.journal.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		doc, err := w.journal.Read(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		add("journal/"+key, doc.Data)
	}
	for _, area := range []pipeline.Area{pipeline.Landing, pipeline.Staging} {
		for f, err := range w.lake.List(t.Context(), area, "") {
			if err != nil {
				t.Fatal(err)
			}
			r, err := w.lake.Open(t.Context(), area, f.Path, "")
			if err != nil {
				t.Fatal(err)
			}
			data, err := io.ReadAll(r)
			if err := errors.Join(err, r.Close()); err != nil {
				t.Fatal(err)
			}
			add(string(area)+"/"+f.Path, data)
		}
	}
	add("message", commit)
	if err := errors.Join(z.Close(), os.MkdirAll(filepath.Dir(name), 0o750),
		os.WriteFile(name, out.Bytes(), 0o600)); err != nil {
		t.Fatal(err)
	}
}

// readSample puts a sample into an empty world, and returns the number of its landed files.
func readSample(t *testing.T, name string, w *parts) (landed int) {
	t.Helper()
	z, err := zip.OpenReader(name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = z.Close() }()
	etags := map[string]string{} // of the landed files in this lake
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err := errors.Join(err, r.Close()); err != nil {
			t.Fatal(err)
		}
		kind, path, _ := strings.Cut(f.Name, "/")
		switch kind {
		case "journal":
			_, err = w.journal.Write(t.Context(), path, "", data)
		case "message":
			err = w.queue.Send(t.Context(), pipeline.Message{ID: "left", Body: data})
		case "landing":
			var landed pipeline.File
			landed, err = w.lake.Put(t.Context(), pipeline.Landing, path, bytes.NewReader(data))
			etags[path] = landed.ETag
		default:
			_, err = w.lake.Put(t.Context(), pipeline.Area(kind), atETag(path, etags),
				bytes.NewReader(data))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return len(etags)
}

// atETag returns the path of a prepared file for a landed file with another ETag.
func atETag(path string, etags map[string]string) string {
	for landed, etag := range etags {
		before, after, is := strings.Cut(path, landed+"@")
		if !is {
			continue
		}
		end := strings.LastIndexByte(after, '.') // of a done file
		if i := strings.IndexByte(after, '/'); i >= 0 {
			end = i
		}
		return before + landed + "@" + etag + after[end:]
	}
	return path
}

package batch_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/batch"
	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/sof"
)

const (
	patientView = `{"resourceType":"ViewDefinition","name":"patient","resource":"Patient","status":"active","select":[{"column":[
		{"name":"id","path":"id"},{"name":"born","path":"birthDate","tag":[{"name":"ansi/type","value":"DATE"}]}]}]}`
	linkView = `{"resourceType":"ViewDefinition","name":"patient_link","resource":"Patient","status":"active","select":[
		{"forEach":"link","column":[{"name":"type","path":"type"}]}]}`
	deviceView = `{"resourceType":"ViewDefinition","name":"device","resource":"Device","status":"active","select":[{"column":[{"name":"id","path":"id"}]}]}`
)

func extractor(t *testing.T, w *folderWorld, format flatten.Format, dir string) batch.Extractor {
	t.Helper()
	var views []*sof.View
	for _, text := range []string{patientView, linkView, deviceView} {
		v, err := sof.Compile("view.json", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		views = append(views, v)
	}
	f, err := flatten.NewFlattener(flatten.Options{
		Lake: w.Lake, Views: flatten.Native(func(string) ([]*sof.View, error) {
			return views, nil
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	return batch.Extractor{
		Lake: w.Lake, Flattener: f, Format: format, Dir: dir, Now: w.Now, Token: w.Token,
		MaxBad: 0.5, Total: w.Total, Read: w.Read,
	}
}

// contents returns the files of a folder.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(name)
		out[d.Name()] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestExtractMakesOneFileATableOfAllFilesOfAType(t *testing.T) {
	t.Parallel()
	w := newFolderWorld(t, map[string]string{
		"Patient.1.ndjson": `{"resourceType":"Patient","id":"b","birthDate":"2000-01-02"}` +
			"\n\nno JSON\n" + `{"resourceType":"Patient","id":"b","birthDate":"2000"}`,
		"Patient.0.ndjson.gz": `{"resourceType":"Patient","id":"a"}` + "\n",
		"Observation.ndjson":  observation,
	})
	dir := filepath.Join(t.TempDir(), "out")
	for range 2 { // the second extraction replaces the files of the first
		report, err := extractor(t, w, flatten.CSV, dir).Extract(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		want := batch.LoadReport{
			Export: "load-20260102T030405Z-ab12",
			Types: []pipeline.TypeReport{
				{
					Type: "Observation", Files: 1, Manifest: -1,
					Counts: pipeline.Counts{Lines: 1, Applied: 1}, NoView: true,
				},
				{
					Type: "Patient", Files: 2, Manifest: -1,
					Counts: pipeline.Counts{Lines: 5, Applied: 3, Blank: 1, Quarantined: 1},
				},
			},
			Bytes: w.total.Load(), Rows: map[string]int64{"patient": 3, "patient_link": 0},
			ValueCounts: pipeline.ValueCounts{NoDay: map[string]int64{"patient.born": 1}},
		}
		if d := cmp.Diff(want, report); d != "" {
			t.Error(d)
		}
		files := map[string]string{
			"patient.csv": "id,born\na,\nb,2000-01-02\nb,\n", "patient_link.csv": "type\n",
		}
		if d := cmp.Diff(files, contents(t, dir)); d != "" {
			t.Error(d)
		}
	}
}

func TestAFailedExtractLeavesNothing(t *testing.T) {
	t.Parallel()
	// a few blocks
	whole := packed(t, patient+"\n"+strings.Repeat("x"+strings.Repeat(" ", 127)+"\n", 1<<13))
	w := newFolderWorld(t, map[string]string{
		"Device.ndjson":     `{"resourceType":"Device","id":"d"}`,
		"Patient.ndjson.gz": "raw:" + whole[:len(whole)-8],
	})
	for _, format := range []flatten.Format{flatten.Parquet, flatten.CSV, flatten.NDJSON} {
		fresh := filepath.Join(t.TempDir(), "out")
		if _, err := extractor(t, w, format, fresh).Extract(t.Context()); err == nil {
			t.Errorf("%s: no error", format)
		}
		if _, err := os.Stat(fresh); !os.IsNotExist(err) {
			t.Errorf("%s: the folder is there: %v", format, err)
		}
		old := t.TempDir()
		if err := os.WriteFile(filepath.Join(old, "device."+string(format)), []byte("old"),
			0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := extractor(t, w, format, old).Extract(t.Context()); err == nil {
			t.Errorf("%s: no error", format)
		}
		if d := cmp.Diff(map[string]string{"device." + string(format): "old"},
			contents(t, old)); d != "" {
			t.Errorf("%s: %s", format, d)
		}
	}
}

func TestExtractWhereAFileCannotTakeItsPlace(t *testing.T) {
	t.Parallel()
	w := newFolderWorld(t, map[string]string{"Device.ndjson": `{"resourceType":"Device","id":"d"}`})
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "device.ndjson", "x"), 0o750); err != nil {
		t.Fatal(err)
	}
	if _, err := extractor(t, w, flatten.NDJSON, dir).Extract(t.Context()); err == nil {
		t.Error("no error")
	}
	if left := contents(t, dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := extractor(t, w, flatten.NDJSON, file).Extract(t.Context()); err == nil {
		t.Error("a file as the folder: no error")
	}
}

func TestManyFilesGoIntoOneTableInTheirOrder(t *testing.T) {
	t.Parallel()
	files, want := map[string]string{}, []string{}
	for i := range 40 {
		var lines strings.Builder
		for j := range 50 {
			id := fmt.Sprintf("d-%02d-%02d", i, j)
			want = append(want, id)
			lines.WriteString(`{"resourceType":"Device","id":"` + id + `"}` + "\n")
		}
		files[fmt.Sprintf("Device.%02d.ndjson", i)] = lines.String()
	}
	w, dir := newFolderWorld(t, files), t.TempDir()
	x := extractor(t, w, flatten.CSV, dir)
	x.Now = func() time.Time { return time.Unix(0, 0) }
	if _, err := x.Extract(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := strings.Fields(contents(t, dir)["device.csv"])[1:]; !slices.Equal(got, want) {
		t.Errorf("%d rows, in order: %v", len(got), slices.IsSorted(got))
	}
}

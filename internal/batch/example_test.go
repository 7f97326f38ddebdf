package batch_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"fhirsynapse/internal/batch"
)

// unseen ignores the progress of a load.
type unseen struct{}

func (unseen) Total(int64) {}
func (unseen) Add(int64)   {}
func (unseen) Bad(int64)   {}

// A load into files needs no engine. The tables come from the bundled views.
func ExampleRunner_Load() {
	dir, err := os.MkdirTemp("", "example-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a folder of the system for temporary files
	in, out := filepath.Join(dir, "in"), filepath.Join(dir, "out")
	const lines = `{"resourceType":"Patient","id":"a","gender":"female"}` + "\n" +
		`{"resourceType":"Patient","id":"b"}` + "\n"
	if err := os.Mkdir(in, 0o700); err != nil {
		fmt.Println(err)
		return
	}
	if err := os.WriteFile(filepath.Join(in, "Patient.ndjson"), []byte(lines), 0o600); err != nil {
		fmt.Println(err)
		return
	}
	runner := batch.Runner{Now: time.Now}
	report, err := runner.Load(context.Background(), batch.LoadRequest{
		Dir: in, Scheme: "csv", Rest: out, Progress: unseen{},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, t := range report.Types {
		fmt.Println(t.Type, "files:", t.Files, "lines:", t.Lines, "applied:", t.Applied)
	}
	fmt.Println("rows of patient:", report.Rows["patient"])
	// Output:
	// Patient files: 1 lines: 2 applied: 2
	// rows of patient: 2
}

package views

import (
	"os"
	"testing"
)

// The documentation of the tables is generated from the views.
func TestTablesInTheDocumentation(t *testing.T) {
	t.Parallel()
	all, err := Bundled()
	if err != nil {
		t.Fatal(err)
	}
	const path = "../docs/tables.md"
	want := Markdown(all)
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s does not describe the bundled views: run `make golden`", path)
	}
}

package views

import (
	"testing"
)

func TestBundledViewsCompile(t *testing.T) {
	t.Parallel()
	views, err := Bundled()
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range views {
		if v.Description == "" {
			t.Errorf("%s has no description", v.Name)
		}
		for _, c := range v.Columns {
			if c.Description == "" {
				t.Errorf("%s.%s has no description", v.Name, c.Name)
			}
		}
	}
}

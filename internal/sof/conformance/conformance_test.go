package conformance

import (
	"os"
	"testing"
)

func TestNativeEnginePassesEveryOfficialCase(t *testing.T) {
	t.Parallel()
	files, err := Load(os.DirFS("testdata"))
	if err != nil {
		t.Fatal(err)
	}
	cases := 0
	for _, f := range files {
		for _, c := range f.Cases {
			cases++
			t.Run(f.Name+"/"+c.Title, func(t *testing.T) {
				t.Parallel()
				if err := Run(f, c, Native); err != nil {
					t.Error(err)
				}
			})
		}
	}
	if cases != 138 {
		t.Errorf("%d cases, want 138", cases)
	}
}

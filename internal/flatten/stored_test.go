package flatten_test

import (
	"fmt"
	"strings"
	"testing"

	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/storage"
	bundledviews "fhirsynapse/views"
)

// A columnstore changes the prepared form, so it is another view set. Where rows are does not.
func TestStorageAndTheViewSet(t *testing.T) {
	t.Parallel()
	bundled, err := bundledviews.Bundled()
	if err != nil {
		t.Fatal(err)
	}
	native := flatten.Native(func(string) ([]*sof.View, error) { return bundled, nil })
	plain, err := native.ViewSet("plan")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		storage.Options
		same bool
	}{
		{storage.Options{}, true},
		{storage.Options{ByPatient: true}, true},
		{storage.Options{ClusterBy: []string{"observation.patient_id"}}, true},
		{storage.Options{Columnstore: true}, false},
	} {
		s := flatten.Stored{
			Native: native, Storage: func(string) storage.Options { return c.Options },
		}
		set, err := s.ViewSet("plan")
		if err != nil || (set == plain) != c.same {
			t.Errorf("%+v: the same view set: %t, %v", c.Options, set == plain, err)
		}
	}
}

func TestStorageOfTheBundledTables(t *testing.T) {
	t.Parallel()
	bundled, err := bundledviews.Bundled()
	if err != nil {
		t.Fatal(err)
	}
	o := storage.Options{ByPatient: true, ClusterBy: []string{"observation.patient_id"}}
	s := flatten.Stored{
		Native:  func(string) ([]*sof.View, error) { return bundled, nil },
		Storage: func(string) storage.Options { return o },
	}
	all, err := s.Tables("plan")
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range all {
		patient := false
		for _, c := range table.Columns {
			patient = patient || c.Name == "patient_id"
		}
		want := ""
		switch {
		case patient:
			want = "patient_id"
		case table.Name == "patient":
			want = "id"
		}
		if table.Spread != want {
			t.Errorf("%s is distributed by %q, want %q", table.Name, table.Spread, want)
		}
		if (len(table.ClusterBy) > 0) != (table.Name == "observation") {
			t.Errorf("%s is clustered by %q", table.Name, table.ClusterBy)
		}
	}
	o.ClusterBy = []string{"observation.patient"}
	if _, err := s.Tables("plan"); !strings.Contains(fmt.Sprint(err),
		"clusterBy: no view of plan plan has the column observation.patient") {
		t.Error(err)
	}
}

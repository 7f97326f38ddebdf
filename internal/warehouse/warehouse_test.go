package warehouse_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/warehouse"
)

func prepared(path, etag string, lines, heads int64) pipeline.PreparedFile {
	return pipeline.PreparedFile{
		File: pipeline.File{Path: path, ETag: etag},
		Done: pipeline.Done{Lines: lines, Heads: heads},
	}
}

func TestAllFaultsOfABatchAreReportedTogether(t *testing.T) {
	t.Parallel()
	good := pipeline.Batch{
		Schema: "fhir", Type: "Patient", Attempt: "0a",
		Files: []pipeline.PreparedFile{prepared("a", "1", 2, 2)},
	}
	if err := warehouse.Check(good); err != nil {
		t.Errorf("a good batch: %v", err)
	}
	err := warehouse.Check(pipeline.Batch{
		Schema: `a"b`, Type: "", Attempt: "x",
		Files: []pipeline.PreparedFile{
			prepared("one.ndjson", "1", 3, 2), prepared("two.ndjson", "1", 0, 1),
		},
	})
	if fault.Of(err) != fault.Permanent {
		t.Errorf("class: %s", fault.Of(err))
	}
	for _, part := range []string{
		"schema", "resource type", "attempt", "one.ndjson", "two.ndjson",
	} {
		if !strings.Contains(fmt.Sprint(err), part) {
			t.Errorf("%q is not named in %v", part, err)
		}
	}
}

func TestFilesAreNumberedWhateverTheirOrder(t *testing.T) {
	t.Parallel()
	a1, a2, b := prepared("a", "1", 0, 0), prepared("a", "2", 0, 0), prepared("b", "1", 0, 0)
	got := warehouse.Numbered([]pipeline.PreparedFile{b, a2, a1, b})
	if d := cmp.Diff([]pipeline.PreparedFile{a1, a2, b}, got); d != "" {
		t.Errorf("files (-want +got):\n%s", d)
	}
}

func TestHeadTablesThatDifferInCaseAreRefused(t *testing.T) {
	t.Parallel()
	for table, refused := range map[string]bool{
		"_head_Homemade": false, "_head_HomeMade": true, "_HEAD_HOMEMADE": true,
		"_head_Other": false,
	} {
		if err := warehouse.SameButCase(table, "Homemade"); (err != nil) != refused ||
			refused && fault.Of(err) != fault.Permanent {
			t.Errorf("%s: %v", table, err)
		}
	}
}

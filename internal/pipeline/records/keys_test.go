package records

import (
	"testing"
	"time"
)

func TestFoldersOfFetchedFiles(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 4, 5, 6, 7, 89_000_001, time.FixedZone("", 3600))
	for _, c := range []struct {
		job    string
		at     time.Time
		folder string
	}{
		{"nightly-000012.1", at, "nightly-000012.1-20260304T040607089000001Z"},
		{"a-b-000001.2", time.Time{}, "a-b-000001.2"},
	} {
		folder := FetchFolder(c.job, c.at)
		job, back := cutFetchFolder(folder)
		if folder != c.folder || job != c.job || !back.Equal(c.at) || !IsJobFolder(folder) {
			t.Errorf("%s: %s, and back %s of %s", c.folder, folder, job, back)
		}
		got, ok := TransactionTimeOf(folder + "/Patient-000001.ndjson")
		if ok == c.at.IsZero() || !got.Equal(c.at) {
			t.Errorf("%s: %v, %v", folder, got, ok)
		}
		for _, copied := range []string{
			"2026/" + folder + "/Patient.ndjson", folder + "/patients/Patient.ndjson",
		} {
			if got, ok := TransactionTimeOf(copied); ok == c.at.IsZero() || !got.Equal(c.at) {
				t.Errorf("%s: %v, %v", copied, got, ok)
			}
		}
	}
	if at, ok := TransactionTimeOf("nightly-000012.1-20260304T040607089000001Z"); ok {
		t.Errorf("a file is of %v", at)
	}
	for _, other := range []string{
		"", "x", "Patient.ndjson", "20260304T040607089000001Z", "-20260304T040607089000001Z",
		"x-20260304T040607089000001Z", "nightly-000012.1-20261304T040607089000001Z",
	} {
		if at, ok := TransactionTimeOf(other + "/Patient.ndjson"); ok {
			t.Errorf("%s is of %v", other, at)
		}
	}
}

package pipelinetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/testkit/flattentest"
	"fhirsynapse/internal/testkit/refwarehouse"
	"fhirsynapse/internal/warehouse"
)

// file holds the lines of an NDJSON file.
type file []flattentest.Line

// live returns a version of a Patient with one row, and a name for each of names.
func live(id, at, version, family string, names ...string) flattentest.Line {
	l := flattentest.Line{
		ResourceType: "Patient", ID: id,
		Meta: flattentest.Meta{LastUpdated: instant(at), VersionID: version},
		Rows: map[string][][]*string{},
	}
	if family != "" {
		l.Rows["patient"] = [][]*string{{&family}}
	}
	for i, n := range names {
		index := fmt.Sprint(i)
		l.Rows["patient_name"] = append(l.Rows["patient_name"], []*string{&n, &index})
	}
	return l
}

// gone returns a tombstone.
func gone(id, at, version string) flattentest.Line {
	return flattentest.Line{
		ResourceType: "Patient", ID: id,
		Meta: flattentest.Meta{LastUpdated: instant(at), VersionID: version, Deleted: true},
	}
}

// instant returns a time of a fixed day.
func instant(at string) string { return "2024-05-06T" + at + ":00Z" }

// fixedCase holds batches of files, and the expected content: "id family given,given".
type fixedCase struct {
	name    string
	batches [][]file
	want    []string
}

func fixedCases() []fixedCase { return slices.Concat(versionCases(), tieCases(), rowCases()) }

// versionCases are about the order of versions and tombstones.
func versionCases() []fixedCase {
	return []fixedCase{
		{
			"a duplicate",
			[][]file{{{live("a", "08:00", "1", "A", "x")}}, {{live("a", "08:00", "1", "A", "x")}}},
			[]string{"a A x"},
		},
		{"disorder", [][]file{
			{{live("a", "09:00", "2", "new", "x")}}, {{live("a", "08:00", "1", "old", "y", "z")}},
		}, []string{"a new x"}},
		{
			"a tie on time is decided by the number",
			[][]file{{{live("a", "08:00", "10", "ten")}}, {{live("a", "08:00", "9", "nine")}}},
			[]string{"a ten "},
		},
		{
			"a clock gone back loses",
			[][]file{{{live("a", "09:00", "1", "first")}}, {{live("a", "08:00", "2", "second")}}},
			[]string{"a first "},
		},
		{
			"a tombstone, then an older version",
			[][]file{
				{{live("a", "08:00", "1", "A", "x")}},
				{{gone("a", "10:00", "3")}},
				{{live("a", "09:00", "2", "B", "y")}},
			},
			nil,
		},
		{
			"a tombstone first",
			[][]file{{{gone("a", "10:00", "3")}}, {{live("a", "09:00", "2", "B", "y")}}},
			nil,
		},
		{
			"created again after a delete",
			[][]file{
				{{live("a", "08:00", "1", "A", "x")}},
				{{gone("a", "09:00", "2")}},
				{{live("a", "10:00", "3", "C", "z")}},
			},
			[]string{"a C z"},
		},
		{
			"one id three times in a batch",
			[][]file{{
				{live("a", "08:00", "1", "A", "x"), live("a", "10:00", "3", "C", "z")},
				{live("a", "09:00", "2", "B", "y")},
			}},
			[]string{"a C z"},
		},
		{
			"one version twice in a file",
			[][]file{{{live("a", "08:00", "1", "A", "x"), live("a", "08:00", "1", "A", "x")}}},
			[]string{"a A x"},
		},
		{
			"one version in two files of a batch",
			[][]file{{{live("a", "08:00", "1", "A", "x")}, {live("a", "08:00", "1", "A", "x")}}},
			[]string{"a A x"},
		},
		{
			"v1 and v2 in one batch",
			[][]file{{
				{live("a", "09:00", "2", "B", "y")},
				{live("a", "08:00", "1", "A", "x", "w")},
			}},
			[]string{"a B y"},
		},
		{
			"created and deleted in one batch",
			[][]file{{{
				live("a", "08:00", "1", "A", "x"), gone("a", "09:00", "2"),
				live("b", "08:00", "1", "B"),
			}}},
			[]string{"b B "},
		},
	}
}

// tieCases have a version and a tombstone of the same time.
func tieCases() []fixedCase {
	return []fixedCase{
		{
			"live and tombstone tie, live first",
			[][]file{{{live("a", "08:00", "1", "A", "x")}}, {{gone("a", "08:00", "1")}}},
			nil,
		},
		{
			"live and tombstone tie, tombstone first",
			[][]file{{{gone("a", "08:00", "1")}}, {{live("a", "08:00", "1", "A", "x")}}},
			nil,
		},
		{
			"live and tombstone tie in one batch",
			[][]file{{
				{gone("a", "08:00", "1"), live("a", "08:00", "1", "A", "x")},
				{live("b", "08:00", "1", "B"), gone("b", "08:00", "1")},
			}},
			nil,
		},
	}
}

// rowCases are about the rows of a version, and about ids.
func rowCases() []fixedCase {
	return []fixedCase{
		{
			"where stops matching",
			[][]file{{{live("a", "08:00", "1", "A", "x")}}, {{live("a", "09:00", "2", "", "y")}}},
			[]string{"a  y"},
		},
		{
			"where starts matching",
			[][]file{{{live("a", "08:00", "1", "", "x")}}, {{live("a", "09:00", "2", "B", "x")}}},
			[]string{"a B x"},
		},
		{
			"child rows shrink to none",
			[][]file{
				{{live("a", "08:00", "1", "A", "x", "y", "z")}},
				{{live("a", "09:00", "2", "A", "x")}},
				{{live("a", "10:00", "3", "A")}},
			},
			[]string{"a A "},
		},
		{
			"ids that differ by case",
			[][]file{
				{{live("a", "08:00", "1", "small", "x"), live("A", "09:00", "2", "large", "y")}},
				{{gone("A", "10:00", "3")}},
			},
			[]string{"a small x"},
		},
		{
			"ids that begin alike",
			[][]file{
				{{
					live("a", "08:00", "1", "A"), live("a-", "08:00", "1", "B"),
					live("a.", "08:00", "1", "C"),
				}}, {{gone("a", "09:00", "2")}},
			},
			[]string{"a- B ", "a. C "},
		},
		{"an empty file", [][]file{{{}, {live("a", "08:00", "1", "A")}}, {{}}}, []string{"a A "}},
	}
}

func (w *tables) play(t *testing.T, c fixedCase) {
	t.Helper()
	for i, files := range c.batches {
		var ready []pipeline.PreparedFile
		for _, f := range files {
			ready = append(ready, w.prepare(t, "Patient", f))
		}
		w.commit(t, w.batch(fmt.Sprintf("plan-%d", i), ready...))
	}
	if d := cmp.Diff(c.want, shape(w.Content(t, schema))); d != "" {
		t.Errorf("what is left (-want +got):\n%s", d)
	}
}

// shape returns the live ids with their family and their names.
func shape(c refwarehouse.Content) []string {
	families, names := map[string]string{}, map[string][]string{}
	var ids []string
	for table, rows := range map[string][]string{
		"patient": c["patient"], "patient_name": c["patient_name"],
	} {
		for _, row := range rows {
			id := cell(row, warehouse.IDColumn)
			ids = append(ids, id)
			if table == "patient" {
				families[id] += cell(row, "family")
			} else {
				names[id] = append(names[id], cell(row, "given"))
			}
		}
	}
	slices.Sort(ids)
	var out []string
	for _, id := range slices.Compact(ids) {
		slices.Sort(names[id])
		out = append(out, id+" "+families[id]+" "+strings.Join(names[id], ","))
	}
	return out
}

func cell(row, column string) string {
	_, after, _ := strings.Cut(" "+row, " "+column+`="`)
	value, _, _ := strings.Cut(after, `"`)
	return value
}

// randomFile returns versions of a few ids. The version decides the content.
func randomFile(r *rand.Rand, n int) file {
	var f file
	for range r.IntN(n + 1) {
		id, number := fmt.Sprint("id", r.IntN(8)), r.IntN(5)
		at, version := fmt.Sprintf("%02d:00", 8+number/2), fmt.Sprint(number)
		content := fmt.Sprint(id, "v", number)
		switch hash := len(id)*7 + int(id[2]) + number*3; hash % 5 {
		case 0:
			f = append(f, gone(id, at, version))
		case 1:
			f = append(f, live(id, at, version, ""))
		case 2:
			f = append(f, live(id, at, version, content))
		default:
			f = append(f, live(id, at, version, content,
				slices.Repeat([]string{content}, hash%4)...))
		}
	}
	return f
}

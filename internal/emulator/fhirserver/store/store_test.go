package store_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/emulator/fhirserver/store"
	"fhirsynapse/internal/emulator/fhirserver/synthetic"
)

var base = time.Date(2026, 1, 2, 3, 4, 5, 120e6, time.UTC)

func open(t *testing.T, o store.Options, lines ...string) *store.Store {
	t.Helper()
	if o.Base.IsZero() {
		o.Base = base
	}
	s, err := store.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, l := range lines {
		if err := s.Add([]byte(l)); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func current(t *testing.T, s *store.Store, typ, id string) string {
	t.Helper()
	v, ok := s.Current(typ, id)
	if !ok {
		t.Fatalf("no %s of that id", typ)
	}
	line, err := s.Line(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(line)
}

func TestGivenLinesKeepTheirBytesButForMissingMeta(t *testing.T) {
	t.Parallel()
	const stamp = `"versionId":"1","lastUpdated":"2026-01-02T03:04:05.12+00:00"`
	tests := map[string]struct{ in, want string }{
		"no meta": {
			`{"resourceType":"Patient","id":"a","v":1.10, "w":"\u00e9"}`,
			`{"resourceType":"Patient","id":"a","meta":{` + stamp + `},"v":1.10, "w":"\u00e9"}`,
		},
		"id last": {
			`{"v":0.0,"resourceType":"Patient","id":"a"}`,
			`{"v":0.0,"resourceType":"Patient","id":"a","meta":{` + stamp + `}}`,
		},
		"empty meta": {
			`{"resourceType":"Patient","id":"a","meta":{}}`,
			`{"resourceType":"Patient","id":"a","meta":{` + stamp + `}}`,
		},
		"profile only": {
			`{"meta":{"profile":["p"]},"resourceType":"Patient","id":"a"}`,
			`{"meta":{"profile":["p"],` + stamp + `},"resourceType":"Patient","id":"a"}`,
		},
		"full meta": {
			`{"resourceType":"Patient","id":"a","meta":{"lastUpdated":"2018-05-25T00:00:00+00:00","versionId":"7"}}`,
			`{"resourceType":"Patient","id":"a","meta":{"lastUpdated":"2018-05-25T00:00:00+00:00","versionId":"7"}}`,
		},
		"line breaks": {
			"{\"resourceType\":\"Patient\",\n\"id\":\"a\",\"v\":\"\\n\"}",
			"{\"resourceType\":\"Patient\", \"id\":\"a\",\"meta\":{" + stamp + "},\"v\":\"\\n\"}",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, spill := range []string{"", t.TempDir()} {
				s := open(t, store.Options{Spill: spill}, tt.in)
				if diff := cmp.Diff(tt.want, current(t, s, "Patient", "a")); diff != "" {
					t.Errorf("line (-want +got):\n%s", diff)
				}
			}
		})
	}
}

func TestBadLinesAreRefusedWithoutTheirContent(t *testing.T) {
	t.Parallel()
	s := open(t, store.Options{})
	for _, line := range []string{
		`{"resourceType":"Patient","id":"secret"`, `["secret"]`, `{"id":"secret"}`,
		`{"resourceType":"Secret"}`,
		`{"resourceType":"Patient","id":"secret","meta":{"lastUpdated":"secret"}}`,
		`{"resourceType":"Patient","id":"secret","meta":7}`,
	} {
		err := s.Add([]byte(line))
		if err == nil || strings.Contains(strings.ToLower(err.Error()), "secret") {
			t.Errorf("%s: error %v", line, err)
		}
	}
}

func TestVersionsCountUpAndTimeNeverStandsStill(t *testing.T) {
	t.Parallel()
	s := open(t, store.Options{}, `{"resourceType":"Patient","id":"a"}`)
	at := base.Add(-time.Hour) // a clock behind the data
	var got []string
	note := func(v store.Version, err error) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, v.VersionID+" "+store.Instant(v.LastUpdated))
	}
	note(s.Put([]byte(`{"resourceType":"Patient","id":"a"}`), at))
	note(s.Delete("Patient", "a", at))
	if _, err := s.Delete("Patient", "a", at); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a second delete: %v, want ErrNotFound", err)
	}
	if want := `{"resourceType":"Patient","id":"a","meta":{"extension":[{"url":"http://azurehealthcareapis.com/data-extensions/deleted-state","valueString":"soft-deleted"}],"versionId":"3","lastUpdated":"2026-01-02T03:04:05.122+00:00"}}`; current(t, s, "Patient", "a") != want {
		t.Errorf("tombstone is %s", current(t, s, "Patient", "a"))
	}
	note(s.Put([]byte(`{"resourceType":"Patient","id":"a","back":true}`), base.Add(time.Second)))
	want := []string{
		"2 2026-01-02T03:04:05.121+00:00", "3 2026-01-02T03:04:05.122+00:00",
		"4 2026-01-02T03:04:06.12+00:00",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("versions (-want +got):\n%s", diff)
	}
}

func TestAGivenTombstoneIsADelete(t *testing.T) {
	t.Parallel()
	s := open(t, store.Options{}, `{"resourceType":"Patient","id":"a"}`,
		`{"resourceType":"Patient","id":"a","meta":{"versionId":"2","lastUpdated":"2030-01-01T00:00:00Z","extension":[{"url":"http://azurehealthcareapis.com/data-extensions/deleted-state","valueString":"soft-deleted"}]}}`)
	if n := s.Counts()["Patient"]; n != 0 {
		t.Errorf("%d patients are present, want none", n)
	}
}

func TestLoadFolderReadsPlainAndGzipFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	if _, err := w.Write([]byte("\xef\xbb\xbf{\"resourceType\":\"Patient\",\"id\":\"b\"}\r\n\r\n" +
		`{"resourceType":"Patient","id":"c","v":"` + strings.Repeat("x", 1<<18) +
		`"}`)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	write := func(name string, data []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("b.ndjson.gz", z.Bytes())
	write("a.ndjson", []byte(`{"resourceType":"Patient","id":"a"}`+"\n"))
	write("notes.txt", []byte("no data"))
	s := open(t, store.Options{})
	if n, err := s.LoadFolder(dir); n != 3 || err != nil {
		t.Fatalf("loaded %d, %v; want 3", n, err)
	}
	write("z.ndjson", []byte("{\"resourceType\":\"Patient\",\"id\":\"d\"}\n\n{broken\n"))
	if _, err := open(t, store.Options{}).LoadFolder(dir); err == nil ||
		!strings.Contains(err.Error(), "z.ndjson line 3") {
		t.Errorf("error %v, want one that names file and line", err)
	}
	if _, err := s.LoadFolder(t.TempDir()); err == nil {
		t.Error("an empty folder is no data, want an error")
	}
}

func synth(t *testing.T, seed uint64) *store.Store {
	t.Helper()
	s := open(t, store.Options{})
	if err := synthetic.Generate(synthetic.Options{Seed: seed, Patients: 24},
		func(_ string, line []byte) error { return s.Add(line) }); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestChangeRepeatsBySeed(t *testing.T) {
	t.Parallel()
	shares := store.Shares{Update: .2, Add: .1, Delete: .1, Recreate: .3}
	dump := func(seed uint64) map[string]string {
		s := synth(t, 1)
		for n := range 2 {
			if _, err := s.Change(seed, shares,
				base.Add(time.Duration(n+1)*time.Hour)); err != nil {
				t.Fatal(err)
			}
		}
		out := map[string]string{}
		dir := t.TempDir()
		if _, err := s.Dump(dir); err != nil {
			t.Fatal(err)
		}
		for _, typ := range s.Types() {
			text, err := os.ReadFile(filepath.Join(dir, typ+".ndjson"))
			if err != nil {
				t.Fatal(err)
			}
			out[typ] = string(text)
		}
		return out
	}
	if a, b := dump(5), dump(5); !cmp.Equal(a, b) {
		t.Error("two runs with one seed differ")
	} else if cmp.Equal(a, dump(6)) {
		t.Error("another seed changes the same")
	}
}

func TestChangeDoesWhatItCounts(t *testing.T) {
	t.Parallel()
	s := synth(t, 2)
	before := s.Counts()
	at := base.Add(time.Hour)
	c, err := s.Change(9, store.Shares{Update: .1, Add: .05, Delete: .1, Recreate: .25}, at)
	if err != nil {
		t.Fatal(err)
	}
	for typ, n := range s.Counts() {
		if want := before[typ] + c.Added[typ] - c.Deleted[typ] + c.Recreated[typ]; n != want {
			t.Errorf("%s: %d present, want %d", typ, n, want)
		}
		for name, did := range map[string]int{
			"updated": c.Updated[typ], "added": c.Added[typ], "deleted": c.Deleted[typ],
		} {
			if did == 0 {
				t.Errorf("no %s was %s", typ, name)
			}
		}
		newer := len(s.In(typ, store.Window{Since: at, Deleted: true, History: true}))
		if want := c.Updated[typ] + c.Added[typ] + c.Deleted[typ] +
			c.Recreated[typ]; newer != want {
			t.Errorf("%s: %d new versions, want %d", typ, newer, want)
		}
	}
	var rowsGone, rowsFewer bool
	for typ, child := range map[string]string{"Patient": "name", "Observation": "component"} {
		old := map[string]store.Version{}
		for _, v := range s.In(typ, store.Window{Till: at, AsOf: true}) {
			old[v.ID] = v
		}
		for _, v := range s.In(typ, store.Window{Since: at}) {
			if o, there := old[v.ID]; there {
				was, is := children(t, s, o, child), children(t, s, v, child)
				rowsGone = rowsGone || was > 0 && is == 0
				rowsFewer = rowsFewer || is > 0 && is < was
			}
		}
	}
	if c.Recreated["Observation"] == 0 || c.Recreated["Patient"] >= c.Deleted["Patient"] {
		t.Errorf("came back: %v of the deleted %v; want some, and some to stay away", c.Recreated,
			c.Deleted)
	}
	if !rowsGone || !rowsFewer {
		t.Errorf("child rows vanished: %t, became fewer: %t; want both", rowsGone, rowsFewer)
	}
}

func children(t *testing.T, s *store.Store, v store.Version, member string) int {
	t.Helper()
	line, err := s.Line(v)
	if err != nil {
		t.Fatal(err)
	}
	var r map[string]json.RawMessage
	if err := json.Unmarshal(line, &r); err != nil {
		t.Fatal(err)
	}
	var list []json.RawMessage
	if r[member] != nil {
		if err := json.Unmarshal(r[member], &list); err != nil {
			t.Fatal(err)
		}
	}
	return len(list)
}

// TestEveryMadeUpTypeHasAChangeThatTablesShow excludes changes of the language only: no table has a
// column for it, so a test of tables could not see the change.
func TestEveryMadeUpTypeHasAChangeThatTablesShow(t *testing.T) {
	t.Parallel()
	s := synth(t, 3)
	at := base.Add(time.Hour)
	if _, err := s.Change(4, store.Shares{Update: .5}, at); err != nil {
		t.Fatal(err)
	}
	for _, typ := range s.Types() {
		shown := false
		for _, v := range s.In(typ, store.Window{Since: at}) {
			shown = shown || !strings.Contains(current(t, s, typ, v.ID), `"language":"x-`)
		}
		if !shown {
			t.Errorf("%s changes in nothing that tables show", typ)
		}
	}
}

func TestAPurgedResourceLeavesNoTrace(t *testing.T) {
	t.Parallel()
	s, err := store.New(store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"a", "b"} {
		if _, err := s.Put([]byte(`{"resourceType":"Patient","id":"`+id+`"}`), base); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Purge("Patient", "a"); err != nil {
		t.Fatal(err)
	}
	left := s.In("Patient", store.Window{Deleted: true, History: true})
	if len(left) != 1 || left[0].ID != "b" {
		t.Errorf("left: %v", left)
	}
	if err := s.Purge("Patient", "a"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("purged again: %v", err)
	}
}

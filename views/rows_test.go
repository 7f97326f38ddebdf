package views

import (
	"bytes"
	"encoding/json"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/native"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func bundledViews(t *testing.T) map[string]*sof.View {
	t.Helper()
	all, err := Bundled()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]*sof.View{}
	for _, v := range all {
		out[v.Name] = v
	}
	return out
}

// cell returns a cell as JSON: text as a string, other kinds unchanged, so that a cell that does
// not fit its kind shows.
func cell(c sof.Column, text []byte) json.RawMessage {
	switch c.Kind {
	case sof.Boolean, sof.Integer, sof.BigInt, sof.Decimal:
		return json.RawMessage(text)
	case sof.Text, sof.Date, sof.Timestamp:
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(string(text)); err != nil {
		panic(err)
	}
	return bytes.TrimSpace(b.Bytes())
}

// rows runs a view over the test lines of its type. It returns the non-null cells, one row per
// line.
func rows(t *testing.T, v *sof.View, filled map[string]bool) string {
	t.Helper()
	engine, err := native.New([]*sof.View{v})
	if err != nil {
		t.Fatal(err)
	}
	eval := engine.Evaluator()
	var out strings.Builder
	for _, dir := range []string{"made", "synthea"} {
		file, err := os.ReadFile(filepath.Join("testdata", dir, v.Resource+".ndjson"))
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range bytes.Split(bytes.TrimSpace(file), []byte("\n")) {
			_, err := eval.Eval(t.Context(), line, func(_ int, row [][]byte) error {
				var cells []string
				for i, c := range v.Columns {
					if row[i] != nil {
						filled[c.Name] = true
						cells = append(cells, c.Name+"="+string(cell(c, row[i])))
					}
				}
				out.WriteString(strings.Join(cells, " ") + "\n")
				return nil
			})
			if err != nil {
				t.Errorf("%s: %v", v.Name, err)
			}
		}
	}
	return out.String()
}

func TestViewsGiveTheirRows(t *testing.T) {
	t.Parallel()
	for name, v := range bundledViews(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			filled := map[string]bool{}
			got := rows(t, v, filled)
			if got == "" {
				t.Fatal("no rows")
			}
			golden := filepath.Join("testdata", "want", name+".txt")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), got); d != "" {
				t.Error(d)
			}
			main := v.Columns[0].Name == "id"
			for _, c := range v.Columns {
				// child tables share their columns with others, but not their ids; the second half
				// of a CodeableConcept is where its first half is
				half := strings.HasSuffix(c.Name, "_display") || strings.HasSuffix(c.Name, "_text")
				if !filled[c.Name] && !half && (main || strings.HasSuffix(c.Name, "_id")) {
					t.Errorf("no test line fills the column %s", c.Name)
				}
			}
		})
	}
}

var joins = regexp.MustCompile(`joins ([a-z_]+)\.([a-z_]+)`)

func TestIdsJoinTablesThatExist(t *testing.T) {
	t.Parallel()
	views := bundledViews(t)
	for name, v := range views {
		for _, c := range v.Columns {
			m := joins.FindStringSubmatch(c.Description)
			if m == nil {
				continue
			}
			target, ok := views[m[1]]
			if !ok {
				t.Errorf("%s.%s joins %s, which is no table", name, c.Name, m[1])
				continue
			}
			found := false
			for _, tc := range target.Columns {
				found = found || tc.Name == m[2]
			}
			if !found {
				t.Errorf("%s.%s joins %s.%s, which is no column", name, c.Name, m[1], m[2])
			}
		}
	}
}

func TestEveryTypeOfTheTestDataHasAMainTable(t *testing.T) {
	t.Parallel()
	views := bundledViews(t)
	main := map[string]bool{}
	for _, v := range views {
		if v.Columns[0].Name == "id" {
			main[v.Resource] = true
		}
	}
	for _, dir := range []string{"made", "synthea"} {
		files, err := fs.Glob(os.DirFS("testdata/"+dir), "*.ndjson")
		if err != nil || len(files) == 0 {
			t.Fatalf("no test lines: %v", err)
		}
		for _, f := range files {
			if typ := strings.TrimSuffix(f, ".ndjson"); !main[typ] {
				t.Errorf("%s has no main table", typ)
			}
		}
	}
}

// A column with two items would make a bad line of a good resource.
func TestNoColumnCanMeetMoreThanOneItem(t *testing.T) {
	t.Parallel()
	for name, v := range bundledViews(t) {
		var check func(r sof.Row)
		check = func(r sof.Row) {
			switch r := r.(type) {
			case *sof.Project:
				for _, c := range r.Cells {
					if col := v.Columns[c.Column]; c.Value.Type().Many && !col.Collection {
						t.Errorf("%s.%s may have several items", name, col.Name)
					}
				}
			case *sof.Product:
				for _, p := range r.Parts {
					check(p)
				}
			case *sof.Union:
				for _, b := range r.Branches {
					check(b)
				}
			case *sof.Iterate:
				check(r.Body)
			case *sof.Recurse:
				check(r.Body)
			}
		}
		check(v.Rows)
	}
}

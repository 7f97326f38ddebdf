package serverless_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"fhirsynapse/internal/emulator/sqlserver"
	"fhirsynapse/internal/emulator/sqlserver/eval"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/flatview"
	"fhirsynapse/internal/testkit/refwarehouse"
	"fhirsynapse/internal/testkit/tsqleval"
	"fhirsynapse/internal/warehouse"

	"github.com/google/go-cmp/cmp"
)

// cohort is a world whose plan has a cohort.
type cohort struct{ *world }

var cohortTypes = []string{"Patient", "Observation", "Practitioner"}

func newCohort(t *testing.T) cohort {
	t.Helper()
	w := newWorld(t)
	var all []*sof.View
	for _, typ := range cohortTypes {
		text := fmt.Sprintf(`{"resourceType":"ViewDefinition","name":%q,"status":"active",
			"resource":%q,"select":[{"column":[{"name":"id","path":"id","type":"id"}]}]}`,
			strings.ToLower(typ), typ)
		compartment, err := flatview.Compartment(typ)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{text, string(compartment)} {
			if text == "" {
				continue
			}
			v, err := sof.Compile(typ+".json", []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, v)
		}
	}
	w.Views = func(string) ([]*sof.View, error) { return all, nil }
	w.model = refwarehouse.NewWarehouse(w.Lake, w.Views.Tables)
	return cohort{w}
}

// about makes a resource that refers to patients; a Patient links to others.
func about(typ, id string, version int, patients ...string) string {
	refs := ""
	var links []string
	for i, p := range patients {
		ref := fmt.Sprintf(`{"reference":"Patient/%s"}`, p)
		switch {
		case typ == "Patient":
			links = append(links, fmt.Sprintf(`{"other":%s,"type":"seealso"}`, ref))
		case i == 0:
			refs += `,"subject":` + ref
		case i == 1:
			refs += `,"performer":[` + ref + `]`
		}
	}
	if links != nil {
		refs = `,"link":[` + strings.Join(links, ",") + `]`
	}
	return fmt.Sprintf(`{"resourceType":%q,"id":%q,"meta":{"versionId":"%d","lastUpdated":`+
		`"2024-01-01T%02d:00:00Z"}%s}`+"\n", typ, id, version, version, refs)
}

// load commits the lines of an export, by type.
func (w cohort) load(t *testing.T, export string, lines map[string]string) {
	t.Helper()
	for _, typ := range slices.Sorted(maps.Keys(lines)) {
		w.unseen(t, w.PrepareType(t, export, typ, lines[typ]))
	}
}

// ended is the end of the nth export.
func ended(n int, members ...string) pipeline.Conclusion {
	c := pipeline.Conclusion{
		Schema: "fhir", Plan: "plan", Attempt: fmt.Sprintf("%04x", n), Members: pipeline.Members{},
		Record: pipeline.ExportRecord{
			Export: fmt.Sprintf("plan-%06d", n), Plan: "plan", Cohort: "smokers",
			RequestedAt: now().Add(time.Duration(n) * time.Hour),
		},
	}
	for _, m := range members {
		c.Members[m] = struct{}{}
	}
	return c
}

func (w cohort) end(t *testing.T, c pipeline.Conclusion) pipeline.Concluded {
	t.Helper()
	got, err := w.open(t, w.published).Conclude(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

var (
	openrowset = regexp.MustCompile(
		`(?s)FROM OPENROWSET\(\s*BULK '(fhir/members/[^']+)', DATA_SOURCE = 'fhirsynapse', .*\) AS m$`)
	viewName   = regexp.MustCompile(`\[fhir\]\.\[([A-Za-z_]+)\]`)
	exportCell = regexp.MustCompile(`_export="[^"]*"`)
)

// expanded returns a view with the views that it reads, and the tables with its files.
func (w cohort) expanded(name string, tables map[string]tsqleval.Table) (string, error) {
	body := w.views["[fhir].["+name+"]"]
	if body == "" {
		return "", &sqlserver.Error{Number: 208, Message: "invalid object name " + name}
	}
	const key = "varchar(128)) COLLATE Latin1_General_100_BIN2_UTF8"
	if typ, ok := strings.CutPrefix(name, "_newest_"); ok {
		best, err := ranked(w.published, body)
		if err != nil {
			return "", err
		}
		table := tsqleval.Table{
			Name: name, Names: []string{"_id", "_version", "_last_updated", "_export", "doc"},
		}
		for _, r := range best {
			if f := r.fields; f[2] == "0" {
				table.Rows = append(table.Rows, []string{f[0], f[1], f[1][:23] + "Z", f[3], f[4]})
			}
		}
		tables[name] = table
		return fmt.Sprintf("SELECT CAST(t.[_id] AS %s AS [_id], t.[_version], t.[_last_updated], "+
			"t.[_export], t.[doc] FROM [_newest_%s] AS t", key, typ), nil
	}
	if m := openrowset.FindStringSubmatch(body); m != nil {
		r, err := w.published.Open(context.Background(), pipeline.Staging, m[1], "")
		if err != nil {
			return "", err
		}
		data, err := io.ReadAll(r)
		if err != nil {
			return "", err
		}
		table := tsqleval.Table{
			Name: "members", Names: []string{"cohort", "patient_id", "valid_from", "valid_to"},
		}
		for line := range strings.Lines(string(data)) {
			table.Rows = append(table.Rows, strings.Split(strings.TrimSuffix(line, "\n"), "\x0b"))
		}
		tables["members"] = table
		var cells []string
		for _, n := range table.Names {
			cells = append(cells, fmt.Sprintf("CAST(t.[%s] AS %s AS [%[1]s]", n, key))
		}
		body = strings.Replace(body, m[0], "FROM (SELECT "+strings.Join(cells, ", ")+
			" FROM [members] AS t) AS m", 1)
	}
	var fault error
	body = viewName.ReplaceAllStringFunc(body, func(one string) string {
		inner, err := w.expanded(viewName.FindStringSubmatch(one)[1], tables)
		fault = errors.Join(fault, err)
		return "(" + inner + ")"
	})
	return body, fault
}

// content returns the rows of the views.
func (w cohort) content(t *testing.T) refwarehouse.Content {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	c := refwarehouse.Content{}
	all, _ := w.Views("plan")
	names := []string{warehouse.CohortMembersTable}
	for _, v := range all {
		names = append(names, v.Name)
	}
	for _, name := range names {
		if w.views["[fhir].["+name+"]"] == "" {
			continue
		}
		tables := map[string]tsqleval.Table{}
		body, err := w.expanded(name, tables)
		if err != nil {
			t.Fatalf("view %s: %v", name, err)
		}
		columns, rows, err := tsqleval.Run(body, eval.Dialect{},
			slices.Collect(maps.Values(tables))...)
		if err != nil {
			t.Fatalf("view %s: %v", name, err)
		}
		for _, row := range rows {
			var names []string
			var cells []*string
			for i, cell := range row {
				names = append(names, columns[i].Name)
				if cell == nil {
					cells = append(cells, nil)
					continue
				}
				text := string(cell)
				if strings.HasPrefix(columns[i].Type, "datetime2") {
					text += "Z"
				}
				cells = append(cells, &text)
			}
			c.Add(name, names, cells)
		}
	}
	return tidied(c)
}

// tidied leaves out what differs: who comes back keeps the first export here.
func tidied(c refwarehouse.Content) refwarehouse.Content {
	for table, rows := range c {
		if strings.HasPrefix(table, "_") || strings.HasPrefix(table, "etl_") &&
			table != warehouse.CohortMembersTable {
			delete(c, table)
			continue
		}
		for i := range rows {
			rows[i] = exportCell.ReplaceAllString(rows[i], "")
		}
	}
	c.Sort()
	return c
}

// same ends an export in the model too, and compares.
func (w cohort) same(t *testing.T, c pipeline.Conclusion, got pipeline.Concluded) {
	t.Helper()
	want, err := w.model.Conclude(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if want.Joined != got.Joined || want.Gone != got.Gone {
		t.Errorf("joined %d, gone %d, want %d, %d", got.Joined, got.Gone, want.Joined, want.Gone)
	}
	w.asModel(t)
}

func (w cohort) asModel(t *testing.T) {
	t.Helper()
	want, err := w.model.Content(t.Context(), "fhir")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(tidied(want), w.content(t)); d != "" {
		t.Errorf("rows (-model +views):\n%s", d)
	}
}

func (w cohort) ids(t *testing.T, view string) string {
	t.Helper()
	var out []string
	for _, row := range w.content(t)[view] {
		_, id, _ := strings.Cut(row, `_id="`)
		id, _, _ = strings.Cut(id, `"`)
		out = append(out, id)
	}
	slices.Sort(out)
	return strings.Join(slices.Compact(out), " ")
}

func (w cohort) want(t *testing.T, view, ids string) {
	t.Helper()
	if got := w.ids(t, view); got != ids {
		t.Errorf("view %s shows %q, want %q", view, got, ids)
	}
}

// first has a resource of each kind.
func first() map[string]string {
	return map[string]string{
		"Patient": about("Patient", "a", 1) + about("Patient", "b", 1) +
			about("Patient", "c", 1, "a"),
		"Observation": about("Observation", "oa", 1, "a") + about("Observation", "ob", 1, "b") +
			about("Observation", "oab", 1, "a", "b") + about("Observation", "oaa", 1, "a", "a") +
			about("Observation", "free", 1),
		"Practitioner": about("Practitioner", "p", 1),
	}
}

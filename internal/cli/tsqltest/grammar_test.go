package tsqltest_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"fhirsynapse/internal/cli"
	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/flatview"
	"fhirsynapse/internal/sof/schema"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/storage"
	"fhirsynapse/internal/testkit/warehousetest"
	"fhirsynapse/internal/warehouse/mssql/statements"
	"fhirsynapse/internal/warehouse/serverless"
	"fhirsynapse/internal/warehouse/setup"
	"fhirsynapse/views"
)

// grammars maps the engines to their names in the checker.
var grammars = map[tsql.Engine]string{
	tsql.SQLServer: "sqlserver", tsql.Dedicated: "dedicated", tsql.Serverless: "serverless",
	tsql.Fabric: "fabric",
}

// script is one text to check.
type script struct {
	Name    string `json:"name"`
	Grammar string `json:"grammar"`
	SQL     string `json:"sql"`
}

// refusedByGrammar matches a statement that is documented for the serverless pool, on the page
// about its access to storage, but is not in the grammar.
var refusedByGrammar = regexp.MustCompile(
	`^GRANT REFERENCES ON DATABASE SCOPED CREDENTIAL::\[fhirsynapse\] TO \[(?:[^\]]|\]\])*\]$`)

// setupScripts returns the batches of every set-up, for each combination of options.
func setupScripts(t *testing.T) []script {
	t.Helper()
	var out []script
	for _, e := range tsql.Engines() {
		for options := range 16 {
			s := setup.Setup{Engine: e, Principal: "my-function", Schema: "fhir", Database: "fhir"}
			if options&1 != 0 {
				s.Principal, s.Database, s.Readers = "it's a [func] 100 %", "data]'base",
					[]string{"Analysts", "o'hara@example.org"}
			}
			if e == tsql.Serverless {
				s.Published, s.Snapshots = publishedURL, options&2 != 0
			} else {
				s.Move = options&2 != 0
			}
			if e == tsql.SQLServer {
				s.Rebuild, s.Login = options&2 != 0, options&4 != 0
				if options&8 != 0 && !s.Login {
					s.ClientID = "00112233-4455-6677-8899-aabbccddeeff"
				}
			}
			if err := s.Validate(); err != nil {
				t.Fatal(err)
			}
			for _, step := range s.Steps() {
				out = append(out,
					script{"setup " + string(e) + ": " + step.What, grammars[e], step.Text})
			}
		}
	}
	return out
}

// storageFlags returns the flags for each way in which an engine can store a view, besides its
// default.
func storageFlags(v *sof.View, e tsql.Engine) (out [][]string) {
	columnstore := []string{"--storage", "columnstore"}
	switch e {
	case tsql.SQLServer:
		out = append(out, columnstore)
	case tsql.Dedicated:
		out = append(out, columnstore, append(columnstore, "--distribute", "patient"))
	case tsql.Fabric:
		var by []string
		for _, c := range v.Columns {
			key := c.Kind == sof.Text && c.Class == sof.Key
			if len(by) < 4 && (key || c.Kind == sof.Timestamp) {
				by = append(by, v.Name+"."+c.Name)
			}
		}
		if len(by) > 0 {
			out = append(out, []string{"--cluster-by", strings.Join(by, ",")})
		}
	case tsql.Serverless:
	}
	return out
}

// viewScripts returns the statements of a commit of every bundled view and every flat one.
func viewScripts(t *testing.T) []script {
	t.Helper()
	bundled, err := views.Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	var out []script
	for _, v := range bundled {
		for _, e := range tsql.Engines() {
			text := printed(t, v.Name, e, cli.StatementAll)
			if e == tsql.SQLServer || e == tsql.Dedicated {
				text += "\n" + printed(t, v.Name, e, cli.StatementMaintain)
			}
			for _, flags := range storageFlags(v, e) {
				text += ";\n\n" + printed(t, v.Name, e, cli.StatementAll, flags...)
			}
			// CREATE VIEW and CREATE SCHEMA require a batch of their own.
			for i, batch := range strings.Split(text, ";\n\n-- ") {
				if i > 0 {
					batch = "-- " + batch
				}
				out = append(out, script{v.Name + " on " + string(e), grammars[e], batch})
			}
		}
	}
	return out
}

// widenScripts returns the statements that widen every text column of the bundled views.
func widenScripts(t *testing.T) []script {
	t.Helper()
	bundled, err := views.Bundled()
	if err != nil {
		t.Fatal(err)
	}
	var out []script
	for _, name := range []tsql.Engine{tsql.SQLServer, tsql.Dedicated, tsql.Fabric} {
		e, err := statements.For(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range bundled {
			target := statements.Target{
				Engine: e, Schema: "fhir", Type: v.Resource, Longest: map[string]tsql.Extent{},
				Views: []flatten.Table{flatten.TableOf(v)},
			}
			query, asked := statements.LayoutQuery(target)
			if asked {
				out = append(out, script{"layout on " + string(name), grammars[name], query.Text})
			}
			target.Layout = depending(v)
			var there statements.Catalog
			for i, c := range v.Columns {
				there = append(there, statements.Found{
					Schema: "fhir", Table: v.Name, Column: c.Name, Type: "varchar", Length: 1,
				})
				n := 1 << (i % 16)
				target.Longest[v.Name+"."+c.Name] = tsql.Extent{Characters: n, Bytes: n}
			}
			all := target.Widen(there)
			others := statements.Others(target, v.Name, v.Columns[0].Name)
			for text := range strings.SplitSeq(others, "; ") {
				all = append(all, statements.Statement{Step: "others", Text: text})
			}
			for _, st := range all {
				out = append(out, script{st.Step + " on " + string(name), grammars[name], st.Text})
			}
		}
	}
	return out
}

// depending returns indexes and statistics of all kinds on each column of a view.
func depending(v *sof.View) (out statements.Layout) {
	for _, kind := range []string{"key", "constraint", "index", "statistics", "automatic"} {
		for _, c := range v.Columns {
			name := map[string]string{
				"key": "pk_" + v.Name, "constraint": "uq", "index": "ix_" + c.Name,
				"statistics": "by_" + c.Name, "automatic": "_WA_Sys_0",
			}[kind]
			out = append(out, statements.Index{
				Schema: "fhir", Table: v.Name, Name: name, Kind: kind, Columns: []string{c.Name},
			})
		}
	}
	return out
}

// rareScripts returns the statements of rebuilds, and of the move of an older version's tables.
func rareScripts(t *testing.T) []script {
	t.Helper()
	var out []script
	for _, name := range []tsql.Engine{tsql.SQLServer, tsql.Dedicated, tsql.Fabric} {
		e, err := statements.For(name)
		if err != nil {
			t.Fatal(err)
		}
		columns := []sof.Column{{Name: "id"}, {Name: "born", Kind: sof.Date}}
		target := statements.Target{
			Engine: e, Schema: "fhir", Type: "Patient",
			Views: []flatten.Table{{Name: "patient", Resource: "Patient", Columns: columns}},
		}
		all := append(target.Forget(), target.Live(), target.Unwritten(), target.CatalogQuery(),
			target.LedgerThere(), target.LedgerQuery("fhir", "plan-1"),
			target.SchemaQuery("fhir_load"))
		flatten.Store(&target.Views[0], storage.Options{ClusterBy: []string{"patient.id"}})
		if query, asks := statements.StorageQuery(target); asks {
			all = append(all, query)
		}
		there := statements.Catalog{
			{Schema: "fhir", Table: "_head_Patient", Column: "_view_set"},
			{Schema: "fhir", Table: "_ledger", Column: "file_key"},
			{Schema: "fhir", Table: "_lock_Patient", Column: "attempt"},
		}
		both := append(statements.Catalog{}, there...)
		for _, f := range there {
			f.Schema = "fhir_load"
			both = append(both, f)
		}
		for _, catalog := range []statements.Catalog{there, both, there[:1]} {
			moving := statements.Moving{Target: target}
			moves, types := moving.Moves(catalog)
			if len(moves) == 0 || len(types) != 1 {
				t.Fatalf("%d moves, types %q", len(moves), types)
			}
			for _, m := range moves {
				all = append(all, m.Statement)
				if m.Empty.Text != "" {
					all = append(all, m.Empty)
				}
			}
			all = append(all, moving.Exclude(types)...)
		}
		all = append(all, rekeyed(t, target)...)
		all = append(all, describing(target)...)
		if target.Statistics {
			asked := statements.ReplacedQueries(target)
			rebuilt, _ := statements.Rebuilt(target, nil, 1)
			all = append(all, asked.Applied, asked.Heads, asked.Rebuilt, rebuilt,
				statements.AppliedSince(target, time.Unix(0, 0)))
		}
		a := statements.Attempt{Target: target, Export: "x", Stage: "_stage_1", Lines: true}
		if e.Stage == statements.CopyInto {
			for _, table := range []statements.Table{
				a.Files(), a.Heads(), a.Rows(target.Views[0]),
			} {
				all = append(all, a.CreateLarge(table),
					a.CopyLines(a.Large(table), []string{"https://a.dfs.core.windows.net/c/d"}),
					a.InsertLarge(table))
			}
		}
		all = append(all, a.DropStage()...)
		all = append(all, warehousetest.EndOfExport(t, name)...)
		if e.TransactionalDDL {
			all = append(all, target.Replace("_rebuild_fhir", both)...)
			all = append(all, statements.Discard(both, target.Schemas())...)
		}
		for _, s := range all {
			out = append(out, script{s.Step + " on " + string(name), grammars[name], s.Text})
		}
	}
	return out
}

// describing returns the statements that describe the tables of a target.
func describing(target statements.Target) []statements.Statement {
	there := statements.Catalog{
		{Schema: "fhir", Table: "patient", Column: "id"},
		{Schema: "fhir", Table: "etl_exports", Column: "export"},
		{Schema: "fhir_load", Table: "_ledger", Column: "file_key"},
	}
	second := target.Views[0]
	second.Name = "patient_name"
	target.Views = append(slices.Clone(target.Views), second)
	there = append(there, statements.Found{Schema: "fhir", Table: "patient_name", Column: "id"})
	changes, _ := statements.ChangesQuery(target, there)
	complete, _ := statements.CompleteQuery(target, there)
	counts, _ := statements.RowCountsQuery(target, there)
	return []statements.Statement{changes, complete, counts}
}

// cohortScripts returns the views of the plan of a cohort on the serverless pool.
func cohortScripts(t *testing.T) []script {
	t.Helper()
	var out []script
	for _, resource := range schema.R4().Names(schema.Resource) {
		text, err := flatview.Compartment(resource)
		if err != nil {
			t.Fatal(err)
		}
		if text == nil {
			continue
		}
		v, err := sof.Compile(resource+".json", text)
		if err != nil {
			t.Fatal(err)
		}
		steps, texts, err := serverless.CohortScript("fhir", v)
		if err != nil {
			t.Fatal(err)
		}
		for i, text := range texts {
			out = append(out, script{
				steps[i] + " of " + resource, grammars[tsql.Serverless], text,
			})
		}
	}
	return out
}

// rekeyed returns the statements for a table whose key the view no longer keeps.
func rekeyed(t *testing.T, target statements.Target) []statements.Statement {
	t.Helper()
	there := statements.Catalog{
		{Column: "id", Type: "nvarchar", Length: -1},
		{Column: "born", Type: "date", NotNull: true},
		{Column: "_id", Type: "varchar", Length: 128},
		{Column: "_export", Type: "varchar", Length: 128},
		{Column: "_version", Type: "varchar", Length: 128},
		{Column: "_last_updated", Type: "datetime2"},
	}
	for i := range there {
		there[i].Schema, there[i].Table = "fhir", "patient"
	}
	target.Layout = statements.Layout{{
		Schema: "fhir", Table: "patient", Name: "pk_patient", Kind: "key",
		Columns: []string{"_id", "born"},
	}}
	all, err := target.Ensure(there)
	if err != nil {
		t.Fatal(err)
	}
	if target.Keys && !slices.ContainsFunc(all, func(s statements.Statement) bool {
		return strings.Contains(s.Text, "DROP CONSTRAINT")
	}) {
		t.Error("the key stays")
	}
	return all
}

// printed returns what the command sql prints of a view.
func printed(
	t *testing.T, view string, e tsql.Engine, part cli.Statement, flags ...string,
) string {
	t.Helper()
	var text, errs strings.Builder
	code := cli.Run(t.Context(),
		append([]string{"sql", view, "--engine", string(e), "--statement", string(part)}, flags...),
		func(string) string { return "" }, cli.Streams{Out: &text, Err: &errs, Now: now},
		cli.Commands{})
	if code != 0 {
		t.Fatal(errs.String())
	}
	return text.String()
}

// Microsoft's grammar accepts every statement that is sent to a server, except one.
func TestGrammar(t *testing.T) {
	t.Parallel()
	var input bytes.Buffer
	encoder := json.NewEncoder(&input)
	encoder.SetEscapeHTML(false)
	known := 0
	put := func(s script) {
		if refusedByGrammar.MatchString(s.SQL) {
			s.Name, known = "documented", known+1
		}
		if err := encoder.Encode(s); err != nil {
			t.Fatal(err)
		}
	}
	all := slices.Concat(setupScripts(t), viewScripts(t), widenScripts(t),
		rareScripts(t), cohortScripts(t))
	seen := map[script]bool{}
	for _, s := range all {
		if !seen[s] {
			put(s)
		}
		seen[s] = true
	}
	if len(all) < 1000 || known == 0 {
		t.Fatalf("%d batches, %d of them refused", len(all), known)
	}
	checker, err := filepath.Abs("../../../../shared/tools/tsqlcheck")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(checker); err != nil {
		t.Skip("the T-SQL grammar is missing: ../shared/tools/tsqlcheck")
	}
	cmd := exec.CommandContext(t.Context(), checker, "--jsonl")
	cmd.Stdin = &input
	var answer, summary bytes.Buffer
	cmd.Stdout, cmd.Stderr = &answer, &summary
	err = cmd.Run()
	if exit := new(exec.ExitError); err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
		t.Fatalf("%v: %s", err, summary.String())
	}
	for line := range strings.Lines(answer.String()) {
		if strings.HasPrefix(line, "documented:") {
			known--
			continue
		}
		t.Errorf("refused: %s", line)
	}
	if known != 0 {
		t.Errorf("%d statements are not refused any more: take them off refusedByGrammar", known)
	}
	t.Logf("%d batches: %s", len(seen), strings.TrimSpace(summary.String()))
}

package mssql_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/emulator/sqlserver"
	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/testkit/pipelinetest"
	"fhirsynapse/internal/testkit/refwarehouse"
	"fhirsynapse/internal/warehouse"
	"fhirsynapse/internal/warehouse/mssql"
)

// aFileEach bounds a transaction so that each file is a group.
func aFileEach(o *mssql.Options) { o.CommitRows = 1 }

// manyFiles prepares a batch of one file for each of texts.
func (w *world) manyFiles(t *testing.T, export string, texts ...string) pipeline.Batch {
	t.Helper()
	var b pipeline.Batch
	for i, text := range texts {
		one := w.prepare(t, fmt.Sprintf("%s/%02d", export, i), text)
		one.Files = append(b.Files, one.Files...)
		b = one
	}
	b.Export = export
	return b
}

// statesOf returns the contents of the model before a batch and after each of its files.
func (w *world) statesOf(
	t *testing.T, before []pipeline.Batch, b pipeline.Batch,
) []refwarehouse.Content {
	t.Helper()
	model := refwarehouse.NewWarehouse(w.lake, faultViews.Tables)
	var out []refwarehouse.Content
	add := func() {
		c, err := model.Content(t.Context(), "fhir")
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, c)
	}
	for _, b := range before {
		if err := model.Commit(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	add()
	for n := range b.Files {
		part := b
		part.Files = b.Files[:n+1]
		if err := model.Commit(t.Context(), part); err != nil {
			t.Fatal(err)
		}
		add()
	}
	return out
}

// A server dies at any request of a commit in groups: the tables are those after some of the files,
// and the next try ends with all of them.
func TestACommitInGroupsIsKilledAnywhere(t *testing.T) {
	t.Parallel()
	for _, engine := range enginesUnderTest() {
		if engine == tsql.Fabric && testing.Short() {
			continue // as the dedicated pool
		}
		t.Run(string(engine), func(t *testing.T) {
			t.Parallel()
			seen := map[int]bool{}
			for n := 1; ; n += strideOf(engine) {
				if n > 200 {
					t.Fatal("the commit has no end")
				}
				f := &faults{}
				w := &world{
					store: newStore(t, engine, f.of), faults: f,
					lake: pipelinetest.NewMemoryLake(now),
				}
				first := w.prepare(t, "plan-1", line("a", 8, "A")+goneLine("t", 9))
				// One resource is in all files, its versions out of order, and it was deleted.
				b := w.manyFiles(t, "plan-2",
					line("x", 7, "X7")+line("t", 8, "T")+line("b", 1, "B"),
					line("x", 9, "X9")+line("a", 7, "A0"),
					line("x", 8, "X8")+goneLine("b", 2)+line("a", 9, "A9"))
				states := w.statesOf(t, []pipeline.Batch{first}, b)
				c := w.openAt(t, w.lake, faultViews.Tables, now, aFileEach)
				if err := c.Commit(t.Context(), first); err != nil {
					t.Fatal(err)
				}
				w.set(n, true, sqlserver.Fault{CutAfter: n%2 == 0, CutBefore: n%2 != 0})
				err := c.Commit(t.Context(), b)
				hit := w.set(0, false, sqlserver.Fault{})
				where := fmt.Sprintf("dead from %d, %s", n, hit)
				if err != nil && fault.Of(err) != fault.Transient {
					t.Errorf("%s: %v", where, err)
				}
				entries, ledgerErr := c.Ledger(t.Context(), "fhir", "plan-2")
				if ledgerErr != nil {
					t.Fatal(ledgerErr)
				}
				seen[len(entries)] = true
				if d := cmp.Diff(states[len(entries)], w.Content(t, "fhir")); d != "" {
					t.Errorf("%s: tables after %d files (-model +got):\n%s", where, len(entries), d)
				}
				b.Attempt = "a2"
				if err := c.Commit(t.Context(), b); err != nil {
					t.Errorf("%s: again: %v", where, err)
				}
				if d := cmp.Diff(states[3], w.Content(t, "fhir")); d != "" {
					t.Errorf("%s: again: tables (-model +got):\n%s", where, d)
				}
				if entries, err = c.Ledger(t.Context(), "fhir", "plan-2"); err != nil ||
					len(entries) != 3 {
					t.Errorf("%s: ledger %+v, %v", where, entries, err)
				}
				for _, e := range entries {
					if e.Accounted() != e.Lines {
						t.Errorf("%s: %+v", where, e)
					}
				}
				w.settled(t, n, hit)
				w.janitor(t, n)
				if hit == "" {
					break
				}
			}
			if len(seen) != 4 && strideOf(engine) <= 3 {
				t.Errorf("states after %v files were seen, want 0 to 3", seen)
			}
		})
	}
}

// However files are divided, the tables are the same.
func TestGroupsDoNotDecideWhichVersionWins(t *testing.T) {
	t.Parallel()
	for _, engine := range enginesUnderTest() {
		t.Run(string(engine), func(t *testing.T) {
			t.Parallel()
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			r := rand.New(rand.NewPCG(seed, 0))
			w := &world{
				store: newStore(t, engine, nil), lake: pipelinetest.NewMemoryLake(now),
			}
			model := refwarehouse.NewWarehouse(w.lake, faultViews.Tables)
			for round := range 6 {
				var texts []string
				for range 1 + r.IntN(4) {
					var text strings.Builder
					for range 1 + r.IntN(5) {
						id, hour := string(rune('a'+r.IntN(4))), r.IntN(20)
						if r.IntN(4) == 0 {
							text.WriteString(goneLine(id, hour))
						} else {
							text.WriteString(line(id, hour, fmt.Sprint(id, hour)))
						}
					}
					texts = append(texts, text.String())
				}
				b := w.manyFiles(t, fmt.Sprint("plan-", round), texts...)
				b.ViewSet, b.Attempt = 1+r.IntN(2), fmt.Sprintf("f%d", round)
				most := 1 + r.Int64N(20)
				c := w.openAt(t, w.lake, faultViews.Tables, now,
					func(o *mssql.Options) { o.CommitRows = most })
				if err := c.Commit(t.Context(), b); err != nil {
					t.Fatal(err)
				}
				if err := model.Commit(t.Context(), b); err != nil {
					t.Fatal(err)
				}
				want, err := model.Content(t.Context(), "fhir")
				if err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(want, w.Content(t, "fhir")); d != "" {
					t.Fatalf("round %d, at most %d rows (-model +got):\n%s", round, most, d)
				}
				if left := w.stages(); len(left) > 0 {
					t.Errorf("left behind: %v", left)
				}
			}
		})
	}
}

func TestTheBoundOfATransactionIsInTheAddress(t *testing.T) {
	t.Parallel()
	for address, refused := range map[string]bool{
		"//u:p@127.0.0.1?database=x":                 false,
		"//u:p@127.0.0.1?database=x&commitRows=1000": false,
		"//u:p@127.0.0.1?database=x&commitRows=0":    true,
		"//u:p@127.0.0.1?database=x&CommitRows=5 GB": true,
	} {
		_, err := mssql.Engine(tsql.SQLServer).Open(address, warehouse.OpenOptions{
			Lake: pipelinetest.NewMemoryLake(now), Views: faultViews, Now: now,
		})
		if (err != nil) != refused || refused && (fault.Of(err) != fault.Permanent ||
			!strings.Contains(err.Error(), "commitRows is the greatest number")) {
			t.Errorf("%s: %v", address, err)
		}
	}
}

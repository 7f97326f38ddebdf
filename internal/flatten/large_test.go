package flatten_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/sof/native"
	"fhirsynapse/internal/testkit/flattentest"
)

// pairs is a view with a row for every pair of names.
func pairs(t *testing.T) flatten.Native {
	t.Helper()
	return compiled(t,
		`{"resource":"Patient","name":"pair","select":[{"forEach":"name","column":[{"name":"a","path":"family"}]},{"forEach":"name","column":[{"name":"b","path":"family"}]}]}`)
}

// named returns a Patient with this number of names.
func named(id string, names int) string {
	return `{"resourceType":"Patient","id":"` + id +
		`","meta":{"lastUpdated":"2024-01-01T00:00:00Z"},"name":[` + list(`{"family":"x"}`, names) +
		`]}`
}

// Large lines keep their place in the order, and a line beyond the limits leaves no rows.
func TestLargeLinesKeepTheirPlace(t *testing.T) {
	t.Parallel()
	names := []int{1, 2, 500, 3, 1500, 1, 400, 2}
	var lines []string
	for i, n := range names {
		lines = append(lines, named(fmt.Sprint("p", i), n))
	}
	lines = append(lines, "", "{", named("last", 1))
	for _, o := range []flatten.Options{{Evaluators: 1}, {Evaluators: 3, Block: 1 << 10}} {
		lake := newLake()
		o.Lake, o.Views = lake, pairs(t)
		f, err := flatten.NewFlattener(o)
		if err != nil {
			t.Fatal(err)
		}
		done, err := f.Flatten(t.Context(), patients("d"),
			strings.NewReader(strings.Join(lines, "\n")))
		if err != nil {
			t.Fatal(err)
		}
		// 1500 names make 2,250,000 rows
		if done.Lines != 11 || done.Blank != 1 || done.Quarantined != 2 || done.Heads != 8 {
			t.Errorf("%+v", done)
		}
		tables, err := o.Views.Tables(plan)
		if err != nil {
			t.Fatal(err)
		}
		rows := map[string]int{}
		var order []string
		for r, err := range flatten.Rows(t.Context(), lake, "d", tables[0]) {
			if err != nil {
				t.Fatal(err)
			}
			if rows[r.ID]++; rows[r.ID] == 1 {
				order = append(order, fmt.Sprint(r.Line, " ", r.ID))
			}
		}
		for i, n := range names {
			want := n * n
			if n == 1500 {
				want = 0
			}
			if got := rows[fmt.Sprint("p", i)]; got != want {
				t.Errorf("line %d has %d rows, want %d", i+1, got, want)
			}
		}
		if want := []string{
			"1 p0", "2 p1", "3 p2", "4 p3", "6 p5", "7 p6", "8 p7", "11 last",
		}; !slices.Equal(order, want) {
			t.Errorf("the order is %q, want %q", order, want)
		}
	}
}

// Flattening can be cancelled in the middle of a large line.
func TestALargeLineEndsWithItsContext(t *testing.T) {
	t.Parallel()
	f, err := flatten.NewFlattener(flatten.Options{
		Lake: newLake(),
		Views: compiled(t,
			`{"resource":"Patient","name":"v","select":[{"column":[{"name":"a","path":"name.where(%resource.name.where(family = 'y').exists()).count()"}]}]}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err = f.Flatten(ctx, patients("d"), strings.NewReader(named("a", 100_000)))
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
}

// panicking has an engine that panics at one line.
type panicking struct {
	flattentest.Views
	with any
}

// alone is a value for a line that is too large for the little room.
type alone struct{}

type panickingEvaluator struct {
	flatten.Evaluator
	with any
	room flatten.Room
}

func (b panicking) Engine(plan, resource string) (func(flatten.Room) flatten.Evaluator, error) {
	engine, err := b.Views.Engine(plan, resource)
	return func(r flatten.Room) flatten.Evaluator {
		return panickingEvaluator{engine(r), b.with, r}
	}, err
}

func (b panickingEvaluator) Eval(
	ctx context.Context, line []byte, emit func(view int, row [][]byte) error,
) (flatten.Resource, error) {
	if strings.Contains(string(line), `"id":"secret"`) {
		if b.with == nil {
			_ = strings.Fields(" ")[len(line)]
		}
		if b.with == (alone{}) && b.room == flatten.LittleRoom {
			return flatten.Resource{}, &fault.Error{
				Class: fault.BadData, Err: &native.LineError{Limit: true},
			}
		}
		panic(b.with)
	}
	return b.Evaluator.Eval(ctx, line, emit)
}

func TestAPanicMakesTheLineBad(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		with any
		says string
	}{
		"an error of the runtime": {nil, "index out of range"},
		"a value of the line":     {"the id is secret", "a value of type string"},
		"an error with a value": {
			errors.New("the id is secret"),
			"a value of type *errors.errorString",
		},
		"a line that is evaluated alone": {alone{}, "a value of type flatten_test.alone"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const lastUpdated = `,"meta":{"lastUpdated":"2024-01-01T00:00:00Z"}`
			lines := strings.Repeat(
				`{"resourceType":"Patient","id":"a"`+lastUpdated+"}\n", 30) +
				`{"resourceType":"Patient","id":"secret"` + lastUpdated + "}\n" +
				strings.Repeat(`{"resourceType":"Patient","id":"b"`+lastUpdated+"}\n",
					500)
			lake := newLake()
			f, err := flatten.NewFlattener(flatten.Options{
				Lake: lake, Views: panicking{views, c.with}, Block: 256,
			})
			if err != nil {
				t.Fatal(err)
			}
			done, err := f.Flatten(t.Context(), patients("d"), strings.NewReader(lines))
			if err != nil || done.Quarantined != 1 || done.Heads != 530 {
				t.Fatalf("%+v, %v", done, err)
			}
			var bad struct {
				Line   int64
				Reason string
			}
			if err := json.Unmarshal(read(t, lake, pipeline.Quarantine, "d.ndjson"),
				&bad); err != nil {
				t.Fatal(err)
			}
			for _, part := range []string{
				"the program panicked: ", c.says, "flatten/large_test.go:", "report this as a bug",
			} {
				if !strings.Contains(bad.Reason, part) {
					t.Errorf("%q does not say %q", bad.Reason, part)
				}
			}
			if bad.Line != 31 || strings.Contains(bad.Reason, "secret") {
				t.Errorf("line %d: %s", bad.Line, bad.Reason)
			}
		})
	}
}

func TestAPanicOfTheStoreFailsTheFile(t *testing.T) {
	t.Parallel()
	f, err := flatten.NewFlattener(flatten.Options{Lake: panicLake{}, Views: views})
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Flatten(t.Context(), patients("d"),
		strings.NewReader(
			`{"resourceType":"Patient","id":"a","meta":{"lastUpdated":"2024-01-01T00:00:00Z"}}`))
	if err == nil || fault.Of(err) != fault.Permanent ||
		!strings.Contains(err.Error(), "store the file") {
		t.Errorf("got %v", err)
	}
}

// panicLake panics at every call.
type panicLake struct{ pipeline.Lake }

package native

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/schema"
)

// generator makes sparse resources and views over them.
type generator struct{ *rand.Rand }

func pickOne[T any](g generator, list ...T) T { return list[g.IntN(len(list))] }

// interesting are the elements that resources and views use; few enough that
// they meet.
var interesting = map[string][]string{
	"Patient":                           {"id", "active", "name", "birthDate", "deceased", "multipleBirth", "gender", "contact", "generalPractitioner", "maritalStatus", "extension"},
	"HumanName":                         {"use", "family", "given", "period"},
	"Patient.contact":                   {"name", "gender", "relationship"},
	"Reference":                         {"reference"},
	"CodeableConcept":                   {"coding", "text"},
	"Coding":                            {"code", "system", "userSelected"},
	"Extension":                         {"url", "value"},
	"Period":                            {"start", "end"},
	"QuestionnaireResponse":             {"id", "item", "status"},
	"QuestionnaireResponse.item":        {"linkId", "text", "item", "answer"},
	"QuestionnaireResponse.item.answer": {"value", "item"},
}

func (g generator) primitive(s schema.System) any {
	switch s {
	case schema.Boolean:
		return g.IntN(2) == 0
	case schema.Integer:
		return json.Number(pickOne(g, "0", "1", "2", "10"))
	case schema.Decimal:
		return json.Number(pickOne(g, "0.1", "0.20", "1.0", "1", "-2.5"))
	case schema.Date, schema.DateTime:
		return pickOne(g, "2020", "2020-01", "2020-02", "2020-01-31", "2019-12-31", "2021")
	case schema.Time:
		return "10:00:00"
	case schema.None, schema.String:
	}
	return pickOne(g, "", "a", "b", "A", "é\"\\\n", "official", "Patient/1", "https://h/Patient/2/_history/1", "#x", "urn:uuid:1", "Practitioner?x=y")
}

// value is something for an element of type t: now and then of a wrong shape.
func (g generator) value(t *schema.Type, depth int) any {
	if g.IntN(40) == 0 {
		return pickOne[any](g, "odd", json.Number("7"), true, map[string]any{"x": "y"}, []any{"deep"})
	}
	if t.System != schema.None {
		return g.primitive(t.System)
	}
	out := map[string]any{}
	if depth <= 0 {
		return out
	}
	names := interesting[t.Path]
	for _, name := range names {
		e, ok := t.Element(name)
		if !ok || g.IntN(3) == 0 {
			continue
		}
		// a choice has one type, but for data that is wrong
		for range 1 + g.IntN(10)/9 {
			typ := pickOne(g, e.Types...)
			if typ.System == schema.None && interesting[typ.Path] == nil {
				continue
			}
			out[e.Property(typ)] = g.repeated(e.Many, typ, depth-1)
		}
	}
	return out
}

func (g generator) repeated(many bool, t *schema.Type, depth int) any {
	if g.IntN(12) == 0 {
		return nil
	}
	// the shape does not always follow the cardinality
	if many == (g.IntN(20) != 0) {
		list := []any{}
		for range g.IntN(4) {
			if g.IntN(8) == 0 {
				list = append(list, nil)
				continue
			}
			list = append(list, g.value(t, depth))
		}
		return list
	}
	return g.value(t, depth)
}

func (g generator) resource(t *schema.Type) []byte {
	r, ok := g.value(t, 5).(map[string]any)
	if !ok {
		r = map[string]any{}
	}
	r["resourceType"], r["id"] = t.Name, "1"
	b, err := json.Marshal(r)
	if err != nil {
		panic(err)
	}
	return b
}

// path makes an expression over t, and its element types where it ends.
func (g generator) path(t *schema.Type, steps int) (string, *schema.Type, bool) {
	text, many := "$this", false
	for i := range steps {
		names := interesting[t.Path]
		if len(names) == 0 {
			break
		}
		e, ok := t.Element(pickOne(g, names...))
		if !ok {
			break
		}
		typ := pickOne(g, e.Types...)
		step := e.Name
		if e.Choice {
			step += pickOne(g, "", "", "", ".first()", ".distinct()") + ".ofType(" + typ.Name + ")"
		}
		if i == 0 {
			text = step
		} else {
			text += "." + step
		}
		if e.Name == "extension" && g.IntN(2) == 0 {
			text += "('a')"
		}
		many = many || e.Many
		t = typ
		switch g.IntN(9) {
		case 0:
			text += ".first()"
		case 1:
			text += fmt.Sprintf("[%d]", g.IntN(3))
		case 2:
			text += ".where(" + g.condition(t, 1) + ")"
		case 3:
			text += "." + pickOne(g, "last()", "tail()", "distinct()")
		}
	}
	return text, t, many
}

// condition makes a boolean expression over t.
func (g generator) condition(t *schema.Type, depth int) string {
	if depth > 0 && g.IntN(3) == 0 {
		return "(" + g.condition(t, depth-1) + pickOne(g, " and ", " or ") + g.condition(t, depth-1) + ")"
	}
	p, end, _ := g.path(t, 1+g.IntN(2))
	switch end.System {
	case schema.Boolean:
		return pickOne(g, p, p+".not()", p+" = true", p+".exists()")
	case schema.String:
		return p + pickOne(g, " = 'a'", " != 'a'", " = 'official'", " > 'A'", ".empty()", ".exists($this = 'b')", ".all($this < 'b')", ".count() > 1", ".length() > 2")
	case schema.Integer, schema.Decimal:
		return p + pickOne(g, " = 1", " > 0.5", " <= 1.0", " + 0.1 = 0.3", ".exists()")
	case schema.Date, schema.DateTime:
		return p + pickOne(g, " = @2020-01-31", " > @2020", " <= @2020-01", ".exists()")
	case schema.None, schema.Time:
	}
	return p + pickOne(g, ".exists()", ".empty()", ".count() = 1")
}

// expression makes what a column may hold.
func (g generator) expression(t *schema.Type) string {
	p, end, _ := g.path(t, 1+g.IntN(3))
	switch g.IntN(8) {
	case 0:
		return g.condition(t, 2)
	case 1:
		return "%rowIndex"
	case 2:
		return p + ".count()"
	case 3:
		if end.System == schema.String {
			return p + pickOne(g, ".join('-')", ".first().upper()", " | 'x'", ".combine('x')")
		}
	case 4:
		if end.Name == "Reference" {
			return p + pickOne(g, ".getReferenceKey()", ".getReferenceKey(Patient)")
		}
	case 5:
		return "iif(" + g.condition(t, 1) + ", " + p + ", " + p + ".first())"
	case 6:
		return p + ".select($index)"
	}
	return p
}

func (g generator) selection(t *schema.Type, depth int, n *int) map[string]any {
	out := map[string]any{}
	inner := t
	switch g.IntN(4) {
	case 0, 1:
		p, end, _ := g.path(t, 1+g.IntN(2))
		inner = end
		out[pickOne(g, "forEach", "forEachOrNull")] = p
	case 2:
		if t.Path == "QuestionnaireResponse" || t.Path == "QuestionnaireResponse.item" {
			item, _ := schema.R4().Type("QuestionnaireResponse.item")
			inner = item
			out["repeat"] = []any{"item"}
		}
	}
	var columns []any
	for range 1 + g.IntN(2) {
		*n++
		columns = append(columns, map[string]any{"name": fmt.Sprintf("c%d", *n), "path": g.expression(inner), "collection": g.IntN(3) > 0})
	}
	out["column"] = columns
	if depth > 0 && g.IntN(2) == 0 {
		var nested []any
		for range 1 + g.IntN(2) {
			nested = append(nested, g.selection(inner, depth-1, n))
		}
		out["select"] = nested
	}
	if depth > 0 && g.IntN(3) == 0 {
		// branches with the same columns
		from := *n
		var branches []any
		for range 2 {
			*n = from
			*n++
			p, _, _ := g.path(inner, 1)
			branches = append(branches, map[string]any{
				"forEachOrNull": p,
				"column":        []any{map[string]any{"name": fmt.Sprintf("c%d", *n), "path": pickOne(g, "$this", "%rowIndex", "'x'"), "type": "string", "collection": true}},
			})
		}
		out["unionAll"] = branches
	}
	return out
}

func (g generator) view(t *schema.Type) []byte {
	n := 0
	d := map[string]any{"resource": t.Name, "select": []any{g.selection(t, 2, &n)}}
	if g.IntN(3) == 0 {
		d["select"] = append(d["select"].([]any), g.selection(t, 1, &n))
	}
	if g.IntN(3) == 0 {
		d["where"] = []any{map[string]any{"path": g.condition(t, 1)}}
	}
	b, err := json.Marshal(d)
	if err != nil {
		panic(err)
	}
	return b
}

// checkAgainstOracle runs one generated view over generated resources.
func checkAgainstOracle(t *testing.T, seed uint64) (rows int, faulty bool) {
	t.Helper()
	g := generator{rand.New(rand.NewPCG(seed, 1))}
	typ, _ := schema.R4().Type(pickOne(g, "Patient", "QuestionnaireResponse"))
	src := g.view(typ)
	v, err := sof.Compile("v.json", src)
	if err != nil {
		if strings.Contains(err.Error(), "can never be equal") || strings.Contains(err.Error(), "no value here") {
			return 0, false
		}
		t.Fatalf("seed %d: %s\n%v", seed, src, err)
	}
	e, err := New([]*sof.View{v})
	if err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	eval := e.Evaluator()
	for range 8 {
		line := g.resource(typ)
		var got [][]string
		_, err := eval.Eval(line, func(_ int, row [][]byte) error {
			var r []string
			for _, c := range row {
				if c == nil {
					r = append(r, "NULL")
					continue
				}
				r = append(r, string(c))
			}
			got = append(got, r)
			return nil
		})
		want, oerr := (&oracle{}).view(v, line)
		if (err != nil) != (oerr != nil) {
			t.Fatalf("seed %d: the engine says %v, the oracle %v\n%s\n%s", seed, err, oerr, src, line)
		}
		faulty = faulty || err != nil
		if slices.EqualFunc(want, got, slices.Equal) {
			rows += len(got)
			continue
		}
		if d := cmp.Diff(normalRows(want), normalRows(got)); d != "" {
			t.Fatalf("seed %d: %s\n%s\n%s", seed, d, src, line)
		}
		rows += len(got)
	}
	return rows, faulty
}

// normalRows writes JSON cells with their members in one order.
func normalRows(rows [][]string) [][]string {
	var out [][]string
	for _, r := range rows {
		var cells []string
		for _, c := range r {
			if strings.HasPrefix(c, "{") || strings.HasPrefix(c, "[") {
				dec := json.NewDecoder(strings.NewReader(c))
				dec.UseNumber()
				var v any
				if dec.Decode(&v) == nil {
					c = text(v)
				}
			}
			cells = append(cells, c)
		}
		out = append(out, cells)
	}
	return out
}

func TestEngineAgreesWithThePlainEvaluator(t *testing.T) {
	t.Parallel()
	first := rand.Uint64()
	t.Logf("seeds from %d", first)
	rows, faulty := 0, 0
	const views = 500
	for i := range uint64(views) {
		n, f := checkAgainstOracle(t, first+i)
		rows += n
		if f {
			faulty++
		}
	}
	t.Logf("%d rows, %d of %d views met faulty data", rows, faulty, views)
	if rows < 1000 {
		t.Errorf("only %d rows: the generator makes nothing to compare", rows)
	}
}

func FuzzEngineAgreesWithThePlainEvaluator(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) { checkAgainstOracle(t, seed) })
}

// Any expression that compiles runs on any line without a panic.
func FuzzAnyPathOnAnyLine(f *testing.F) {
	for _, c := range patientPaths {
		f.Add(c.path, []byte(patient))
	}
	f.Add("name.where($this = %resource.name).given.first().length() div 0", []byte(`{"resourceType":"Patient","name":{"given":"x"}}`))
	f.Fuzz(func(t *testing.T, path string, line []byte) {
		src, err := json.Marshal(map[string]any{
			"resource": "Patient",
			"select": []any{
				map[string]any{"column": []any{map[string]any{"name": "v", "path": path, "collection": true}}},
				map[string]any{"forEachOrNull": path, "column": []any{map[string]any{"name": "w", "path": "$this"}}},
			},
		})
		if err != nil {
			t.Skip("the path is not UTF-8")
		}
		v, err := sof.Compile("v.json", src)
		if err != nil {
			return
		}
		e, err := New([]*sof.View{v}, IDOptional())
		if err != nil {
			t.Fatalf("%s compiles, but does not run: %v", path, err)
		}
		_, err = e.Evaluator().Eval(line, func(_ int, row [][]byte) error {
			if !json.Valid(row[0]) {
				t.Errorf("%s gives %s", path, row[0])
			}
			return nil
		})
		if err != nil && fault.Of(err) != fault.BadData {
			t.Errorf("%s: %v", path, err)
		}
	})
}

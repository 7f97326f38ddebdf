package native

import (
	"encoding/json"
	"slices"
	"strings"

	"fhirsynapse/internal/sof"
)

func (o *oracle) call(e *sof.Call, this *thing) []thing {
	if e.Func == sof.FuncIif {
		in, ok := o.one(e.In, this)
		if !ok {
			panic("the generator makes no iif on nothing")
		}
		switch {
		case o.truth(e.Args[0], &in) == "t":
			return o.eval(e.Args[1], &in)
		case len(e.Args) > 2:
			return o.eval(e.Args[2], &in)
		}
		return nil
	}
	in := o.eval(e.In, this)
	switch e.Func {
	case sof.FuncExists:
		return boolThing(len(in) > 0)
	case sof.FuncEmpty:
		return boolThing(len(in) == 0)
	case sof.FuncCount:
		return []thing{{num(int64(len(in))), integerType}}
	case sof.FuncFirst:
		return in[:min(1, len(in))]
	case sof.FuncLast:
		return in[max(0, len(in)-1):]
	case sof.FuncTail:
		return in[min(1, len(in)):]
	case sof.FuncDistinct:
		return unique(in)
	case sof.FuncCombine:
		return append(slices.Clone(in), o.eval(e.Args[0], this)...)
	case sof.FuncItem:
		it, ok := o.one(e.Args[0], this)
		if !ok {
			return nil
		}
		n, ok := it.v.(json.Number)
		if !ok {
			fail()
		}
		i, err := n.Int64()
		if err != nil {
			fail()
		}
		if i < 0 || i >= int64(len(in)) {
			return nil
		}
		return in[i : i+1]
	case sof.FuncJoin:
		if len(in) == 0 {
			return nil
		}
		var parts []string
		separator, _ := o.one(e.Args[0], this)
		for _, it := range in {
			s, ok := it.v.(string)
			if !ok {
				fail()
			}
			parts = append(parts, s)
		}
		return []thing{{strings.Join(parts, separator.v.(string)), stringType}}
	case sof.FuncHasValue:
		return boolThing(len(in) == 1 && isPrimitive(in[0].v))
	default:
	}
	if len(in) > 1 {
		fail()
	}
	if len(in) == 0 {
		return nil
	}
	switch e.Func {
	case sof.FuncIsString:
		return boolThing(isPrimitive(in[0].v))
	case sof.FuncIsBoolean:
		return boolThing(isPrimitive(in[0].v) && slices.Contains(
			[]string{"true", "t", "yes", "y", "1", "1.0", "false", "f", "no", "n", "0", "0.0"},
			strings.ToLower(text(in[0].v))))
	default:
	}
	switch v := in[0].v.(type) {
	case bool:
		if e.Func == sof.FuncNot {
			return boolThing(!v)
		}
	case string:
		switch e.Func {
		case sof.FuncUpper:
			return []thing{{strings.ToUpper(v), stringType}}
		case sof.FuncLength:
			return []thing{{num(int64(len([]rune(v)))), integerType}}
		default:
		}
	}
	fail()
	return nil
}

func unique(in []thing) []thing {
	var out []thing
	for _, it := range in {
		if !slices.ContainsFunc(out, func(have thing) bool {
			return equalThings(have, it) == "t"
		}) {
			out = append(out, it)
		}
	}
	return out
}

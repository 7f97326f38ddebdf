package eval

import (
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"fhirsynapse/internal/emulator/sqlserver/syntax"
)

// function is a scalar function: result types from the types of its arguments, and values. Unless
// nulls is set, the result is NULL if an argument is NULL.
type function struct {
	least, most int
	typ         func([]syntax.Type) (syntax.Type, error)
	eval        func([]syntax.Type, []value) (value, error)
	nulls       bool
}

func sameText(t []syntax.Type) (syntax.Type, error) {
	if !t[0].Text() {
		return t[0], refuse("a text function of %s", t[0])
	}
	return t[0], nil
}

func toInt(t []syntax.Type) (syntax.Type, error) {
	if _, err := sameText(t); err != nil {
		return t[0], err
	}
	return intType(), nil
}

func sameNumber(t []syntax.Type) (syntax.Type, error) {
	if !number(t[0]) {
		return t[0], refuse("a function of numbers of %s", t[0])
	}
	return t[0], nil
}

var functions = map[string]function{
	"LEN": {1, 1, toInt, func(_ []syntax.Type, v []value) (value, error) {
		return intValue(int64(len(units(strings.TrimRight(v[0].s, " "))))), nil
	}, false},
	"JSON_QUERY": {2, 2, func(t []syntax.Type) (syntax.Type, error) {
		if !t[0].Text() || !t[1].Text() {
			return t[0], refuse("JSON_QUERY of %s", t[0])
		}
		return maxText, nil
	}, func(_ []syntax.Type, v []value) (value, error) {
		j, err := readJSON([]byte(v[0].s))
		if err != nil || j.kind != jsonArray && j.kind != jsonObject {
			return null, errJSON
		}
		path, err := syntax.JSONPath(v[1].s)
		if err != nil {
			return null, err
		}
		found, ok, err := j.follow(
			path, func(s string) (jsonValue, error) { return readJSON([]byte(s)) },
		)
		if err != nil || !ok || found.kind != jsonArray && found.kind != jsonObject {
			return null, err
		}
		return textValue(found.raw), nil
	}, false},
	"ISJSON": {1, 1, toInt, func(_ []syntax.Type, v []value) (value, error) {
		j, err := readJSON([]byte(v[0].s))
		if err == nil && (j.kind == jsonArray || j.kind == jsonObject) {
			return intValue(1), nil
		}
		return intValue(0), nil
	}, false},
	"ASCII": {1, 1, toInt, func(_ []syntax.Type, v []value) (value, error) {
		if v[0].s == "" {
			return null, nil
		}
		if u := units(v[0].s)[0]; u < 127 {
			return intValue(int64(u)), nil
		}
		return intValue('?'), nil
	}, false},
	"LEFT": {2, 2, sameText, func(_ []syntax.Type, v []value) (value, error) {
		u, n, err := partOf(v)
		return textValue(fromUnits(u[:n])), err
	}, false},
	"RIGHT": {2, 2, sameText, func(_ []syntax.Type, v []value) (value, error) {
		u, n, err := partOf(v)
		return textValue(fromUnits(u[len(u)-n:])), err
	}, false},
	"SUBSTRING": {3, 3, sameText, func(_ []syntax.Type, v []value) (value, error) {
		u := units(v[0].s)
		start, n := int(v[1].n.Int64())-1, int(v[2].n.Int64())
		if n < 0 {
			return null, fail(537, "invalid length parameter passed to SUBSTRING")
		}
		stop := min(max(0, start+n), len(u))
		start = min(max(0, start), len(u))
		return textValue(fromUnits(u[start:max(start, stop)])), nil
	}, false},
	"REVERSE": {1, 1, sameText, func(_ []syntax.Type, v []value) (value, error) {
		u := units(v[0].s)
		slices.Reverse(u)
		return textValue(fromUnits(u)), nil
	}, false},
	"UPPER": {1, 1, sameText, func(_ []syntax.Type, v []value) (value, error) {
		return textValue(strings.ToUpper(v[0].s)), nil
	}, false},
	"LOWER": {1, 1, sameText, func(_ []syntax.Type, v []value) (value, error) {
		return textValue(strings.ToLower(v[0].s)), nil
	}, false},
	"REPLICATE": {2, 2, func(t []syntax.Type) (syntax.Type, error) {
		out, err := sameText(t)
		if !out.Max {
			out.Size = 4000
		}
		return out, err
	}, func(_ []syntax.Type, v []value) (value, error) {
		n := v[1].n.Int64()
		if n < 0 {
			return null, nil
		}
		return textValue(strings.Repeat(v[0].s, int(n))), nil
	}, false},
	"NCHAR": {1, 1, func([]syntax.Type) (syntax.Type, error) {
		return textType(1), nil
	}, charOf, false},
	"CHAR": {1, 1, func([]syntax.Type) (syntax.Type, error) {
		return syntax.Type{Base: "varchar", Size: 1}, nil
	}, charOf, false},
	"REPLACE":   {3, 3, replaceType, replace, false},
	"CHARINDEX": {2, 2, charIndexType, charIndex, false},
	"CONCAT": {2, 20, func(t []syntax.Type) (syntax.Type, error) {
		out := syntax.Type{Base: "nvarchar", Size: 4000}
		for _, u := range t {
			out.Max = out.Max || u.Max
		}
		return out, nil
	}, func(t []syntax.Type, v []value) (value, error) {
		var b strings.Builder
		for i := range v {
			s, err := convert(v[i], t[i], maxText)
			if err != nil {
				return null, err
			}
			b.WriteString(s.s)
		}
		return textValue(b.String()), nil
	}, true},
	"ABS": {1, 1, sameNumber, func(_ []syntax.Type, v []value) (value, error) {
		return value{n: new(big.Int).Abs(v[0].n)}, nil
	}, false},
	"CEILING": {1, 1, wholeNumber, func(t []syntax.Type, v []value) (value, error) {
		return cutFraction(t[0], v[0], 1), nil
	}, false},
	"FLOOR": {1, 1, wholeNumber, func(t []syntax.Type, v []value) (value, error) {
		return cutFraction(t[0], v[0], -1), nil
	}, false},
	"ROUND": {2, 2, sameNumber, func(t []syntax.Type, v []value) (value, error) {
		digits := int(v[1].n.Int64())
		if digits >= t[0].Scale {
			return v[0], nil
		}
		return value{n: rescale(rescale(v[0].n, t[0].Scale, digits), digits, t[0].Scale)}, nil
	}, false},
	"SWITCHOFFSET": {2, 2, func(t []syntax.Type) (syntax.Type, error) {
		if t[0].Base != "datetimeoffset" {
			return t[0], refuse("SWITCHOFFSET of %s", t[0])
		}
		return t[0], nil
	}, func(_ []syntax.Type, v []value) (value, error) {
		if v[1].s != "+00:00" {
			return null, refuse("SWITCHOFFSET to another offset is not known here")
		}
		return value{t: v[0].t.UTC()}, nil
	}, false},
	"DATEADD": {3, 3, func(t []syntax.Type) (syntax.Type, error) {
		if t[2].Base != "datetime2" {
			return t[2], refuse("DATEADD of %s", t[2])
		}
		return t[2], nil
	}, func(_ []syntax.Type, v []value) (value, error) {
		unit, ok := map[string]time.Duration{
			"minute": time.Minute, "second": time.Second,
		}[strings.ToLower(v[0].s)]
		if !ok {
			return null, refuse("DATEADD of %s is not known here", v[0].s)
		}
		t := v[2].t.Add(time.Duration(v[1].n.Int64()) * unit)
		if t.Year() < 1 || t.Year() > 9999 {
			return null, fail(517, "adding a value to a 'datetime2' column caused an overflow")
		}
		return value{t: t}, nil
	}, false},
}

func partOf(v []value) ([]uint16, int, error) {
	u := units(v[0].s)
	n := v[1].n.Int64()
	if n < 0 {
		return u, 0, fail(536, "invalid length parameter passed to LEFT or RIGHT")
	}
	return u, int(min(n, int64(len(u)))), nil
}

func charOf(_ []syntax.Type, v []value) (value, error) {
	code := v[0].n.Int64()
	if code < 1 || code > 126 {
		return null, refuse("the character %d is not known here", code)
	}
	return textValue(string([]byte{byte(code)})), nil
}

func wholeNumber(t []syntax.Type) (syntax.Type, error) {
	out, err := sameNumber(t)
	out.Scale = 0
	return out, err
}

func cutFraction(t syntax.Type, v value, side int) value {
	q, r := new(big.Int).QuoRem(v.n, pow10(t.Scale), new(big.Int))
	if r.Sign() == side {
		q.Add(q, big.NewInt(int64(side)))
	}
	return value{n: q}
}

func replaceType(t []syntax.Type) (syntax.Type, error) {
	out, err := sameText(t)
	if err != nil || !t[1].Text() || !t[2].Text() {
		return out, errors.Join(err, refuse("REPLACE of other things than texts"))
	}
	if !out.Max {
		out.Size = map[string]int{"nvarchar": 4000, "varchar": 8000}[out.Base]
	}
	return out, nil
}

func replace(t []syntax.Type, v []value) (value, error) {
	// the replaced text has no case, or the collation distinguishes case
	if t[0].Collation == "" && strings.ToLower(v[1].s) != strings.ToUpper(v[1].s) {
		return null, refuse("REPLACE of letters in the default collation disregards case")
	}
	if v[1].s == "" {
		return v[0], nil
	}
	return textValue(strings.ReplaceAll(v[0].s, v[1].s, v[2].s)), nil
}

func charIndexType(t []syntax.Type) (syntax.Type, error) {
	if !t[0].Text() || !t[1].Text() {
		return t[0], refuse("CHARINDEX of other things than texts")
	}
	_, err := collationOf(t[0], t[1])
	return intType(), err
}

func charIndex(t []syntax.Type, v []value) (value, error) {
	k, err := collationOf(t[0], t[1])
	if err != nil || v[0].s == "" {
		return intValue(0), err
	}
	what, in := v[0].s, v[1].s
	if k.Collation == "" {
		what, in = strings.ToLower(what), strings.ToLower(in)
	}
	i := strings.Index(in, what)
	if i < 0 {
		return intValue(0), nil
	}
	return intValue(int64(len(units(in[:i])) + 1)), nil
}

func (c *compiler) call(e syntax.Call, s *scope) (syntax.Type, eval, error) {
	if e.Over && e.Within == nil && !e.Star && e.Args == nil {
		return c.rowNumber(e, s)
	}
	if e.Over || e.Within != nil || e.Star {
		return syntax.Type{}, nil, refuse("%s is not allowed here", e.Name)
	}
	var types []syntax.Type
	var args []eval
	for _, a := range e.Args {
		t, x, err := c.expr(a, s)
		if err != nil {
			return t, nil, err
		}
		types, args = append(types, t), append(args, x)
	}
	switch e.Name {
	case "COALESCE", "ISNULL":
		if len(args) < 2 || e.Name == "ISNULL" && len(args) != 2 {
			return syntax.Type{}, nil, refuse("%s with %d arguments", e.Name, len(args))
		}
		t, err := unifyAll(types)
		if err != nil {
			return t, nil, err
		}
		if e.Name == "ISNULL" {
			t = types[0]
		}
		return t, func(f *frame) (value, error) {
			for i, x := range args {
				v, err := converted(x, types[i], t, f)
				if err != nil || !v.null {
					return v, err
				}
			}
			return null, nil
		}, nil
	case "NULLIF":
		if len(args) != 2 {
			return syntax.Type{}, nil, refuse("NULLIF with %d arguments", len(args))
		}
		same, err := c.comparison(syntax.Compare{Op: "=", L: e.Args[0], R: e.Args[1]}, s)
		if err != nil {
			return types[0], nil, err
		}
		return types[0], func(f *frame) (value, error) {
			is, err := same(f)
			if err != nil || is > 0 {
				return null, err
			}
			return args[0](f)
		}, nil
	}
	if own, ok := c.Functions[e.Name]; ok && len(args) == own.Arguments {
		return own.Type, func(f *frame) (value, error) {
			texts := make([]string, len(args))
			for i, x := range args {
				v, err := x(f)
				if err != nil || v.null {
					return null, err
				}
				texts[i] = v.s
				if number(types[i]) {
					texts[i] = v.n.String()
				}
			}
			return valueOf(own.Eval(texts), own.Type)
		}, nil
	}
	fn, ok := functions[e.Name]
	if !ok || len(args) < fn.least || len(args) > fn.most {
		return syntax.Type{}, nil, fail(
			195, "the function %s with %d arguments is not known here", e.Name, len(args),
		)
	}
	t, err := fn.typ(types)
	if err != nil {
		return t, nil, fmt.Errorf("%s: %w", e.Name, err)
	}
	return t, func(f *frame) (value, error) {
		values := make([]value, len(args))
		for i, x := range args {
			v, err := x(f)
			if err != nil || v.null && !fn.nulls {
				return null, err
			}
			values[i] = v
		}
		return fn.eval(types, values)
	}, nil
}
